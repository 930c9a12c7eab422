"""How far a metric is from normal, sample by sample, whatever its unit and its distribution.

    sample -> residuals -> surprise of each, by its own past -> sum ----------\
           -> views -> margin past the record of each -> greatest, rested ------> score -> rank

No single residual sees everything: a jump shows in the change, a ramp in the mean of a few minutes,
a busy night in the time of the day. So there are several cheap ones, each calibrated to a tail
probability against its own past (`core/detection/calibrate.py`), and the sum of their surprises is
the score. What never happened before is a term of its own (`core/detection/extremes.py`). The score
in turn is calibrated against its own past, so that "one false alarm a month" is an alarm line for
any metric.

What is out of the ordinary hardly teaches: levels follow an outlier no further than a few spreads,
and calibration counts it for an eighth of a common sample. But a level that stays is a new normal:
after `PATIENCE` outliers in a row that took at least ``relearn_s`` it is learned quickly.

The alternative, one model with a forecast (Holt-Winters), was turned down: what it cannot express
goes into its one residual, and its scale in standard deviations means another rate of false alarms
for each metric. A bare record keeper was too: it is blind for the second incident of a kind.
"""

from __future__ import annotations

from .calibrate import (
    COMMON,
    EARLY,
    GENERATION,
    LAST_PLACE,
    RARE,
    RENEW_EARLY,
    RENEW_LATER,
    SIDE,
    Calibration,
    place_of,
)
from .extremes import WHOLE_S, Extremes, Rest
from .lanes import Number, Ops
from .seasons import DAY_S, WEEK_S, Season

# What the residuals are called where a person reads them.
KINDS = ("fast", "change", "level", "minutes", "quarter", "spread")
FAST, CHANGE, LEVEL = 0, 1, 2
# How far a metric is from its level is what the two means of it say as well, less rashly: a slow
# error of the level (a weekend, a release that is still being learned) would else be told thrice.
LEVEL_TOLD_AGAIN = 0.5

# A level is a mean over so many samples, and over at least so many seconds: a metric that is read
# every second would otherwise forget within a minute what it was like before it fell ill.
SLOW_SAMPLES, SLOW_S = 100.0, 3600.0
DRIFT_SAMPLES, DRIFT_S = 50.0, 1800.0
FAST_SHARE, MINUTES_SHARE, QUARTER_SHARE = 2.0 / 9.0, 1.0 / 3.0, 1.0 / 8.0
VIEW_SHARES = (2.0 / 26.0, 2.0 / 101.0)
SPREAD_SHARE = 1.0 / 500.0
# In spreads: where an outlier begins, how far it may teach a level, and how far it enters a mean:
# in a mean of clipped values a small shift that stays stands out from great spikes that do not.
OUTLIER, CLIP, MEAN_CLIP = 6.0, 4.0, 3.0
# Outliers in a row after which they are a new level; about 20 serve well (Numenta's corpus).
PATIENCE = 20
# Below this share of samples that differ from the one before, a metric counts as constant, and a
# ripple of one percent of its level as nothing.
CONSTANT, RIPPLE = 0.05, 0.01
# What floats can tell apart at a level, with room for what was added up.
RESOLUTION, LEAST = 1e-12, 1e-9
# Beyond this nothing is a number.
HUGE = 1e100
FAR = 1e4  # Spreads that stand for infinity.
# Until so many samples were seen, everything is normal.
FIRST, WARM = 16, 48
# From this score on a sample counts as out of the ordinary.
RARE_SCORE = 9.0
# A record counts from this margin on, if the residuals find it somewhat surprising as well; then it
# outdoes what they say of all but the greatest events.
MARGIN, RECORD_TOTAL, RECORD_SCORE, RECORD_OCTAVE = 0.01, 3.0, 40.0, 10.0


class Scorer:
    """Score of one metric per lane.

    Args:
        ops: operations of the lanes.
        up: 1.0 where high values matter, else 0.0.
        down: the same for low values.
        floor: least spread, in the unit of the metric.
        relearn_s: how long a level has to stay before it is a new normal.

    Attributes:
        error: distance of the newest sample from what was expected, in its unit.
        spread: usual size of that distance.
        margin: how far it is past every record, in ranges.
        score: how far from normal it is; 0 is normal, 20 very rare.
        surprises: one per residual, as in `KINDS`.
        rank: ``-log10`` of the share of the past with such a score.
        count: samples learned from.
    """

    __slots__ = (
        "_calibrations",
        "_change",
        "_daily",
        "_day",
        "_down",
        "_drift",
        "_extremes",
        "_fast",
        "_floor",
        "_last",
        "_means",
        "_moves",
        "_ops",
        "_ranks",
        "_relearn_s",
        "_rest",
        "_run",
        "_run_s",
        "_slow",
        "_spreads",
        "_stamp_s",
        "_start_s",
        "_up",
        "_views",
        "_weekly",
        "count",
        "error",
        "margin",
        "rank",
        "score",
        "spread",
        "surprises",
    )

    # Not learned: told by whoever makes one.
    GIVEN = ("_down", "_floor", "_ops", "_relearn_s", "_up")

    def __init__(
        self,
        ops: Ops,
        *,
        up: Number = 1.0,
        down: Number = 1.0,
        floor: Number = 0.0,
        relearn_s: Number = 900.0,
    ) -> None:
        zero = ops.full(0.0)
        self._ops, self._up, self._down = ops, up, down
        self._floor, self._relearn_s = floor + LEAST, relearn_s
        self.count, self._run = ops.full(0), ops.full(0)
        self._last = self._fast = self._slow = self._drift = self._moves = zero
        self._stamp_s = self._start_s = self._run_s = self._change = zero
        self._means = [zero, zero]
        self._views = [zero, zero]
        self._spreads = [zero] * len(KINDS)
        self._calibrations = [Calibration(ops) for _ in KINDS]
        self._ranks = Calibration(ops, is_normal=False)
        self._extremes = [Extremes(ops) for _ in range(5)]
        self._rest = Rest(ops)
        self._day = Season(ops, DAY_S)
        self._daily, self._weekly = Season(ops, DAY_S), Season(ops, WEEK_S)
        self.error = self.spread = self.margin = self.score = self.rank = zero
        self.surprises = [zero] * len(KINDS)

    def update(self, value: Number, taken_s: Number, learns: Number) -> None:
        """Take one sample per lane.

        Args:
            value: in the unit of the metric; ``nan`` is no sample.
            taken_s: when it was taken; a stamp that runs backward counts as no time passed.
            learns: whether it becomes part of the past.
        """
        ops, where = self._ops, self._ops.where
        valid = value == value
        far = (value > HUGE) | (value < -HUGE)
        reach = FAR * ops.maximum(self.spread, self._floor)
        bounded = self._last + where(value > 0.0, reach, -reach)
        value = where(valid, where(far, bounded, value), self._last)
        learns = valid & learns & (where(far, self.count, FIRST) >= FIRST)
        begins = self.count < 1
        self._last = last = where(begins, value, self._last)
        self._start_s = where(begins, taken_s, self._start_s)
        stamp_s = where(begins, taken_s, self._stamp_s)
        step_s = ops.maximum(taken_s - stamp_s, 0.0)
        self._stamp_s = where(valid, stamp_s + step_s, stamp_s)
        self._slow = where(begins, value, self._slow)
        self._fast = where(begins, value, self._fast)

        in_day = self._day.look(ops, taken_s)
        is_daily = taken_s - self._start_s >= DAY_S
        _, usual, visits = in_day
        off_day = (visits > 0) * (value - usual)
        self.error = error = where(is_daily, off_day - self._drift, value - self._slow)
        floor = where(self._moves < CONSTANT, RIPPLE, RESOLUTION) * abs(self._slow) + self._floor

        is_released = self._watch_run(error, floor, taken_s, learns)
        total = self._surprise(value, value - last, floor, is_released, learns)
        whole = ops.minimum(step_s / WHOLE_S, 1.0)
        views = self._see(value, taken_s, floor, step_s, learns, whole)
        self._judge(total, views, is_released, valid, learns, whole)
        self._follow(value, in_day, is_daily, is_released, step_s, learns)
        self._last = where(learns, value, last)
        self._count(learns)

    def _watch_run(self, error: Number, floor: Number, taken_s: Number, learns: Number) -> Number:
        """Whether outliers have come for so long that they are the new normal."""
        ops, where = self._ops, self._ops.where
        self.spread = spread = ops.maximum(self._spreads[LEVEL], floor)
        run = where(abs(error) > OUTLIER * spread, self._run + learns, 0)
        self._run_s = run_s = where(run > 1, self._run_s, taken_s)
        self._run = run
        return (run > PATIENCE) & (taken_s - run_s >= self._relearn_s)

    def _surprise(
        self, value: Number, change: Number, floor: Number, is_released: Number, learns: Number
    ) -> Number:
        """Sum of the surprises of all residuals, which become part of the past."""
        ops, where, count = self._ops, self._ops.where, self.count
        error, spreads = self.error, self._spreads
        early = 1.0 / (count + 1.0)
        reach = MEAN_CLIP * self.spread
        kept = ops.minimum(ops.maximum(error, -reach), reach)
        means = self._means
        minutes = means[0] + ops.maximum(MINUTES_SHARE, early) * (kept - means[0])
        quarter = means[1] + ops.maximum(QUARTER_SHARE, early) * (kept - means[1])
        self._means = [where(learns, minutes, means[0]), where(learns, quarter, means[1])]
        jump = abs(change)
        jump = ops.minimum(jump, where(count < FIRST, jump, 2.0 * CLIP * spreads[CHANGE] + floor))
        mean_jump = self._change + ops.maximum(FAST_SHARE, early) * (jump - self._change)
        self._change = where(learns, mean_jump, self._change)

        weight = self._weight(is_released, learns)
        share = ops.maximum(early, SPREAD_SHARE) * (weight / COMMON)
        clip = where((count < FIRST) | is_released, HUGE, CLIP)
        calibrations, up, to_down = self._calibrations, self._up, self._down - self._up
        maximum, minimum, surprises = ops.maximum, ops.minimum, self.surprises
        total = 0.0
        residuals = (value - self._fast, change, error, minutes, quarter, mean_jump)
        for kind, residual in enumerate(residuals):
            is_below, spread = residual < 0.0, spreads[kind]
            size, unit = maximum(abs(residual) - floor, 0.0), maximum(spread, floor)
            place = place_of(ops, size / unit)
            surprise = calibrations[kind].take(ops, place, is_below * SIDE, weight)
            surprises[kind] = surprise = surprise * (up + is_below * to_down)
            total = total + surprise
            spreads[kind] = spread + share * (minimum(size, clip * unit) - spread)
        return total - LEVEL_TOLD_AGAIN * surprises[LEVEL]

    def _weight(self, is_released: Number, learns: Number) -> Number:
        """How often the sample counts: little if rare; of outliers in a row only the first does."""
        where = self._ops.where
        rare = where(self._run > 1, 0, RARE)
        is_common = (self.score <= RARE_SCORE) | is_released
        return learns * where(is_common, COMMON, rare)

    def _see(
        self,
        value: Number,
        taken_s: Number,
        floor: Number,
        step_s: Number,
        learns: Number,
        whole: Number,
    ) -> Number:
        """Greatest margin past a record in any view: the value, its means, and off its seasons."""
        ops, means = self._ops, self._views
        early = 1.0 / (self.count + 1.0)
        for view, share in enumerate(VIEW_SHARES):
            mean = means[view]
            means[view] = mean + learns * ops.maximum(share, early) * (value - mean)
        off_day = self._off(self._daily, value, taken_s, step_s, learns)
        off_week = self._off(self._weekly, value, taken_s, step_s, learns)
        age_s = taken_s - self._start_s
        in_day, in_week = learns & (age_s >= DAY_S), learns & (age_s >= WEEK_S)
        counts = learns * whole
        views = (
            (value, learns, counts, 1.0),
            (means[0], learns, counts, 0.5),
            (means[1], learns, counts, 0.5),
            (off_day, in_day, in_day * whole, 1.0),
            (off_week, in_week, in_week * whole, 0.5),
        )
        up, down = self._up, self._down
        greatest = ops.full(0.0)
        for extremes, (view, its, counts, worth) in zip(self._extremes, views, strict=True):
            margin = extremes.take(ops, view, floor, up, down, its, counts)
            greatest = ops.maximum(greatest, worth * margin)
        return greatest

    def _off(
        self, season: Season, value: Number, taken_s: Number, step_s: Number, learns: Number
    ) -> Number:
        """Distance from what is usual at this time, outliers of earlier periods included."""
        looked = season.look(self._ops, taken_s)
        _, usual, visits = looked
        off = (visits > 0) * (value - usual)
        season.learn(self._ops, looked, value - usual, off, step_s, learns)
        return off

    def _judge(
        self,
        total: Number,
        margin: Number,
        is_released: Number,
        valid: Number,
        learns: Number,
        whole: Number,
    ) -> None:
        """Score of the sample, and its rank among all scores."""
        ops, where = self._ops, self._ops.where
        is_warm = valid & (self.count >= WARM)
        told = where(is_warm & (total > RECORD_TOTAL), margin, 0.0)
        margin = self._rest.take(ops, told, is_warm * whole)
        self.margin = margin
        if ops.any(margin > MARGIN):
            octaves = ops.octaves(ops.maximum(margin, MARGIN) / MARGIN)
            total = total + where(margin > MARGIN, RECORD_SCORE + RECORD_OCTAVE * octaves, 0.0)
        self.score = score = where(is_warm, total, 0.0)
        place = ops.minimum(score, LAST_PLACE)  # Bins of one: an exponential tail.
        weight = self._weight(is_released, learns & is_warm)
        rank = self._ranks.take(ops, place, ops.full(0), weight)
        self.rank = where(is_warm, rank, 0.0)

    def _follow(
        self,
        value: Number,
        in_day: tuple[Number, Number, Number],
        is_daily: Number,
        is_released: Number,
        step_s: Number,
        learns: Number,
    ) -> None:
        """Move the levels towards the sample, an outlier's no further than a few spreads."""
        ops, where, error = self._ops, self._ops.where, self.error
        is_first = self.count < FIRST
        early = learns / (self.count + 1.0)
        free = is_first | is_released
        reach = CLIP * self.spread
        clipped = where(free, error, ops.minimum(ops.maximum(error, -reach), reach))
        relearned = where(is_released, FAST_SHARE, 0.0) * learns

        share = learns * ops.minimum(1.0 / SLOW_SAMPLES, step_s / SLOW_S)
        share = ops.maximum(ops.maximum(share, relearned), early)
        follows = where(is_daily, value - self._slow, clipped)
        self._slow = self._slow + share * follows
        share = learns * ops.minimum(1.0 / DRIFT_SAMPLES, step_s / DRIFT_S)
        share = where(is_daily, ops.maximum(share, relearned), 0.0)
        self._drift = self._drift + share * clipped
        steady = where(is_released, 0.0, clipped)
        whole = where(is_daily & (in_day[2] > 0), steady, value - in_day[1])
        self._day.learn(ops, in_day, whole, steady, step_s, learns)

        fast = self._fast
        reach = 2.0 * CLIP * ops.maximum(self._spreads[FAST], self.spread)
        near = ops.minimum(ops.maximum(value - fast, -reach), reach)
        near = where(free, value - fast, near)
        self._fast = fast + learns * ops.maximum(FAST_SHARE, early) * near
        moved = (value != self._last) * 1.0
        share = ops.maximum(1.0 / SLOW_SAMPLES * learns, early)
        self._moves = self._moves + share * (moved - self._moves)

    def _count(self, learns: Number) -> None:
        """Bring the calibrations up to date when their turn has come."""
        self.count = count = self.count + learns
        ops = self._ops
        is_due = (count % RENEW_LATER == 0) | ((count < EARLY) & (count % RENEW_EARLY == 0))
        is_due = is_due & learns
        if not ops.any(is_due):
            return
        is_full = is_due & (count % GENERATION == 0)
        for calibration in (*self._calibrations, self._ranks):
            calibration.renew(ops, is_due)
            calibration.turn(ops, is_full)
