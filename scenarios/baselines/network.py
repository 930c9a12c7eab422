"""Those who keep calls away from what answers wrongly: proxies and circuit breakers."""

from __future__ import annotations

from .room import Room


class OutlierDetection:
    """Envoy leaves out a host that answered five times in a row with an error.

    For 30 s, each further time 30 s longer, up to 300 s; at most a tenth of the hosts, though one
    of any number; none when fewer than half would be left, because then it calls all of them.

    Source:
        envoyproxy.io: outlier detection, panic threshold.
    """

    IN_A_ROW = 5
    EVERY_S = 10.0
    EJECT_S = (30.0, 300.0)
    EJECTED_SHARE = 0.1
    LEFT_SHARE = 0.5
    PATIENCE_S = 15.0

    def __init__(self, room: Room) -> None:
        self._room = room
        self._runs: dict[str, float] = {}
        self._until_s: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def tick(self, now_s: float) -> None:
        """Count the answers of a second; leave out and let in."""
        for component in self._room.components:
            hosts = self._room.replicas(component)
            for host in hosts:
                self._count(host)
                if host in self._until_s and now_s >= self._until_s[host]:
                    self._let_in(host, now_s)
                elif self._runs.get(host, 0.0) >= 1.0 and host not in self._until_s:
                    self._eject(host, hosts, now_s)

    def _count(self, host: str) -> None:
        """Runs of errors among the answers of a second, as they are to be expected."""
        metrics = self._room.look(host)
        if metrics is None or host in self._until_s:
            return
        fails = metrics.get("error_rate", 1.0)
        if not metrics.get("reachable", 0.0) or metrics.get("latency_s", 0.0) > self.PATIENCE_S:
            fails = 1.0
        runs = metrics.get("request_rate", self.IN_A_ROW) * fails**self.IN_A_ROW
        self._runs[host] = self._runs.get(host, 0.0) + runs if fails > 0.0 else 0.0

    def _eject(self, host: str, hosts: tuple[str, ...], now_s: float) -> None:
        out = sum(each in self._until_s for each in hosts)
        most = max(1, int(self.EJECTED_SHARE * len(hosts)))
        if out + 1 > most or len(hosts) - out - 1 < self.LEFT_SHARE * len(hosts):
            return
        self._times[host] = self._times.get(host, 0) + 1
        least_s, most_s = self.EJECT_S
        self._until_s[host] = now_s + min(least_s * self._times[host], most_s)
        self._runs[host] = 0.0
        self._room.order("drain", host, priced=False)

    def _let_in(self, host: str, now_s: float) -> None:
        if now_s % self.EVERY_S == 0.0:
            del self._until_s[host]
            self._room.order("undrain", host, priced=False)


class CircuitBreakers:
    """resilience4j in every caller: open when half of the last hundred calls failed.

    It stays open for 60 s; then ten calls are let through, and decide.

    Source:
        resilience4j.readme.io: CircuitBreaker.
    """

    CALLS = 100.0
    FAILURE_RATE = 0.5
    OPEN_S = 60.0
    PERMITTED_CALLS = 10.0

    def __init__(self, room: Room) -> None:
        self._room = room
        self._calls: dict[str, float] = {}
        self._failed: dict[str, float] = {}
        self._open_until_s: dict[str, float] = {}
        self._on_trial: set[str] = set()

    def tick(self, now_s: float) -> None:
        """Count the calls of a second; open and close."""
        for edge in self._room.edges:
            until_s = self._open_until_s.get(edge.name)
            if until_s is None:
                self._count(edge.name, now_s)
            elif now_s >= until_s:
                del self._open_until_s[edge.name]
                self._on_trial.add(edge.name)
                self._room.order("release", edge.name, priced=False)

    def _count(self, edge: str, now_s: float) -> None:
        metrics = self._room.look(edge)
        if metrics is None or self._room.is_busy(edge):
            return
        enough = self.PERMITTED_CALLS if edge in self._on_trial else self.CALLS
        calls = min(metrics["request_rate"], enough)
        kept = max(enough - calls, 0.0) / enough  # Of the window, after these calls.
        self._calls[edge] = self._calls.get(edge, 0.0) * kept + calls
        self._failed[edge] = self._failed.get(edge, 0.0) * kept + calls * metrics["error_rate"]
        if self._calls[edge] < 0.9 * enough:
            return
        if self._failed[edge] >= self.FAILURE_RATE * self._calls[edge]:
            self._open_until_s[edge] = now_s + self.OPEN_S
            self._room.order("isolate", edge, priced=False)
        self._on_trial.discard(edge)
        self._calls[edge] = self._failed[edge] = 0.0
