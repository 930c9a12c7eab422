"""A metric that is far from what is usual for it: an alarm line that nobody has to draw.

What is usual is a slow mean of the samples that were not out of line; the line lies so far above
(or below) it as the role of the metric allows: three times the usual latency, a twentieth more of
the answers failing, a disk that is nearly full. It is coarse on purpose: it finds what harms users
within seconds and for well under a microsecond, and leaves what is merely odd to the adaptive
detectors. A value that stays out of line for long is the new usual.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from msgspec import Struct, to_builtins

from ...errors import ConfigError
from ..roles import role_of
from .detect import SCORE_MAX, Threshold, ThresholdDetector, Verdict

# Samples before anything is usual, and those that what is usual remembers.
_WARM = 20
_MEMORY = 300.0
# So many samples out of line in a row are the new usual: a quarter of an hour at one a second.
_RELEARN = 900
# What time is measured in says how little of it matters.
_LATENCY_FLOORS = (("_ms", 20.0), ("_us", 20_000.0), ("_s", 0.02), ("_seconds", 0.02))
_SHARES = ("_rate", "_share", "_ratio", "_fraction", "_utilisation", "_utilization")


class UsualLine(Struct, frozen=True, kw_only=True):
    """How far from what is usual is too far.

    Attributes:
        factor: times the usual value ...
        margin: ... and so much more, in the unit of the metric.
        least: up to this nothing is too far, whatever is usual.
        direction: whether high or low values are bad.
        samples: bad samples that make an alarm ...
        of: ... among this many newest ones.
        clear: good samples in a row that end it.
        own: whether the metric speaks of its target alone.
        drift: samples in which what is usual follows a rise; a fall it always follows fast.
    """

    factor: float = 1.0
    margin: float = 0.0
    least: float = -math.inf
    direction: Literal["up", "down"] = "up"
    samples: int = 3
    of: int = 5
    clear: int = 3
    own: bool = False
    drift: float = 300.0

    booting: ClassVar[bool] = False

    def line(self, usual: float) -> float:
        """The value from which on it is too far."""
        reach = usual * (self.factor - 1.0) + self.margin
        return max(usual + reach, self.least) if self.direction == "up" else usual - reach


def is_share(metric: str) -> bool:
    """Whether a metric is a part of a whole, from 0 to 1, by its name."""
    return metric.endswith(_SHARES)


def usual_line(metric: str) -> UsualLine | None:
    """How far from usual a metric may be, by what it speaks of; ``None`` where any value may be.

    Traffic, processors and queues are as users want them, and retries are a matter of load control:
    what is wrong with them shows in errors and latency.

    Example:
        >>> usual_line("error_rate").line(0.01)
        0.065
        >>> usual_line("request_rate") is None
        True
    """
    match role_of(metric):
        case "errors" if is_share(metric):
            return UsualLine(factor=1.5, margin=0.05)
        case "errors":
            return UsualLine(factor=3.0, margin=5.0)
        case "success" if is_share(metric):
            return UsualLine(margin=0.05, direction="down")
        case "latency":
            floors = (floor for unit, floor in _LATENCY_FLOORS if metric.endswith(unit))
            return UsualLine(factor=3.0, margin=next(floors, 0.0))
        case "disk" | "pool" if is_share(metric):
            return UsualLine(margin=0.1, least=0.85, samples=5)
        case "memory" if is_share(metric):
            return UsualLine(margin=0.1, least=0.8, samples=5, own=True)
        case "memory":
            return UsualLine(factor=1.6, samples=5, own=True, drift=10_000.0)
    return None


class UsualDetector:
    """Decide whether one metric of one target is far from what is usual for it.

    Attributes:
        config: how far is too far.
        usual: what is usual; only meaningful once it is warm.
    """

    __slots__ = ("_bad", "_count", "_held_until_s", "_judge", "config", "usual")

    def __init__(self, config: UsualLine) -> None:
        self.config = config
        self.usual = 0.0
        self._count = 0
        self._bad = 0
        self._held_until_s = -math.inf
        self._judge = self._new_judge()

    @property
    def alarmed(self) -> bool:
        """Whether the alarm stands."""
        return self._judge.alarmed

    @property
    def suspect(self) -> bool:
        """Whether good samples are still owed."""
        return self._judge.suspect

    @property
    def onset_s(self) -> float:
        """Time of the first bad sample of the present alarm or suspicion; else infinite."""
        return self._judge.onset_s

    def update(self, value: float, taken_s: float) -> Verdict:
        """Take one sample; ``nan`` is no sample.

        Args:
            value: in the unit of the metric.
            taken_s: when it was taken, loop time.
        """
        if value != value:
            return Verdict.UNCHANGED
        score = self.score(value)
        self._bad = self._bad + 1 if score > 1.0 else 0
        if self._bad >= _RELEARN:
            self.usual, self._bad, score = value, 0, 0.0
        if score <= 1.0 and not self._judge.alarmed and taken_s >= self._held_until_s:
            self._count += 1
            memory = self.config.drift if value > self.usual else _MEMORY
            self.usual += (value - self.usual) / (memory if self._count > _WARM else self._count)
        return self._judge.update(score, taken_s)

    def score(self, value: float) -> float:
        """How far a value is from usual: 1.0 on the line, more beyond it."""
        if self._count < _WARM:
            return 0.0
        reach = abs(self.config.line(self.usual) - self.usual) or 1e-9
        distance = value - self.usual if self.config.direction == "up" else self.usual - value
        return min(max(0.0, distance / reach), SCORE_MAX)

    def is_bad(self, value: float) -> bool:
        """Whether a value would be too far from usual."""
        return self.score(value) > 1.0

    def describe(self, metric: str, value: float) -> str:
        """A value, what is usual, and how far it may be from that, in words."""
        side = "at most" if self.config.direction == "up" else "at least"
        line = self.config.line(self.usual)
        return f"{metric} is {value:.3g}, usually {self.usual:.3g}, should be {side} {line:.3g}"

    def renewed(self) -> UsualDetector:
        """Itself, with what it has learned, as if nothing had been bad."""
        self._judge = self._new_judge()
        return self

    @property
    def missing(self) -> int:
        """Samples that it has to see before it can raise an alarm."""
        return max(0, _WARM - self._count)

    @property
    def basis(self) -> Mapping[str, object]:
        """The settings that what it learns depends on: all of them."""
        learned: dict[str, object] = to_builtins(self.config)
        return learned

    def save(self) -> dict[str, Any]:
        """What was learned so far, as plain values; an alarm that stands is not part of it."""
        return {"usual": self.usual, "count": self._count}

    def restore(self, learned: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on with what another one has learned.

        Args:
            learned: from ``save``.
            shift_s: no matter here, where nothing depends on the time of the day.

        Raises:
            ConfigError: it is of another make; nothing was changed.
        """
        try:
            self.usual, self._count = float(learned["usual"]), int(learned["count"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"state of what is usual is damaged: {error}") from error

    def hold(self, until_s: float) -> None:
        """Learn nothing until then: the target is being healed, or boots."""
        self._held_until_s = until_s

    def ask_for_proof(self) -> None:
        """Believe nothing until ``clear`` good samples in a row have been seen from now on."""
        self._judge.ask_for_proof()

    def _new_judge(self) -> ThresholdDetector:
        config = self.config
        return ThresholdDetector(
            Threshold(above=1.0, samples=config.samples, of=config.of, clear=config.clear)
        )
