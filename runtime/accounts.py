"""Who uses how much of mendel: each agent, and the care of each component."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from ..agents.meter import Meter
from ..core.pressure import Portion
from .weigh import weigh

if TYPE_CHECKING:
    from .system import System

# Weighing takes up to a few milliseconds each, so all take turns: so many per measurement.
_WEIGHED = 2


class _Spending:
    """The portions of many of one kind: agents, or components."""

    def __init__(self) -> None:
        self.portions: dict[str, Portion] = {}
        self.busy_s: dict[str, float] = {}
        self.weights: dict[str, int] = {}

    def read(self, used: dict[str, tuple[Meter, int, int]], passed_s: float) -> None:
        """Take in meter, tasks and waiting messages of each."""
        known = self.busy_s
        self.busy_s = {name: meter.busy_s for name, (meter, _, _) in used.items()}
        self.weights = {name: size for name, size in self.weights.items() if name in used}
        self.portions = {
            name: Portion(
                cpu_share=(self.busy_s[name] - known.get(name, 0.0)) / passed_s,
                memory_bytes=self.weights.get(name, 0),
                tasks=tasks,
                waiting=waiting,
            )
            for name, (_, tasks, waiting) in used.items()
        }


class Accounts:
    """Measures what each agent and each component takes.

    The processor time of a component is that of looks at it and of what its readings mean; its
    memory what is kept of it, its tasks looks and actions under way. Memory is weighed in turns.

    Args:
        system: whose.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._agents = _Spending()
        self._components = _Spending()
        self._turns: Iterator[Callable[[], None]] = iter(())

    @property
    def agents(self) -> dict[str, Portion]:
        """What each agent used, as last measured."""
        return self._agents.portions

    @property
    def components(self) -> dict[str, Portion]:
        """What each component took, as last measured."""
        return self._components.portions

    def spent_s(self, component: str) -> float:
        """Processor time of a component since the start, as last measured."""
        return self._components.busy_s.get(component, 0.0)

    def read(self, passed_s: float) -> None:
        """Measure, so many seconds after the last time."""
        system = self._system
        for _ in range(_WEIGHED):
            self._weigh_next()
        depths = {each.name: each.depth for each in system.bus.stats().mailboxes}
        agents = {
            name: (seat.meter, seat.meter.tasks, depths[name])
            for name, seat in system.seats.items()
        }
        self._agents.read(agents, passed_s)
        if system.meters is None:
            return
        known = system.parts.casebook.topology.components
        system.meters.keep(known)
        running, meters = system.parts.policy.running_by_target(), system.meters.of
        components = {
            name: (meters[name], meters[name].tasks + running[name], 0)
            for name in known
            if name in meters
        }
        self._components.read(components, passed_s)

    # --- memory -------------------------------------------------------------------------------

    def _weigh_next(self) -> None:
        turn = next(self._turns, None)
        if turn is None:
            self._turns = self._round()
            turn = next(self._turns)
        turn()

    def _round(self) -> Iterator[Callable[[], None]]:
        for name in list(self._system.seats):
            yield lambda name=name: self._weigh_agent(name)  # type: ignore[misc]
        for name in list(self._system.parts.casebook.topology.components):
            yield lambda name=name: self._weigh_component(name)  # type: ignore[misc]

    def _weigh_agent(self, name: str) -> None:
        system, seat = self._system, self._system.seats.get(name)
        if seat is not None:
            parts = system.parts
            others: list[Struct | object] = [system, system.bus, system.world, system.journal]
            others += [parts, parts.casebook, parts.charts, parts.board, parts.ledger]
            others += [system.config, *system.seats.values()]
            self._agents.weights[name] = weigh([seat.agent, seat.mailbox.lane], others)

    def _weigh_component(self, name: str) -> None:
        parts = self._system.parts
        names = (name, *parts.casebook.topology.parts(name))
        charts = [parts.charts[each] for each in names if each in parts.charts]
        incident = parts.casebook.incidents.get(name)
        shared = [parts.casebook, *(chart.config for chart in charts)]
        self._components.weights[name] = weigh([*charts, incident], shared)
