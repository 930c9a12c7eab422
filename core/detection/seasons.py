"""What a metric usually is at this time of the day, or of the week."""

from __future__ import annotations

from .lanes import Number, Ops

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
# A part of the day is half an hour, of the week an hour: short enough for a morning rush, long
# enough to hold a few samples of metrics that come every five minutes.
PARTS = {DAY_S: 48, WEEK_S: 168}
# A day (a week) is worth this much against all those before it.
SHARE = 0.2


class Season:
    """A value for each part of a period, which follows what is seen in that part.

    Args:
        ops: operations of the lanes.
        period_s: length of the period.
    """

    __slots__ = ("_parts", "_period_s", "usual", "visits")

    GIVEN = ("_parts", "_period_s")

    def __init__(self, ops: Ops, period_s: float) -> None:
        self._period_s = period_s
        self._parts = PARTS[period_s]
        self.usual = ops.table([0.0] * self._parts)
        self.visits = ops.table([0] * self._parts)

    def look(self, ops: Ops, taken_s: Number) -> tuple[Number, Number, Number]:
        """The part a moment falls into, what is usual there, and how often it was visited."""
        since_s = taken_s - self._period_s * ops.whole(taken_s / self._period_s)
        part = ops.whole(since_s * (self._parts / self._period_s))
        # Rounding may reach the end of the period, and a clock may stand before its zero.
        part = ops.maximum(ops.minimum(part, self._parts - 1), 0)
        return part, ops.look(self.usual, part), ops.look(self.visits, part)

    def learn(
        self,
        ops: Ops,
        looked: tuple[Number, Number, Number],
        whole: Number,
        clipped: Number,
        step_s: Number,
        learns: Number,
    ) -> None:
        """Move what is usual in a part.

        Args:
            ops: operations of the lanes.
            looked: what ``look`` found.
            whole: how far the sample is from what is usual: in the first visits it is averaged.
            clipped: how far later visits may follow it.
            step_s: time since the sample before; a visit weighs by its share of the part.
            learns: whether anything is moved.
        """
        part, usual, visits = looked
        share = ops.minimum(step_s * (SHARE * self._parts / self._period_s), SHARE)
        first = 1.0 / (visits + 1.0)
        move = ops.where(first > share, first * whole, share * clipped)
        ops.put(self.usual, part, usual + learns * move)
        ops.put(self.visits, part, visits + learns)
