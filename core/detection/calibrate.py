"""How surprising a number is, measured by its own past: ``-log10`` of a tail probability.

Numbers are counted in bins, those below zero apart from those above. What one in a hundred of the
past exceeded has a surprise of 2. Beyond the top 3 % there are too few to count, so a tail is
fitted that falls by the same factor from bin to bin: with bins of a third of an octave that is a
Pareto tail (Hill's estimator), because normal tails are too light for what metrics do; with bins of
equal width it is an exponential one. Counts stand in two generations, and when the newer is full
the older is dropped: forgetting needs no ring of values.

Sources:
    Hill, Annals of Statistics 3 (1975) 1163-1174, for the tail; Siffer et al., KDD 2017, for
    alarm lines that are probabilities of a fitted tail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .lanes import Number, Ops, Table

# From 1/16 to 4096 spreads: what is less surprises nobody, what is more surprises no more.
OCTAVES_BELOW = 4
BINS_PER_OCTAVE = 3
BINS = 16 * BINS_PER_OCTAVE
LEAST_SPREADS = 2.0**-OCTAVES_BELOW
LAST_PLACE = BINS - 0.001
SIDE = BINS + 1  # Rows of a side: lower edges of its bins, and the upper edge of the last.

# Samples in a generation: calibration sees the last 1,536 to 3,072.
GENERATION = 1536
# A common sample counts this often. One that is out of the ordinary counts once, so that incidents
# which make up a few percent of the past do not become what the next one is measured by.
COMMON, RARE = 8, 1
# The tail is fitted to the top 1/32.
TAIL_PART = 32
# Mean excess over the start of the tail, in bins, before it is known, and how many samples that
# belief weighs: in thirds of octaves it is 1.2 for normal data, and 2 for exponential ones.
TAIL_BINS, TAIL_BELIEF = 1.5, 4.0 * COMMON
TAIL_BINS_MIN = 0.5
# Surprises are brought up to date this often: at first they move, later hardly.
RENEW_EARLY, EARLY, RENEW_LATER = 32, 256, 256
# A quarter of the first samples' weight: enough for a shape, soon outvoted.
_PRIOR = 32 * COMMON

_LOG10_E = math.log10(math.e)
_LOG10 = [math.log10(max(1, count)) for count in range(2 * COMMON * GENERATION + _PRIOR + 2)]


def _prior() -> list[int]:
    """Counts of normal data whose mean absolute deviation is the spread; the same below zero."""
    edges = [_PRIOR // 2]
    for edge in range(1, SIDE):
        spreads = 2.0 ** (edge / BINS_PER_OCTAVE - OCTAVES_BELOW)
        edges.append(round(_PRIOR / 2 * math.erfc(spreads / math.sqrt(math.pi))))
    side = [edges[row] - edges[row + 1] for row in range(BINS)]
    return [*side, 0, *side, 0]


class Calibration:
    """The past of one number per lane.

    Args:
        ops: operations of the lanes.
        is_normal: whether it is believed to be normal until something was seen; else only that
            its tail falls as tails do.
    """

    __slots__ = ("newer", "older", "surprises")

    def __init__(self, ops: Ops, *, is_normal: bool = True) -> None:
        self.newer = ops.table([0] * (2 * SIDE))
        self.older = ops.table(_prior() if is_normal else [0] * (2 * SIDE))
        self.surprises = ops.table([0.0] * (2 * SIDE))
        self.renew(ops, ops.full(1) > 0)

    def take(self, ops: Ops, place: Number, first: Number, weight: Number) -> Number:
        """Surprise of a number, which then becomes part of the past.

        Args:
            ops: operations of the lanes.
            place: which bin, and how far into it, from 0 to `LAST_PLACE`.
            first: row where its side begins: 0 above zero, `SIDE` below.
            weight: how often it counts: `COMMON`, `RARE`, or 0 to leave the past as it is.

        Returns:
            ``-log10`` of the share of the past that lies further out on the same side.
        """
        row = ops.whole(place) + first
        newer = self.newer
        ops.put(newer, row, ops.look(newer, row) + weight)
        # That of the lower edge: between edges it may be anywhere, and counts have steps.
        return ops.look(self.surprises, row)

    def renew(self, ops: Ops, chosen: Number) -> None:
        """Bring the surprises of the chosen lanes up to date with what was counted."""
        ops.renew([self.newer, self.older, self.surprises], chosen, _fit)

    def turn(self, ops: Ops, chosen: Number) -> None:
        """Drop the older generation of the chosen lanes."""
        ops.renew([self.newer, self.older], chosen, _turn)


def place_of(ops: Ops, spreads: Number) -> Number:
    """Place of a number in bins of a third of an octave, for `Calibration.take`.

    Args:
        ops: operations of the lanes.
        spreads: the number without its sign, in spreads.
    """
    # The least number is added so that nothing lies below the first bin.
    place = (ops.octaves(spreads + LEAST_SPREADS) + OCTAVES_BELOW) * BINS_PER_OCTAVE
    return ops.minimum(place, LAST_PLACE)


def _turn(ops: Ops, tables: Sequence[Table]) -> None:
    newer, older = tables
    for row in range(2 * SIDE):
        older[row] = newer[row]
        newer[row] = newer[row] * 0


def _fit(ops: Ops, tables: Sequence[Table]) -> None:
    newer, older, surprises = tables
    counts = [newer[row] + older[row] for row in range(2 * SIDE)]
    total = sum(counts)
    for first in (0, SIDE):
        for row, surprise in enumerate(_side(ops, counts[first : first + SIDE], total)):
            surprises[first + row] = surprise


def _side(ops: Ops, counts: Sequence[Number], total: Number) -> list[Number]:
    """Surprise at each edge of the bins of one side."""
    where, log10 = ops.where, ops.constants(_LOG10)
    whole = ops.pick(log10, total + 1)
    begin, heavy, excess = ops.full(BINS), ops.full(0), ops.full(0)
    beyond = counts[BINS]
    counted = []  # By the edge, outermost first.
    for row in range(BINS, -1, -1):
        if row < BINS:
            beyond = beyond + counts[row]
        is_tail = beyond * TAIL_PART <= total
        begin = where(is_tail, row, begin)
        heavy = where(is_tail, beyond, heavy)
        excess = excess + where(is_tail, beyond, 0)
        counted.append(whole - ops.pick(log10, beyond + 1))
    # On average a number lies in the middle of its bin.
    mean = (excess - 0.5 * heavy + TAIL_BELIEF * TAIL_BINS) / (heavy + TAIL_BELIEF)
    slope = _LOG10_E / ops.maximum(mean, TAIL_BINS_MIN)
    start = whole - ops.pick(log10, heavy + 1)
    return [
        where(begin > row, counted[BINS - row], start + (row - begin) * slope)
        for row in range(SIDE)
    ]
