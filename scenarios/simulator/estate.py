"""What a simulated estate consists of: services, calls between them, and the traffic of its users.

Plain data, checked when it is made; `layout` turns it into arrays. ``users`` is the one place
outside: its edges are where requests come in, and where harm is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...core.topology import Component, Kind
from ...errors import ConfigError

USERS = "users"

Need = Literal["required", "optional", "fallback", "put"]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]


class Service(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One component and what its replicas are made of.

    Attributes:
        name: as in `Component`.
        kind: as in `Component`; a ``queue`` hands on what its consumers can take, no more.
        replicas: how many run at first; `scale` may double them.
        capacity_rate: requests per second that the processor of one replica can do.
        service_s: time of one request in an idle replica, without what it calls.
        threads: requests one replica works on at once; waiting for a callee holds one.
        queue_items_max: requests that may wait at one replica; further ones are refused.
        boot_s: from start to the first answer.
        warmup_s: from then on until it is as fast as usual.
        heat_s: time constant in which a cache fills; 0 for what has no cache.
        connections_max: connections all callers together may hold; 0 for no limit.
        memory_share: memory in use when all is well, of the limit at which it is killed.
        disk_share: disk in use when all is well.
    """

    name: str
    kind: Kind = "service"
    replicas: Annotated[int, Meta(ge=1, le=100)] = 2
    capacity_rate: Positive = 100.0
    service_s: Positive = 0.02
    threads: Annotated[int, Meta(ge=1)] = 200
    queue_items_max: Positive = 500.0
    boot_s: Annotated[float, Meta(ge=0)] = 5.0
    warmup_s: Annotated[float, Meta(ge=0)] = 15.0
    heat_s: Annotated[float, Meta(ge=0)] = 0.0
    connections_max: Annotated[int, Meta(ge=0)] = 0
    memory_share: Share = 0.4
    disk_share: Share = 0.3


class Edge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls of one component to another.

    Attributes:
        caller: name of the calling service, or ``users``.
        callee: name of the called one.
        need: ``required``: without it the request fails; ``optional``: it is answered degraded;
            ``fallback``: it is called only when the edge named in ``instead_of`` failed, and the
            answer is degraded; ``put``: the caller hands it over and waits only for that, what
            comes of it later than the timeout is degraded.
        calls: calls per request of the caller.
        timeout_s: patience of the caller with one attempt.
        retries: further attempts per call.
        retry_budget: further attempts as a share of the calls, over all calls; Envoy's default.
        pool: connections of one replica of the caller.
        instead_of: callee of the required edge that a fallback stands in for.
        spared_by: a cache that the caller asks first ...
        spared_share: ... and the share of calls it answers when it is warm.
    """

    caller: str
    callee: str
    need: Need = "required"
    calls: Positive = 1.0
    timeout_s: Positive = 1.0
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    retry_budget: Annotated[float, Meta(ge=0)] = 0.2
    pool: Annotated[int, Meta(ge=1)] = 50
    instead_of: str = ""
    spared_by: str = ""
    spared_share: Share = 0.0

    @property
    def name(self) -> str:
        """The target that this edge is: ``web>cart``."""
        return f"{self.caller}>{self.callee}"


class Traffic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests of the users; they come whether or not the last ones were answered.

    Attributes:
        rate: mean requests per second over a day.
        day_swing: how far the daily wave goes up and down, as a share of the mean.
        day_phase: where in the day the run begins; 0.25 is the peak.
        noise: standard deviation of its slow fluctuation, as a share.
        slow_s: an answer that takes longer is slow.
    """

    rate: Positive = 100.0
    day_swing: Share = 0.3
    day_phase: Share = 0.0
    noise: Share = 0.03
    slow_s: Positive = 0.6

    def usual_rate(self, at_s: float) -> float:
        """Requests per second that one would expect at a time of the run."""
        turn = 2.0 * math.pi * (at_s / 86_400.0 + self.day_phase)
        return self.rate * (1.0 + self.day_swing * math.sin(turn))


class Estate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Services, who calls whom, and what comes from outside.

    Attributes:
        name: of the topology.
        services: all of them, names unique.
        edges: all calls; each pair at most once.
        traffic: of the users.

    Raises:
        ConfigError: names are doubled or unknown, users reach nothing, or a fallback or cache
            hangs in the air.
    """

    name: str
    services: tuple[Service, ...]
    edges: tuple[Edge, ...]
    traffic: Traffic = Traffic()

    def __post_init__(self) -> None:
        names = [service.name for service in self.services]
        _all_once(names, "service")
        _all_once([edge.name for edge in self.edges], "edge")
        for edge in self.edges:
            _check(edge, names, self.edges)
        if not any(edge.caller == USERS for edge in self.edges):
            raise ConfigError(f"no edge of {self.name!r} begins at {USERS!r}: nobody would use it")

    @property
    def components(self) -> tuple[Component, ...]:
        """The components as agents know them: whatever a service calls, it depends on."""
        below: dict[str, list[str]] = {service.name: [] for service in self.services}
        for edge in self.edges:
            if edge.caller != USERS:
                below[edge.caller].append(edge.callee)
        return tuple(
            Component(name=each.name, kind=each.kind, depends_on=tuple(below[each.name]))
            for each in self.services
        )

    def service(self, name: str) -> Service:
        """A service by its name."""
        for each in self.services:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.services)
        raise ConfigError(f"no service {name!r} in estate {self.name!r}; there are: {known}")

    def edges_into(self, name: str) -> tuple[Edge, ...]:
        """All calls to a service."""
        return tuple(edge for edge in self.edges if edge.callee == name)


def _all_once(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen or (what == "service" and name == USERS):
            raise ConfigError(f"{what} {name!r} is there twice")
        seen.add(name)


def _check(edge: Edge, names: list[str], edges: tuple[Edge, ...]) -> None:
    for name in (edge.caller, edge.callee, edge.spared_by):
        if name and name not in names and (name != USERS or name == edge.callee):
            raise ConfigError(f"edge {edge.name!r} names {name!r}, which is no service")
    beside = {other.callee: other.need for other in edges if other.caller == edge.caller}
    if edge.spared_by and edge.spared_by not in beside:
        raise ConfigError(f"edge {edge.name!r} is spared by {edge.spared_by!r}, never called")
    if edge.need == "fallback" and beside.get(edge.instead_of) != "required":
        raise ConfigError(
            f"edge {edge.name!r} stands in for {edge.instead_of!r}, "
            f"which is no required callee of {edge.caller!r}"
        )
