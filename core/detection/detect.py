"""Detectors: when a metric has left its normal band, and when it is back.

A threshold detector remembers its newest samples as bits, newest in the lowest place, 1 for bad.
It alarms when ``samples`` of the newest ``of`` are bad and clears after ``clear`` good ones in a
row, so that one blip is neither an alarm nor a proof of recovery. Bits were chosen over a deque
of values because the whole state is a few integers: cheap for many lanes, trivial to compare.

What a sample changes is written once, in `advance`, for integers and for arrays of them: live, a
lane is a metric of a target, in evolution it is a candidate at work on a recorded series.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from ...errors import ConfigError
from ..gene import Gene

# A score says "how far beyond the line"; beyond this it says nothing more, and infinities would
# poison every later comparison.
SCORE_MAX = 1000.0

# An alarm that stands is raised again when its score has grown by this factor: rarely enough not
# to chatter, soon enough that whoever acts learns that it makes things worse.
_WORSE_FACTOR = 2.0


class Threshold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line that a metric must not cross, and how much evidence that takes.

    Attributes:
        above: values greater than this are bad, in the unit of the metric.
        below: values less than this are bad.
        samples: bad samples that make an alarm ...
        of: ... among this many newest ones.
        clear: good samples in a row that end it.
        margin: share of the line that a value must be on the good side of it to count as good
            while the alarm stands, so that a metric that hovers at its line does not flap.
        own: whether the metric speaks of its target alone, so that no dependency explains it.
        booting: whether it counts while the target boots as well.
    """

    above: float | None = None
    below: float | None = None
    samples: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=10, at_most="of")] = 3
    of: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=20)] = 5
    clear: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=10)] = 3
    margin: Annotated[float, Meta(ge=0, lt=1), Gene(low=0.0, high=0.5)] = 0.05
    own: bool = False
    booting: bool = False

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ConfigError("a threshold needs `above`, `below` or both")
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ConfigError(
                f"below={self.below:g} must be less than above={self.above:g}, "
                "or no value would be good"
            )
        if self.samples > self.of:
            raise ConfigError(f"samples={self.samples} exceeds of={self.of}: it could never alarm")

    def score(self, value: float) -> float:
        """Distance of a value from the band, in units of the line: 1.0 on it, more beyond it.

        Example:
            >>> Threshold(above=0.5).score(1.0)
            2.0
        """
        excesses = []
        if self.above is not None:
            excesses.append((value - self.above) / (abs(self.above) or 1.0))
        if self.below is not None:
            excesses.append((self.below - value) / (abs(self.below) or 1.0))
        return min(max(0.0, 1.0 + max(excesses)), SCORE_MAX)

    def is_bad(self, value: float, *, alarmed: bool) -> bool:
        """Whether the value is on the wrong side; harder to please while the alarm stands."""
        margin = self.margin if alarmed else 0.0
        if self.above is not None and value > self.above - margin * abs(self.above):
            return True
        return self.below is not None and value < self.below + margin * abs(self.below)

    def describe(self) -> str:
        """The band in words: ``at most 0.5``."""
        parts = []
        if self.below is not None:
            parts.append(f"at least {self.below:g}")
        if self.above is not None:
            parts.append(f"at most {self.above:g}")
        return " and ".join(parts)


# What a metric of ours means unless the configuration says otherwise. A process that is gone is
# gone at the first look. A refused connection may be a restart that takes 50 ms, so it is asked
# twice. Wrong answers come from one sick request in many, so they need a majority.
DEFAULT_THRESHOLDS: dict[str, Threshold] = {
    "alive": Threshold(below=0.5, samples=1, of=1, clear=2, own=True, booting=True),
    "stopped": Threshold(above=0.5, samples=2, of=3, clear=2, own=True),
    "reachable": Threshold(below=0.5, samples=2, of=3, clear=2, own=True),
    "answered": Threshold(below=0.5, samples=2, of=3, clear=2),
    "ok": Threshold(below=0.5, samples=3, of=5, clear=3),
    "call_failure_rate": Threshold(above=0.5, samples=2, of=3, clear=2),
}


# An integer of one lane, or an array of integers with one for each.
Whole = Any


class Bits(NamedTuple):
    """What is remembered of the newest samples of a lane.

    Attributes:
        bad: the newest samples as bits, 1 for bad.
        count: how many of them are 1.
        good: good samples in a row, counted up to as many as end an alarm.
        alarmed: 1 while the alarm stands, else 0.
    """

    bad: Whole
    count: Whole
    good: Whole
    alarmed: Whole


def advance(bits: Bits, bad: Whole, samples: Whole, of: Whole, clear: Whole) -> Bits:
    """Take one more sample.

    Only what means the same for an integer and for an array of them is used, so there are no
    branches: conditions are multiplied.

    Args:
        bits: what was remembered before it.
        bad: 1 when it is bad, else 0.
        samples: bad samples that make an alarm ...
        of: ... among this many newest ones.
        clear: good samples in a row that end it.

    Returns:
        What is remembered now.
    """
    count = bits.count + bad - (bits.bad >> (of - 1) & 1)
    shifted = (bits.bad << 1 | bad) & ((1 << of) - 1)
    good = (1 - bad) * (bits.good + (bits.good < clear))
    raised = (1 - bits.alarmed) * (count >= samples)
    cleared = bits.alarmed * (1 - bad) * (good >= clear)
    kept = 1 - cleared
    return Bits(shifted * kept, count * kept, good, bits.alarmed + raised - cleared)


class Verdict(Enum):
    """What one more sample changed; an alarm is raised again when it got clearly worse."""

    UNCHANGED = 0
    RAISED = 1
    CLEARED = 2


class ThresholdDetector:
    """Decide whether one metric of one target is in alarm.

    Attributes:
        alarmed: whether the alarm stands.
        onset_s: time of the first bad sample of the present alarm or suspicion; infinite when
            there is none.
    """

    __slots__ = ("_bits", "_calm", "_raised_score", "alarmed", "config", "onset_s")

    def __init__(self, config: Threshold) -> None:
        self.config = config
        self.alarmed = False
        self.onset_s = math.inf
        self._raised_score = math.inf
        # Nothing is under suspicion before the first sample.
        self._calm = self._bits = Bits(0, 0, config.clear, 0)

    @property
    def suspect(self) -> bool:
        """Whether good samples are still owed: bad ones were seen, or a proof was asked for."""
        return bool(self._bits.good < self.config.clear)

    def update(self, value: float, taken_s: float) -> Verdict:
        """Take one sample; ``nan`` is no sample.

        Args:
            value: in the unit of the metric.
            taken_s: when it was taken, loop time.
        """
        if value != value:
            return Verdict.UNCHANGED
        config, before = self.config, self._bits
        bad = config.is_bad(value, alarmed=self.alarmed)
        if not bad and before == self._calm:
            return Verdict.UNCHANGED  # As nearly every sample; nothing would change.
        if bad and not before.bad and not self.alarmed:
            self.onset_s = taken_s
        self._bits = after = advance(before, int(bad), config.samples, config.of, config.clear)
        self.alarmed = bool(after.alarmed)
        if bad and self.alarmed:
            worse = config.score(value) > self._raised_score * _WORSE_FACTOR
            return self._raise_if(worse or not before.alarmed, value)
        if not after.bad and not self.alarmed:
            self.onset_s = math.inf
        return Verdict.CLEARED if before.alarmed and not self.alarmed else Verdict.UNCHANGED

    def is_bad(self, value: float) -> bool:
        """Whether a value would be bad if no alarm stood."""
        return self.config.is_bad(value, alarmed=False)

    def score(self, value: float) -> float:
        """Distance of a value from the band: 1.0 on its line, more beyond it."""
        return self.config.score(value)

    def describe(self, metric: str, value: float) -> str:
        """A value and what it should be, in words."""
        return f"{metric} is {value:g}, should be {self.config.describe()}"

    def renewed(self) -> ThresholdDetector:
        """One that stands as if nothing had been bad."""
        return ThresholdDetector(self.config)

    def hold(self, until_s: float) -> None:
        """A line learns nothing anyway."""

    def _raise_if(self, due: bool, value: float) -> Verdict:
        if not due:
            return Verdict.UNCHANGED
        self._raised_score = self.config.score(value)
        return Verdict.RAISED

    def ask_for_proof(self) -> None:
        """Believe nothing until ``clear`` good samples in a row have been seen from now on."""
        self._bits = self._bits._replace(good=0)
