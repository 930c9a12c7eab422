"""A simulated estate in time: faults come and go, operations run, and harm adds up.

It knows no event loop: whoever holds it says how far to advance, in steps of fixed length. Three
random streams that never touch: the world's (traffic), the measurement's (`readings`) and the luck
of actions. Each draw is a function of the seed and of what it is for, not of how often somebody
asked; so two policies that face the same seed face the same day.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from msgspec import Struct

from ...errors import ConfigError
from ..faults import Fault
from .estate import Estate
from .illness import Illness
from .layout import Indices, Layout
from .operations import REMEDIES, Operation, Operators
from .physics import Outcome, Physics
from .state import State

STEP_S = 0.5
_TRAFFIC, _LUCK = 1, 3  # Streams; readings draw from a third one.
_NOISE_STEPS = 512
_NOISE_MEMORY = 0.95  # How much of the traffic's fluctuation is left after a step.


class Course(Struct, frozen=True, kw_only=True):
    """All that determines what happens when nobody acts.

    Attributes:
        estate: who there is.
        faults: what befalls them.
        seed: of everything random.
        until_s: how long it is followed.
    """

    estate: Estate
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    until_s: float = 900.0


class Simulation:
    """One run of a course.

    Args:
        course: what happens.
        step_s: length of a step in seconds.

    Attributes:
        now_s: how far it has come.
        layout: of the estate.
        state: of everything in it.
        illnesses: faults that have begun and are not over.
        ran: every operation that was begun: when, what, on whom.

    Raises:
        ConfigError: a fault befalls what the estate does not have.
    """

    def __init__(self, course: Course, *, step_s: float = STEP_S) -> None:
        if not 0.0 < step_s <= 1.0:
            raise ConfigError(f"step_s={step_s:g} must be more than 0 s and at most 1 s")
        self.course = course
        self.step_s = step_s
        self.now_s = 0.0
        self.layout = Layout(course.estate)
        self.state = State(self.layout)
        self.illnesses: list[Illness] = []
        self.ran: list[tuple[float, str, str]] = []
        self._physics = Physics(self.layout, self.state, step_s)
        self._operators = Operators(self.state, self._treat)
        self._operations: list[Operation] = []
        self._coming = sorted(course.faults, key=lambda fault: fault.at_s)
        self._numbers = {id(fault): number for number, fault in enumerate(course.faults)}
        self._treatments: dict[tuple[int, int], int] = {}
        self._price = 0.0
        self._steps = 0
        self._swing = 0.0
        self._noise: list[float] = []
        for fault in course.faults:
            Illness(fault, self.state, 0.0)  # Refuses now what it would refuse at its onset.

    # --- time ---------------------------------------------------------------------------------

    def advance(self, until_s: float) -> None:
        """Let time pass, up to the last whole step before ``until_s``."""
        while (self._steps + 1) * self.step_s <= until_s + 1e-9:
            self._step()

    def _step(self) -> None:
        now_s = self.now_s
        moved = [self._begin_faults(now_s), self._move_illnesses(now_s), self._operate(now_s)]
        if any(moved):
            self._refresh(now_s)
        if self._operators.shedders:
            self._operators.tick(self.step_s)
        usual = self.course.estate.traffic.usual_rate(now_s) * self.step_s
        self._physics.step(usual * self._traffic_factor(), usual, now_s)
        self._steps += 1
        self.now_s = self._steps * self.step_s

    def _begin_faults(self, now_s: float) -> bool:
        begun = False
        while self._coming and self._coming[0].at_s <= now_s:
            illness = Illness(self._coming.pop(0), self.state, now_s)
            illness.begin()
            self.illnesses.append(illness)
            begun = True
        return begun

    def _move_illnesses(self, now_s: float) -> bool:
        moved = False
        for illness in self.illnesses:
            moved |= illness.tick(now_s)
        return moved

    def _refresh(self, now_s: float) -> None:
        """Set the influences of all that still holds."""
        self.illnesses = [each for each in self.illnesses if not each.is_over]
        self.state.reset_influences()
        for illness in self.illnesses:
            illness.influence(now_s)
        self._operators.influence()

    def _traffic_factor(self) -> float:
        """What comes from outside, over what usually comes."""
        if self._steps % _NOISE_STEPS == 0:
            stream = (self.course.seed, _TRAFFIC, self._steps // _NOISE_STEPS)
            self._noise = np.random.default_rng(stream).standard_normal(_NOISE_STEPS).tolist()
        fresh = math.sqrt(1.0 - _NOISE_MEMORY**2) * self._noise[self._steps % _NOISE_STEPS]
        self._swing = _NOISE_MEMORY * self._swing + fresh
        factor = 1.0 + self.course.estate.traffic.noise * self._swing
        for illness in self.illnesses:
            if illness.fault.entry.seat == "traffic":
                factor *= illness.fault.severity
        return max(factor, 0.0)

    # --- operations ---------------------------------------------------------------------------

    def begin(self, name: str, target: str, *, priced: bool = True) -> Operation:
        """Order an operation; it goes on while time advances.

        Args:
            name: one of `REMEDIES`.
            target: component, replica (``cart/2``) or edge (``web>cart``).
            priced: whether its price counts as harm.

        Raises:
            ConfigError: there is no such operation or target, or they do not go together.
        """
        self.check(name, target)
        operation = self._operators.plan(name, target, self.now_s)
        self._price += REMEDIES[name].price * priced
        self._operations.append(operation)
        self.ran.append((self.now_s, name, target))
        return operation

    def duration_s(self, name: str, target: str) -> float:
        """How long an operation would take if it began now."""
        return self._operators.plan(name, target, self.now_s).ends_s - self.now_s

    def cancel(self, operation: Operation) -> None:
        """Stop an operation where it is; what it has done stays done."""
        if operation in self._operations:
            self._operations.remove(operation)
            operation.problem = "cancelled"
            operation.is_done = True

    def check(self, name: str, target: str) -> None:
        """Refuse what cannot be ordered.

        Raises:
            ConfigError: there is no such operation or target, or they do not go together.
        """
        if name not in REMEDIES:
            raise ConfigError(f"no operation {name!r}; there are: {', '.join(REMEDIES)}")
        sort = self._sort_of(target)
        if sort not in REMEDIES[name].on:
            fitting = " or ".join(REMEDIES[name].on)
            raise ConfigError(f"{name} is done to a {fitting}; {target!r} is {sort or 'unknown'}")

    def knows(self, target: str) -> bool:
        """Whether there is such a component, replica or edge."""
        return bool(self._sort_of(target))

    def _sort_of(self, target: str) -> str:
        layout = self.layout
        if target in layout.edge_of:
            return "edge"
        name, slash, number = target.partition("/")
        if name not in layout.names:
            return ""
        if not slash:
            return "component"
        slots = layout.slots[layout.component_of[name]].size
        return "replica" if number.isdecimal() and 1 <= int(number) <= slots else ""

    def _operate(self, now_s: float) -> bool:
        moved = False
        for operation in tuple(self._operations):
            while operation.steps and operation.steps[0][0] <= now_s:
                due_s, act = operation.steps.pop(0)
                act(due_s)
                moved = True
            if not operation.steps:
                self._operations.remove(operation)
                operation.problem = self._operators.problem_of(operation.name, operation.target)
                operation.is_done = True
        return moved

    def _treat(self, action: str, component: str, replicas: Indices) -> None:
        for illness in self.illnesses:
            number = self._numbers[id(illness.fault)]
            illness.treat(action, component, replicas, partial(self._luck, number))

    def _luck(self, illness: int, replica: int) -> float:
        """A draw that depends on how often this was tried here, and on nothing else."""
        tries = self._treatments.get((illness, replica), 0)
        self._treatments[illness, replica] = tries + 1
        stream = (self.course.seed, _LUCK, illness, replica, tries)
        return float(np.random.default_rng(stream).random())

    # --- what came of it ----------------------------------------------------------------------

    @property
    def outcome(self) -> Outcome:
        """What became of the users' requests so far."""
        return self._physics.outcome

    def harm(self) -> float:
        """Error-minutes so far, with the price of every operation that was ordered."""
        return self._physics.outcome.harm + self._price
