r"""How an action is carried out: on record first, in bounded time, never raising.

The order is the promise: the intent is on disk before the action starts, and its outcome after it
ended. An execution outlives the agent that drives it; whoever drives it next goes on where it
stands, so that nothing is run twice and nothing is left without an outcome:

    accepted --> on record --> begun --> ended --> told
                                 \--interrupted: the world is asked what became of it--> ended
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


class Execution:
    """One execution of one action.

    Args:
        command: what is to be done.
        action: how it is done; ``None`` when the target has no such action (any more).
        begun: the intent of an earlier process that left it without an outcome.

    Attributes:
        finished: how it ended, once that is known.
        interrupted: whether its end was not seen but asked for.
    """

    def __init__(
        self, command: RunAction, action: Action | None, begun: IntentRecord | None = None
    ) -> None:
        self.finished: ActionFinished | None = None
        self.interrupted = False
        self._command = command
        self._action = action
        self._intent = begun
        self._has_begun = begun is not None
        self._started_s: float | None = None

    @classmethod
    def inherited(cls, intent: IntentRecord, action: Action | None) -> Execution:
        """One that an earlier process had on record and did not live to see the end of."""
        command = RunAction(
            target=intent.target,
            intent=intent.intent,
            incident=intent.incident,
            action=intent.action,
            attempt=intent.attempt,
            timeout_s=intent.timeout_s,
        )
        return cls(command, action, begun=intent)

    async def go_on(self, journal: Journal, tell: Tell, clock: Clock) -> ActionFinished:
        """Go on to the end from where it stands.

        Args:
            journal: where intent and outcome are kept.
            tell: publishes `ActionStarted` and `ActionFinished`.
            clock: loop time.

        Returns:
            What was told at the end.
        """
        if self.finished is None:
            outcome, detail = await self._to_its_end(journal, tell, clock)
            self.finished = self._finish(outcome, detail, clock())
        if self._intent is not None:
            await journal.commit(_record(self.finished))
        await tell(self.finished)
        return self.finished

    async def _to_its_end(self, journal: Journal, tell: Tell, clock: Clock) -> tuple[str, str]:
        if self._has_begun:
            self.interrupted = True
            return _SETTLED[await self._ask()]
        if self._action is None:
            return "not_run", f"{self._command.target} has no action {self._command.action}"
        intent = self._intent = self._intent or self._declare(self._action, clock())
        await journal.commit(intent)
        self._started_s = clock()
        await tell(self._start(self._started_s))
        self._has_begun = True
        return await _run(self._action, intent)

    async def _ask(self) -> IntentStatus:
        assert self._intent is not None, "what has begun is on record"
        status = IntentStatus.UNKNOWN
        if self._action is not None:
            try:
                with anyio.move_on_after(self._intent.timeout_s):
                    status = await self._action.status(self._intent)
            except Exception:  # noqa: BLE001  An action may be anybody's; not knowing is an answer.
                status = IntentStatus.UNKNOWN
        return status

    def _declare(self, action: Action, now_s: float) -> IntentRecord:
        command = self._command
        return IntentRecord(
            intent=command.intent,
            incident=command.incident,
            target=command.target,
            action=command.action,
            attempt=command.attempt,
            timeout_s=command.timeout_s,
            at_s=now_s,
            settle_s=action.settle_s,
            disruptive=action.disruptive,
            before=_facts_before(action),
        )

    def _start(self, now_s: float) -> ActionStarted:
        command = self._command
        return ActionStarted(
            target=command.target,
            intent=command.intent,
            incident=command.incident,
            action=command.action,
            started_s=now_s,
            timeout_s=command.timeout_s,
        )

    def _finish(self, outcome: str, detail: str, now_s: float) -> ActionFinished:
        command = self._command
        return ActionFinished(
            target=command.target,
            intent=command.intent,
            incident=command.incident,
            action=command.action,
            outcome=outcome,
            detail=detail,
            duration_s=now_s - (now_s if self._started_s is None else self._started_s),
            finished_s=now_s,
            settle_s=self._action.settle_s if self._action is not None else 0.0,
        )


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


def _record(finished: ActionFinished) -> OutcomeRecord:
    return OutcomeRecord(
        intent=finished.intent,
        outcome=finished.outcome,
        detail=finished.detail,
        duration_s=finished.duration_s,
        at_s=finished.finished_s,
    )
