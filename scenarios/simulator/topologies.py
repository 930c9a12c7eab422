"""Estates of different shapes, drawn from a seed: sizes, calls, patience and traffic.

``validation`` is kept for judging: nothing is ever tuned on it. Each shape says who calls whom;
how many replicas there are and how busy they are is drawn, and capacity follows from the load that
the calls bring to each component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import structs

from ...core.topology import Component, Kind
from ...errors import ConfigError
from .estate import USERS, Edge, Estate, Service, Traffic

Shape = tuple[tuple[Service, ...], tuple[Edge, ...]]
_STREAM = 4

# Processors of well-run services are about half busy: room for a lost replica, money not wasted.
_BUSY = (0.4, 0.62)
_SINGLE_BUSY = (0.3, 0.5)


def draw_estate(shape: str, seed: int) -> Estate:
    """An estate of a shape; the same seed, the same estate.

    Args:
        shape: one of `SHAPES`.
        seed: of everything that is drawn.

    Raises:
        ConfigError: there is no such shape.
    """
    if shape not in SHAPES:
        raise ConfigError(f"no topology {shape!r}; there are: {', '.join(SHAPES)}")
    rng = np.random.default_rng((seed, _STREAM, list(SHAPES).index(shape)))
    services, edges = SHAPES[shape](rng)
    traffic = Traffic(
        rate=float(rng.uniform(80.0, 400.0)),
        day_swing=float(rng.uniform(0.1, 0.35)),
        day_phase=float(rng.random()),
        noise=float(rng.uniform(0.02, 0.06)),
    )
    edges = tuple(_patient(edge, rng) for edge in edges)
    sized = _size(services, edges, traffic, rng)
    return Estate(name=shape, services=sized, edges=edges, traffic=traffic)


def estate_like(components: Sequence[Component], seed: int) -> Estate:
    """An estate of the shape that components of a configuration have.

    Everybody calls what it depends on, and users call what nobody else does. What a configuration
    does not say, sizes and traffic, is drawn as for the other shapes.

    Args:
        components: at least one.
        seed: of everything that is drawn.

    Raises:
        ConfigError: they depend on each other in a circle.
    """
    rng = np.random.default_rng((seed, _STREAM))
    known = {each.name for each in components}
    called = {name for each in components for name in each.depends_on}
    services = tuple(_a(each.name, each.kind, rng) for each in components)
    doors = [each.name for each in components if each.name not in called]
    edges = [Edge(caller=USERS, callee=name) for name in doors]
    edges += [
        Edge(caller=each.name, callee=name)
        for each in components
        for name in each.depends_on
        if name in known
    ]
    patient = tuple(_patient(edge, rng) for edge in edges)
    traffic = Traffic(rate=float(rng.uniform(80.0, 400.0)))
    sized = _size(services, patient, traffic, rng)
    return Estate(name="own", services=sized, edges=patient, traffic=traffic)


def visits(services: Sequence[Service], edges: Sequence[Edge]) -> dict[str, float]:
    """Requests that one request of a user brings to each component, when all is well.

    Raises:
        ConfigError: components call each other in a circle.
    """
    counts = dict.fromkeys((service.name for service in services), 0.0)
    waiting = {USERS: 1.0} | counts
    for _ in range(len(services) + 1):
        arriving = dict.fromkeys(counts, 0.0)
        for edge in edges:
            if edge.need != "fallback":
                arriving[edge.callee] += (
                    waiting[edge.caller] * edge.calls * (1.0 - edge.spared_share)
                )
        for name, more in arriving.items():
            counts[name] += more
        waiting = {USERS: 0.0} | arriving
        if not any(arriving.values()):
            return counts
    raise ConfigError("components call each other in a circle; the load on them has no end")


def _size(
    services: tuple[Service, ...],
    edges: tuple[Edge, ...],
    traffic: Traffic,
    rng: np.random.Generator,
) -> tuple[Service, ...]:
    counts = visits(services, edges)
    stand_in = {edge.callee: edge.instead_of for edge in edges if edge.need == "fallback"}
    replicas = {service.name: service.replicas for service in services} | {USERS: 0}
    sized = []
    for service in services:
        load = traffic.rate * (1.0 + traffic.day_swing)
        # What stands in for another has to be able to.
        load *= counts[service.name] or counts[stand_in[service.name]]
        busy = float(rng.uniform(*(_BUSY if service.replicas > 1 else _SINGLE_BUSY)))
        capacity = max(load / service.replicas / busy, 5.0)
        queue = capacity * float(rng.uniform(2.5, 6.0))
        if service.kind == "queue":
            queue = capacity * 300.0  # A broker keeps minutes of work.
        held = sum(
            each.pool * replicas[each.caller] for each in edges if each.callee == service.name
        )
        sized.append(
            structs.replace(
                service,
                capacity_rate=capacity,
                queue_items_max=queue,
                # Room for one more replica of most callers, not for twice as many of all.
                connections_max=int(1.3 * held) if service.kind == "database" else 0,
            )
        )
    return tuple(sized)


def _patient(edge: Edge, rng: np.random.Generator) -> Edge:
    if edge.caller == USERS:
        return structs.replace(edge, timeout_s=float(rng.uniform(3.0, 5.0)))
    if edge.need == "put":
        return structs.replace(edge, timeout_s=float(rng.uniform(20.0, 60.0)))
    factor = float(rng.uniform(0.7, 1.6))
    # Half of the callers do not retry: retries at every hop would hide most failures.
    retries = min(edge.retries, int(rng.choice((0, 0, 1, 2))))
    pool = int(rng.integers(60, 250))
    return structs.replace(edge, timeout_s=edge.timeout_s * factor, retries=retries, pool=pool)


def _a(name: str, kind: Kind, rng: np.random.Generator, least: int = 2, most: int = 4) -> Service:
    """A service of some size; only its capacity is still open."""
    return Service(
        name=name,
        kind=kind,
        replicas=int(rng.integers(least, most + 1)),
        service_s=float(rng.uniform(0.008, 0.04)),
        threads=int(rng.integers(100, 300)),
        boot_s=float(rng.uniform(2.0, 10.0)),
        warmup_s=float(rng.uniform(5.0, 25.0)),
        memory_share=float(rng.uniform(0.3, 0.5)),
        disk_share=float(rng.uniform(0.2, 0.5)),
    )


def _database(name: str, rng: np.random.Generator) -> Service:
    base = _a(name, "database", rng, 1, 1)
    return structs.replace(base, service_s=0.004, threads=400, boot_s=12.0)


def _cache(name: str, rng: np.random.Generator) -> Service:
    return structs.replace(_a(name, "cache", rng, 1, 2), service_s=0.001, heat_s=60.0)


def _calls(caller: str, callee: str, calls: float = 1.0) -> Edge:
    return Edge(caller=caller, callee=callee, calls=calls)


def _maybe(caller: str, callee: str, calls: float = 1.0) -> Edge:
    return Edge(caller=caller, callee=callee, calls=calls, need="optional", timeout_s=0.5)


def _cached(caller: str, cache: str, store: str, calls: float = 1.0) -> tuple[Edge, Edge]:
    asked = Edge(
        caller=caller, callee=cache, calls=calls, need="optional", timeout_s=0.2, retries=0
    )
    missed = Edge(caller=caller, callee=store, calls=calls, spared_by=cache, spared_share=0.7)
    return asked, missed


def _shop(rng: np.random.Generator) -> Shape:
    """Three tiers: a page, services that share a database, and somebody else's payment."""
    services = (
        _a("web", "ui", rng, 2, 4),
        _a("cart", "service", rng),
        _a("catalog", "service", rng),
        _a("orders", "service", rng),
        _a("advice", "service", rng),
        _cache("cache", rng),
        _database("db", rng),
        _a("payment", "external", rng, 2, 2),
        _a("payment-b", "external", rng, 1, 1),
        _a("session", "cache", rng, 2, 2),
    )
    edges = (
        _calls(USERS, "web"),
        _calls("web", "catalog"),
        _calls("web", "cart", 0.5),
        _calls("web", "orders", 0.2),
        _calls("web", "session"),
        _maybe("web", "advice"),
        *_cached("catalog", "cache", "db", 2.0),
        _calls("cart", "db"),
        _calls("orders", "db", 2.0),
        _calls("orders", "payment"),
        Edge(caller="orders", callee="payment-b", need="fallback", instead_of="payment"),
    )
    return services, edges


def _chain(rng: np.random.Generator) -> Shape:
    """A request goes through many hands."""
    names = [f"step-{number}" for number in range(1, int(rng.integers(7, 10)) + 1)]
    services = (*(_a(name, "service", rng) for name in names), _database("db", rng))
    hops = enumerate(zip(names, [*names[1:], "db"], strict=True))
    # Who stands further up waits for more hands, and has to be more patient.
    edges = (
        _calls(USERS, names[0]),
        *(
            Edge(caller=caller, callee=callee, timeout_s=0.8 + 0.15 * (len(names) - number))
            for number, (caller, callee) in hops
        ),
    )
    return services, edges


def _fan_out(rng: np.random.Generator) -> Shape:
    """One gateway asks many at once; some of them may be left out."""
    leaves = [f"leaf-{number}" for number in range(1, int(rng.integers(7, 10)) + 1)]
    services = (
        _a("gateway", "api", rng, 3, 5),
        *(_a(name, "service", rng, 2, 3) for name in leaves),
        _database("db", rng),
        _a("maps", "external", rng, 2, 2),
    )
    edges = (
        _calls(USERS, "gateway"),
        *(
            (_calls if number % 3 else _maybe)("gateway", name, 0.5)
            for number, name in enumerate(leaves)
        ),
        _maybe("gateway", "maps", 0.3),
        *(_calls(name, "db", 0.4) for name in leaves[::2]),
    )
    return services, edges


def _pipeline(rng: np.random.Generator) -> Shape:
    """What comes in is queued; workers take it from there."""
    services = (
        _a("intake", "api", rng),
        _a("accounts", "service", rng),
        _a("jobs", "queue", rng, 1, 1),
        _a("worker", "worker", rng, 3, 5),
        _a("results", "queue", rng, 1, 1),
        _a("sender", "worker", rng, 2, 4),
        _a("mail", "external", rng, 2, 2),
        _database("db", rng),
        _a("archive", "database", rng, 2, 2),
        _a("status", "service", rng),
    )
    edges = (
        _calls(USERS, "intake"),
        Edge(caller=USERS, callee="status", calls=0.5),
        _calls("intake", "accounts"),
        Edge(caller="intake", callee="jobs", need="put"),
        _calls("accounts", "db", 0.5),
        _calls("jobs", "worker"),
        _calls("worker", "db"),
        _maybe("worker", "archive", 0.2),
        Edge(caller="worker", callee="results", need="put"),
        _calls("results", "sender"),
        _calls("sender", "mail", 0.5),
        _calls("status", "db"),
    )
    return services, edges


def _validation(rng: np.random.Generator) -> Shape:
    """Two doors, a shared identity service, search with a stand-in, a queue behind it all."""
    services = (
        _a("site", "ui", rng),
        _a("mobile", "api", rng),
        _a("identity", "service", rng, 2, 3),
        _a("search", "service", rng, 3, 5),
        _a("search-plain", "service", rng, 2, 2),
        _a("listing", "service", rng),
        _a("price", "service", rng),
        _cache("price-cache", rng),
        _a("events", "queue", rng, 1, 1),
        _a("indexer", "worker", rng, 2, 3),
        _database("listing-db", rng),
        _database("identity-db", rng),
        _a("tax", "external", rng, 2, 2),
    )
    edges = (
        Edge(caller=USERS, callee="site", calls=0.6),
        Edge(caller=USERS, callee="mobile", calls=0.4),
        _calls("site", "identity", 0.7),
        _calls("mobile", "identity"),
        _calls("site", "search", 0.8),
        Edge(caller="site", callee="search-plain", calls=0.8, need="fallback", instead_of="search"),
        _calls("site", "listing"),
        _calls("mobile", "listing", 2.0),
        _calls("listing", "listing-db"),
        _maybe("listing", "price"),
        *_cached("price", "price-cache", "listing-db"),
        _maybe("price", "tax", 0.5),
        _calls("identity", "identity-db"),
        Edge(caller="listing", callee="events", calls=0.2, need="put"),
        _calls("events", "indexer"),
        _calls("indexer", "search", 0.2),
    )
    return services, edges


SHAPES: Mapping[str, Callable[[np.random.Generator], Shape]] = {
    "shop": _shop,
    "chain": _chain,
    "fan_out": _fan_out,
    "pipeline": _pipeline,
    "validation": _validation,
}
