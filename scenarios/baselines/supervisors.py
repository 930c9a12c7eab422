"""Those who start again what has stopped."""

from __future__ import annotations

from collections import deque

from .room import Room


class Systemd:
    """``Restart=on-failure`` with its defaults: 100 ms later, at most five starts in ten seconds.

    Whoever exceeds that stays down. It sees exits only: what hangs or answers wrongly is well.

    Source:
        systemd.service(5), systemd.unit(5): RestartSec, StartLimitBurst, StartLimitIntervalSec.
    """

    STARTS_MAX = 5
    PERIOD_S = 10.0

    def __init__(self, room: Room) -> None:
        self._room = room
        self._starts: dict[str, deque[float]] = {}
        self._given_up: set[str] = set()

    def tick(self, now_s: float) -> None:
        """Start what has exited."""
        for component in self._room.components:
            for replica in self._room.replicas(component):
                if self._is_down(replica):
                    self._start(replica, now_s)

    def _is_down(self, replica: str) -> bool:
        room = self._room
        if not room.has_exited(replica) or room.is_machine_lost(replica):
            return False  # With its machine, its supervisor is gone too.
        return replica not in self._given_up and not room.is_busy(replica)

    def _start(self, replica: str, now_s: float) -> None:
        starts = self._starts.setdefault(replica, deque(maxlen=self.STARTS_MAX))
        # Up to the second: it is looked after once in each.
        if len(starts) == self.STARTS_MAX and now_s - starts[0] <= self.PERIOD_S:
            self._given_up.add(replica)
            return
        starts.append(now_s)
        self._room.order("restart", replica)


class Kubernetes:
    """Probes, restarts with back-off, and new pods for those of lost nodes.

    A liveness probe every 10 s with a patience of 1 s; three failures in a row restart the
    container, as its exit does. Restarts wait 10 s, doubling up to 300 s, until it has run for 10
    minutes. A node that is not heard of for 40 s is unhealthy, and its pods are replaced 300 s
    later. Readiness is the balancer's, which all healers have.

    Source:
        kubernetes.io: configure liveness probes; pod lifecycle; taints and tolerations.
    """

    EVERY_S = 10.0
    FAILURES_MAX = 3
    BACK_OFF_S = (10.0, 300.0)
    FORGET_S = 600.0
    EVICT_S = 340.0

    def __init__(self, room: Room) -> None:
        self._room = room
        self._failures: dict[str, int] = {}
        self._started_s: dict[str, float] = {}
        self._wait_s: dict[str, float] = {}
        self._lost_s: dict[str, float] = {}

    def tick(self, now_s: float) -> None:
        """Look after every replica."""
        for component in self._room.components:
            for replica in self._room.replicas(component):
                if self._room.is_machine_lost(replica):
                    self._evict(replica, now_s)
                elif not self._room.is_busy(replica):
                    self._look_after(replica, now_s)

    def _evict(self, replica: str, now_s: float) -> None:
        since_s = self._lost_s.setdefault(replica, now_s)
        if now_s - since_s >= self.EVICT_S and not self._room.is_busy(replica):
            self._room.order("replace", replica)

    def _look_after(self, replica: str, now_s: float) -> None:
        self._lost_s.pop(replica, None)
        if now_s % self.EVERY_S == 0.0 and not self._room.has_exited(replica):
            self._failures[replica] = self._failures.get(replica, 0) + 1
            if self._answers(replica):
                self._failures[replica] = 0
        is_bad = self._failures.get(replica, 0) >= self.FAILURES_MAX
        if (is_bad or self._room.has_exited(replica)) and self._may_start(replica, now_s):
            self._failures[replica] = 0
            self._started_s[replica] = now_s
            self._room.order("restart", replica)

    def _answers(self, replica: str) -> bool:
        """An answer in time that is no error.

        A look that brings nothing counts for one: it is the monitoring that is out of order then,
        and the probes of a kubelet are its own.
        """
        metrics = self._room.look(replica)
        return metrics is None or all(
            metrics.get(name, 0.0) >= 0.5 for name in ("reachable", "answered", "ok")
        )

    def _may_start(self, replica: str, now_s: float) -> bool:
        """The first restart is at once; each further one waits twice as long as the last."""
        least_s, most_s = self.BACK_OFF_S
        started_s = self._started_s.get(replica)
        if started_s is None or now_s - started_s > self.FORGET_S:
            self._wait_s[replica] = least_s
            return True
        if now_s - started_s < self._wait_s[replica]:
            return False
        self._wait_s[replica] = min(2.0 * self._wait_s[replica], most_s)
        return True
