"""What mendel does without when it has little to work with: evolution first, healing never.

Its own use is measured once in a while and compared with limits. While one is exceeded, one more
thing is given up with each measurement; when all have been well within their limits for a time, one
is taken up again. The steps are ordered by how little healing loses by them:

    0 nothing -> 1 evolution -> 2 healthy targets half as often -> 3 a quarter -> 4 an eighth
              -> 5 no level above advanced -> 6 none above basic

What is sick or in doubt is looked at as often as ever, and what heals it is never held back. A
controller that sets a rate was turned down: it would have to be tuned to a machine, and a person
could not say what mendel is doing without at the moment.
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta, Struct

from .levels import Ceiling, Level


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
    lower_levels: bool = True
    keep_levels: tuple[str, ...] = ()

    def ceiling(self, relief: Relief) -> Ceiling:
        """The highest levels that are carried out while something is done without."""
        return Ceiling(relief.ceiling, dict.fromkeys(self.keep_levels, "full"))


class Usage(Struct, frozen=True, kw_only=True):
    """What mendel uses; the fields are those of the limits."""

    cpu_share: float = 0.0
    memory_bytes: int = 0
    tasks: int = 0
    lag_s: float = 0.0
    mailbox_age_s: float = 0.0


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
_WITHOUT_LEVELS = 4
_LIMITS = ("cpu_share", "memory_bytes", "tasks", "lag_s", "mailbox_age_s")


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
        self._calm_from_s = math.inf

    def update(self, usage: Usage, now_s: float) -> bool:
        """Take a measurement.

        Returns:
            Whether `relief` is another one now.
        """
        before = self.relief
        self.reasons = tuple(
            f"{name} is {getattr(usage, name):.3g}, limit {limit:.3g}"
            for name, limit in self._limits()
            if getattr(usage, name) > limit
        )
        most = len(STEPS) - 1 if self.config.lower_levels else _WITHOUT_LEVELS
        step = min(before.step, most)
        if self.reasons:
            self._calm_from_s = math.inf
            step = min(step + 1, most)
        elif not self._is_calm(usage):
            self._calm_from_s = math.inf
        else:
            self._calm_from_s = min(self._calm_from_s, now_s)
            if now_s - self._calm_from_s >= self.config.calm_s:
                step, self._calm_from_s = max(0, step - 1), now_s
        self.relief = STEPS[step]
        return self.relief is not before

    def _is_calm(self, usage: Usage) -> bool:
        share = self.config.calm_share
        return all(getattr(usage, name) <= share * limit for name, limit in self._limits())

    def _limits(self) -> list[tuple[str, float]]:
        found = [(name, getattr(self.config, name)) for name in _LIMITS]
        return [(name, limit) for name, limit in found if limit is not None]
