"""An estate as arrays: which replica belongs to whom, who calls whom, over which link.

Four kinds of lanes. A *replica* is one slot of a component; half of the slots are empty at first,
so that scaling is filling slots. A *link* is one edge of one replica of its caller: connections are
a replica's own. A *pair* is one edge and one replica of its callee: how an answer is depends on
which replica gives it. *Components* and *edges* are what sums are made over. ``users`` is one more
component with one replica, the last of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estate import USERS, Edge, Estate, Service

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

# A component may be scaled to this many times its replicas.
_SLOTS_PER_REPLICA = 2


class Layout:
    """Index arrays and constants of one estate; nothing in it ever changes.

    Args:
        estate: what is laid out.

    Attributes:
        names: components in order; ``users`` is not among them.
        slots: for each component the places of its replicas; for ``users`` the one outside.
        replica_component: component of each replica.
        links_of: for each edge the places of its links.
        link_edge, link_caller, link_callee: edge, calling replica and called component of each.
        linked, link_starts: replicas that call somebody, and where their links begin.
        pair_edge, pair_replica, pair_starts: edge and called replica; where each edge begins.
    """

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.names = [service.name for service in estate.services]
        self.component_of = {name: place for place, name in enumerate((*self.names, USERS))}
        self.edge_of = {edge.name: place for place, edge in enumerate(estate.edges)}
        self._lay_replicas(estate.services)
        self._lay_links(estate.edges)
        self._lay_pairs(estate.edges)
        self._lay_specials(estate)

    def _lay_replicas(self, services: Sequence[Service]) -> None:
        counts = [_SLOTS_PER_REPLICA * service.replicas for service in services]
        starts = np.concatenate(([0], np.cumsum(counts)))
        self.slots: list[Indices] = [
            np.arange(start, start + count) for start, count in zip(starts, counts, strict=False)
        ]
        self.outside = int(starts[-1])
        self.slots.append(np.array([self.outside]))
        self.replica_component = np.repeat(np.arange(len(self.slots)), [*counts, 1])

        def spread(field: Callable[[Service], float], outside: float) -> Floats:
            return np.array(
                [field(each) for each, n in zip(services, counts, strict=True) for _ in range(n)]
                + [outside],
                dtype=float,
            )

        self.capacity = spread(lambda each: each.capacity_rate, 1e12)
        self.service_s = spread(lambda each: each.service_s, 1e-9)
        self.threads = spread(lambda each: each.threads, 1e12)
        self.queue_max = spread(lambda each: each.queue_items_max, 1e12)
        self.boot_s = spread(lambda each: each.boot_s, 0.0)
        self.warmup_s = np.maximum(spread(lambda each: each.warmup_s, 0.0), 1e-3)
        self.memory = spread(lambda each: each.memory_share, 0.0)
        self.disk = spread(lambda each: each.disk_share, 0.0)
        self.present = np.concatenate(
            [np.arange(n) < n // _SLOTS_PER_REPLICA for n in counts] + [np.array([True])]
        )

    def _lay_links(self, edges: Sequence[Edge]) -> None:
        rows = sorted(
            (int(replica), number)
            for number, edge in enumerate(edges)
            for replica in self.slots[self.component_of[edge.caller]]
        )
        self.link_caller = np.array([replica for replica, _ in rows])
        self.link_edge = np.array([number for _, number in rows])
        of_edge = self.link_edge
        self.link_callee = np.array([self.component_of[each.callee] for each in edges])[of_edge]
        self.links_of: list[Indices] = [
            np.flatnonzero(of_edge == number) for number in range(len(edges))
        ]
        self.linked, self.link_starts = np.unique(self.link_caller, return_index=True)
        self.calls = _field(edges, of_edge, lambda edge: edge.calls)
        self.timeout_s = _field(edges, of_edge, lambda edge: edge.timeout_s)
        self.retries = _field(edges, of_edge, lambda edge: edge.retries)
        self.budget = _field(edges, of_edge, lambda edge: edge.retry_budget)
        # Users share no pool: each brings a connection of their own.
        self.pool = _field(edges, of_edge, lambda edge: 1e12 if edge.caller == USERS else edge.pool)
        self.required = _field(edges, of_edge, lambda edge: edge.need in ("required", "put"))
        kinds = {service.name: service.kind for service in self.estate.services}
        self.spoils = _field(
            edges, of_edge, lambda edge: edge.need == "optional" and kinds[edge.callee] != "cache"
        )

    def _lay_pairs(self, edges: Sequence[Edge]) -> None:
        called = [self.slots[self.component_of[edge.callee]] for edge in edges]
        self.pair_edge = np.repeat(np.arange(len(edges)), [len(each) for each in called])
        self.pair_replica = np.concatenate(called)
        self.pair_starts = np.flatnonzero(np.diff(self.pair_edge, prepend=-1))
        self.pair_timeout_s = _field(edges, self.pair_edge, lambda edge: edge.timeout_s)
        self.pair_put = _field(edges, self.pair_edge, lambda edge: edge.need == "put")
        self.pair_waits = 1.0 - self.pair_put
        self.edge_callee = np.array([self.component_of[edge.callee] for edge in edges])
        self.user_links = np.flatnonzero(self.link_caller == self.outside)
        self.user_edges = self.link_edge[self.user_links]

    def _lay_specials(self, estate: Estate) -> None:
        """Fallbacks, caches and consumers of queues: most estates have few of them."""
        edges = estate.edges
        self.fallbacks, self.fallback_of = self._beside(
            (edge, edge.instead_of) for edge in edges if edge.instead_of
        )
        self.spared, self.spared_by = self._beside(
            (edge, edge.spared_by) for edge in edges if edge.spared_by
        )
        self.spared_share = _field(edges, self.link_edge[self.spared], lambda e: e.spared_share)
        self.heat_s = np.array([each.heat_s for each in estate.services] + [0.0])
        self.connections_max = np.array(
            [each.connections_max or np.inf for each in estate.services] + [np.inf]
        )
        self.has_limits = bool(np.isfinite(self.connections_max).any())
        self.caches = np.flatnonzero(self.heat_s)
        self.queues = [
            (self.component_of[each.name], self.component_of[edge.callee], edge.calls)
            for each in estate.services
            if each.kind == "queue"
            for edge in edges
            if edge.caller == each.name
        ]
        self.queue_of = {consumer: queue for queue, consumer, _ in self.queues}

    def _beside(self, wanted: Iterable[tuple[Edge, str]]) -> tuple[Indices, Indices]:
        """Links of edges, and for each the link of the same replica to another callee."""
        found = [
            (link, other)
            for edge, callee in wanted
            for link, other in zip(
                self.links_of[self.edge_of[edge.name]],
                self.links_of[self.edge_of[f"{edge.caller}>{callee}"]],
                strict=True,
            )
        ]
        pairs = np.array(found, dtype=np.intp).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def replica(self, target: str) -> int:
        """Place of a replica by its name (``cart/2``, counted from 1)."""
        name, _, number = target.partition("/")
        return int(self.slots[self.component_of[name]][int(number) - 1])

    def replica_name(self, place: int) -> str:
        """Name of the replica at a place."""
        component = int(self.replica_component[place])
        return f"{self.names[component]}/{place - int(self.slots[component][0]) + 1}"

    def links_into(self, name: str) -> Indices:
        """Places of all links to a component."""
        return np.flatnonzero(self.link_callee == self.component_of[name])


def _field(edges: Sequence[Edge], of_edge: Indices, field: Callable[[Edge], Any]) -> Floats:
    values: Floats = np.array([field(edge) for edge in edges], dtype=float)[of_edge]
    return values
