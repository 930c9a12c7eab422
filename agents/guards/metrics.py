"""What guards have counted, under the names that the field gives it."""

from __future__ import annotations

from msgspec import Struct

from .guard import Guard
from .registry import guards


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
