"""How far a metric is past anything it ever did: margins over a running record.

A record is worth its margin in units of the range so far. The n-th value of anything at random is
a record with a probability of 1/n, so margins count for less while the past is short. After a
record there is a rest: for some time only one that is clearly worse counts, because what follows
a record at once is the same event.

How long a past is, and a rest, is a matter of time as much as of samples: what is read every second
is much like it was a second ago, and an hour of it tells no more of what may happen in a month than
twelve samples five minutes apart do. So a sample counts for the part of `WHOLE_S` since the one
before it, and never for more than one.
"""

from __future__ import annotations

from .lanes import Number, Ops

# What comes this long after the one before it is news in its own right.
WHOLE_S = 300.0
# Past at which a margin counts half.
HALF_AFTER = 1000.0
# Whole samples after which a record is forgotten as a reason to rest, and how much worse than what
# is left of it another one must be meanwhile.
REST = 150.0
WORSE = 1.5
_NEVER = 1e150


class Extremes:
    """Highest and lowest value of one view of a metric.

    Args:
        ops: operations of the lanes.
    """

    __slots__ = ("highest", "lowest", "seen")

    def __init__(self, ops: Ops) -> None:
        self.highest = ops.full(-_NEVER)
        self.lowest = ops.full(_NEVER)
        self.seen = ops.full(0.0)

    def take(
        self,
        ops: Ops,
        value: Number,
        floor: Number,
        up: Number,
        down: Number,
        learns: Number,
        counts: Number,
    ) -> Number:
        """Margin of a value past the record, in ranges; 0 when it is none.

        Args:
            ops: operations of the lanes.
            value: in any unit.
            floor: what is too little to matter, same unit, positive.
            up: 1.0 where high values matter, else 0.0.
            down: the same for low values.
            learns: whether the value becomes part of the record ...
            counts: ... and for how much of a sample it counts, 0 where it does not.
        """
        where, highest, lowest = ops.where, self.highest, self.lowest
        if not ops.any((value > highest) | (value < lowest)):  # As nearly always.
            self.seen = self.seen + counts
            return 0.0
        beyond = ops.maximum((value - highest) * up, (lowest - value) * down)
        spread = ops.maximum(highest - lowest, floor)
        is_record = (beyond > floor) & (self.seen >= WARM)
        worth = self.seen / (self.seen + HALF_AFTER)
        margin = is_record * beyond / spread * worth
        self.highest = where(learns & (value > highest), value, highest)
        self.lowest = where(learns & (value < lowest), value, lowest)
        self.seen = self.seen + counts
        return margin


# Records before this many values are no news.
WARM = 50


class Rest:
    """Lets a margin pass unless it belongs to the record before it.

    Args:
        ops: operations of the lanes.
    """

    __slots__ = ("held", "since")

    def __init__(self, ops: Ops) -> None:
        self.held = ops.full(0.0)
        self.since = ops.full(0.0)

    def take(self, ops: Ops, margin: Number, counts: Number) -> Number:
        """The margin, or 0 while it is not clearly worse than the one before.

        Args:
            ops: operations of the lanes.
            margin: 0 where there is no record.
            counts: for how much of a sample it counts.
        """
        self.since = since = self.since + counts
        if not ops.any(margin > 0.0):
            return ops.full(0.0)
        left = self.held * ops.maximum(1.0 - since / REST, 0.0)
        passes = (margin > 0.0) & (margin >= WORSE * left)
        self.held = ops.where(passes, margin, self.held)
        self.since = ops.where(passes, 0.0, since)
        return ops.where(passes, margin, 0.0)
