"""What changes in a simulated estate: what faults and operators set, and what physics computes."""

from __future__ import annotations

import numpy as np

from .layout import Floats, Indices, Layout, Mask


class State:
    """Arrays over the lanes of a `Layout`.

    Args:
        layout: of the estate.

    Attributes:
        speed: share of its usual speed that a replica has; 0 hangs.
        error: share of requests that a replica fails by itself.
        steal: share of its processor that a replica does not get.
        cut, stale: share of calls over a link that time out, or fail at once.
        leaked: share of the connections of a link that are lost.
        is_open: 0.0 for a link that is isolated, else 1.0.
        calls, retries, budget: per link, as they are at present.
        limit_rate: requests per second that each component lets in.
        leak, fill: share of memory and disk that a replica loses per second.
        herd: share of the failed calls to a component that come back later.
        present, up_from_s: whether a slot is filled, and when its process answers; infinite
            when it is dead.
        plain: 1.0 for a replica that leaves out what is not required, so its answers are degraded.
        drained: kept out of the balancer by an operator.
        queue, memory, disk, latency_s: of each replica.
    """

    def __init__(self, layout: Layout) -> None:
        replicas, links = len(layout.replica_component), len(layout.link_edge)
        components, edges = len(layout.slots), len(layout.pair_starts)
        self.layout = layout
        self.present: Mask = layout.present.copy()
        self.up_from_s: Floats = np.where(self.present, -1e9, np.inf)
        self.drained: Mask = np.zeros(replicas, dtype=bool)
        self.hardware_lost: Mask = np.zeros(replicas, dtype=bool)
        self.reset_influences()
        # What physics carries from one step to the next.
        self.queue: Floats = np.zeros(replicas)
        self.lost: Floats = np.zeros(replicas)
        self.memory: Floats = layout.memory.copy()
        self.disk: Floats = layout.disk.copy()
        self.leaked: Floats = np.zeros(links)
        self.heat: Floats = np.ones(components)
        self.backlog: Floats = np.zeros(components)
        self.bad_s: Floats = np.where(self.present, 0.0, 1e9)
        self.done: Floats = np.zeros(replicas)
        self.hold_s: Floats = layout.service_s.copy()
        self.latency_s: Floats = layout.service_s.copy()
        self.answers: Floats = np.ones(replicas)  # Share of right answers, its own view.
        self.dependable: Floats = np.ones(replicas)  # Share not failed by what it calls.
        self.spoiled: Floats = np.zeros(replicas)  # Share of its answers that are degraded.
        self.refused: Floats = np.zeros(replicas)  # Share of its arrivals, for a full queue.
        self.busy: Floats = np.zeros(replicas)
        self.share: Floats = np.zeros(replicas)  # Of its component's arrivals.
        self.arrivals: Floats = np.zeros(components)
        self.admitted: Floats = np.ones(components)
        self.extra: Floats = np.zeros(links)
        self.final: Floats = np.zeros(links)
        self.reach: Floats = np.ones(links)
        self.starved: Floats = np.zeros(links)
        self.pool_use: Floats = np.zeros(links)
        self.connections: Floats = np.zeros(components)
        self.wait_s: Floats = np.zeros(links)
        self.originals: Floats = np.zeros(links)
        self.effective_calls: Floats = self.calls.copy()
        self.edge_ok: Floats = np.ones(edges)
        self.edge_spoiled: Floats = np.zeros(edges)

    def reset_influences(self) -> None:
        """Forget what faults and operators set, before those that still hold set it anew."""
        layout = self.layout
        replicas, links = len(layout.replica_component), len(layout.link_edge)
        components = len(layout.slots)
        self.speed: Floats = np.ones(replicas)
        self.error: Floats = np.zeros(replicas)
        self.steal: Floats = np.zeros(replicas)
        self.leak: Floats = np.zeros(replicas)
        self.fill: Floats = np.zeros(replicas)
        self.cut: Floats = np.zeros(links)
        self.stale: Floats = np.zeros(links)
        self.pool_leak: Floats = np.zeros(links)
        self.is_open: Floats = np.ones(links)
        self.calls: Floats = layout.calls.copy()
        self.retries: Floats = layout.retries.copy()
        self.budget: Floats = layout.budget.copy()
        self.limit_rate: Floats = np.full(components, np.inf)
        self.herd: Floats = np.zeros(components)
        self.plain: Floats = np.zeros(replicas)

    def kill(self, replicas: Indices) -> None:
        """The processes are gone, and what waited in them is lost, unless it is a queue's."""
        layout = self.layout
        self.up_from_s[replicas] = np.inf
        for replica in replicas:
            component = int(layout.replica_component[replica])
            self._lose_queue(int(replica), component)
            if layout.heat_s[component]:
                self.heat[component] *= 1.0 - 1.0 / self.count(component)

    def start(self, replicas: Indices, now_s: float) -> None:
        """New processes boot: empty memory, fresh connections, cold."""
        layout = self.layout
        self.present[replicas] = True
        self.up_from_s[replicas] = now_s + layout.boot_s[replicas]
        self.memory[replicas] = layout.memory[replicas]
        self.hold_s[replicas] = layout.service_s[replicas]
        self.leaked[np.isin(layout.link_caller, replicas)] = 0.0

    def remove(self, replicas: Indices) -> None:
        """The slots are empty again."""
        self.kill(replicas)
        self.present[replicas] = False
        self.drained[replicas] = False
        self.bad_s[replicas] = 1e9

    def hide(self, replicas: Indices) -> None:
        """Tell the balancer that these are away, before it would notice."""
        self.bad_s[replicas] = 1e9

    def count(self, component: int) -> int:
        """How many replicas a component has, dead ones included."""
        return int(np.count_nonzero(self.present[self.layout.slots[component]]))

    def members(self, component: int) -> Indices:
        """Replicas of a component, dead ones included."""
        slots = self.layout.slots[component]
        return slots[self.present[slots]]

    def is_dead(self, replica: int) -> bool:
        """Whether a replica's process is gone."""
        return bool(np.isinf(self.up_from_s[replica]))

    def _lose_queue(self, replica: int, component: int) -> None:
        queue = self.layout.queue_of.get(component)
        if queue is not None:  # Unacknowledged messages are delivered again.
            self.queue[self.layout.slots[queue][0]] += self.queue[replica]
            self.queue[replica] = 0.0
        elif all(component != each for each, _, _ in self.layout.queues):
            self.lost[replica] += self.queue[replica]
            self.queue[replica] = 0.0
