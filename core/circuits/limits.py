"""Limits that refuse early: calls at once, calls per time, and calls to a target that sheds load.

Each is asked before a call and either lets it pass or says how long to wait. None of them waits:
that is left to whoever has an event loop.
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from ..gene import Gene
from ..settings import Settings
from .circuit_config import Outcome


class BulkheadConfig(Settings, frozen=True, kw_only=True):
    """How many calls may be in flight at once.

    Attributes:
        max_calls: calls in flight.
        max_waiting: callers that may wait for a free slot; one more is refused at once.
        wait_s: how long one of them waits at most.
    """

    max_calls: Annotated[int, Meta(ge=1), Gene(low=1, high=500, scale="log")] = 25
    max_waiting: Annotated[int, Meta(ge=0)] = 0
    wait_s: Annotated[float, Meta(gt=0)] = 1.0


class Bulkhead:
    """Slots for calls in flight; a fixed number of them.

    Attributes:
        limit: how many there are.
        free: how many of them are not taken; less than zero after they have become fewer.
        refused: calls that found none.
    """

    __slots__ = ("config", "free", "limit", "refused")

    def __init__(self, config: BulkheadConfig) -> None:
        self.config = config
        self.limit = self.free = config.max_calls
        self.refused = 0

    def enter(self) -> bool:
        """Take a slot if there is one."""
        if self.free > 0:
            self.free -= 1
            return True
        self.refused += 1
        return False

    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None:
        """Give the slot back; how the call went does not matter here."""
        self.free += 1

    @property
    def in_flight(self) -> int:
        """How many slots are taken."""
        return self.limit - self.free

    def reconfigure(self, config: BulkheadConfig) -> None:
        """Change the number of slots; calls in flight beyond it end in peace."""
        self.config = config
        self.free += config.max_calls - self.limit
        self.limit = config.max_calls


class RateConfig(Settings, frozen=True, kw_only=True):
    """How many calls may be made per time.

    Attributes:
        calls: calls per period.
        period_s: that period.
        burst: calls that may be made at once after a quiet time.
        wait_s: how long a caller may be made to wait for its turn; 0 refuses instead.
    """

    calls: Annotated[float, Meta(gt=0)] = 100.0
    period_s: Annotated[float, Meta(gt=0)] = 1.0
    burst: Annotated[int, Meta(ge=1)] = 10
    wait_s: Annotated[float, Meta(ge=0)] = 0.0


class RateLimit:
    """Calls per time, as a bucket that fills steadily.

    One number is enough: the time at which the bucket would be full again.

    Attributes:
        refused: calls that came too soon.

    Source:
        The generic cell rate algorithm, ITU-T I.371 (virtual scheduling).
    """

    __slots__ = ("_full_s", "config", "refused")

    def __init__(self, config: RateConfig) -> None:
        self.config = config
        self.refused = 0
        self._full_s = -math.inf

    def enter(self, now_s: float) -> tuple[bool, float]:
        """Ask for a turn.

        Returns:
            Whether the call may be made, and in how many seconds; when it may not, in how many
            seconds to ask again.
        """
        config = self.config
        interval_s = config.period_s / config.calls
        full_s = max(self._full_s, now_s)
        wait_s = max(full_s + interval_s - now_s - config.burst * interval_s, 0.0)
        if wait_s > config.wait_s + 1e-9:  # Rounding must not cost the last call of a burst.
            self.refused += 1
            return False, wait_s - config.wait_s
        self._full_s = full_s + interval_s
        return True, 0.0 if wait_s <= 1e-9 else wait_s


# Requests that a target is believed to have accepted before anything is known of it; without them,
# one failure at the start would hold back every second call.
CREDIT = 5.0


class ThrottleConfig(Settings, frozen=True, kw_only=True):
    """When a client stops sending what its target refuses anyway.

    Attributes:
        factor: requests sent per request accepted before any is held back; 2 lets as many through
            as the target refuses, so that it notices recovery soon.
        window_s: how long requests and answers are remembered, on average.
    """

    factor: Annotated[float, Meta(gt=1), Gene(low=1.1, high=3.0)] = 2.0
    window_s: Annotated[float, Meta(gt=0)] = 60.0


class Throttle:
    """Hold calls back in proportion to how many the target refuses.

    Attributes:
        refused: calls held back.

    Source:
        Beyer et al., Site Reliability Engineering (2016), chapter 21, client-side throttling.
    """

    __slots__ = ("_accepted", "_at_s", "_requests", "config", "refused")

    def __init__(self, config: ThrottleConfig) -> None:
        self.config = config
        self.refused = 0
        self._requests = self._accepted = 0.0
        self._at_s = -math.inf

    def enter(self, now_s: float, draw: float) -> bool:
        """Ask to send; ``draw`` is a uniform random number from 0 to 1."""
        self._fade(now_s)
        refusal = self.refusal
        self._requests += 1.0
        if draw < refusal:
            self.refused += 1
            return False
        return True

    def accepted(self, now_s: float) -> None:
        """Tell that the target took a request, whether or not it then succeeded."""
        self._fade(now_s)
        self._accepted += 1.0

    @property
    def refusal(self) -> float:
        """Probability that the next call is held back."""
        excess = self._requests - self.config.factor * (self._accepted + CREDIT)
        return max(excess / (self._requests + 1.0), 0.0)

    def _fade(self, now_s: float) -> None:
        kept = math.exp(min(self._at_s - now_s, 0.0) / self.config.window_s)
        self._requests *= kept
        self._accepted *= kept
        self._at_s = now_s
