"""When each candidate would have noticed each recorded incident: detectors over arrays of lanes.

A lane is a candidate at work on one metric of one incident. The lines that decide are those of the
live detector (`mendel.core.detection.detect.advance`), and the samples are those that the live one
had; so the decisions are the same, bit for bit, until an action was run. What was read from then on
is that action's doing. For candidates that are slower the readings of the trouble before it are
repeated: it would have lasted.

A good sample changes nothing while all is calm. So a lane begins with its first bad sample, and
those that have not begun cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ..core.detection.detect import DEFAULT_THRESHOLDS, Bits, Threshold, advance
from ..core.watching.watch import WatchConfig, implied_by
from .history import PastIncident

Floats = NDArray[np.float64]

# How long a trouble goes on for those who have not seen it yet: readings, and the last ones of the
# trouble that are repeated in turn.
_TAIL_ROWS = 60
_REPEATED_ROWS = 10


class Noticed(Struct, frozen=True):
    """What candidates saw; shape (candidates, incidents).

    Attributes:
        at_s: loop time of the first alarm that stood in the trouble; infinite for never.
        false_alarms: alarms raised before it, or where there was none.
    """

    at_s: Floats
    false_alarms: Floats


class Signals:
    """Recorded readings, laid out for detectors.

    Args:
        incidents: whose readings.
        usual: how they are watched; only lines of it matter here, which no gene moves.

    Attributes:
        calm_s: for how long in all nothing was wrong in them.
        weights: of each incident, the share of its readings in the trouble that were bad.
        shows: whether any reading in the trouble is beyond a line. One that shows in none was
            noticed in another way (by a replica, by its own past), which no gene here changes.
    """

    def __init__(self, incidents: Sequence[PastIncident], usual: WatchConfig) -> None:
        self._count = len(incidents)
        self._onsets_s = np.array([_onset_s(each) for each in incidents])
        self.calm_s = sum(map(_calm_s, incidents))
        self.weights = np.ones(self._count)
        self.shows = np.zeros(self._count, bool)
        self.metrics: list[str] = []
        series: list[tuple[int, int, Floats, Floats]] = []
        for number, incident in enumerate(incidents):
            lines = {metric: threshold_of(usual, metric) for metric in incident.metrics}
            rows = list(_rows(incident))
            for metric, line in lines.items():
                times_s, values = _series(rows, metric)
                bad = _bad(values, line)
                if line is None or not bad.any():
                    continue  # No alarm, whatever the genes.
                if metric not in self.metrics:
                    self.metrics.append(metric)
                self.shows[number] |= bad[times_s >= self._onsets_s[number]].any()
                first = int(np.argmax(bad))
                place = self.metrics.index(metric)
                series.append((number, place, times_s[first:], values[first:]))
            self.weights[number] = _weight(rows, lines, self._onsets_s[number])
        self._lay_out(series)

    def _lay_out(self, series: Sequence[tuple[int, int, Floats, Floats]]) -> None:
        """Series by length, the longest first: all of them end together."""
        ordered = sorted(series, key=lambda each: -len(each[2]))
        self._incident = np.array([each[0] for each in ordered], dtype=np.intp)
        self._metric = np.array([each[1] for each in ordered], dtype=np.intp)
        steps = len(ordered[0][2]) if ordered else 0
        self._values = np.full((steps, len(ordered)), math.nan)
        self._times_s = np.full((steps, len(ordered)), -math.inf)
        for lane, (_, _, times_s, values) in enumerate(ordered):
            self._values[steps - len(values) :, lane] = values
            self._times_s[steps - len(values) :, lane] = times_s
        lengths = np.array([len(each[2]) for each in ordered])
        self._begun = [int(np.sum(lengths >= steps - step)) for step in range(steps)]

    def noticed(self, watches: Sequence[WatchConfig]) -> Noticed:
        """Let each candidate watch all of it.

        Args:
            watches: how each of them watches.
        """
        lanes, candidates = len(self._incident), len(watches)
        lines = _Lines(watches, self.metrics, self._metric)
        bits, count, alarmed = (np.zeros((lanes, candidates), np.int64) for _ in range(3))
        state = Bits(bits, count, lines.clear.copy(), alarmed)
        found_s = np.full((lanes, candidates), math.inf)
        false = np.zeros((lanes, candidates))
        onsets_s = self._onsets_s[self._incident]
        for values, times_s, begun in zip(self._values, self._times_s, self._begun, strict=True):
            before = Bits(*(each[:begun] for each in state))
            bad = lines.is_bad(values[:begun, None], before.alarmed, begun)
            after = advance(
                before, bad, lines.samples[:begun], lines.of[:begun], lines.clear[:begun]
            )
            in_trouble = (times_s[:begun] >= onsets_s[:begun])[:, None]
            false[:begun] += (after.alarmed > before.alarmed) & ~in_trouble
            seen_s = np.where(after.alarmed * in_trouble, times_s[:begun, None], math.inf)
            np.minimum(found_s[:begun], seen_s, out=found_s[:begun])
            for kept, new in zip(before, after, strict=True):
                kept[...] = new
        return self._by_incident(found_s, false)

    def _by_incident(self, found_s: Floats, false: Floats) -> Noticed:
        """The first of all metrics counts, and each false alarm."""
        at_s = np.full((self._count, found_s.shape[1]), math.inf)
        np.minimum.at(at_s, self._incident, found_s)
        total = np.zeros_like(at_s)
        np.add.at(total, self._incident, false)
        return Noticed(at_s.T, total.T)


class _Lines:
    """Thresholds of all candidates by lane; shape (lanes, candidates)."""

    def __init__(
        self, watches: Sequence[WatchConfig], metrics: Sequence[str], lanes: NDArray[np.intp]
    ) -> None:
        table = [
            [line for watch in watches if (line := threshold_of(watch, metric)) is not None]
            for metric in metrics
        ]

        def of_all(read: Callable[[Threshold], float]) -> Floats:
            rows = [[read(each) for each in row] for row in table]
            return np.array(rows, np.float64).reshape(len(metrics), len(watches))[lanes]

        self.samples = of_all(lambda each: each.samples).astype(np.int64)
        self.of = of_all(lambda each: each.of).astype(np.int64)
        self.clear = of_all(lambda each: each.clear).astype(np.int64)
        self._above = of_all(lambda each: _or(each.above, math.inf))
        self._below = of_all(lambda each: _or(each.below, -math.inf))
        self._ease_above = of_all(lambda each: each.margin * abs(_or(each.above, 0.0)))
        self._ease_below = of_all(lambda each: each.margin * abs(_or(each.below, 0.0)))

    def is_bad(self, values: Floats, alarmed: NDArray[np.int64], begun: int) -> NDArray[np.int64]:
        """As `Threshold.is_bad`; what is no sample is not."""
        above = self._above[:begun] - alarmed * self._ease_above[:begun]
        below = self._below[:begun] + alarmed * self._ease_below[:begun]
        bad: NDArray[np.int64] = ((values > above) | (values < below)).astype(np.int64)
        return bad


def threshold_of(watch: WatchConfig, metric: str) -> Threshold | None:
    """The line of a metric, if it has one."""
    return watch.thresholds.get(metric) or DEFAULT_THRESHOLDS.get(metric)


def _rows(incident: PastIncident) -> Iterator[tuple[float, dict[str, float]]]:
    """Readings up to the first action, and the trouble going on."""
    rows = [
        (time_s, _told(incident.metrics, row))
        for row, time_s in enumerate(incident.times_s)
        if time_s <= incident.acted_s
    ]
    yield from rows
    sick = [each for each in rows if each[0] >= _onset_s(incident)][-_REPEATED_ROWS:]
    if not sick or incident.acted_s == math.inf:
        return
    step_s = max(1e-3, (sick[-1][0] - sick[0][0]) / max(1, len(sick) - 1)) if sick[1:] else 1.0
    for number in range(_TAIL_ROWS):
        yield rows[-1][0] + (number + 1) * step_s, sick[number % len(sick)][1]


def _told(metrics: Mapping[str, Sequence[float | None]], row: int) -> dict[str, float]:
    """What a reading says, without what another of its metrics implies."""
    told = {name: value for name, column in metrics.items() if (value := column[row]) is not None}
    implied = implied_by(told)
    return {name: value for name, value in told.items() if name not in implied}


def _series(
    rows: Sequence[tuple[float, Mapping[str, float]]], metric: str
) -> tuple[Floats, Floats]:
    pairs = [(time_s, metrics[metric]) for time_s, metrics in rows if metric in metrics]
    array = np.array(pairs, float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _bad(values: Floats, line: Threshold | None) -> NDArray[np.bool_]:
    if line is None:
        return np.zeros(len(values), bool)
    return (values > _or(line.above, math.inf)) | (values < _or(line.below, -math.inf))


def _weight(
    rows: Sequence[tuple[float, Mapping[str, float]]],
    lines: Mapping[str, Threshold | None],
    onset_s: float,
) -> float:
    sick = [metrics for time_s, metrics in rows if time_s >= onset_s]
    bad = [
        any(
            (line := lines[name]) is not None and line.is_bad(value, alarmed=False)
            for name, value in metrics.items()
        )
        for metrics in sick
    ]
    return sum(bad) / len(bad) if any(bad) else 1.0


def _onset_s(incident: PastIncident) -> float:
    """From when on an alarm is right; never, where nothing was wrong."""
    return incident.onset_s if incident.is_real else math.inf


def _calm_s(incident: PastIncident) -> float:
    times_s = [each for each in incident.times_s if each < _onset_s(incident)]
    return times_s[-1] - times_s[0] if times_s else 0.0


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
