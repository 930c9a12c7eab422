"""The adaptive detector: finds what is out of the ordinary without a line that somebody drew.

`core/detection/scorer.py` says of each sample how far from normal it is; here is decided what to
make of it. Score and alarm are apart: a sample is *bad* when its score is rarer than the budget of
alarms allows and its value is out of the band of the expected, and while an alarm stands it stays
bad for as long as the value is out of that band. Bits of bad and good samples, evidence, proof and
raising again when it got worse are those of `core/detection/detect.py`, whose detector is used as
it is.

    score, rank, band --bad or good--> ThresholdDetector --> RAISED, CLEARED

An alarm ends when the value is back, or when it has stayed where it is for so long that it is the
new normal. Nothing is learned while something is done to the target (`hold_until`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, convert, to_builtins

from ...errors import ConfigError
from ..gene import Gene
from ..snapshot import freeze, thaw
from .detect import SCORE_MAX, Threshold, ThresholdDetector, Verdict
from .lanes import One
from .scorer import WARM, Scorer

_ONE = One()
_MONTH_S = 30 * 86_400.0
# A value this many spreads from what was expected is out of the band; closer to it nothing is an
# alarm, however rare: when a value has just come back, its changes are rare as well.
BAND = 4.0
# However great the budget, a sample is not bad that one in a hundred exceeds.
LINE_MIN = 2.0
_INTERVAL_SHARE = 0.05
_INTERVAL_S_MIN = 1e-3
# What each residual of `KINDS` says when it is the most surprised.
_WORDS = (
    "it left its recent level",
    "it jumped",
    "it is not what it usually is at this time",
    "it has been off for some samples",
    "it has been off for a while",
    "it varies more than usual",
)

STATE_VERSION = 2


class AdaptiveDetection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How out of the ordinary a metric has to be, and what is known of it beforehand.

    Attributes:
        alarms_per_month: budget of false alarms; the alarm line follows from it, from how often
            the metric is read, and from the scores it had so far.
        direction: whether high values matter (latency), low ones (throughput), or both.
        low: no value lies below this (0 for a latency); bands end there.
        high: no value lies above this (1 for a rate).
        floor: deviations that are too small to matter, in the unit of the metric.
        samples: bad samples that make an alarm ...
        of: ... among this many newest ones.
        clear: good samples in a row that end it.
        relearn_s: how long a new level has to stay before it counts as normal.
        own: whether the metric speaks of its target alone, so that no dependency explains it.
    """

    alarms_per_month: Annotated[
        float, Meta(gt=0, le=10_000), Gene(low=0.1, high=30, scale="log")
    ] = 1.0
    direction: Literal["both", "up", "down"] = "both"
    low: float | None = None
    high: float | None = None
    floor: Annotated[float, Meta(ge=0)] = 0.0
    samples: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=10, at_most="of")] = 2
    of: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=20)] = 3
    clear: Annotated[int, Meta(ge=1, le=60), Gene(low=1, high=10)] = 3
    relearn_s: Annotated[float, Meta(gt=0), Gene(low=120, high=7200, scale="log", unit="s")] = 900.0
    own: bool = False

    # What a target shows while it boots is never ordinary.
    booting: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ConfigError(f"low={self.low:g} must be less than high={self.high:g}")
        if self.samples > self.of:
            raise ConfigError(f"samples={self.samples} exceeds of={self.of}: it could never alarm")


class AdaptiveState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an adaptive detector has learned, to be kept over a restart.

    Attributes:
        version: of the layout; another one is not restored.
        interval_s: usual time between two samples.
        shift_s: what has to be added to loop time for the time that its tables are in.
        scorer: numbers and tables by name.
    """

    version: int
    interval_s: float
    shift_s: float = 0.0
    scorer: dict[str, Any]


class AdaptiveDetector:
    """Decide whether one metric of one target is out of the ordinary.

    Args:
        config: what is known of it, and the budget of alarms.

    Attributes:
        config: see above.
    """

    __slots__ = (
        "_held_until_s",
        "_interval_s",
        "_judge",
        "_scorer",
        "_shift_s",
        "_stamp_s",
        "_value",
        "config",
    )

    def __init__(self, config: AdaptiveDetection) -> None:
        self.config = config
        self._scorer = _scorer_of(config)
        self._judge = ThresholdDetector(
            Threshold(above=1.0, samples=config.samples, of=config.of, clear=config.clear)
        )
        self._held_until_s = -math.inf
        self._interval_s = 0.0
        self._shift_s = 0.0
        self._stamp_s = math.nan
        self._value = math.nan

    @property
    def basis(self) -> Mapping[str, object]:
        """The settings that what it learns depends on; the others may change meanwhile."""
        config = self.config
        return {
            "direction": config.direction,
            "floor": config.floor,
            "relearn_s": config.relearn_s,
        }

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

    @property
    def raw_score(self) -> float:
        """How far from normal the newest sample is; 0 is normal, 20 very rare."""
        return float(self._scorer.score)

    @property
    def expected(self) -> float:
        """What the newest sample should have been, within the known bounds."""
        return self._bounded(self._value - self._scorer.error)

    @property
    def band(self) -> tuple[float, float]:
        """Between which values the newest sample would have been ordinary."""
        middle, reach = self._value - self._scorer.error, BAND * self._scorer.spread
        return self._bounded(middle - reach), self._bounded(middle + reach)

    def update(self, value: float, taken_s: float) -> Verdict:
        """Take one sample; ``nan`` is no sample.

        Args:
            value: in the unit of the metric.
            taken_s: when it was taken, loop time.
        """
        if value != value:
            return Verdict.UNCHANGED
        self._note_interval(taken_s)
        self._scorer.update(value, taken_s + self._shift_s, taken_s >= self._held_until_s)
        self._value = value
        return self._judge.update(self._badness(), taken_s)

    def hold(self, until_s: float) -> None:
        """Learn nothing until then: the target is being healed, or boots."""
        self._held_until_s = until_s

    def ask_for_proof(self) -> None:
        """Believe nothing until ``clear`` good samples in a row have been seen from now on."""
        self._judge.ask_for_proof()

    def score(self, value: float) -> float:
        """Distance of a value from what is expected now, in half widths of the band."""
        scorer = self._scorer
        if scorer.count < WARM:
            return 0.0
        distance = self._directed(value - (self._value - scorer.error))
        return min(max(0.0, distance / float(BAND * scorer.spread)), SCORE_MAX)

    def renewed(self) -> AdaptiveDetector:
        """Itself, with what it has learned, as if nothing had been bad."""
        self._judge = self._judge.renewed()
        return self

    @property
    def missing(self) -> int:
        """Samples that it has to see before it can raise an alarm."""
        return max(0, WARM - int(self._scorer.count))

    def is_bad(self, value: float) -> bool:
        """Whether a value would be out of the present band."""
        return self.score(value) > 1.0

    def describe(self, metric: str, value: float) -> str:
        """The newest value, what was expected, and why it is out of the ordinary, in words."""
        low, high = self.band
        scorer = self._scorer
        side = "above" if scorer.error > 0 else "below"
        said = [
            f"{metric} is {value:g}, expected {self.expected:.3g} ({low:.3g} to {high:.3g})",
            f"{side} all but one in {_rounded(10.0**scorer.rank)} of its past",
            _WORDS[max(range(len(_WORDS)), key=scorer.surprises.__getitem__)],
        ]
        if scorer.margin > 0.0:
            said.append("further out than ever before")
        return "; ".join(said)

    def save(self) -> dict[str, Any]:
        """What was learned so far, as plain values; an alarm that stands is not part of it."""
        state = AdaptiveState(
            version=STATE_VERSION,
            interval_s=self._interval_s,
            shift_s=self._shift_s,
            scorer=freeze(self._scorer),
        )
        learned: dict[str, Any] = to_builtins(state)
        return learned

    def restore(self, learned: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on with what another one has learned.

        Args:
            learned: from ``save``.
            shift_s: what has to be added to loop time for the loop time that it was saved in: each
                run of a program may count from another moment, and a day goes on all the same.

        Raises:
            ConfigError: it is of another version, or of another make; nothing was changed.
        """
        version = learned.get("version")
        if version != STATE_VERSION:
            raise ConfigError(
                f"state of an adaptive detector has version {version}, "
                f"this one reads {STATE_VERSION}"
            )
        scorer = _scorer_of(self.config)
        try:
            state = convert(learned, AdaptiveState)
            thaw(scorer, state.scorer)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"state of an adaptive detector is damaged: {error}") from error
        self._scorer, self._interval_s = scorer, state.interval_s
        self._shift_s = state.shift_s + shift_s

    def _badness(self) -> float:
        """Over 1 for a bad sample, and then how bad in half widths of the band; else 0."""
        scorer = self._scorer
        distance = self._directed(scorer.error) / (BAND * scorer.spread)
        if distance <= 1.0:
            return 0.0
        return 1.0 + distance if self.alarmed or scorer.rank >= self.line else 0.0

    @property
    def line(self) -> float:
        """Rank from which a sample is bad: ``-log10`` of how rare it has to be.

        An alarm has to be as rare as the budget's share of all samples, and several bad samples
        share the burden of proof. Neighbours are much alike, so each after the first counts half.
        """
        samples = _MONTH_S / max(self._interval_s, _INTERVAL_S_MIN)
        rare = math.log10(samples / self.config.alarms_per_month)
        return max(LINE_MIN, 2.0 * rare / (1.0 + self.config.samples))

    def _note_interval(self, taken_s: float) -> None:
        step_s = taken_s - self._stamp_s
        self._stamp_s = taken_s
        if step_s > 0.0:  # False as well for the first sample, which has no step.
            share = _INTERVAL_SHARE if self._interval_s else 1.0
            self._interval_s += share * (step_s - self._interval_s)

    def _directed(self, distance: float) -> float:
        match self.config.direction:
            case "up":
                return distance
            case "down":
                return -distance
            case _:
                return abs(distance)

    def _bounded(self, value: float) -> float:
        low, high = self.config.low, self.config.high
        value = value if low is None else max(low, value)
        return value if high is None else min(high, value)


def _scorer_of(config: AdaptiveDetection) -> Scorer:
    return Scorer(
        _ONE,
        up=float(config.direction != "down"),
        down=float(config.direction != "up"),
        floor=config.floor,
        relearn_s=config.relearn_s,
    )


def _rounded(count: float) -> str:
    """A great count as a person would say it: ``300``, ``20,000``."""
    digits = max(0, int(math.log10(count)))
    return f"{round(count / 10**digits) * 10**digits:,}"
