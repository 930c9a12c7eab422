"""The form of a trouble in one metric: how it came, and whether it went again.

A number says how far off a metric is; its form says what sort of thing happens to it. Something
that was switched is a *step*, something that fills up or wears out a *ramp*, something that is
emptied from time to time a *sawtooth*; a *spike* and a *dip* were over before anybody came, a
*flap* is not over and comes again; *silence* is no value at all. Values are put into the spreads of
what was seen before the trouble, so that the form does not depend on the unit.

Fitting a template of each class and taking the nearest was turned down: with the ten or twenty
samples that there are when somebody has to decide, a rule that can be read is as good and says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import Literal

Form = Literal["", "step", "ramp", "spike", "sawtooth", "dip", "flap", "silence"]

# Less than this says nothing of what was usual, or of what came after it.
LEAST_BEFORE, LEAST_SILENT = 4, 3
# So many spreads from its middle a value is out; of some dozens of normal ones none is.
OUT = 5.0
# The least spread is this part of the level: nobody calls a ripple a form.
RIPPLE = 0.01
# What is out at least so many times, and back in between, comes and goes.
FLAPS = 3
# A tooth falls at once by at least half of what the greatest one does, after a rise in at least so
# many steps; two are a saw. The greatest fall is so many usual changes: noise has none like that.
TOOTH, RISES, TEETH, SHARP = 0.5, 3, 2, 6.0
# What comes in one change that is more than half of the whole way is a step.
AT_ONCE = 0.5
# What was out for no longer than this share of the time since is over: a spike, or a dip.
SHORT = 0.5

Values = Sequence[float | None]


def form_of(before: Values, since: Values) -> Form:
    """Form of a metric's trouble.

    Args:
        before: its values until the trouble began, oldest first, ``None`` where there was none.
        since: those from then on, the newest last.

    Returns:
        Its class; empty when there is too little to tell, or nothing that stands out.

    Example:
        >>> form_of([5.0] * 9, [9.0, 9.1, 9.0])
        'step'
        >>> form_of([5.0] * 9, [5.5, 6.0, 6.5, 7.0, 7.5])
        'ramp'
    """
    if len(since) >= LEAST_SILENT and all(each is None for each in since[-LEAST_SILENT:]):
        return "silence"
    calm, odd = _known(before), _known(since)
    if len(calm) < LEAST_BEFORE or not odd:
        return ""
    if _is_saw([*calm, *odd]):
        return "sawtooth"
    level, spread = _level(calm)
    runs = [
        (is_out, list(run))
        for is_out, run in groupby(odd, lambda value: abs(value - level) > OUT * spread)
    ]
    outs = [run for is_out, run in runs if is_out]
    if not outs:
        return ""
    if len(outs) >= FLAPS:
        return "flap"
    if not runs[-1][0] and sum(map(len, outs)) <= SHORT * len(odd):
        return "spike" if outs[-1][0] > level else "dip"
    return "step" if _came_at_once([calm[-1], *odd], level) else "ramp"


def turned(before: Values, since: Values) -> Literal["up", "down", ""]:
    """Which way a metric went when its trouble began."""
    calm, odd = _known(before), _known(since)
    if not calm or not odd:
        return ""
    level = median(calm)
    furthest = max(odd, key=lambda value: abs(value - level))
    return "" if furthest == level else "up" if furthest > level else "down"


def told(before: Values, since: Values) -> str:
    """The form in words, such as ``a step up`` or ``a dip``; empty where there is none to tell."""
    form = form_of(before, since)
    way = f" {turned(before, since)}" if form in ("step", "ramp") else ""
    return f"{form}" if form in ("", "silence") else f"a {form}{way}"


def _known(values: Values) -> list[float]:
    return [each for each in values if each is not None and math.isfinite(each)]


def _level(calm: Sequence[float]) -> tuple[float, float]:
    """Middle and spread of what was usual: median, and median deviation in standard deviations."""
    level = median(calm)
    deviation = 1.4826 * median(abs(each - level) for each in calm)
    return level, max(deviation, RIPPLE * abs(level), 1e-9)


def _is_saw(values: Sequence[float]) -> bool:
    """Whether it rises slowly and falls at once (or the other way round), again and again."""
    changes = [after - before for before, after in pairwise(values)]
    return _has_teeth(changes) or _has_teeth([-each for each in changes])


def _has_teeth(changes: Sequence[float]) -> bool:
    height = -min(changes, default=0.0)
    if height <= SHARP * median(map(abs, changes or [0.0])):
        return False
    teeth, rise, rises = 0, 0.0, 0
    for each in changes:
        if each <= -TOOTH * height:
            # What went up as far as it falls, in several steps, and in no great one.
            teeth += rises >= RISES and rise >= TOOTH * height
            rise, rises = 0.0, 0
        else:
            rise += each
            rises += 0.0 < each < TOOTH * height
    return teeth >= TEETH


def _came_at_once(values: Sequence[float], level: float) -> bool:
    """Whether most of the way was one change."""
    far = max(range(len(values)), key=lambda row: abs(values[row] - level))
    way = abs(values[far] - values[0])
    greatest = max((abs(b - a) for a, b in pairwise(values[: far + 1])), default=0.0)
    return greatest >= AT_ONCE * way
