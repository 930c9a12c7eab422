"""The simulated estate as a `World`: what agents look at and act on, in the time of their loop.

Nothing runs by itself in here. The simulation is brought up to the present whenever somebody looks
or acts, in fixed steps; so it costs no task, and who looks how often changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, Literal

from ...agents.ports import ActionResult, IntentStatus, Sample
from ...core.records import IntentRecord
from ...core.topology import Annotation, Component
from ..faults import Fault
from .estate import USERS
from .operations import REMEDIES, Operation, actions_on
from .physics import Outcome
from .readings import Instruments, Monitoring
from .simulation import STEP_S, Course, Simulation

Watched = Literal["components", "replicas", "edges"]

# So long after its end the effect of what boots nothing may take to show.
_SETTLE_S = 5.0
_BOOTS = ("restart", "rolling_restart", "replace", "scale", "roll_back", "fail_over")


class SimulatedWorld:
    """A `mendel.agents.ports.World` that is simulated.

    Args:
        course: estate, faults and seed.
        watch: what there are probes for.
        monitoring: how well they see.
        step_s: length of a step of the simulation.

    Attributes:
        simulation: what happens inside; for tests and scores, not for agents.
    """

    def __init__(
        self,
        course: Course,
        *,
        watch: Iterable[Watched] = ("components",),
        monitoring: Monitoring | None = None,
        step_s: float = STEP_S,
    ) -> None:
        self.simulation = Simulation(course, step_s=step_s)
        self._components = course.estate.components
        self._began_s: float | None = None
        self._is_watched = False
        targets = tuple(self._targets(frozenset(watch)))
        self._instruments = Instruments(self.simulation, monitoring or Monitoring(), targets)
        self._probes = [SimulatedProbe(self, target, self._instruments) for target in targets]
        self._actions: dict[str, dict[str, SimulatedAction]] = {}

    # --- what agents see ----------------------------------------------------------------------

    @property
    def components(self) -> Sequence[Component]:
        """Components of the estate; whatever they call, they depend on."""
        return self._components

    @property
    def probes(self) -> Sequence[SimulatedProbe]:
        """One for each watched target."""
        return self._probes

    def actions(self, target: str) -> Mapping[str, SimulatedAction]:
        """What can be done to a component, a replica (``cart/2``) or an edge (``web>cart``)."""
        if target not in self._actions:
            known = self.simulation.knows(target)
            names = actions_on(self.simulation.course.estate, target) if known else ()
            self._actions[target] = {name: SimulatedAction(self, target, name) for name in names}
        return self._actions[target]

    def annotation(self, target: str) -> Annotation:
        """Deployments and announced work of a component, as far as they have happened."""
        began_s = self._began_s or 0.0
        now_s = self.simulation.now_s
        faults = [each for each in self.simulation.course.faults if each.target == target]
        deployed = [each for each in faults if each.kind.endswith("_deploy") and each.at_s <= now_s]
        works = [each for each in faults if each.kind == "maintenance"]
        return Annotation(
            version=f"v{1 + len(deployed)}",
            deployed_s=began_s + max((each.at_s for each in deployed), default=float("-inf")),
            maintenance=tuple(_window(each, began_s) for each in works),
        )

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """Simulated components are looked at; what somebody reports of them is not needed."""

    async def __aenter__(self) -> SimulatedWorld:
        """The run begins now."""
        if self._began_s is None:
            self._began_s = asyncio.get_running_loop().time()
        self._is_watched = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """The run is followed to the present, and no further until somebody enters again."""
        self.catch_up()
        self._is_watched = False

    # --- what came of it ----------------------------------------------------------------------

    def harm(self) -> float:
        """Error-minutes so far, with the price of every action."""
        self.catch_up()
        return self.simulation.harm()

    def availability(self) -> float:
        """Share of the users' requests so far that were answered, however late or plain."""
        outcome = self.outcome
        missed = outcome.failed + outcome.shed
        return 1.0 - missed / outcome.offered if outcome.offered else 1.0

    @property
    def outcome(self) -> Outcome:
        """What became of the users' requests so far."""
        self.catch_up()
        return self.simulation.outcome

    def catch_up(self) -> None:
        """Bring the simulation up to the present of the loop."""
        if self._is_watched and self._began_s is not None:
            self.simulation.advance(asyncio.get_running_loop().time() - self._began_s)

    def _targets(self, watch: frozenset[str]) -> Iterable[str]:
        layout = self.simulation.layout
        if "components" in watch:
            yield from layout.names
        if "replicas" in watch:
            # Those of the start: there is nothing to look at in the places that are still empty.
            yield from (layout.replica_name(int(each)) for each in layout.present.nonzero()[0][:-1])
        if "edges" in watch:
            yield from (name for name in layout.edge_of if not name.startswith(f"{USERS}>"))


class SimulatedProbe:
    """Looks at one target of a simulated world.

    Args:
        world: where it looks.
        target: at what.
        instruments: read it.
    """

    name = "simulated"

    def __init__(self, world: SimulatedWorld, target: str, instruments: Instruments) -> None:
        self.target = target
        self._world = world
        self._instruments = instruments

    @property
    def every_s(self) -> float:
        """Time between two looks."""
        return self._instruments.monitoring.every_s

    @property
    def timeout_s(self) -> float:
        """How long a look may take, delays included."""
        patience_s = self._instruments.monitoring.timeout_s
        return patience_s + self._instruments.delay_s(self.target)

    def read(self) -> Sample | Awaitable[Sample]:
        """Look now; what comes late is as old as it is late.

        Raises:
            NoData: nothing came back.
        """
        self._world.catch_up()
        sample = self._instruments.read(self.target)
        late_s = self._instruments.delay_s(self.target)
        if sample.metrics.get("answered", 1.0) < 0.5:
            late_s += self._instruments.monitoring.timeout_s
        return _later(sample, late_s) if late_s > 0.0 else sample


class SimulatedAction:
    """Something that can be done to one target of a simulated world.

    Args:
        world: where it is done.
        target: to what.
        name: one of `REMEDIES`.
    """

    def __init__(self, world: SimulatedWorld, target: str, name: str) -> None:
        self.name = name
        self.disruptive = REMEDIES[name].disruptive
        self.undo = REMEDIES[name].undo
        self._world = world
        self._target = target
        self._runs: dict[str, Operation] = {}

    @property
    def timeout_s(self) -> float:
        """Half as long again as it takes, and some."""
        return 1.5 * self._world.simulation.duration_s(self.name, self._target) + 5.0

    @property
    def settle_s(self) -> float:
        """Boot and warm-up where something boots."""
        name = self._target.partition("/")[0]
        if self.name not in _BOOTS:
            return _SETTLE_S
        service = self._world.simulation.course.estate.service(name)
        return service.boot_s + service.warmup_s

    def before(self) -> dict[str, Any]:
        """Nothing: what was run is remembered by its intent."""
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        """Do it, and wait until it is done."""
        if intent.target != self._target:
            wrong = f"{self.name!r} is an action of {self._target!r}, not of {intent.target!r}"
            return ActionResult(False, wrong)
        world = self._world
        world.catch_up()
        operation = world.simulation.begin(self.name, self._target)
        self._runs[intent.intent] = operation
        if len(self._runs) > _RUNS_MAX:
            del self._runs[next(iter(self._runs))]  # Nobody asks for one so long ago.
        try:
            while not operation.is_done:
                await asyncio.sleep(
                    max(operation.ends_s - world.simulation.now_s, 0.0) + _STEP_OVER
                )
                world.catch_up()
        except asyncio.CancelledError:
            world.catch_up()
            world.simulation.cancel(operation)
            raise
        return ActionResult(not operation.problem, operation.problem or "done")

    async def status(self, intent: IntentRecord) -> IntentStatus:
        """Whether it took place."""
        self._world.catch_up()
        operation = self._runs.get(intent.intent)
        done = operation is not None and operation.is_done and not operation.problem
        return IntentStatus.DONE if done else IntentStatus.NOT_DONE


# An operation is done within the step after its last moment.
_STEP_OVER = 0.1

_RUNS_MAX = 100


async def _later(sample: Sample, late_s: float) -> Sample:
    await asyncio.sleep(late_s)
    return sample


def _window(fault: Fault, began_s: float) -> tuple[float, float]:
    return (began_s + fault.at_s, began_s + fault.at_s + fault.lasts_s)
