"""The line that a series grows along, how sure it is, and when it meets a limit.

Sources:
    Any textbook on regression; Zivot and Wang (2006) for the variance of a line whose errors are
    correlated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

# The limit is at most this share of the fitted time ahead.
AHEAD_SHARE = 2.0 / 3.0
# Growth over the series in standard deviations of the scatter; slope of one half over the other.
STRAIGHT, ALIKE = 6.0, 2.0
# Of a normal error this many standard deviations are on one side for an interval that holds in nine
# of ten; a step more or less is never known.
Z, STEPS = 1.64, 2.0


class Line(Struct, frozen=True):
    """A straight line through a series, its newest end, and how sure both are."""

    level: float
    slope: float  # Per step of the series.
    level_error: float
    slope_error: float
    scatter: float


def fit(values: Sequence[float]) -> Line:
    """Least squares over evenly spaced values, oldest first; errors allow for correlation."""
    n = len(values)
    middle, mean = (n - 1) / 2.0, math.fsum(values) / n
    spread = n * (n * n - 1.0) / 12.0
    slope = math.fsum((i - middle) * (each - mean) for i, each in enumerate(values)) / spread
    off = [each - mean - slope * (i - middle) for i, each in enumerate(values)]
    square = math.fsum(each * each for each in off)
    scatter = math.sqrt(square / (n - 2))
    near = math.fsum(one * other for one, other in pairwise(off))
    alike = min(max(near / square, 0.0), 0.9) if square > 0.0 else 0.0
    wider = math.sqrt((1.0 + alike) / (1.0 - alike))
    return Line(
        level=mean + slope * middle,
        slope=slope,
        level_error=wider * scatter * math.sqrt(1.0 / n + middle * middle / spread),
        slope_error=wider * scatter / math.sqrt(spread),
        scatter=scatter,
    )


def steps_left(
    values: Sequence[float], limit: float, reach: float
) -> tuple[float, float, float] | None:
    """In how many steps a series that grows reaches a limit: earliest, latest, and growth a step.

    Args:
        values: evenly spaced, oldest first, at least `LEAST`.
        limit: above them.
        reach: how far single readings lie above their mean at times.
    """
    whole, half = fit(values), fit(values[len(values) // 2 :])
    if min(whole.slope, half.slope) <= 0.0 or not _is_straight(values, whole):
        return None
    if not 1.0 / ALIKE <= half.slope / whole.slope <= ALIKE:
        return None
    early = late = 0.0
    for number, line in enumerate((whole, half)):
        slow = line.slope - Z * line.slope_error
        if slow <= 0.0:
            return None
        near = limit - reach - line.level - Z * line.level_error
        soon = near / (line.slope + Z * line.slope_error)
        then = (limit - line.level + Z * line.level_error) / slow
        early, late = (min(early, soon), max(late, then)) if number else (soon, then)
    early, late = max(early - STEPS, 0.0), late + STEPS
    return (early, late, half.slope) if late <= AHEAD_SHARE * len(values) else None


def _is_straight(values: Sequence[float], line: Line) -> bool:
    return line.slope * len(values) >= STRAIGHT * line.scatter
