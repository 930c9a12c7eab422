"""What guards have counted: for dashboards, and for the Monitor, which watches it as any metric."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from .clock import clock
from .guard import Guard
from .guard_registry import guards
from .ports import Sample


class GuardMetrics(Struct, frozen=True, kw_only=True):
    """Counts of one guard since it was made, and how it stands.

    Attributes:
        target: what it protects.
        state: of its circuit.
        calls_successful: calls that went well.
        calls_failed: calls that failed.
        calls_slow: calls that were slow.
        calls_ignored: calls whose end says nothing about the target.
        calls_late: failures reported to a period that was over.
        calls_not_permitted: calls that the circuit refused.
        calls_limited: calls that throttle, rate or limit refused.
        failure_rate: fraction of failures in the window; ``None`` with too few calls.
        slow_call_rate: fraction of slow calls in the window.
        limit: slots for calls in flight; 0 without a limit.
        in_flight: how many of them are taken.
        waiting: callers that wait for one.
        retries: attempts after the first.
        retries_refused: retries that the budget did not have.
        hedges: second calls to a target that was late.
        timeouts: attempts that took too long.
        fallbacks: answers that were not the target's.
    """

    target: str
    state: str
    calls_successful: int
    calls_failed: int
    calls_slow: int
    calls_ignored: int
    calls_late: int
    calls_not_permitted: int
    calls_limited: int = 0
    failure_rate: float | None = None
    slow_call_rate: float | None = None
    limit: int = 0
    in_flight: int = 0
    waiting: int = 0
    retries: int = 0
    retries_refused: int = 0
    hedges: int = 0
    timeouts: int = 0
    fallbacks: int = 0


def metrics_of(guard: Guard) -> GuardMetrics:
    """Read the counts of a guard."""
    circuit, steps = guard.circuit, guard.steps
    counts = circuit.counts
    parts: dict[str, int] = {}
    if steps is not None:
        refused = steps.gate.slots.refused
        refused += steps.throttle.refused if steps.throttle is not None else 0
        refused += steps.rate.refused if steps.rate is not None else 0
        parts = {
            "calls_limited": refused,
            "limit": steps.gate.slots.limit if steps.limits else 0,
            "in_flight": steps.gate.slots.in_flight,
            "waiting": len(steps.gate.queue),
            "retries": steps.retries.retried if steps.retries is not None else 0,
            "retries_refused": steps.retries.refused if steps.retries is not None else 0,
            "hedges": steps.hedges.hedged if steps.hedges is not None else 0,
            "timeouts": steps.deadlines.timed_out if steps.deadlines is not None else 0,
            "fallbacks": steps.fallbacks,
        }
    return GuardMetrics(
        target=circuit.target,
        state=circuit.state,
        calls_successful=circuit.calls - counts.failures - counts.slow,
        calls_failed=counts.failures,
        calls_slow=counts.slow,
        calls_ignored=counts.neutral,
        calls_late=counts.late,
        calls_not_permitted=counts.not_permitted,
        failure_rate=circuit.failure_rate,
        slow_call_rate=circuit.slow_call_rate,
        **parts,
    )


def all_metrics() -> list[GuardMetrics]:
    """Read the counts of all guards of the program, by target."""
    return [metrics_of(guard) for _, guard in sorted(guards().items())]


class GuardProbe:
    """Shows the Monitor what the callers of a target see; a `Probe` like any other.

    The calls that a program makes anyway are the best signal there is of a target's health: they
    fail when its users fail, also where its own health check is green.

    Args:
        guard: whose calls.
        every_s: seconds between two readings.
    """

    name = "calls"

    def __init__(self, guard: Guard, every_s: float = 1.0) -> None:
        self._guard = guard
        self._before = metrics_of(guard)
        self._at_s = clock.now_s()
        self.every_s = every_s

    @property
    def target(self) -> str:
        """Whom the calls go to."""
        return self._guard.target

    @property
    def timeout_s(self) -> float:
        """How long a reading may take; it only reads counters."""
        return self.every_s

    def read(self) -> Sample:
        """Tell how calls have gone since the last reading; rates are left out without calls."""
        before, now = self._before, metrics_of(self._guard)
        now_s = clock.now_s()
        passed_s = max(now_s - self._at_s, 1e-9)
        self._before, self._at_s = now, now_s
        failed = now.calls_failed - before.calls_failed
        slow = now.calls_slow - before.calls_slow
        calls = now.calls_successful - before.calls_successful + failed + slow
        refused = now.calls_not_permitted - before.calls_not_permitted
        metrics = {
            "calls_per_s": calls / passed_s,
            "calls_not_permitted_per_s": refused / passed_s,
            "circuit_closed": float(now.state == "closed"),
        }
        if calls > 0:
            metrics |= {"failure_rate": failed / calls, "slow_call_rate": slow / calls}
        return Sample(metrics, detail=f"circuit {now.state}")


def guard_probes(every_s: float = 1.0, targets: Iterable[str] = ()) -> list[GuardProbe]:
    """Make a probe for each guard of the program, or for those of some targets."""
    wanted = set(targets)
    return [
        GuardProbe(guard, every_s)
        for target, guard in sorted(guards().items())
        if not wanted or target in wanted
    ]
