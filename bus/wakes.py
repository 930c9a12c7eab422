"""Waking consumers: many of them in one turn of the event loop.

To wake a task through a future costs a turn of the event loop, about two microseconds, of which the
handler sees nothing. Here one call of the loop wakes all consumers that messages have come for, in
the order in which they came, and those that get a message meanwhile too. So a message that goes
through ten actors needs one turn instead of ten.

A task sleeps on a `Nap`, which is as much of a future as `asyncio.Task` asks for (see
`asyncio.isfuture`): the task hands over how it wants to be woken, and `Wakes` does so, in the
task's own context and outside of any other task, exactly as the event loop does.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Protocol

# A chain of wakes ends here, so that everything else in the event loop gets its turn: after as long
# as a batch of messages takes. The count is for virtual time, where the clock stands still.
TURN_S = 0.0005
WAKES_IN_A_ROW = 256
LOOK_AT_THE_CLOCK = 16  # After so many wakes; for each one it would be felt.


class Consumer(Protocol):
    """Whoever takes the messages of a mailbox."""

    def rouse(self) -> None:
        """Go on, because there may be messages; called from the event loop."""
        ...


class Wakes:
    """The consumers of one bus that are to be woken, the first one first."""

    __slots__ = ("_context", "_is_due", "_now", "_ready", "done", "loop")

    def __init__(self, loop: AbstractEventLoop, now: Callable[[], float]) -> None:
        self.loop = loop
        self._now = now
        self._context = copy_context()  # Plain functions must not see that of whoever sends.
        self._ready: deque[Consumer] = deque()
        self._is_due = False
        self.done = loop.create_future()
        self.done.set_result(None)

    def add(self, consumer: Consumer) -> None:
        """Wake a consumer soon, but not before the running code has come to an await."""
        self._ready.append(consumer)
        if not self._is_due:
            self._is_due = True
            self.loop.call_soon(self._run, context=self._context)

    def _run(self) -> None:
        ready = self._ready
        try:
            until_s = self._now() + TURN_S
            for wakes in range(1, WAKES_IN_A_ROW + 1):
                ready.popleft().rouse()
                if not ready or (wakes % LOOK_AT_THE_CLOCK == 0 and self._now() >= until_s):
                    break
        finally:  # Whatever gets through, as an interrupt does, must not stop the others.
            self._is_due = bool(ready)
            if ready:
                self.loop.call_soon(self._run, context=self._context)


def _rouse(sleeping: Nap | Answer) -> None:
    """Let the task go on, if it still waits."""
    wakeup, context = sleeping._wakeup, sleeping._context
    if wakeup is not None and context is not None:
        sleeping._wakeup = None
        context.run(wakeup, sleeping)


class Nap:
    """What the task of one consumer sleeps on, again and again.

    It goes to sleep by setting `_asyncio_future_blocking` and yielding this, as `Mailbox.arrival`
    does, and may be roused for no reason.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_context",
        "_wakes",
        "_wakeup",
        "get_loop",
        "result",
    )

    def __init__(self, wakes: Wakes) -> None:
        self._asyncio_future_blocking = False  # The task asks whether the yield was meant for it.
        self._wakes = wakes
        self._wakeup: Callable[[Any], object] | None = None  # None while it does not wait.
        self._context: Context | None = None
        # Those of a future that is done: written in C, they cost a third of methods.
        self.get_loop = wakes.done.get_loop
        self.result = wakes.done.result

    rouse = _rouse

    def add_done_callback(self, wakeup: Callable[[Nap], object], *, context: Context) -> None:
        """Be told by the task how to wake it."""
        self._wakeup = wakeup
        self._context = context

    def cancel(self, msg: object = None) -> bool:
        """Let a task go on that is cancelled; it then finds out by itself, as False tells it."""
        self._wakes.add(self)
        return False


class Answer(Future[Any]):
    """A future whose task is woken by `Wakes`; all else that waits for it, by the event loop."""

    __slots__ = ("_context", "_wakes", "_wakeup")

    def __init__(self, wakes: Wakes) -> None:
        super().__init__(loop=wakes.loop)
        self._wakes = wakes
        self._wakeup: Callable[[Any], object] | None = None  # None while it does not wait.
        self._context: Context | None = None

    rouse = _rouse

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        """Call back when it is done, as a future does; the first task that waits goes first."""
        if context is None or self._wakeup is not None or self.done():
            super().add_done_callback(callback, context=context)
        else:
            self._wakeup, self._context = callback, context

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        """Do not call back after all; how often it would have been called."""
        removed = super().remove_done_callback(callback)
        if self._wakeup == callback:
            self._wakeup = None
            removed += 1
        return removed

    def set_result(self, result: Any) -> None:
        """Be done, with an answer."""
        super().set_result(result)
        if self._wakeup is not None:
            self._wakes.add(self)

    def set_exception(self, exception: type | BaseException) -> None:
        """Be done, without an answer."""
        super().set_exception(exception)
        if self._wakeup is not None:
            self._wakes.add(self)

    def cancel(self, msg: Any | None = None) -> bool:
        """Be done, because nobody wants it any more."""
        cancelled = super().cancel(msg)
        if cancelled and self._wakeup is not None:
            self._wakes.add(self)
        return cancelled
