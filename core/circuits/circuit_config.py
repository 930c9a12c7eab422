"""The words of a circuit: states, outcomes and configuration, and what it counts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from ...errors import ConfigError
from ..gene import Gene
from ..settings import Settings


class State(StrEnum):
    """What a circuit does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    SHADOW = "shadow"


class Outcome(StrEnum):
    """How a call went, as far as the target's health is concerned."""

    SUCCESS = "success"
    FAILURE = "failure"
    SLOW = "slow"  # Took longer than the slow-call duration, whether or not it got an answer.
    NEUTRAL = "neutral"  # Says nothing about the target: cancelled, ignored error, not sent.


class CircuitConfig(Settings, frozen=True, kw_only=True):
    """What makes a circuit open, and what it takes to close it.

    Attributes:
        mode: ``shadow`` measures and reports but refuses nothing; ``disabled`` only lets pass.
        failure_rate: fraction of failed calls in the window that opens the circuit.
        slow_call_rate: fraction of slow calls in the window that opens it.
        slow_call_s: a call that takes this long is slow; ``None`` measures no durations.
        window_calls: the window holds at most this many of the latest calls.
        window_s: and of these only the ones that ended within so many seconds; ``None`` for all.
        minimum_calls: with fewer calls in the window nothing is decided.
        open_s: how long the circuit stays open the first time.
        open_factor: each opening in a row lasts so many times longer than the one before.
        open_s_max: but never longer than this, jitter aside.
        open_jitter: the open time is drawn from this fraction around its value, so that many
            clients of one target do not return at the same moment.
        permitted_calls: trial calls of a half-open circuit, and the first cap of the ramp.
        permit_s: a trial call that has not ended after this time counts as failed.
        ramp_calls: successes after which the cap on calls in flight is lifted; 0 for no ramp.
        late_cancel_is_slow: a call that is cancelled after ``slow_call_s`` counts as slow: an
            timeout further out shows up as one, and it was the target that took too long.
    """

    mode: Literal["active", "shadow", "disabled"] = "active"
    failure_rate: Annotated[float, Meta(gt=0, le=1), Gene(low=0.1, high=0.9)] = 0.5
    slow_call_rate: Annotated[float, Meta(gt=0, le=1), Gene(low=0.1, high=1.0)] = 0.8
    slow_call_s: Annotated[float, Meta(gt=0)] | None = None
    window_calls: Annotated[int, Meta(ge=1, le=100_000), Gene(low=5, high=200, scale="log")] = 20
    window_s: Annotated[float, Meta(gt=0)] | None = None
    minimum_calls: Annotated[
        int, Meta(ge=1), Gene(low=3, high=50, scale="log", at_most="window_calls")
    ] = 10
    open_s: Annotated[
        float, Meta(gt=0), Gene(low=0.5, high=60, scale="log", unit="s", at_most="open_s_max")
    ] = 5.0
    open_factor: Annotated[float, Meta(ge=1, le=10), Gene(low=1, high=4)] = 2.0
    open_s_max: Annotated[float, Meta(gt=0)] = 60.0
    open_jitter: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    permitted_calls: Annotated[int, Meta(ge=1), Gene(low=1, high=20)] = 3
    permit_s: Annotated[float, Meta(gt=0)] = 30.0
    ramp_calls: Annotated[int, Meta(ge=0), Gene(low=0, high=500)] = 100
    late_cancel_is_slow: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.minimum_calls > self.window_calls:
            raise ConfigError(
                f"minimum_calls={self.minimum_calls} exceeds window_calls={self.window_calls}, "
                "so the circuit would never open"
            )
        if self.open_s > self.open_s_max:
            raise ConfigError(f"open_s={self.open_s:g} exceeds open_s_max={self.open_s_max:g}")


class Tally:
    """Counts of one circuit since it was made; made when there is more to count than successes.

    Attributes:
        calls: recorded in eras that are over, successes included.
        failures: calls that failed.
        slow: calls that were slow.
        neutral: calls whose outcome says nothing.
        late: outcomes other than success that were reported to an era already over.
        not_permitted: calls refused.
        shadow_failures: calls that shadow mode let pass although it would have refused them, and
            that failed or were slow: refusing them would have been right.
        shadow_successes: such calls that went well: refusing them would have been wrong.
        opened: openings in all.
        overdue: permits whose calls did not end in time.
        openings: openings in a row, the base of the open time.
        open_s: how long the newest opening was to last.
    """

    __slots__ = (
        "calls",
        "failures",
        "late",
        "neutral",
        "not_permitted",
        "open_s",
        "opened",
        "openings",
        "overdue",
        "shadow_failures",
        "shadow_successes",
        "slow",
    )

    def __init__(self) -> None:
        self.calls = self.failures = self.slow = self.neutral = self.late = 0
        self.not_permitted = self.shadow_failures = self.shadow_successes = self.overdue = 0
        self.openings = self.opened = 0
        self.open_s = 0.0

    def count(self, outcome: Outcome) -> None:
        """Count a failure or a slow call."""
        if outcome is Outcome.FAILURE:
            self.failures += 1
        else:
            self.slow += 1
