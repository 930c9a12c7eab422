"""Whether to try again, when, and whether the target can afford it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ...errors import ConfigError
from ..gene import Gene
from ..settings import Settings


class RetryConfig(Settings, frozen=True, kw_only=True):
    """How often a failed call is tried again.

    Attributes:
        attempts: calls in all, the first one included.
        backoff_s: upper bound of the first wait; each wait is drawn between 0 and its bound.
        backoff_factor: each bound is so many times the one before.
        backoff_s_max: but never more than this; a target that asks for more patience
            (``Retry-After``) is not tried again.
        budget: retries per call that a target is given over time.
        budget_per_s: retries per second that it is given besides, for targets seldom called.
        budget_max: retries saved up at most.
    """

    attempts: Annotated[int, Meta(ge=1, le=20), Gene(low=1, high=6)] = 3
    backoff_s: Annotated[
        float, Meta(gt=0), Gene(low=0.01, high=5, scale="log", unit="s", at_most="backoff_s_max")
    ] = 0.1
    backoff_factor: Annotated[float, Meta(ge=1), Gene(low=1, high=4)] = 2.0
    backoff_s_max: Annotated[float, Meta(gt=0)] = 10.0
    budget: Annotated[float, Meta(ge=0, le=10), Gene(low=0.02, high=1, scale="log")] = 0.2
    budget_per_s: Annotated[float, Meta(ge=0)] = 1.0
    budget_max: Annotated[float, Meta(ge=1)] = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backoff_s > self.backoff_s_max:
            raise ConfigError(
                f"backoff_s={self.backoff_s:g} exceeds backoff_s_max={self.backoff_s_max:g}"
            )


class Retries:
    """Decide on retries of the calls to one target.

    A retry is paid for when it is decided on, before its wait, so retries that queue up in their
    back-off count as much as those in flight. A budget tied to the number of calls keeps a storm
    from feeding itself: with 0.2 a target that fails altogether gets 1.2 times its load, where
    three attempts each would be three times.

    Attributes:
        retried: retries granted.
        refused: retries that the budget did not have.

    Source:
        Full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015).
        Budget: Twitter's Finagle, ``RetryBudget``.
    """

    __slots__ = ("_at_s", "_calls", "_tokens", "config", "refused", "retried")

    def __init__(self, config: RetryConfig) -> None:
        self.config = config
        self.retried = 0
        self.refused = 0
        self._tokens = min(config.budget_per_s, config.budget_max)
        self._calls = 0
        self._at_s: float | None = None

    def wait_s(
        self, attempt: int, *, calls: int, now_s: float, draw: float, retry_after_s: float = 0.0
    ) -> float | None:
        """Decide what follows a failed attempt.

        Args:
            attempt: which one failed, 1 for the first.
            calls: calls made to the target so far, whosever.
            now_s: loop time.
            draw: uniform random number from 0 to 1.
            retry_after_s: what the target asked for; 0 if nothing.

        Returns:
            Seconds to wait before the next attempt, or ``None`` for giving up.
        """
        config = self.config
        self._fill(calls, now_s)
        if attempt >= config.attempts or retry_after_s > config.backoff_s_max:
            return None
        if self._tokens < 1.0:
            self.refused += 1
            return None
        self._tokens -= 1.0
        self.retried += 1
        bound_s = min(
            config.backoff_s * config.backoff_factor ** (attempt - 1), config.backoff_s_max
        )
        # What the target asked for is the least; the jitter on top keeps its clients apart.
        return retry_after_s + draw * bound_s

    def _fill(self, calls: int, now_s: float) -> None:
        """Earn what the calls and the time since last time are worth."""
        config = self.config
        passed_s = now_s - self._at_s if self._at_s is not None else 0.0
        originals = calls - self.retried  # A retry earns no retries.
        earned = config.budget * (originals - self._calls) + config.budget_per_s * passed_s
        self._tokens = min(self._tokens + max(earned, 0.0), config.budget_max)
        self._calls = originals
        self._at_s = now_s


class HedgeConfig(Settings, frozen=True, kw_only=True):
    """When a second call is sent because the first one is late.

    Attributes:
        delay_s: how late; the 95th percentile of the latency is a good value.
        budget: extra calls per call that the target is given over time.
        budget_max: extra calls saved up at most.
    """

    delay_s: Annotated[float, Meta(gt=0), Gene(low=0.005, high=5, scale="log", unit="s")]
    budget: Annotated[float, Meta(ge=0, le=1), Gene(low=0.01, high=0.3, scale="log")] = 0.05
    budget_max: Annotated[float, Meta(ge=1)] = 10.0


class Hedges:
    """Decide whether a late call is worth a second one.

    Attributes:
        hedged: second calls granted.
        won: second calls that answered first.

    Source:
        Dean and Barroso, "The Tail at Scale", CACM 56/2 (2013).
    """

    __slots__ = ("_calls", "_tokens", "config", "hedged", "won")

    def __init__(self, config: HedgeConfig) -> None:
        self.config = config
        self.hedged = 0
        self.won = 0
        self._tokens = 1.0
        self._calls = 0

    def grant(self, calls: int) -> bool:
        """Pay for a second call, if the budget has it; ``calls`` were made so far."""
        config = self.config
        earned = config.budget * max(calls - self._calls, 0)
        self._tokens = min(self._tokens + earned, config.budget_max)
        self._calls = calls
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        self.hedged += 1
        return True
