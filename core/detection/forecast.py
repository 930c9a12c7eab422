"""When a metric will reach its limit: an interval of time, or nothing.

Most metrics that cross a line jump over it, and no forecast helps. Some grow towards it: memory
that leaks, a disk that fills, a pool whose connections do not come back, a queue. Their samples are
averaged into series of five widths, and each series that moves towards the limit is fitted by least
squares, twice: all of it and its newer half. A forecast is made only when the two agree, when the
series is straight (growth well beyond the scatter about the line, in both halves), and when the
limit is no further ahead than two thirds of the time that was fitted; short series are extrapolated
into the wildest nonsense. The scatter of neighbours is much alike, so errors are widened by its
correlation. The interval spans both fits.

What falls by itself from time to time, as memory does when it is collected, is no trend towards a
limit beyond those falls: its usual peaks are remembered. What a day usually looks like is taken off
once a day has been seen. Each forecast is followed up: whether the limit was reached within the
interval is counted, unless something was done about it.

Sources:
    Salfner, Lenk, Malek, ACM Computing Surveys 42 (2010), on online failure prediction.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, convert, to_builtins

from ...errors import ConfigError
from ..gene import Gene
from ..snapshot import freeze, thaw
from .lanes import One
from .seasons import DAY_S, Season
from .series import LEAST, MOST, Series, SeriesState
from .trend import steps_left

_ONE = One()

# Each series is so many times as wide as the one before it; the last one spans a day.
WIDTHS = (1.0, 6.0, 36.0, 216.0, 1296.0)
# Readings scatter, so the first one beyond the limit comes before their mean: of some dozens of
# them the highest is so many standard deviations up.
HIGHEST = 2.5
# A fall from one sample to the next by more than this many times its usual change, and by at least
# this share of the limit, is a release. Teeth between releases are seen through by a series that
# has at least so many of them.
FALL_CHANGES, FALL_SHARE = 8.0, 0.02
TEETH = 4
_PEAKS = 5
_CHANGE_SHARE, _CHANGES = 0.05, 10
# A series of which more than a quarter is guessed, because samples come less often than its steps,
# is none.
REAL_SHARE = 0.75
# What has reached its limit is forecast again once it is this far below.
_REARM_SHARE = 0.9

STATE_VERSION = 1


class ForecastConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a forecast is a reason to act.

    Attributes:
        lead_s: a limit that may be reached within this time is to be prevented: longer than it
            takes to restart all replicas one after the other.
        used_share: below this share of the limit nothing is forecast.
        clear: samples in a row without such a forecast that end it.
    """

    lead_s: Annotated[float, Meta(gt=0), Gene(low=30, high=1800, scale="log", unit="s")] = 180.0
    used_share: Annotated[float, Meta(ge=0, lt=1), Gene(low=0.2, high=0.9)] = 0.5
    clear: Annotated[int, Meta(ge=1, le=60)] = 3

    # What fills up here is no matter of what it needs, and what a booting target shows is no trend.
    own: ClassVar[bool] = True
    booting: ClassVar[bool] = False


class Forecast(Struct, frozen=True, kw_only=True):
    """A limit that will be reached.

    Attributes:
        limit: which value, in the unit of the metric.
        early_s: not before this moment ...
        late_s: ... and not after this one, with nine chances of ten.
        made_s: when it was made.
        per_s: growth per second.
    """

    limit: float
    early_s: float
    late_s: float
    made_s: float
    per_s: float


class Tally(Struct):
    """What became of forecasts.

    Attributes:
        made: how many were followed up to their end.
        held: how many limits were reached within their interval.
        missed: how many were reached sooner, later or not at all.
        prevented: how many were overtaken by something that was done.
    """

    made: int = 0
    held: int = 0
    missed: int = 0
    prevented: int = 0

    def add(self, other: Tally) -> None:
        """Count another one's with one's own."""
        self.made += other.made
        self.held += other.held
        self.missed += other.missed
        self.prevented += other.prevented


class ForecastState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a forecaster has learned, to be kept over a restart.

    Attributes:
        version: of the layout; another one is not restored.
        shift_s: what has to be added to loop time for the time that `day` is in.
        series: one for each of `WIDTHS`; a step that has just begun is begun anew.
        falls: when the metric came down by itself, and from which height.
        change: its usual change from one sample to the next ...
        changes: ... and of how many that is the mean.
        mean: its mean over a day.
        start_s: when it was first seen.
        day: what is usual at each time of the day.
        tally: what became of its forecasts.
    """

    version: int
    shift_s: float
    series: tuple[SeriesState, ...]
    falls: tuple[tuple[float, float], ...]
    change: float
    changes: int
    mean: float
    start_s: float
    day: dict[str, Any]
    tally: Tally


class Forecaster:
    """Forecast when one metric reaches its limit.

    Args:
        config: when a forecast is made.
        every_s: least width of a series; the time between two samples.

    Attributes:
        tally: what became of its forecasts.
    """

    __slots__ = (
        "_change",
        "_changes",
        "_day",
        "_falls",
        "_last",
        "_mean",
        "_open",
        "_reached",
        "_series",
        "_shift_s",
        "_start_s",
        "config",
        "tally",
    )

    def __init__(self, config: ForecastConfig, every_s: float = 1.0) -> None:
        self.config = config
        self.tally = Tally()
        self._series = [Series(width * every_s) for width in WIDTHS]
        self._change, self._changes = 0.0, 0
        self._falls: deque[tuple[float, float]] = deque(maxlen=_PEAKS)
        self._last = math.nan
        self._day = Season(_ONE, DAY_S)
        self._mean = 0.0
        self._shift_s = 0.0
        self._start_s = math.nan
        self._open: Forecast | None = None
        self._reached = False

    def take(self, value: float, limit: float, now_s: float) -> Forecast | None:
        """Take a sample; tells of a limit that is ahead.

        Args:
            value: in the unit of the metric.
            limit: what it must not reach, same unit, positive.
            now_s: when the sample was taken.
        """
        self._note_fall(value, limit, now_s)
        self._reached = value >= limit * (_REARM_SHARE if self._reached else 1.0)
        usual = self._take_off_day(value, now_s)
        found: Forecast | None = None
        for series in self._series:
            if series.add(value - usual, now_s) and found is None:
                found = self._look(series, value, usual, limit, now_s)
        self._follow_up(value, now_s)
        if found is not None and self._open is None:
            self._open = found
        return found

    def forget(self, now_s: float) -> None:
        """Something is done to the target: what it grew to is over."""
        for series in self._series:
            series.clear(now_s)
        self._last = math.nan
        if self._open is not None:
            self._settle(prevented=True)

    @property
    def is_open(self) -> bool:
        """Whether a forecast stands of which nobody knows yet whether it will come true."""
        return self._open is not None

    @property
    def steps(self) -> int:
        """How many steps the shortest series has."""
        return len(self._series[0].values)

    def save(self) -> dict[str, Any]:
        """What was learned so far, as plain values; a forecast that is open is not part of it."""
        state = ForecastState(
            version=STATE_VERSION,
            shift_s=self._shift_s,
            series=tuple(each.save() for each in self._series),
            falls=tuple(self._falls),
            change=self._change,
            changes=self._changes,
            mean=self._mean,
            start_s=self._start_s,
            day=freeze(self._day),
            tally=self.tally,
        )
        learned: dict[str, Any] = to_builtins(state)
        return learned

    def restore(self, learned: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on with what another one has learned.

        Args:
            learned: from ``save``.
            shift_s: what has to be added to loop time for the loop time that it was saved in.

        Raises:
            ConfigError: it is of another version, or of another make; nothing was changed.
        """
        day = Season(_ONE, DAY_S)
        try:
            state = convert(learned, ForecastState)
            thaw(day, state.day)
            pairs = list(zip(self._series, state.series, strict=True))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"state of a forecast is damaged: {error}") from error
        if state.version != STATE_VERSION:
            raise ConfigError(
                f"state of a forecast has version {state.version}, this one reads {STATE_VERSION}"
            )
        for series, its in pairs:
            series.restore(its, shift_s)
        self._falls.extend((at_s - shift_s, height) for at_s, height in state.falls)
        self._change, self._changes, self._mean = state.change, state.changes, state.mean
        self._start_s, self._shift_s = state.start_s - shift_s, state.shift_s + shift_s
        self._day, self.tally = day, state.tally

    def _look(
        self, series: Series, value: float, usual: float, limit: float, now_s: float
    ) -> Forecast | None:
        values = list(series.values)
        if len(values) < LEAST or sum(series.real) < REAL_SHARE * len(values):
            return None
        if self._reached or value < self.config.used_share * limit:
            return None
        for size in range(len(values), LEAST - 1, -(MOST - LEAST) // 2):
            part = values[-size:]
            if not self._sees_through_teeth(size * series.width_s, value):
                continue
            if limit - usual - part[-1] > part[-1] - part[0]:
                continue  # Not worth a fit: it would take longer than it may.
            left = steps_left(part, limit - usual, self._reach(part[-1] + usual))
            if left is not None:
                early, late, per_step = left
                end_s = series.start_s
                return Forecast(
                    limit=limit,
                    early_s=max(end_s + early * series.width_s, now_s),
                    late_s=end_s + late * series.width_s,
                    made_s=now_s,
                    per_s=per_step / series.width_s,
                )
        return None

    def _note_fall(self, value: float, limit: float, now_s: float) -> None:
        """Remember from which height it came down by itself, and when."""
        change = value - self._last
        self._last = value
        if change != change:
            return
        known = self._changes >= _CHANGES
        if known and -change >= max(FALL_CHANGES * self._change, FALL_SHARE * limit):
            self._falls.append((now_s, value - change))
        else:
            self._changes += 1
            share = max(_CHANGE_SHARE, 1.0 / self._changes)
            self._change += share * (abs(change) - self._change)

    def _sees_through_teeth(self, span_s: float, value: float) -> bool:
        """Whether a trend over so long a time is more than the rise to the next release."""
        if not self._falls:
            return True
        first_s, last_s = self._falls[0][0], self._falls[-1][0]
        if len(self._falls) == 1:
            return value > self._falls[0][1]
        return span_s >= TEETH * (last_s - first_s) / (len(self._falls) - 1)

    def _reach(self, level: float) -> float:
        """How far readings lie above their mean: by scatter, or at the top of a tooth."""
        peaks = [peak - level for _, peak in self._falls]
        # The change from one to the next scatters by the root of two more than each does, and its
        # mean size is four fifths of that.
        return max(HIGHEST * 0.886 * self._change, *peaks, 0.0)

    def _take_off_day(self, value: float, now_s: float) -> float:
        """How far off its mean the metric usually is at this time of the day; 0 while unknown.

        The mean runs over a day, so that what grows day by day is not taken for usual.
        """
        if self._start_s != self._start_s:
            self._start_s, self._mean = now_s, value
        age_s = now_s - self._start_s
        looked = self._day.look(_ONE, now_s + self._shift_s)
        step_s = max(self._series[0].width_s, 1.0)
        self._mean += min(step_s / DAY_S, 1.0) * (value - self._mean)
        off = value - self._mean - looked[1]
        self._day.learn(_ONE, looked, off, off, step_s, True)
        return float(looked[1]) if age_s >= DAY_S else 0.0

    # --- what became of it --------------------------------------------------------------------

    def _follow_up(self, value: float, now_s: float) -> None:
        known = self._open
        if known is None:
            return
        if value >= known.limit:
            self._settle(held=known.early_s <= now_s <= known.late_s)
        elif now_s > known.late_s:
            self._settle()

    def _settle(self, *, held: bool = False, prevented: bool = False) -> None:
        self._open = None
        self.tally.made += 1
        self.tally.prevented += prevented
        self.tally.held += held
        self.tally.missed += not (held or prevented)
