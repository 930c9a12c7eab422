"""What monitoring makes of a simulated estate: readings with noise, gaps and delays.

All targets of a sort are read at once, as arrays, when the first of them is looked at in a step;
whoever looks at another one in that step gets its row.

Yes-or-no metrics are one real request through the balancer, so a replica that fails one request in
three shows one time in three. Every draw is a function of the seed, the probe and the time, so
looking twice as often changes nothing for anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from ...agents.ports import Sample
from ...errors import NoData
from .layout import Floats, Indices, Mask
from .panels import OF_COMPONENTS, OF_EDGES, OF_REPLICAS, WORDS, Asked, Draws, Panel
from .physics import totals
from .simulation import Simulation

GIB = float(1 << 30)  # Every replica is killed when it uses more than this.
_KNOWN = {"memory_limit_bytes": GIB}


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
        self._simulation = simulation
        self._state = simulation.state
        self._layout = layout = simulation.layout
        self._draws = Draws(simulation.course.seed, len(targets))
        self._seen_s = -1.0
        self._gaps: list[bool] = []
        self._whims: list[float] = []
        self._rows = {target: row for row, target in enumerate(targets)}
        self._numbers: dict[str, int] = {}
        self._components = self._panel(OF_COMPONENTS, layout.component_of, "")
        replicas = {layout.replica_name(place): place for place in range(layout.outside)}
        self._replicas = self._panel(OF_REPLICAS, replicas, "/")
        self._edges = self._panel(OF_EDGES, layout.edge_of, ">")
        self._asked_components, self._asked_replicas = Asked(), Asked()
        self._starts = np.array([int(slots[0]) for slots in layout.slots])
        self._alive: list[float] = []
        self._presence: list[bool] = []
        self._death: list[bool] = []
        self._callers: list[float] = []
        self._right: list[float] = []

    def read(self, target: str) -> Sample:
        """Look at a target now.

        Raises:
            NoData: nothing came back, which says nothing of the target.
        """
        if self._simulation.now_s != self._seen_s:
            self._look()
        row = self._rows[target]
        if self._gaps[row] or self._worst("monitoring_outage", target):
            raise NoData(f"no reading of {target}")
        number = self._numbers[target]
        if ">" in target:
            return self._edge(number)
        if "/" in target:
            return self._replica(number)
        sample = self._component(number)
        wrong_rate = self._worst("check_flapping", target)
        return _refused(sample) if self._whims[row] < wrong_rate else sample

    def delay_s(self, target: str) -> float:
        """How late the reading arrives."""
        return max(self.monitoring.delay_s, self._worst("late_monitoring", target))

    def _worst(self, kind: str, target: str) -> float:
        """The greatest severity of a trouble with the monitoring of a target; 0 without any."""
        worst = 0.0
        for illness in self._simulation.illnesses:
            fault = illness.fault
            if fault.kind == kind and self._concerns(fault.target, target):
                worst = max(worst, fault.severity)
        return worst

    @staticmethod
    def _concerns(wide: str, target: str) -> bool:
        return wide in ("*", target) or target.startswith((f"{wide}/", f"{wide}>"))

    def _panel(self, names: tuple[str, ...], places: Mapping[str, int], mark: str) -> Panel:
        """The panel of the targets of one sort, known by the mark in their names."""
        own = [each for each in self.targets if each in places and (mark or _is_plain(each))]
        self._numbers |= {target: number for number, target in enumerate(own)}
        rows = np.array([self._rows[each] for each in own], dtype=np.intp)
        return Panel(names, rows, np.array([places[each] for each in own], dtype=np.intp))

    # --- one target ---------------------------------------------------------------------------

    def _component(self, number: int) -> Sample:
        alive = self._alive[self._components.places[number]]
        if not alive:
            return Sample({"alive": 0.0}, "exited")
        asked, words = self._asked_components.metrics(number)
        metrics = {"alive": alive, **asked, **self._components.metrics(number)}
        return Sample(metrics | _KNOWN, words)

    def _replica(self, number: int) -> Sample:
        place = self._replicas.places[number]
        if not self._presence[place]:
            raise NoData("nothing runs in this place")
        if self._death[place]:
            return Sample({"alive": 0.0}, "exited")
        asked, words = self._asked_replicas.metrics(number)
        return Sample({"alive": 1.0, **asked, **self._replicas.metrics(number)} | _KNOWN, words)

    def _edge(self, number: int) -> Sample:
        """Calls as the caller sees them."""
        place = self._edges.places[number]
        if not self._callers[place]:
            raise NoData("its caller is not there to tell")
        ok = float(self._luck[self._edges.rows[number]] < self._right[place])
        return Sample({"ok": ok, **self._edges.metrics(number)}, "" if ok else WORDS["ok"])

    # --- all at once --------------------------------------------------------------------------

    def _look(self) -> None:
        state = self._state
        self._seen_s = self._simulation.now_s
        draws = self._draws.at(self._seen_s)
        self._gaps = (draws[:, 0] < self.monitoring.gap_rate).tolist()
        self._whims = draws[:, -1].tolist()
        self._up: Mask = state.present & (state.up_from_s <= self._seen_s)
        self._use = self._processor()
        if self._components.rows.size:
            self._look_at_components(draws)
        if self._replicas.rows.size:
            self._look_at_replicas(draws)
        if self._edges.rows.size:
            self._look_at_edges(draws)

    def _look_at_components(self, draws: Floats) -> None:
        state, layout = self._state, self._layout
        of, size = layout.replica_component, len(layout.slots)
        meant = state.present.astype(float)
        present = totals(of, meant, size)
        living = totals(of, meant * np.isfinite(state.up_from_s), size)
        self._alive = (living / np.maximum(present, 1.0)).tolist()
        share = state.share * self._up
        served = np.maximum(totals(of, share, size), 1e-9)
        measured = [
            1.0 - totals(of, share * state.answers, size),
            totals(of, share * state.latency_s, size) / served,
            totals(of, state.queue, size),
            self._fullest(state.memory * state.present) * GIB,
            self._fullest(state.disk * state.present),
            np.maximum(self._fullest(self._pools()), state.connections),
            self._retries(layout.link_callee, state.originals, size),
            state.arrivals / self._simulation.step_s,
            totals(of, self._use * state.present, size) / np.maximum(present, 1.0),
        ]
        panel, monitoring = self._components, self.monitoring
        panel.show(measured, draws, monitoring.noise)
        chosen = self._balanced(draws[panel.rows, 1])
        self._asked_components.ask(
            self._up[chosen],
            state.latency_s[chosen],
            state.answers[chosen],
            draws[panel.rows],
            monitoring.timeout_s,
        )

    def _look_at_replicas(self, draws: Floats) -> None:
        state, layout = self._state, self._layout
        self._presence = state.present.tolist()
        self._death = np.isinf(state.up_from_s).tolist()
        arriving = state.arrivals[layout.replica_component] * state.share
        measured = [
            1.0 - state.answers,
            state.latency_s,
            state.queue,
            state.memory * GIB,
            state.disk,
            arriving / self._simulation.step_s,
            self._use,
        ]
        panel, places = self._replicas, self._replicas.places
        panel.show(measured, draws, self.monitoring.noise)
        # Its own check asks the process, not a whole request: a gray failure stays unseen.
        right = (state.disk < 1.0).astype(float)
        self._asked_replicas.ask(
            self._up[places],
            state.latency_s[places],
            right[places],
            draws[panel.rows],
            self.monitoring.timeout_s,
        )

    def _look_at_edges(self, draws: Floats) -> None:
        state, layout = self._state, self._layout
        of, size = layout.link_edge, len(layout.pair_starts)
        told = self._up[layout.link_caller].astype(float)
        callers = totals(of, told, size)
        some = np.maximum(callers, 1.0)
        right = totals(of, told * state.reach, size) * state.edge_ok / some
        fullest = np.zeros(size)
        np.maximum.at(fullest, of, told * state.pool_use)
        made = told * state.originals
        measured = [
            1.0 - right,
            totals(of, told * state.wait_s, size) / some,
            fullest,
            self._retries(of, made, size),
            totals(of, made, size) / self._simulation.step_s,
        ]
        self._callers = callers.tolist()
        self._right = right.tolist()
        self._luck = draws[:, 1].tolist()
        self._edges.show(measured, draws, self.monitoring.noise)

    def _balanced(self, draws: Floats) -> Indices:
        """For each component looked at, the replica that the balancer gives a request to."""
        upto = self._state.share.cumsum()
        first = self._starts[self._components.places]
        last = self._starts[self._components.places + 1] - 1
        before = upto[first] - self._state.share[first]
        asked = before + draws * (upto[last] - before) * (1.0 - 1e-9)
        chosen: Indices = np.clip(np.searchsorted(upto, asked, side="right"), first, last)
        return chosen

    def _fullest(self, values: Floats) -> Floats:
        """The greatest value among the replicas of each component."""
        fullest: Floats = np.maximum.reduceat(values, self._starts)
        return fullest

    def _pools(self) -> Floats:
        """The fullest pool of each replica."""
        layout = self._layout
        pools = np.zeros(len(layout.replica_component))
        pools[layout.linked] = np.maximum.reduceat(self._state.pool_use, layout.link_starts)
        return pools

    def _retries(self, of: Indices, made: Floats, size: int) -> Floats:
        """Share of the attempts over links that are repetitions, by what the links belong to."""
        extra = totals(of, made * self._state.extra, size)
        return extra / np.maximum(totals(of, made, size) + extra, 1e-9)

    def _processor(self) -> Floats:
        state, layout = self._state, self._layout
        possible = layout.capacity * self._simulation.step_s
        used: Floats = np.minimum(state.done / possible + state.steal, 1.0)
        return used


def _is_plain(target: str) -> bool:
    return "/" not in target and ">" not in target


def _refused(sample: Sample) -> Sample:
    """What a check tells that is not let in: somebody was reached, and answered with an error."""
    if not sample.metrics.get("ok"):
        return sample
    return Sample({**sample.metrics, "ok": 0.0}, "HTTP 401")
