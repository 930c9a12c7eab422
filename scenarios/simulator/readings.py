"""What monitoring makes of a simulated estate: readings with noise, gaps and delays.

Yes-or-no metrics are one real request through the balancer, so a replica that fails one request in
three shows one time in three. Every draw is a function of the seed, the probe and the time, so
looking twice as often changes nothing for anybody else.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from ...agents.ports import Sample
from ...errors import NoData
from .layout import Floats, Indices
from .physics import hill
from .simulation import Simulation

GIB = float(1 << 30)  # Every replica is killed when it uses more than this.

_STREAM = 2
_TICK_S = 0.25
_BLOCK_TICKS = 240
_DRAWS = 10  # Four for what happens, the rest for noise.
_LATENCY_S_MAX = 60.0  # What an exporter reports at most.


class Monitoring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well the estate is seen.

    Attributes:
        every_s: time between two looks of a probe.
        timeout_s: patience of a probe.
        noise: relative error of what is measured.
        gap_rate: share of looks that bring nothing.
        delay_s: so late readings arrive.
    """

    every_s: float = 1.0
    timeout_s: float = 1.0
    noise: float = 0.03
    gap_rate: float = 0.002
    delay_s: float = 0.0


class Draws:
    """Random numbers by probe and time."""

    def __init__(self, seed: int, probes: int) -> None:
        self._seed = seed
        self._probes = probes
        self._block = -1
        self._table: Floats = np.zeros((0, 0, 0))

    def at(self, now_s: float, probe: int) -> list[float]:
        """Uniform numbers for one look."""
        block, tick = divmod(int(now_s / _TICK_S + 1e-6), _BLOCK_TICKS)
        if block != self._block:
            stream = np.random.default_rng((self._seed, _STREAM, block))
            self._table = stream.random((_BLOCK_TICKS, self._probes, _DRAWS))
            self._block = block
        draws: list[float] = self._table[tick, probe].tolist()
        return draws


class Instruments:
    """Read a simulation.

    Args:
        simulation: what is read.
        monitoring: how well.
        targets: components, replicas and edges that are looked at.
    """

    def __init__(
        self, simulation: Simulation, monitoring: Monitoring, targets: tuple[str, ...]
    ) -> None:
        self.monitoring = monitoring
        self.targets = targets
        self._numbers = {target: number for number, target in enumerate(targets)}
        self._simulation = simulation
        self._draws = Draws(simulation.course.seed, len(targets))

    def read(self, target: str) -> Sample:
        """Look at a target now.

        Raises:
            NoData: nothing came back, which says nothing of the target.
        """
        draws = self._draws.at(self._simulation.now_s, self._numbers[target])
        if self._is_dark(target, "monitoring_outage") or draws[0] < self.monitoring.gap_rate:
            raise NoData(f"no reading of {target}")
        layout = self._simulation.layout
        if ">" in target:
            return self._edge(layout.edge_of[target], draws)
        if "/" in target:
            return self._replica(layout.replica(target), draws)
        return self._component(layout.component_of[target], draws)

    def delay_s(self, target: str) -> float:
        """How late the reading arrives."""
        late = (
            illness.fault.severity
            for illness in self._simulation.illnesses
            if illness.fault.kind == "late_monitoring"
            and self._concerns(illness.fault.target, target)
        )
        return max([self.monitoring.delay_s, *late])

    def _is_dark(self, target: str, kind: str) -> bool:
        return any(
            each.fault.kind == kind and self._concerns(each.fault.target, target)
            for each in self._simulation.illnesses
        )

    @staticmethod
    def _concerns(wide: str, target: str) -> bool:
        return wide in ("*", target) or target.startswith((f"{wide}/", f"{wide}>"))

    # --- three kinds of targets ---------------------------------------------------------------

    def _component(self, component: int, draws: list[float]) -> Sample:
        state, layout = self._simulation.state, self._simulation.layout
        members = state.members(component)
        alive = float(np.isfinite(state.up_from_s[members]).mean())
        if not alive:
            return Sample({"alive": 0.0}, "exited")
        slots = layout.slots[component]
        chosen = self._balanced(slots, draws[1])
        metrics = {"alive": alive} | self._asked(chosen, state.answers[chosen], draws)
        up = self._up(slots)
        share = state.share[slots] * up
        served = max(float(share.sum()), 1e-9)
        step_s = self._simulation.step_s
        into = layout.links_into(layout.names[component])
        measured = {
            "error_rate": 1.0 - float(share @ state.answers[slots]),
            "latency_s": float(share @ state.latency_s[slots]) / served,
            "queue_items": float(state.queue[slots].sum()),
            "memory_bytes": float(state.memory[members].max()) * GIB,
            "disk_share": float(state.disk[members].max()),
            "connections_share": self._connections(component),
            "retries_rate": self._retries(into),
            "request_rate": float(state.arrivals[component]) / step_s,
            "cpu_share": float(self._processor(members).mean()),
        }
        return self._noisy(metrics, measured, draws)

    def _replica(self, replica: int, draws: list[float]) -> Sample:
        state, step_s = self._simulation.state, self._simulation.step_s
        if not state.present[replica]:
            raise NoData("nothing runs in this place")
        if state.is_dead(replica):
            return Sample({"alive": 0.0}, "exited")
        # Its own check asks the process, not a whole request: a gray failure stays unseen.
        metrics = {"alive": 1.0} | self._asked(replica, float(state.disk[replica] < 1.0), draws)
        component = int(self._simulation.layout.replica_component[replica])
        one = np.array([replica])
        measured = {
            "error_rate": 1.0 - float(state.answers[replica]),
            "latency_s": float(state.latency_s[replica]),
            "queue_items": float(state.queue[replica]),
            "memory_bytes": float(state.memory[replica]) * GIB,
            "disk_share": float(state.disk[replica]),
            "request_rate": float(state.arrivals[component] * state.share[replica]) / step_s,
            "cpu_share": float(self._processor(one)[0]),
        }
        return self._noisy(metrics, measured, draws)

    def _edge(self, edge: int, draws: list[float]) -> Sample:
        """Calls as the caller sees them."""
        state, layout = self._simulation.state, self._simulation.layout
        links = layout.links_of[edge]
        links = links[self._up(layout.link_caller[links])]
        if not links.size:
            raise NoData("its caller is not there to tell")
        right = state.reach[links] * state.edge_ok[edge]
        measured = {
            "error_rate": 1.0 - float(right.mean()),
            "latency_s": float(state.wait_s[links].mean()),
            "connections_share": float(state.pool_use[links].max()),
            "retries_rate": self._retries(links),
            "request_rate": float(state.originals[links].sum()) / self._simulation.step_s,
        }
        return self._noisy({"ok": float(draws[1] < right.mean())}, measured, draws)

    def _balanced(self, slots: Indices, draw: float) -> int:
        """The replica that the balancer gives a request to."""
        upto = self._simulation.state.share[slots].cumsum()
        return int(slots[np.searchsorted(upto, draw * upto[-1] * (1.0 - 1e-9), side="right")])

    # --- parts of them ------------------------------------------------------------------------

    def _asked(self, replica: int, right: float, draws: list[float]) -> dict[str, float]:
        """One request to one replica: reached, answered in time, answered rightly."""
        if not self._up(np.array([replica]))[0]:
            return {"reachable": 0.0}
        ratio = self._simulation.state.latency_s[replica] / self.monitoring.timeout_s
        answered = float(draws[2] >= float(hill(np.array(ratio))))
        ok = float(answered > 0.5 and draws[3] < right)
        return {"reachable": 1.0, "answered": answered, "ok": ok}

    def _noisy(
        self, metrics: dict[str, float], measured: dict[str, float], draws: list[float]
    ) -> Sample:
        for number, (name, value) in enumerate(measured.items()):
            spread = draws[4 + number % (_DRAWS - 4)] - 0.5
            value *= 1.0 + self.monitoring.noise * spread * 3.4641  # A uniform one, of variance 1.
            if name.endswith(("_rate", "_share")) and name != "request_rate":
                value = min(value, 1.0)
            metrics[name] = max(min(value, _LATENCY_S_MAX) if name == "latency_s" else value, 0.0)
        failed = [name for name in ("reachable", "answered", "ok") if metrics.get(name) == 0.0]
        return Sample(metrics, _WORDS[failed[0]] if failed else "")

    def _up(self, replicas: Indices) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        state = self._simulation.state
        up: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = state.present[replicas] & (
            state.up_from_s[replicas] <= self._simulation.now_s
        )
        return up

    def _connections(self, component: int) -> float:
        """The fullest of its own pools, or of the connections it has for its callers."""
        state, layout = self._simulation.state, self._simulation.layout
        own = np.flatnonzero(layout.replica_component[layout.link_caller] == component)
        pools = float(state.pool_use[own].max()) if own.size else 0.0
        return max(pools, float(state.connections[component]))

    def _retries(self, links: Indices) -> float:
        """Share of the attempts over these links that are repetitions."""
        state = self._simulation.state
        made = state.originals[links]
        extra = float(made @ state.extra[links])
        return extra / max(float(made.sum()) + extra, 1e-9)

    def _processor(self, replicas: Indices) -> Floats:
        state, layout = self._simulation.state, self._simulation.layout
        possible = layout.capacity[replicas] * self._simulation.step_s
        used: Floats = np.minimum(state.done[replicas] / possible + state.steal[replicas], 1.0)
        return used


_WORDS = {
    "reachable": "connection refused",
    "answered": "no answer in time",
    "ok": "HTTP 503",
}
