"""How an action is carried out: on record first, in bounded time, never raising.

The order is the promise: the intent is on disk before the action starts, and its outcome after it
ended. Whatever happens in between leaves an intent without an outcome, and `settle` finds out
from the world what became of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from ..bus.messages import ActionFinished, ActionStarted, Message, RunAction
from ..core.records import IntentRecord, OutcomeRecord
from .ports import Action, ActionResult, IntentStatus, Journal

Tell = Callable[[Message], Awaitable[None]]
Clock = Callable[[], float]

_SETTLED = {
    IntentStatus.DONE: ("succeeded", "it had taken place before the interruption"),
    IntentStatus.NOT_DONE: ("failed", "interrupted before it took place"),
    IntentStatus.UNKNOWN: ("unknown", "interrupted, and the world cannot tell"),
}


async def execute(
    command: RunAction, action: Action, journal: Journal, tell: Tell, clock: Clock
) -> ActionFinished:
    """Carry out one action and tell how it went.

    Args:
        command: what is to be done.
        action: how it is done.
        journal: where intent and outcome are kept.
        tell: publishes `ActionStarted` and `ActionFinished`.
        clock: loop time.

    Returns:
        What was told at the end.
    """
    intent = IntentRecord(
        intent=command.intent,
        incident=command.incident,
        target=command.target,
        action=command.action,
        attempt=command.attempt,
        timeout_s=command.timeout_s,
        at_s=clock(),
        before=_facts_before(action),
    )
    await journal.commit(intent)
    started_s = clock()
    started = ActionStarted(
        target=command.target,
        intent=command.intent,
        incident=command.incident,
        action=command.action,
        started_s=started_s,
        timeout_s=command.timeout_s,
    )
    await tell(started)
    outcome, detail = await _run(action, intent)
    return await _conclude(intent, action, outcome, detail, started_s, journal, tell, clock)


async def settle(
    intent: IntentRecord, action: Action | None, journal: Journal, tell: Tell, clock: Clock
) -> ActionFinished:
    """Find out what became of an action whose end nobody saw, and tell that as its end."""
    status = IntentStatus.UNKNOWN
    if action is not None:
        try:
            with anyio.move_on_after(intent.timeout_s):
                status = await action.status(intent)
        except Exception:  # noqa: BLE001  An action may be anybody's; not knowing is an answer.
            status = IntentStatus.UNKNOWN
    outcome, detail = _SETTLED[status]
    return await _conclude(intent, action, outcome, detail, clock(), journal, tell, clock)


def _facts_before(action: Action) -> dict[str, object]:
    try:
        return action.before()
    except Exception:  # noqa: BLE001  Without facts it can still be run, just not settled.
        return {}


async def _run(action: Action, intent: IntentRecord) -> tuple[str, str]:
    result: ActionResult | None = None
    try:
        with anyio.move_on_after(intent.timeout_s):
            result = await action.run(intent)
    except Exception as error:  # noqa: BLE001  An action may be anybody's.
        return "failed", f"{type(error).__name__}: {error}"
    if result is None:
        return "timed_out", f"not done after {intent.timeout_s:g} s"
    return ("succeeded" if result.succeeded else "failed"), result.detail


async def _conclude(
    intent: IntentRecord,
    action: Action | None,
    outcome: str,
    detail: str,
    started_s: float,
    journal: Journal,
    tell: Tell,
    clock: Clock,
) -> ActionFinished:
    now_s = clock()
    finished = ActionFinished(
        target=intent.target,
        intent=intent.intent,
        incident=intent.incident,
        action=intent.action,
        outcome=outcome,
        detail=detail,
        duration_s=now_s - started_s,
        finished_s=now_s,
        settle_s=action.settle_s if action is not None else 0.0,
    )
    record = OutcomeRecord(
        intent=intent.intent,
        outcome=outcome,
        detail=detail,
        duration_s=finished.duration_s,
        at_s=now_s,
    )
    await journal.commit(record)
    await tell(finished)
    return finished
