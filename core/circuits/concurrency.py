"""A limit on calls in flight that finds its own value from how long the calls take.

Theory of operation. A target that can work on ``n`` calls at once answers as fast as it can while
no more than ``n`` are in flight; every further call only waits, and the latency grows with it. So
the ratio of the latency without a queue (the *floor*) to the latency now, the *gradient*, tells by
how much too many calls are in flight. The limit follows it, plus a small *headroom* so that it
can grow; while the gradient says that there is no queue at all, the headroom doubles each time.

Both latencies are medians: a few stragglers, or calls that ran into their timeout, must not move
the limit, half of them must. The floor is measured where there is no queue: whenever few calls are
in flight anyway, and else in a *probe*, a short time of a lower limit every few seconds. A minimum
of past latencies (as in TCP Vegas) was turned down: of many noisy samples the least is too low by
as much as the noise, and the limit then starves the target; a slow average (as in Netflix's
Gradient2) learns the queue itself as normal under lasting overload.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Annotated

from msgspec import Meta

from ...errors import ConfigError
from ..gene import Gene
from ..settings import Settings
from .circuit_config import Outcome

# A call of the highest priority (0) may take any free slot; each step below leaves a tenth of the
# slots to the ones above, so that under pressure the least important calls are refused first.
PRIORITIES = 4
RESERVED = 0.1


class AdaptiveLimitConfig(Settings, frozen=True, kw_only=True):
    """How the limit is found.

    Attributes:
        initial: where it starts.
        minimum: its lower bound.
        maximum: its upper bound.
        headroom: queue aimed for, in units of the square root of the limit; a little queue keeps
            the target busy, more of it is only waiting time.
        sample_calls: a decision takes at least so many calls, and at least as many as the limit.
        probe_s: the floor is measured afresh after this time.
        probe_limit: fraction of the limit that is left during a probe.
    """

    initial: Annotated[
        int,
        Meta(ge=1),
        Gene(low=5, high=100, scale="log", at_least="minimum", at_most="maximum"),
    ] = 20
    minimum: Annotated[int, Meta(ge=1)] = 1
    maximum: Annotated[int, Meta(ge=1)] = 1000
    headroom: Annotated[float, Meta(gt=0), Gene(low=0.1, high=3, scale="log")] = 0.5
    sample_calls: Annotated[int, Meta(ge=3), Gene(low=5, high=100, scale="log")] = 15
    probe_s: Annotated[float, Meta(gt=0), Gene(low=1, high=60, scale="log", unit="s")] = 10.0
    probe_limit: Annotated[float, Meta(gt=0, lt=1), Gene(low=0.3, high=0.9)] = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.minimum <= self.initial <= self.maximum:
            raise ConfigError(
                f"initial={self.initial} is not between minimum={self.minimum} "
                f"and maximum={self.maximum}"
            )


class AdaptiveLimit:
    """Slots for calls in flight, as many as the target can work on.

    Attributes:
        limit: how many there are now.
        in_flight: how many are taken.
        refused: calls that found none.
        floor_s: latency without a queue; ``None`` before the first sample.
    """

    def __init__(self, config: AdaptiveLimitConfig) -> None:
        self.config = config
        self.in_flight = 0
        self.refused = 0
        self.floor_s: float | None = None
        self._target = float(config.initial)
        self._growth = 1.0
        self._most = 0  # Calls in flight at once while the present sample was taken.
        self._sample_s: list[float] = []
        self._longest_s = 0.0
        self._since_s = math.inf
        self._deaf_until_s = -math.inf
        self._probe_due_s = math.inf
        self._probing = False
        self._before_s = 0.0
        self._probed_target = 0.0

    @property
    def limit(self) -> int:
        """How many slots there are; fewer during a probe."""
        share = self.config.probe_limit if self._probing else 1.0
        return max(int(self._target * share), self.config.minimum)

    def enter(self, priority: int = 0) -> bool:
        """Take a slot if there is one for this priority; 0 is the highest, 3 the lowest."""
        if self.in_flight < room(self.limit, priority):
            self.in_flight += 1
            self._most = max(self._most, self.in_flight)
            return True
        self.refused += 1
        return False

    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None:
        """Give the slot back and learn from how long the call took."""
        self.in_flight -= 1
        if outcome is Outcome.NEUTRAL or now_s < self._deaf_until_s:
            return
        if outcome is Outcome.FAILURE and duration_s < (self.floor_s or 0.0):
            return  # Refused at the door: how soon says nothing about the queue.
        given_up = outcome is Outcome.FAILURE and duration_s >= GIVEN_UP * (
            self.floor_s or math.inf
        )
        self._sample_s.append(math.inf if given_up else duration_s)
        self._longest_s = max(self._longest_s, duration_s)
        if self._is_enough(now_s):
            self._decide(median(self._sample_s), now_s)
            self._begin_sample(now_s)

    def _is_enough(self, now_s: float) -> bool:
        """Whether all that is in flight has passed by once, or should have by now."""
        calls = len(self._sample_s)
        if calls < self.config.sample_calls:
            return False
        overdue_s = self._since_s + OVERDUE * (self.floor_s or math.inf)
        return calls >= self.limit or now_s >= overdue_s

    def _begin_sample(self, now_s: float) -> None:
        self._sample_s.clear()
        self._most = self.in_flight
        self._longest_s = 0.0
        self._since_s = max(now_s, self._deaf_until_s)

    def _decide(self, latency_s: float, now_s: float) -> None:
        if self.floor_s is None:
            self.floor_s = min(latency_s, self._longest_s)
            # What is not known to be without a queue is looked at again soon.
            self._probe_due_s = now_s + 0.1 * self.config.probe_s
        elif self._probing:
            self._end_probe(latency_s, now_s)
        elif latency_s < math.inf and (now_s >= self._probe_due_s or self._has_shrunk()):
            self._probing = True
            self._before_s = latency_s
            self._deaf_until_s = now_s + self._longest_s  # Until the queue is gone.
        else:
            if self._most <= 0.5 * self._target and abs(latency_s / self.floor_s - 1.0) < STEP:
                self._learn_floor(latency_s)
            self._follow(latency_s, now_s)

    def _has_shrunk(self) -> bool:
        """Whether the limit is far below where it was when the floor was measured."""
        return self._target < 0.5 * self._probed_target and self._target > self.config.minimum

    def _follow(self, latency_s: float, now_s: float) -> None:
        """Move the limit to where the gradient says."""
        assert self.floor_s is not None
        config = self.config
        gradient = max(min(self.floor_s / latency_s, 1.0), GRADIENT_MIN)
        quiet = gradient > QUIET
        limited = self._most >= 0.8 * self._target
        self._growth = min(self._growth * 2.0, GROWTH_MAX) if quiet and limited else 1.0
        headroom = config.headroom * math.sqrt(self._target) * self._growth
        wanted = self._target * gradient + headroom
        if wanted > self._target and not limited:
            return  # Nobody asks for more, so nothing is known about it.
        before = self._target
        self._target = min(max(wanted, config.minimum), config.maximum)
        if abs(self._target - before) > 0.1 * before:
            self._deaf_until_s = now_s + min(
                latency_s, self._longest_s
            )  # Calls that began under the old limit.

    def _end_probe(self, latency_s: float, now_s: float) -> None:
        """Learn from a time with fewer calls in flight.

        A lower latency is closer to the floor, whatever the queue is. A higher one is the floor
        only if there was no queue; then fewer calls have not made it lower than just before.
        """
        assert self.floor_s is not None
        self._probing = False
        no_queue = self._before_s * SAME <= latency_s < math.inf
        if no_queue or latency_s < self.floor_s:
            self._learn_floor(latency_s)
        self._probe_due_s = now_s + self.config.probe_s * (1.0 if no_queue else 0.1)
        self._probed_target = self._target

    def _learn_floor(self, latency_s: float) -> None:
        assert self.floor_s is not None
        jump = abs(latency_s / self.floor_s - 1.0) > STEP
        self.floor_s += (1.0 if jump else FLOOR_GAIN) * (latency_s - self.floor_s)


# A call that fails after so many times the floor has been given up by its caller: how long it
# would have taken is not known, only that it is more.
GIVEN_UP = 1.5
GRADIENT_MIN = 0.25
# A sample that has not come together after so many times the floor is complete as it is: calls that
# do not come back are a sign themselves.
OVERDUE = 1.5
# A median of some 40 calls is off by a few percent: above this there may well be no queue.
QUIET = 0.93
# Headroom doubles twice at most; from there on the limit grows by some tens of percent at a time.
GROWTH_MAX = 4.0
# One sample is off by a few percent too, so small differences are averaged over some of them; a
# greater one is no noise.
FLOOR_GAIN = 0.4
STEP = 0.3
# A probe that lowers the calls in flight by 30 % lowers the latency by as much if there is a long
# queue, and by less than this if there is none or hardly any.
SAME = 0.85


def room(limit: int, priority: int) -> int:
    """Slots that a priority may fill; at least one, so that nothing starves on an idle target."""
    share = 1.0 - RESERVED * min(max(priority, 0), PRIORITIES - 1)
    return max(math.floor(limit * share), 1)
