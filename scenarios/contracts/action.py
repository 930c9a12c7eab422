"""What every action keeps: it fails by a result, in time, and knows afterwards what it did."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager

from ...agents.ports import Action, ActionResult, IntentStatus
from ...core.records import IntentRecord
from .base import MARGIN_S, Contract, demand, living_children, without_new_children


class ActionContract(Contract):
    """Suite for actions; subclass it and give `working`, and `failing` where there is such a thing.

    Attributes:
        target: whom the actions are for.
        is_needless: whether `working` finds everything done already (``start`` of what runs).
    """

    in_virtual_time = False
    target = "cart"
    is_needless = False

    def working(self) -> AbstractAsyncContextManager[Action]:
        """An action that can be carried out, for as long as the context lasts."""
        raise NotImplementedError("a suite for actions says what a working one is")

    def failing(self) -> AbstractAsyncContextManager[Action] | None:
        """One that cannot, or takes too long; ``None`` when there is none."""
        return None

    def test_it_says_what_it_is(self) -> None:
        """Policy and plans go by that."""

        async def body() -> None:
            async with self.working() as action:
                demand(action.name, "it has no name")
                demand(isinstance(action.disruptive, bool), "disruptive is neither True nor False")
                demand(action.timeout_s > 0, f"timeout_s is {action.timeout_s:g}; it must be more")
                demand(action.settle_s >= 0, f"settle_s is {action.settle_s:g}, before its end")
                demand(isinstance(action.undo, str), "undo is no name; it is empty for none")

        self.run(body())

    def test_what_it_notes_before_can_be_written_down(self) -> None:
        """It is stored before the action, and read by another process after a crash."""

        async def body() -> None:
            async with self.working() as action:
                before = action.before()
                try:
                    again = json.loads(json.dumps(before))
                except (TypeError, ValueError) as error:
                    raise AssertionError(f"before() is {before!r}: {error}") from None
                demand(again == before, f"before() is {before!r}, and read back it is {again!r}")

        self.run(body())

    def test_it_succeeds_in_words_of_one_line(self) -> None:
        """They are shown to people."""

        async def body() -> None:
            async with self.working() as action:
                result = await action.run(self._intent(action))
                demand(isinstance(result, ActionResult), f"it returns {result!r}")
                demand(result.succeeded, f"it fails: {result.detail}")
                demand("\n" not in result.detail, f"more than one line: {result.detail!r}")

        self.run(body())

    def test_it_refuses_every_other_target(self) -> None:
        """An empty one too: it means nothing, and never everything."""

        async def body() -> None:
            for target in ("", "*", f"{self.target}-other", f"{self.target}/1"):
                async with self.working() as action:
                    before = action.before()
                    result = await action.run(self._intent(action, target))
                    demand(not result.succeeded, f"it was run on {target!r} too")
                    demand(action.before() == before, f"it did something to {target!r}")

        self.run(body())

    def test_afterwards_it_never_says_that_it_was_not_done(self) -> None:
        """It would be done once more."""

        async def body() -> None:
            async with self.working() as action:
                intent = self._intent(action)
                await action.run(intent)
                status = await action.status(intent)
                demand(
                    status in (IntentStatus.DONE, IntentStatus.UNKNOWN),
                    f"it was done, and its status is {status!r}",
                )

        self.run(body())

    def test_without_it_it_never_says_that_it_was_done(self) -> None:
        """It would never be done."""

        async def body() -> None:
            async with self.working() as action:
                status = await action.status(self._intent(action))
                if not self.is_needless:
                    demand(status is not IntentStatus.DONE, "nothing was done, and it says so")

        self.run(body())

    def test_a_failure_is_a_result_in_time(self) -> None:
        """And leaves no process behind."""

        async def body() -> None:
            failing = self.failing()
            if failing is None:
                return
            async with failing as action:
                before, loop = living_children(), asyncio.get_running_loop()
                began_s = loop.time()
                try:
                    async with asyncio.timeout(action.timeout_s + 5 * MARGIN_S):
                        result = await action.run(self._intent(action))
                except TimeoutError:
                    raise AssertionError("it did not end in its time, nor long after") from None
                took_s = loop.time() - began_s
                demand(not result.succeeded, "it says that it succeeded")
                demand(result.detail, "it fails and does not say why")
                demand("\n" not in result.detail, f"more than one line: {result.detail!r}")
                demand(
                    took_s < action.timeout_s + MARGIN_S,
                    f"it took {took_s:.3g} s where {action.timeout_s:g} s are allowed",
                )
                demand(await without_new_children(before), "it leaves a process behind")

        self.run(body())

    def test_a_cancellation_passes_through_and_leaves_nothing_behind(self) -> None:
        """Actions are cancelled when mendel stops."""

        async def body() -> None:
            async with self.failing() or self.working() as action:
                before = living_children()
                running = asyncio.ensure_future(action.run(self._intent(action)))
                await asyncio.sleep(0)
                running.cancel()
                await asyncio.wait([running], timeout=action.timeout_s + MARGIN_S)
                demand(running.done(), "a cancelled action goes on")
                if not running.cancelled():
                    running.exception()
                demand(await without_new_children(before), "a cancelled action leaves a process")

        self.run(body())

    def _intent(self, action: Action, target: str | None = None) -> IntentRecord:
        return IntentRecord(
            intent="1-1.1",
            incident="1-1",
            target=self.target if target is None else target,
            action=action.name,
            attempt=1,
            timeout_s=action.timeout_s,
            at_s=0.0,
            before=action.before(),
        )
