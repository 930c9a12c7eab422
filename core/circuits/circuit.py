"""A circuit breaker: keeps calls away from a target that fails, and finds out when it is well.

Theory of operation. A circuit is always in one *era*, an object that knows one period of its life:

- `Closed`: calls pass and their outcomes are counted. A failure or a slow call that lifts the
  failure rate or the slow-call rate of the window to its limit opens the circuit. After a trial
  the era begins with a ramp: calls in flight are capped at the number of trial calls, and every
  success lifts the cap by one, so the load doubles with each round trip as in TCP's slow start.
  Someone who calls one at a time never notices, a thousand waiting callers cannot stampede.
- `Open`: calls are refused until its time is over; the first call after that starts a trial.
- `Trial` (half-open): a few calls are permitted. Each holds a permit with a deadline. As many
  successes as there are permits close the circuit; one failed, slow or overdue trial opens it
  again, for longer than before.
- `ForcedOpen`: somebody said so; only `Circuit.release` ends it, and a trial follows.
- `Disabled`: all calls pass, nothing is decided.

Whoever makes a call holds the era (or a permit of it) that let the call pass, and reports the
outcome there. An era that is no longer the circuit's decides nothing, so a result that comes late
needs no bookkeeping to be ignored: one ``is`` finds it out.

In a window of calls only the sequence numbers of failures are kept. A success is then one
increment, which a caller may do itself (``era.calls += 1``), and the window is exact nevertheless:
a failure is in it as long as its number is among the last ``window_calls`` ones. A success never
lifts a rate, hence only failures and slow calls need to look.

Turned down: counting failures in a row (half of all calls may fail for ever without opening it);
buckets of time (they forget in jumps); a timer that moves an open circuit to half-open (one more
thing to cancel, and it wakes up circuits that nobody calls).

Nothing here knows a clock: ``now_s`` never runs backwards, and that is all that is asked of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from ...bus.messages import CircuitChanged
from .circuit_config import CircuitConfig, Outcome, State, Tally
from .eras import Closed, Disabled, Era, ForcedOpen, Open, Pass, Trial, Unpermitted
from .leases import Permit

__all__ = [
    "Circuit",
    "CircuitConfig",
    "CircuitRecord",
    "Outcome",
    "Pass",
    "Permit",
    "State",
    "Tally",
]


class CircuitRecord(Struct, frozen=True, kw_only=True):
    """What of a circuit is worth keeping over a restart; the window of a closed one is not.

    Attributes:
        target: what the circuit protects.
        state: ``closed``, ``open``, ``half_open``, ``forced_open`` or ``disabled``.
        remaining_s: for how long it would have stayed open; 0 in other states.
        openings: how often it has opened in a row.
        reason: why it is in this state.
    """

    target: str
    state: State
    remaining_s: float = 0.0
    openings: int = 0
    reason: str = ""


def _no_jitter() -> float:
    return 0.5


class Circuit:
    """Decide for each call to one target whether it may be made, and learn from how it went.

    Args:
        target: what it protects, for reports.
        config: when it opens and closes.
        now_s: when its first window begins.
        draw: uniform random number from 0 to 1, for the jitter of the open time.
        on_change: told of every transition after it has been made; must not raise.

    Attributes:
        era: the present period; whoever lets a call pass holds on to it.
        plain: the era, if a call needs nothing but ``plain.calls += 1`` on success; else ``None``.
        timed: the era, if a call needs that, and its duration compared with ``slow_call_s``.
        shut_s: calls before this time are refused, and a caller may find that out and count it by
            itself; minus infinity when they have to be asked for.
        tally: counts, or ``None`` while nothing but successes has happened.
    """

    __slots__ = (
        "_draw",
        "config",
        "era",
        "on_change",
        "plain",
        "shut_s",
        "tally",
        "target",
        "timed",
    )

    def __init__(
        self,
        target: str,
        config: CircuitConfig,
        now_s: float = 0.0,
        *,
        draw: Callable[[], float] = _no_jitter,
        on_change: Callable[[CircuitChanged], object] | None = None,
    ) -> None:
        self.target = target
        self.config = config
        self.on_change = on_change
        self.tally: Tally | None = None
        self.plain: Closed | Disabled | None = None
        self.timed: Closed | None = None
        self.shut_s = -math.inf
        self._draw = draw
        self.era: Era = Disabled(self) if config.mode == "disabled" else Closed(self, now_s)
        self._point()

    # --- calls ----------------------------------------------------------------------------------

    def acquire(self, now_s: float) -> Pass | None:
        """Ask to make a call.

        Returns:
            Where its outcome is to be recorded, exactly once; ``None`` when the call must not be
            made, which is counted.
        """
        granted = self.era.acquire(now_s)
        if granted is not None:
            return granted
        if self.config.mode == "shadow" and not isinstance(self.era, ForcedOpen):
            return Unpermitted(self)
        counts = self.tally or self.counts
        counts.not_permitted += 1
        return None

    def retry_after_s(self, now_s: float) -> float:
        """Seconds until a call may be permitted; infinite while the circuit is forced open."""
        return self.era.retry_after_s(now_s)

    # --- control --------------------------------------------------------------------------------

    def force_open(self, now_s: float, reason: str) -> None:
        """Refuse all calls until `release`, in shadow mode too: this is somebody's word."""
        self._enter(ForcedOpen(self), now_s, reason)

    def release(self, now_s: float, reason: str = "released") -> None:
        """End `force_open`; a trial decides how it goes on. Does nothing in other states."""
        if isinstance(self.era, ForcedOpen):
            disabled = self.config.mode == "disabled"
            self._enter(Disabled(self) if disabled else Trial(self), now_s, reason)

    def reset(self, now_s: float, reason: str = "reset") -> None:
        """Start anew: closed, with an empty window and no openings in a row."""
        self.counts.openings = 0
        self._enter(Closed(self, now_s), now_s, reason)

    def open_ahead(self, now_s: float, reason: str) -> bool:
        """Open a closed circuit on a forecast; tells whether it was closed."""
        if not isinstance(self.era, Closed):
            return False
        self.era.open(now_s, reason)
        return True

    def reconfigure(self, config: CircuitConfig, now_s: float) -> None:
        """Swap the configuration; calls in flight end under the new one.

        The state stays, and so does the window of calls. A window that starts or stops to forget
        by time begins anew, since the times of its calls are not known.
        """
        before, state = self.config, self.state
        self.config = config
        disabled, timed = config.mode == "disabled", config.window_s is not None
        if disabled != (before.mode == "disabled") and not isinstance(self.era, ForcedOpen):
            self._replace(Disabled(self) if disabled else Closed(self, now_s))
        elif timed != (before.window_s is not None) and isinstance(self.era, Closed):
            self._replace(Closed(self, now_s))
        self._point()
        if self.state is not state:
            self._tell(self.state, state, now_s, "reconfigured")
        self.era.reconfigured(now_s)

    # --- what it is -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What it does with calls; an open circuit stays so until the first call after its time."""
        if self.config.mode == "shadow" and self.era.state is not State.FORCED_OPEN:
            return State.SHADOW
        return self.era.state

    @property
    def failure_rate(self) -> float | None:
        """Fraction of failures in the window; ``None`` when not closed or with too few calls."""
        return self.era.rate("failures")

    @property
    def slow_call_rate(self) -> float | None:
        """Fraction of slow calls in the window, under the same conditions."""
        return self.era.rate("slow")

    @property
    def calls(self) -> int:
        """Calls that were recorded with a success, a failure or as slow."""
        past = self.tally.calls if self.tally is not None else 0
        return past + self.era.calls

    @property
    def counts(self) -> Tally:
        """The tally, made if there is none yet."""
        if self.tally is None:
            self.tally = Tally()
        return self.tally

    def record_of(self, now_s: float, reason: str = "") -> CircuitRecord:
        """Tell what to keep over a restart."""
        is_open = isinstance(self.era, Open)
        return CircuitRecord(
            target=self.target,
            state=self.era.state,
            remaining_s=self.retry_after_s(now_s) if is_open else 0.0,
            openings=self.tally.openings if self.tally is not None else 0,
            reason=reason,
        )

    def restore(self, record: CircuitRecord, now_s: float) -> None:
        """Go on where a circuit of an earlier process stopped; closed and disabled need nothing."""
        self.counts.openings = record.openings
        reason = f"restored: {record.reason}" if record.reason else "restored"
        match record.state:
            case State.OPEN:
                self.counts.open_s = record.remaining_s
                self._enter(Open(self, now_s + record.remaining_s), now_s, reason)
            case State.FORCED_OPEN:
                self._enter(ForcedOpen(self), now_s, reason)
            case State.HALF_OPEN:
                self._enter(Trial(self), now_s, reason)
            case _:
                pass

    # --- transitions, for the eras --------------------------------------------------------------

    def trip(self, now_s: float, reason: str, *, stable_s: float) -> None:
        """Open; ``stable_s`` is how long the circuit was closed before, 0 after a trial."""
        config, counts = self.config, self.counts
        if stable_s >= counts.open_s:  # As long well as it was ill: this is a new illness.
            counts.openings = 0
        factor = config.open_factor ** min(counts.openings, 64)  # Bound: float overflow.
        jitter = 1.0 + config.open_jitter * (2.0 * self._draw() - 1.0)
        counts.openings += 1
        counts.opened += 1
        counts.open_s = min(config.open_s * factor, config.open_s_max) * jitter
        self._enter(Open(self, now_s + counts.open_s), now_s, reason)

    def half_open(self, now_s: float) -> None:
        """Start a trial."""
        self._enter(Trial(self), now_s, "open time is over")

    def close(self, now_s: float) -> None:
        """Trust the target again, beginning with a ramp."""
        calls = self.config.permitted_calls
        era = Closed(self, now_s, ramped=self.config.ramp_calls > 0)
        self._enter(era, now_s, f"{calls} trial call{'s' * (calls > 1)} succeeded")

    def ramp_ended(self) -> None:
        """Let all calls pass without permits from now on."""
        self._point()

    def _enter(self, era: Era, now_s: float, reason: str) -> None:
        previous, before = self.state, self.era.state
        self._replace(era)
        if self.state is previous is State.SHADOW:
            reason = f"would be {era.state}, was {before}: {reason}"
        self._tell(self.state, previous, now_s, reason)

    def _replace(self, era: Era) -> None:
        if self.era.calls:
            self.counts.calls += self.era.calls
        self.era = era
        self._point()

    def _tell(self, state: State, previous: State, now_s: float, reason: str) -> None:
        if self.on_change is not None:
            self.on_change(
                CircuitChanged(
                    target=self.target,
                    state=state,
                    previous=previous,
                    reason=reason,
                    changed_s=now_s,
                )
            )

    def _point(self) -> None:
        """Tell callers which short way they may take."""
        era, config = self.era, self.config
        self.plain = self.timed = None
        self.shut_s = -math.inf
        if isinstance(era, ForcedOpen):
            self.shut_s = math.inf
        elif isinstance(era, Open) and config.mode != "shadow":
            self.shut_s = era.until_s
        elif isinstance(era, Disabled):
            self.plain = era
        elif isinstance(era, Closed) and era.leases is None and config.window_s is None:
            if config.slow_call_s is None:
                self.plain = era
            else:
                self.timed = era
