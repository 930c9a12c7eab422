"""What mendel does without when it has little to work with: evolution first, healing never.

Its own use is measured once in a while and compared with limits. While one is exceeded, one more
thing is given up with each measurement; when all have been well within their limits for a time, one
is taken up again. The steps are ordered by how little healing loses by them:

    0 nothing -> 1 evolution -> 2 healthy targets half as often -> 3 a quarter -> 4 an eighth
              -> 5 no level above advanced -> 6 none above basic

One agent or the care of one component has limits of its own, so that neither takes from others what
it needs to heal: who exceeds one goes up steps of its own, of which `Portions` keeps account.

What is sick or in doubt is looked at as often as ever, and what heals it is never held back. A
controller that sets a rate was turned down: it would have to be tuned to a machine, and a person
could not say what mendel is doing without at the moment.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from .levels import Ceiling, Level


class Allowance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one of many may use. Empty limits hold nothing back.

    Attributes:
        cpu_share: of one core, over the last measurement.
        memory_bytes: as estimated.
        tasks: of the event loop.
    """

    cpu_share: Annotated[float, Meta(gt=0)] | None = None
    memory_bytes: Annotated[int, Meta(gt=0)] | None = None
    tasks: Annotated[int, Meta(ge=1)] | None = None


class AgentAllowance(Allowance, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one agent may use.

    Attributes:
        waiting: messages in its mailbox.
    """

    waiting: Annotated[int, Meta(ge=1)] | None = None


class ResourcesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What mendel itself may use. Empty limits hold nothing back.

    Attributes:
        cpu_share: of one core, over the last measurement; managed processes do not count.
        memory_bytes: resident memory of mendel's process.
        tasks: of the event loop.
        lag_s: how late the event loop rings a timer: everything mendel does is this much late.
        mailbox_age_s: how long the oldest message of any agent has been waiting.
        every_s: time between two measurements.
        calm_s: all limits are kept this long before something is taken up again.
        calm_share: a limit counts as kept below this share of it, so that what was given up just
            in time is not taken up at once.
        agent: what each agent may use.
        component: what looking at and deciding about each component may use.
        lower_levels: whether the levels of components may be lowered for a while ...
        keep_levels: ... but never those of these components.
    """

    cpu_share: Annotated[float, Meta(gt=0)] | None = None
    memory_bytes: Annotated[int, Meta(gt=0)] | None = None
    tasks: Annotated[int, Meta(ge=1)] | None = None
    lag_s: Annotated[float, Meta(gt=0)] | None = 0.5
    mailbox_age_s: Annotated[float, Meta(gt=0)] | None = 2.0
    every_s: Annotated[float, Meta(gt=0)] = 1.0
    calm_s: Annotated[float, Meta(gt=0)] = 15.0
    calm_share: Annotated[float, Meta(gt=0, lt=1)] = 0.75
    agent: AgentAllowance = AgentAllowance()
    component: Allowance = Allowance()
    lower_levels: bool = True
    keep_levels: tuple[str, ...] = ()

    def ceiling(self, relief: Relief, apart: Mapping[str, Relief]) -> Ceiling:
        """The highest levels that are carried out while something is done without.

        Args:
            relief: what is done without for all components.
            apart: what is done without for single ones.
        """
        whole = Ceiling(relief.ceiling)
        lower = {name: whole.under(name, own.ceiling) for name, own in apart.items()}
        return Ceiling(relief.ceiling, lower | dict.fromkeys(self.keep_levels, "full"))


class Usage(Struct, frozen=True, kw_only=True):
    """What mendel uses; the fields are those of the limits."""

    cpu_share: float = 0.0
    memory_bytes: int = 0
    tasks: int = 0
    lag_s: float = 0.0
    mailbox_age_s: float = 0.0


class Portion(Struct, frozen=True, kw_only=True):
    """What one of many uses; the fields are those of the limits."""

    cpu_share: float = 0.0
    memory_bytes: int = 0
    tasks: int = 0
    waiting: int = 0


class Relief(Struct, frozen=True):
    """What mendel does without.

    Attributes:
        step: how much of it, from 0 for nothing.
        evolves: whether configurations are bred.
        stretch: factor on the intervals of the probes of healthy targets.
        ceiling: the highest level that is carried out.
    """

    step: int
    evolves: bool = False
    stretch: float = 1.0
    ceiling: Level = "full"


STEPS: tuple[Relief, ...] = (
    Relief(0, evolves=True),
    Relief(1),
    Relief(2, stretch=2.0),
    Relief(3, stretch=4.0),
    Relief(4, stretch=8.0),
    Relief(5, stretch=8.0, ceiling="advanced"),
    Relief(6, stretch=8.0, ceiling="basic"),
)
WITHOUT_LEVELS = 4


class Ladder:
    """Up a step with each measurement that is tight, down one after each stretch of calm.

    Attributes:
        step: the present one, from 0.
    """

    __slots__ = ("_calm_from_s", "step")

    def __init__(self) -> None:
        self.step = 0
        self._calm_from_s = math.inf

    def move(
        self, usage: Struct, limits: Struct, most: int, pace: ResourcesConfig, now_s: float
    ) -> tuple[str, ...]:
        """Take a measurement.

        Args:
            usage: what is used.
            limits: what may be used; fields that usage does not have are none.
            most: the highest step.
            pace: how long calm has to last, and what counts as calm.
            now_s: loop time.

        Returns:
            The limits that are exceeded, in words.
        """
        bounds = _bounds(usage, limits)
        reasons = tuple(
            f"{name} is {used:.3g}, limit {limit:.3g}"
            for name, used, limit in bounds
            if used > limit
        )
        self.step = min(self.step, most)
        if reasons:
            self._calm_from_s = math.inf
            self.step = min(self.step + 1, most)
        elif any(used > pace.calm_share * limit for _, used, limit in bounds):
            self._calm_from_s = math.inf
        else:
            self._calm_from_s = min(self._calm_from_s, now_s)
            if now_s - self._calm_from_s >= pace.calm_s:
                self.step, self._calm_from_s = max(0, self.step - 1), now_s
        return reasons


def _bounds(usage: Struct, limits: Struct) -> list[tuple[str, float, float]]:
    found = ((name, getattr(limits, name, None)) for name in usage.__struct_fields__)
    return [(name, getattr(usage, name), limit) for name, limit in found if limit is not None]


class Pressure:
    """Decide what to do without.

    Args:
        config: the limits.

    Attributes:
        config: the same; may be exchanged at any time.
        relief: what is done without at present.
        reasons: the limits that were exceeded at the last measurement, in words.
    """

    def __init__(self, config: ResourcesConfig) -> None:
        self.config = config
        self.relief = STEPS[0]
        self.reasons: tuple[str, ...] = ()
        self._ladder = Ladder()

    def update(self, usage: Usage, now_s: float) -> bool:
        """Take a measurement.

        Returns:
            Whether `relief` is another one now.
        """
        before, config = self.relief, self.config
        most = len(STEPS) - 1 if config.lower_levels else WITHOUT_LEVELS
        self.reasons = self._ladder.move(usage, config, most, config, now_s)
        self.relief = STEPS[self._ladder.step]
        return self.relief is not before


class Excess(Struct, frozen=True):
    """One of many has come to another step.

    Attributes:
        name: which one.
        step: from 0, where nothing is held back.
        reasons: the limits that it exceeds, in words; empty on the way back.
    """

    name: str
    step: int
    reasons: tuple[str, ...] = ()


class Portions:
    """Decide who of many is held back because it uses more than is allowed to one.

    Attributes:
        excesses: how many measurements found a limit exceeded, by name.
    """

    def __init__(self) -> None:
        self.excesses: Counter[str] = Counter()
        self._ladders: dict[str, Ladder] = {}

    @property
    def steps(self) -> dict[str, int]:
        """Of those that are held back, by name."""
        return {name: ladder.step for name, ladder in self._ladders.items()}

    def update(
        self,
        used: Mapping[str, Portion],
        limits: Allowance,
        most: int,
        pace: ResourcesConfig,
        now_s: float,
    ) -> list[Excess]:
        """Take a measurement of all; see `Ladder.move`.

        Returns:
            Those that have come to another step.
        """
        changed = []
        self._forget(used)
        for name, portion in used.items():
            ladder = self._ladders.get(name) or Ladder()
            before = ladder.step
            reasons = ladder.move(portion, limits, most, pace, now_s)
            self.excesses[name] += bool(reasons)
            if ladder.step != before:
                changed.append(Excess(name, ladder.step, reasons))
            if ladder.step:
                self._ladders[name] = ladder
            else:
                self._ladders.pop(name, None)
        return changed

    def _forget(self, used: Mapping[str, Portion]) -> None:
        for name in [each for each in self.excesses if each not in used]:
            del self.excesses[name]
            self._ladders.pop(name, None)
