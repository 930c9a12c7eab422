"""The periods in the life of a circuit; `circuit.py` tells how they play together."""

from __future__ import annotations

import math
from collections import deque
from typing import ClassVar, Literal, Protocol

from .circuit_config import CircuitConfig, Outcome, State, Tally
from .leases import Leases, Permit

# Looking a member up in its enumeration costs as much as a function call.
_SUCCESS, _FAILURE, _NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


class Host(Protocol):
    """What an era needs of its circuit."""

    config: CircuitConfig
    tally: Tally | None

    @property
    def era(self) -> Era:
        """The present period."""
        ...

    @property
    def counts(self) -> Tally:
        """Where to count."""
        ...

    def trip(self, now_s: float, reason: str, *, stable_s: float) -> None:
        """Open."""
        ...

    def half_open(self, now_s: float) -> None:
        """Start a trial."""
        ...

    def close(self, now_s: float) -> None:
        """Trust the target again."""
        ...

    def ramp_ended(self) -> None:
        """Let all calls pass without permits."""
        ...


class Unpermitted:
    """A call that only shadow mode let pass: it tells whether refusing would have been right."""

    __slots__ = ("_circuit",)

    def __init__(self, circuit: Host) -> None:
        self._circuit = circuit

    def record(self, outcome: Outcome, now_s: float) -> None:
        """Count how the call went that would have been refused."""
        counts = self._circuit.counts
        if outcome is Outcome.SUCCESS:
            counts.shadow_successes += 1
        elif outcome is Outcome.NEUTRAL:
            counts.neutral += 1
        else:
            counts.shadow_failures += 1


class Closed:
    """Calls pass, and a window of their outcomes is kept.

    Attributes:
        calls: sequence number of the newest recorded call.
        leases: permits of the ramp, ``None`` when it is over or there was none.
    """

    __slots__ = ("_failures", "_since_s", "_slow", "_times_s", "calls", "circuit", "leases")

    state: ClassVar[State] = State.CLOSED

    def __init__(self, circuit: Host, now_s: float, *, ramped: bool = False) -> None:
        self.circuit = circuit
        self.calls = 0
        self.leases = Leases(circuit.config.permitted_calls) if ramped else None
        self._since_s = now_s
        self._failures: deque[int] | None = None  # Sequence numbers; made with the first failure.
        self._slow: deque[int] | None = None
        self._times_s: deque[float] | None = None
        self._bound_times()

    def acquire(self, now_s: float) -> Pass | None:
        """Let the call pass, or in the ramp grant a permit while there is room."""
        leases = self.leases
        if leases is None:
            return self
        while (overdue := leases.overdue(now_s)) is not None:
            self.circuit.counts.overdue += 1
            overdue.record(Outcome.FAILURE, now_s)
            if self.circuit.era is not self:  # That failure was one too many.
                return self.circuit.era.acquire(now_s)
        if len(leases.out) >= leases.cap:
            return None
        return leases.grant(self, now_s + self.circuit.config.permit_s)

    def returned(self, permit: Permit, outcome: Outcome, now_s: float) -> None:
        """Record a call of the ramp."""
        leases = self.leases
        if leases is not None:
            leases.out.pop(permit)
            if outcome is Outcome.SUCCESS:
                leases.cap += 1
                leases.successes += 1
                self._end_ramp_in_time()
        self.record(outcome, now_s)

    def record(self, outcome: Outcome, now_s: float) -> None:
        """Record a call; this may open the circuit."""
        if outcome is _NEUTRAL:
            self.circuit.counts.neutral += 1
            return
        if self._times_s is not None:
            self._times_s.append(now_s)
            self._forget_times(now_s)
        if outcome is _SUCCESS:
            self.calls += 1
        else:
            reason = self.mark(outcome)
            if reason:
                self.open(now_s, reason)

    def mark(self, outcome: Outcome) -> str:
        """Count a failure or a slow call in a window that does not forget by time.

        Returns:
            Why the circuit has to open now; nothing if it has not.
        """
        circuit = self.circuit
        counts = circuit.tally or circuit.counts
        if circuit.era is not self:
            counts.late += 1
            return ""
        self.calls += 1
        if outcome is _FAILURE:
            counts.failures += 1
            marks = self._failures
            if marks is None:
                marks = self._failures = deque()
        else:
            counts.slow += 1
            marks = self._slow
            if marks is None:
                marks = self._slow = deque()
        marks.append(self.calls)
        return self._verdict(circuit.config)

    def open(self, now_s: float, reason: str) -> None:
        """End this era; how long it lasted tells whether the illness is a new one."""
        self.circuit.trip(now_s, reason, stable_s=now_s - self._since_s)

    def retry_after_s(self, now_s: float) -> float:
        """No time: in the ramp there is room as soon as another call has ended."""
        return 0.0

    def rate(self, of: Literal["failures", "slow"]) -> float | None:
        """Tell a fraction of the window as the newest call left it; ``None`` with too few calls."""
        marks = self._failures if of == "failures" else self._slow
        size = self._size()
        if size < self.circuit.config.minimum_calls:
            return None
        return sum(mark > self.calls - size for mark in marks) / size if marks else 0.0

    def reconfigured(self, now_s: float) -> None:
        """Take the new bounds."""
        self._bound_times()
        self._end_ramp_in_time()

    def _end_ramp_in_time(self) -> None:
        leases = self.leases
        if leases is not None and leases.successes >= self.circuit.config.ramp_calls:
            self.leases = None
            self.circuit.ramp_ended()

    def _verdict(self, config: CircuitConfig) -> str:
        """Drop what has left the window, and find a rate that has reached its limit."""
        size = calls = self.calls
        if self._times_s is not None:
            size = len(self._times_s)
        elif size > config.window_calls:
            size = config.window_calls
        oldest = calls - size
        decides = size >= config.minimum_calls
        failures, slow = self._failures, self._slow
        if failures:
            while failures and failures[0] <= oldest:
                failures.popleft()
            # Divided, not multiplied: 3 / 30 is the 0.1 of the configuration, 0.1 * 30 exceeds 3.
            if decides and len(failures) / size >= config.failure_rate:
                return f"failure rate {len(failures) / size:.0%} of the last {size} calls"
        if slow:
            while slow and slow[0] <= oldest:
                slow.popleft()
            if decides and len(slow) / size >= config.slow_call_rate:
                return f"slow-call rate {len(slow) / size:.0%} of the last {size} calls"
        return ""

    def _forget_times(self, now_s: float) -> None:
        times_s, window_s = self._times_s, self.circuit.config.window_s
        assert times_s is not None
        assert window_s is not None
        while times_s and times_s[0] <= now_s - window_s:
            times_s.popleft()

    def _size(self) -> int:
        """Count the calls in the window."""
        if self._times_s is not None:
            return len(self._times_s)
        return min(self.calls, self.circuit.config.window_calls)

    def _bound_times(self) -> None:
        if self.circuit.config.window_s is not None:
            self._times_s = deque(self._times_s or (), maxlen=self.circuit.config.window_calls)


class Open:
    """Calls are refused until the time is over.

    Attributes:
        until_s: when that is.
    """

    __slots__ = ("_circuit", "until_s")

    state: ClassVar[State] = State.OPEN
    calls: ClassVar[int] = 0

    def __init__(self, circuit: Host, until_s: float) -> None:
        self._circuit = circuit
        self.until_s = until_s

    def acquire(self, now_s: float) -> Pass | None:
        """Refuse, or start a trial when the time is over."""
        if now_s < self.until_s:
            return None
        self._circuit.half_open(now_s)
        return self._circuit.era.acquire(now_s)

    def retry_after_s(self, now_s: float) -> float:
        """Tell when the trial may start."""
        wait_s = self.until_s - now_s
        return max(0.0, wait_s)

    def rate(self, of: str) -> None:
        """There is no window."""

    def reconfigured(self, now_s: float) -> None:
        """Stay open as long as was decided; the next opening takes the new time."""


class Trial:
    """Half-open: a few calls are permitted and decide what comes next.

    Attributes:
        calls: trial calls that have decided something.
    """

    __slots__ = ("_leases", "calls", "circuit")

    state: ClassVar[State] = State.HALF_OPEN

    def __init__(self, circuit: Host) -> None:
        self.circuit = circuit
        self.calls = 0
        self._leases = Leases(0)

    def acquire(self, now_s: float) -> Pass | None:
        """Grant a permit while fewer than permitted have succeeded or are under way."""
        leases, circuit = self._leases, self.circuit
        overdue = leases.overdue(now_s)
        if overdue is not None:
            overdue.record(Outcome.FAILURE, now_s)
            return circuit.era.acquire(now_s)
        if len(leases.out) + leases.successes >= circuit.config.permitted_calls:
            return None
        return leases.grant(self, now_s + self.circuit.config.permit_s)

    def returned(self, permit: Permit, outcome: Outcome, now_s: float) -> None:
        """Decide by the outcome of a trial call."""
        circuit, leases = self.circuit, self._leases
        if circuit.era is not self:
            circuit.counts.late += 1
            return
        leases.out.pop(permit)
        if permit.deadline_s <= now_s:
            # As of its deadline, so that after a quiet hour the open time is not waited for again.
            circuit.counts.overdue += 1
            self._fail(permit.deadline_s, "did not end in time")
        elif outcome is Outcome.NEUTRAL:
            circuit.counts.neutral += 1
        elif outcome is Outcome.SUCCESS:
            self.calls += 1
            leases.successes += 1
            self.reconfigured(now_s)
        else:
            circuit.counts.count(outcome)
            self._fail(now_s, "failed" if outcome is Outcome.FAILURE else "was slow")

    def retry_after_s(self, now_s: float) -> float:
        """Tell when the oldest trial must have ended; it may well end sooner."""
        oldest = next(iter(self._leases.out), None)
        return max(oldest.deadline_s - now_s, 0.0) if oldest is not None else 0.0

    def rate(self, of: str) -> None:
        """There is no window."""

    def reconfigured(self, now_s: float) -> None:
        """Close when there are as many successes as are asked for."""
        if self._leases.successes >= self.circuit.config.permitted_calls:
            self.circuit.close(now_s)

    def _fail(self, now_s: float, how: str) -> None:
        self.calls += 1
        self.circuit.trip(now_s, f"a trial call {how}", stable_s=-1.0)


class ForcedOpen:
    """Calls are refused on somebody's word."""

    __slots__ = ("_circuit",)

    state: ClassVar[State] = State.FORCED_OPEN
    calls: ClassVar[int] = 0

    def __init__(self, circuit: Host) -> None:
        self._circuit = circuit

    def acquire(self, now_s: float) -> None:
        """Refuse."""

    def retry_after_s(self, now_s: float) -> float:
        """Tell that only a release helps."""
        return math.inf

    def rate(self, of: str) -> None:
        """There is no window."""

    def reconfigured(self, now_s: float) -> None:
        """Whatever the configuration says, the word stands."""


class Disabled:
    """Calls pass; outcomes are forgotten."""

    __slots__ = ("calls",)

    state: ClassVar[State] = State.DISABLED

    def __init__(self, circuit: Host) -> None:
        self.calls = 0

    def acquire(self, now_s: float) -> Pass:
        """Let the call pass."""
        return self

    def record(self, outcome: Outcome, now_s: float) -> None:
        """Count successes, as callers who take the short way do."""
        if outcome is Outcome.SUCCESS:
            self.calls += 1

    def mark(self, outcome: Outcome) -> str:
        """Forget it; there is no reason to open."""
        return ""

    def open(self, now_s: float, reason: str) -> None:
        """There never is a reason."""

    def retry_after_s(self, now_s: float) -> float:
        """No time."""
        return 0.0

    def rate(self, of: str) -> None:
        """There is no window."""

    def reconfigured(self, now_s: float) -> None:
        """Nothing to adapt."""


Era = Closed | Open | Trial | ForcedOpen | Disabled
Pass = Closed | Disabled | Permit | Unpermitted
