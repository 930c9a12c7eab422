"""A circuit whose thresholds follow what is normal for its target, and that may open ahead of time.

Theory of operation. The calls of each second or so make one *tick*: the fraction that failed, the
fraction that was slow, the median duration. From ticks in which nothing is wrong the `Baseline`
learns what is normal, and from that follow the thresholds: a target that never fails is cut off at
a fifth of its calls failing, one that always fails a little is given more room; what counts as slow
is a multiple of its usual duration. They move inside of bounds that the operator sets.

The `Foresight` extrapolates how close the ticks come to the thresholds. A forecast that they will
be reached within the horizon is graded later: it came true or it was false. As long as too few
forecasts have been graded, or too many of those may be false by a confidence bound, they are made
in shadow only. Then the circuit opens on a forecast; its first trial tells what that was worth,
and if the bound is broken the foresight goes back into its shadow.

Both act through what every circuit has: a swapped configuration, and `Circuit.open_ahead`.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..gene import Gene
from ..settings import Settings
from .circuit import Circuit, CircuitConfig
from .circuit_config import Outcome, State

# Durations kept of one tick; a median needs no more.
DURATIONS_MAX = 512
# A tick is learned with this weight: what is normal is an average over about 30 ticks.
GAIN = 1.0 / 30.0
# Ticks before anything is decided.
TICKS_MIN = 10


class AdaptiveConfig(Settings, frozen=True, kw_only=True):
    """How a circuit adapts and how far it looks ahead.

    Attributes:
        tick_s: least time that is looked at as one.
        tick_calls: least number of calls that is looked at as one.
        margin: distance of the failure threshold from normal, in standard deviations of a window.
        failure_rate_min: but never below this; the configured failure rate is the upper bound.
        slow_factor: a call is slow when it takes so many times the usual.
        horizon_s: how far forecasts look.
        certainty: distance of a forecast from its threshold, in standard deviations of its error.
        false_open_max: greatest fraction of forecasts that may be false for them to be acted on.
        forecasts_min: forecasts that are graded in shadow before any is acted on.
    """

    tick_s: Annotated[float, Meta(gt=0)] = 1.0
    tick_calls: Annotated[int, Meta(ge=1)] = 10
    margin: Annotated[float, Meta(gt=0), Gene(low=2, high=8)] = 4.0
    failure_rate_min: Annotated[float, Meta(gt=0, le=1), Gene(low=0.05, high=0.4)] = 0.2
    slow_factor: Annotated[float, Meta(gt=1), Gene(low=1.5, high=10)] = 4.0
    horizon_s: Annotated[float, Meta(gt=0), Gene(low=1, high=30, scale="log", unit="s")] = 5.0
    certainty: Annotated[float, Meta(ge=0), Gene(low=0, high=4)] = 2.0
    false_open_max: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    forecasts_min: Annotated[int, Meta(ge=1)] = 20


class Tick(Struct, frozen=True):
    """What a short time of calls looked like.

    Attributes:
        failed: fraction of calls that failed.
        slow: fraction of calls that were slow.
        duration_s: median duration.
    """

    failed: float
    slow: float
    duration_s: float


class Baseline:
    """Learn what is normal for a target.

    Attributes:
        failed: usual fraction of failures.
        duration_s: usual median duration; 0 before the first tick.
        ticks: how many it has learned from.
    """

    def __init__(self) -> None:
        self.failed = 0.0
        self.duration_s = 0.0
        self.ticks = 0

    def learn(self, tick: Tick) -> None:
        """Take a tick in which nothing was wrong."""
        self.ticks += 1
        gain = max(GAIN, 1.0 / self.ticks)
        self.failed += gain * (tick.failed - self.failed)
        self.duration_s += gain * (tick.duration_s - self.duration_s)

    def adapt(self, base: CircuitConfig, config: AdaptiveConfig) -> CircuitConfig:
        """Derive thresholds from what is normal, inside of the bounds of the base."""
        spread = math.sqrt(self.failed * (1.0 - self.failed) / base.minimum_calls)
        wanted = max(self.failed + config.margin * spread, config.failure_rate_min)
        slow_call_s = max(config.slow_factor * self.duration_s, 1e-6)
        if base.slow_call_s is not None:
            slow_call_s = min(slow_call_s, base.slow_call_s)
        return msgspec.structs.replace(
            base, failure_rate=min(wanted, base.failure_rate), slow_call_s=slow_call_s
        )


class Foresight:
    """Extrapolate a series, say when it will reach 1.0, and keep account of how often that held.

    Attributes:
        config: how far to look, and how sure to be.
        true: forecasts that came true.
        false: forecasts that did not.

    Source:
        Holt's linear trend. The bound is Wilson's score interval (JASA 22 (1927) 209-212).
    """

    def __init__(self, config: AdaptiveConfig) -> None:
        self.config = config
        self._level = 0.0
        self._slope = 0.0  # Per second.
        self._error = 0.0  # Mean square of one-step errors.
        self._at_s: float | None = None
        self._rising = 0
        self._due_s: float | None = None
        self.true = 0
        self.false = 0

    @property
    def false_bound(self) -> float:
        """Fraction of false forecasts that is not exceeded, with a confidence of 90 %."""
        graded = self.true + self.false
        if graded == 0:
            return 1.0
        z, share = 1.2816, self.false / graded
        centre = share + z * z / (2 * graded)
        width = z * math.sqrt(share * (1 - share) / graded + z * z / (4 * graded * graded))
        return (centre + width) / (1 + z * z / graded)

    @property
    def is_trusted(self) -> bool:
        """Whether forecasts may be acted on."""
        enough = self.true + self.false >= self.config.forecasts_min
        return enough and self.false_bound <= self.config.false_open_max

    def update(self, value: float, now_s: float) -> bool:
        """Take the next value of the series; true if it is forecast to reach 1.0."""
        if self._at_s is None:
            self._level, self._at_s = value, now_s
            return False
        step_s = max(now_s - self._at_s, 1e-9)
        self._at_s = now_s
        expected = self._level + self._slope * step_s
        error = value - expected
        before = self._level
        self._level = expected + 0.5 * error
        self._slope += 0.3 * ((self._level - before) / step_s - self._slope)
        self._error += 0.1 * (error * error - self._error)
        self._rising = self._rising + 1 if self._level > before else 0
        reach = self._level + self._slope * self.config.horizon_s
        safe = reach - self.config.certainty * math.sqrt(self._error)
        return self._rising >= 3 and self._level < 1.0 <= safe

    def say(self, now_s: float) -> None:
        """State a forecast, to be graded; one at a time."""
        if self._due_s is None:
            self._due_s = now_s + self.config.horizon_s

    def grade(self, reached: bool, now_s: float) -> None:
        """Compare the pending forecast, if there is one, with what has happened."""
        if self._due_s is None:
            return
        if reached or now_s >= self._due_s:
            self.settle(came_true=reached)

    def settle(self, *, came_true: bool) -> None:
        """Put a verdict on the pending forecast, or on an opening that was made on one."""
        self._due_s = None
        if came_true:
            self.true += 1
        else:
            self.false += 1

    def forget(self) -> None:
        """Begin the series anew; the account stays."""
        self._at_s = None
        self._slope = self._error = 0.0
        self._rising = 0


class Adaptation:
    """Tune one circuit from the calls it sees.

    Args:
        circuit: which one; its configuration at this moment is the base for all later ones.
        config: how to adapt.
        now_s: when the first tick begins.

    Attributes:
        baseline: what is normal.
        foresight: forecasts and their account.
        opened_ahead: openings that were made on a forecast.
    """

    def __init__(self, circuit: Circuit, config: AdaptiveConfig, now_s: float) -> None:
        self._circuit = circuit
        self._config = config
        self._base = circuit.config
        self.baseline = Baseline()
        self.foresight = Foresight(config)
        self.opened_ahead = 0
        self._ahead = False  # The present opening was made on a forecast.
        self._opened = circuit.counts.opened
        self._since_s = now_s
        self._calls = self._failures = self._slow = 0
        self._durations_s: list[float] = []

    def rebase(self, base: CircuitConfig, config: AdaptiveConfig, now_s: float) -> None:
        """Take another configuration as the base, and another way to adapt."""
        self._base = base
        self._config = self.foresight.config = config
        self._circuit.reconfigure(self._adapted(), now_s)

    def record(self, outcome: Outcome, duration_s: float, now_s: float) -> None:
        """See a call after the circuit has seen it."""
        self._look_at_circuit()
        if outcome is Outcome.NEUTRAL:
            return
        self._calls += 1
        self._failures += outcome is Outcome.FAILURE
        self._slow += outcome is Outcome.SLOW
        if outcome is not Outcome.FAILURE and len(self._durations_s) < DURATIONS_MAX:
            self._durations_s.append(duration_s)
        if now_s - self._since_s >= self._config.tick_s and self._calls >= self._config.tick_calls:
            self._end_tick(now_s)

    def _end_tick(self, now_s: float) -> None:
        calls = self._calls
        usual_s = self.baseline.duration_s
        duration_s = median(self._durations_s) if self._durations_s else usual_s
        tick = Tick(self._failures / calls, self._slow / calls, duration_s)
        self._calls = self._failures = self._slow = 0
        self._durations_s.clear()
        self._since_s = now_s
        if self._circuit.era.state is State.CLOSED:
            self._take(tick, now_s)

    def _take(self, tick: Tick, now_s: float) -> None:
        """Learn from a tick of a closed circuit, and look ahead."""
        foresight = self.foresight
        nearness = self._nearness(tick)
        ahead = foresight.update(nearness, now_s) and self.baseline.ticks >= TICKS_MIN
        foresight.grade(nearness >= 1.0, now_s)
        if nearness < 0.5:
            self.baseline.learn(tick)
            adapted = self._adapted()
            if adapted != self._circuit.config:
                self._circuit.reconfigure(adapted, now_s)
        elif ahead and foresight.is_trusted:
            reason = f"forecast: at {nearness:.0%} of its limits and rising"
            self._ahead = self._circuit.open_ahead(now_s, reason)
            self._opened = self._circuit.counts.opened
            self.opened_ahead += 1
        elif ahead:
            foresight.say(now_s)

    def _nearness(self, tick: Tick) -> float:
        """How close a tick comes to the thresholds; 1.0 reaches one of them."""
        config = self._circuit.config
        near = max(tick.failed / config.failure_rate, tick.slow / config.slow_call_rate)
        if self.baseline.ticks >= TICKS_MIN and config.slow_call_s is not None:
            # From usual to slow, so that the usual itself is not near.
            usual_s = self.baseline.duration_s
            room_s = max(config.slow_call_s - usual_s, 1e-9)
            near = max(near, (tick.duration_s - usual_s) / room_s)
        return near

    def _adapted(self) -> CircuitConfig:
        if self.baseline.ticks < TICKS_MIN:
            return self._base
        return self.baseline.adapt(self._base, self._config)

    def _look_at_circuit(self) -> None:
        """Grade forecasts by what the circuit did on its own, and openings by their first trial."""
        opened = self._circuit.counts.opened
        if opened > self._opened:
            self._opened = opened
            if self._ahead:
                self.foresight.settle(came_true=True)  # The first trial failed.
            else:
                self.foresight.grade(reached=True, now_s=math.inf)
            self._ahead = False
            self.foresight.forget()
        elif self._ahead and self._circuit.era.state is State.CLOSED:
            self._ahead = False
            self.foresight.settle(came_true=False)  # The first trial found the target well.
            self.foresight.forget()
