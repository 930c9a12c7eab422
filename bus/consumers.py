"""What runs the handler of a plain subscription: a task, or, for a plain function, none at all."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from .asks import current_actor
from .dead_letters import DeadReason
from .envelope import Envelope
from .mailbox import Mailbox
from .messages import Message
from .wakes import Wakes

Handler = Callable[[Envelope], Message | Awaitable[Message | None] | None]

# After so many messages in a row the other tasks get a turn: about a third of a millisecond.
BATCH = 512


# Tells the asker of a request what came of it; None when the handler had no answer.
Settle = Callable[[Envelope, Mailbox, Message | None], None]


def is_async(handler: Callable[..., object]) -> bool:
    """Whether calling a handler gives a coroutine: a function, a method, a partial, an object."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004  # Its signature, not its existence.
    )


def consume(
    mailbox: Mailbox, handler: Handler, settle: Settle, wakes: Wakes
) -> asyncio.Task[None] | None:
    """Hand each message of a mailbox to its handler, one at a time, from now on.

    Returns:
        The task that does so, or None for a plain function, which the event loop calls directly.
    """
    if is_async(handler):
        asynchronous = cast("Callable[[Envelope], Coroutine[Any, Any, Message | None]]", handler)
        return asyncio.create_task(_serve(mailbox, asynchronous, settle), name=mailbox.name)
    synchronous = cast("Callable[[Envelope], object]", handler)
    mailbox.consumer = _Drain(mailbox, synchronous, settle, wakes)
    return None


async def _serve(
    mailbox: Mailbox,
    handler: Callable[[Envelope], Coroutine[Any, Any, Message | None]],
    settle: Settle,
) -> None:
    current_actor.set(mailbox)
    envelope: Envelope | None
    while True:
        for _ in range(BATCH):
            if mailbox.mixed:
                envelope = mailbox.take()
            elif mailbox.lane:  # Not kept in a name: it would outlive the wait.
                envelope = mailbox.lane.popleft()  # type: ignore[assignment]  # As in `take`.
                mailbox.taken += 1
            else:
                envelope = None
            if envelope is None:
                if mailbox.closed:
                    mailbox.rest()
                    return
                await mailbox.arrival()
                continue
            try:
                if not envelope.reply:
                    await handler(envelope)
                elif envelope.deadline_s is None or not mailbox.drop_expired(envelope):
                    settle(envelope, mailbox, await handler(envelope))
            except Exception as error:  # noqa: BLE001  # It costs the message, not the subscription.
                mailbox.drop(envelope, DeadReason.HANDLER_FAILED, describe(error))
        await asyncio.sleep(0)


class _Drain:
    """Consumer that calls a plain function with each message; nothing of it runs in between."""

    __slots__ = ("_handler", "_mailbox", "_settle", "_wakes")

    def __init__(
        self,
        mailbox: Mailbox,
        handler: Callable[[Envelope], object],
        settle: Settle,
        wakes: Wakes,
    ) -> None:
        self._mailbox = mailbox
        self._handler = handler
        self._settle = settle
        self._wakes = wakes

    def rouse(self) -> None:
        """Handle what waits, up to a batch."""
        mailbox, handler = self._mailbox, self._handler
        lane = cast("deque[Envelope]", mailbox.lane)  # It holds nothing else while not mixed.
        envelope: Envelope | None
        for _ in range(BATCH):
            if lane and not mailbox.mixed:
                envelope = lane.popleft()
                mailbox.taken += 1
            else:
                envelope = mailbox.take()
                if envelope is None:
                    mailbox.rest()
                    return
            try:
                if envelope.reply:
                    self._answer(envelope)
                elif (answer := handler(envelope)) is not None:
                    _refuse_coroutine(answer)
            except Exception as error:  # noqa: BLE001  # As above.
                mailbox.drop(envelope, DeadReason.HANDLER_FAILED, describe(error))
        self._wakes.add(self)

    def _answer(self, envelope: Envelope) -> None:
        if self._mailbox.drop_expired(envelope):
            return
        answer = self._handler(envelope)
        _refuse_coroutine(answer)
        self._settle(envelope, self._mailbox, answer if isinstance(answer, Message) else None)


def _refuse_coroutine(answer: object) -> None:
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("the handler is a plain function but returned a coroutine; make it async")


def describe(error: BaseException) -> str:
    """Type and text of an error in one line, for dead letters and answers."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
