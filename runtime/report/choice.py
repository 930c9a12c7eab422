"""What of a run is drawn: which components, which of their signals, and which stretch of time.

The same for all runs that are compared, so that pictures side by side can be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from ..witness import BINS, Bin, Course

Range = tuple[float, float]

WIDTH = 900
LEFT, RIGHT = 118, 14
TARGETS_MAX = 5
METRICS_MAX = 2
TICKS = 6
# Of these, yes is 1 and no is 0; others begin where their values do.
SIGNS = ("ok", "answered", "reachable", "alive")
_NICE_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    86400,
)
# Quiet that is drawn before and after what happened: a share of it, and at least so long.
_QUIET, _QUIET_S = 0.3, 10.0
# What takes more than this share of the run is no part of it to look at more closely.
_MOST = 0.7


class Axis(Struct, frozen=True):
    """Where a moment lies on the picture.

    Attributes:
        start_s: the first moment that is drawn.
        end_s: the last.
        run_s: beginning and end of the whole run.
    """

    start_s: float
    end_s: float
    run_s: Range

    def x(self, at_s: float) -> float:
        """Distance from the left, in pixels; what lies outside is moved to the edge."""
        share = (at_s - self.start_s) / (self.end_s - self.start_s)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def of_bin(self, number: int) -> float:
        """The middle of a bin."""
        begin_s, end_s = self.run_s
        return self.x(begin_s + (number + 0.5) / BINS * (end_s - begin_s))

    def shows(self, number: int) -> bool:
        """Whether a bin lies on the picture."""
        begin_s, end_s = self.run_s
        return self.start_s <= begin_s + (number + 0.5) / BINS * (end_s - begin_s) <= self.end_s

    def ticks(self) -> list[float]:
        """Moments to be labelled: round numbers of seconds from the start of the run."""
        length_s, begin_s = self.end_s - self.start_s, self.run_s[0]
        step_s = next((x for x in _NICE_S if length_s / x <= TICKS), length_s / TICKS)
        first = math.ceil((self.start_s - begin_s) / step_s)
        last = math.floor((self.end_s - begin_s) / step_s)
        return [begin_s + step_s * number for number in range(first, last + 1)]


def targets_of(courses: Sequence[Course]) -> tuple[list[str], list[str]]:
    """Whom to draw, in the order of importance, and whom there is no room for.

    The same for all runs of a file, so that they can be compared.
    """
    names: dict[str, None] = {}
    for course in courses:
        named = (each.target for each in course.broken or () if each.target != "*")
        names.update(dict.fromkeys(_component(each) for each in named))
    for course in courses:
        names.update(dict.fromkeys(each.target for each in course.actions))
    for course in courses:
        names.update(dict.fromkeys(each.target for each in course.stages))
    found = list(names)
    if not found:  # A quiet run; somebody is shown, so that it can be seen that it is quiet.
        found = list(dict.fromkeys(target for course in courses for target, _ in course.signals))
        return found[:2], []
    return found[:TARGETS_MAX], found[TARGETS_MAX:]


def metrics_of(courses: Sequence[Course], target: str) -> list[str]:
    """Which signals of a component to draw: those that alarmed most, else the first that vary."""
    alarms: dict[str, int] = {}
    known: dict[str, None] = {}
    for course in courses:
        for (name, metric), count in course.alarms.items():
            if name == target:
                alarms[metric] = alarms.get(metric, 0) + count
        known.update(dict.fromkeys(metric for name, metric in course.signals if name == target))
    ranked = sorted(known, key=lambda each: (-alarms.get(each, 0), *_interest(each)))
    # One that says yes or no, and one that says how much: two of a sort tell the same twice.
    first = ranked[:1]
    others = [each for each in ranked[1:] if (each in SIGNS) != (first[0] in SIGNS)]
    return [*first, *others, *ranked[1:]][:METRICS_MAX]


def axis_of(courses: Sequence[Course]) -> Axis:
    """The stretch of time in which something happened, with some quiet around it.

    The same for all runs of a file; all of it when that is not much longer.
    """
    run = courses[0].start_s, max(each.end_s for each in courses)
    spans = [
        each for course in courses for each in (*course.stages, *course.outcomes, *course.actions)
    ]
    begins = [each.from_s for each in spans]
    begins += [each.at_s for course in courses for each in course.broken or ()]
    if not begins:
        return Axis(*run, run)
    first_s, last_s = min(begins), max([*begins, *(each.to_s for each in spans)])
    quiet_s = max((last_s - first_s) * _QUIET, _QUIET_S)
    start_s, end_s = max(first_s - quiet_s, run[0]), min(last_s + quiet_s, run[1])
    if end_s - start_s > _MOST * (run[1] - run[0]):
        return Axis(*run, run)
    return Axis(start_s, end_s, run)


def range_of(courses: Sequence[Course], target: str, metric: str) -> Range:
    """Least and greatest value to be drawn, over all runs that are compared."""
    values = [
        value
        for course in courses
        for each in course.signals.get((target, metric), {}).values()
        for value in (each.low, each.high, *_near(each))
    ]
    if metric in SIGNS or not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    low = 0.0 if 0.0 <= low < high / 2 else low
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _near(each: Bin) -> list[float]:
    """Lines that are not so far away that the signal would be flat."""
    lines = (each.fine_low, each.fine_high)
    return [line for line in lines if line is not None and abs(line) <= 3 * abs(each.high) + 1e-9]


def _component(target: str) -> str:
    return target.rpartition(">")[2].partition("/")[0]


def _interest(metric: str) -> tuple[bool, bool, str]:
    """What users feel comes first."""
    return metric != "ok", not metric.startswith("latency"), metric
