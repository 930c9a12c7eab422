"""Small estates with round numbers, for tests of the simulator."""

from __future__ import annotations

from mendel.scenarios.faults import Fault
from mendel.scenarios.simulator import (
    USERS,
    Course,
    Edge,
    Estate,
    Outcome,
    Service,
    Simulation,
    Traffic,
)

QUIET = Traffic(rate=100.0, day_swing=0.0, noise=0.0)


def a_service(name: str, **fields: object) -> Service:
    """Two replicas that do 100 requests per second each, up at once and warm."""
    values = {"replicas": 2, "capacity_rate": 100.0, "boot_s": 2.0, "warmup_s": 2.0, **fields}
    return Service(name=name, **values)  # type: ignore[arg-type]


def a_shop(
    *faults: Fault, traffic: Traffic = QUIET, more: tuple[Service, ...] = (), **edges: Edge
) -> Course:
    """Users call web, web calls cart, cart calls db; and web may ask for advice."""
    known = {
        "web": Edge(caller=USERS, callee="web", timeout_s=4.0, retries=0),
        "cart": Edge(caller="web", callee="cart"),
        "db": Edge(caller="cart", callee="db"),
        "advice": Edge(caller="web", callee="advice", need="optional", timeout_s=0.5),
    }
    estate = Estate(
        name="shop",
        services=(
            a_service("web", kind="ui"),
            a_service("cart", replicas=3),
            a_service("db", kind="database", replicas=1, capacity_rate=250.0),
            a_service("advice", kind="external"),
            *more,
        ),
        edges=tuple((known | edges).values()),
        traffic=traffic,
    )
    return Course(estate=estate, faults=faults)


def a_run(course: Course, until_s: float, *orders: tuple[float, str, str]) -> Simulation:
    """Follow a course, with operations ordered at their times."""
    simulation = Simulation(course)
    for at_s, name, target in orders:
        simulation.advance(at_s)
        simulation.begin(name, target)
    simulation.advance(until_s)
    return simulation


def share_ok(simulation: Simulation, last_s: float) -> float:
    """Share of the users that get a whole answer in the next seconds."""
    before = counts(simulation.outcome)
    simulation.advance(simulation.now_s + last_s)
    after = counts(simulation.outcome)
    return (after["ok"] - before["ok"]) / (after["offered"] - before["offered"])


def counts(outcome: Outcome) -> dict[str, float]:
    """What became of the requests, by name."""
    names = ("offered", "ok", "degraded", "slow", "failed", "shed")
    return {name: getattr(outcome, name) for name in names}
