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

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from types import coroutine
from typing import Any, Protocol

# After so many in a row everything else in the event loop gets its turn. A turn of the loop costs
# as much as one wake, so more of them would save no more than a few hundredths.
WAKES_IN_A_ROW = 16


class Consumer(Protocol):
    """Whoever takes the messages of a mailbox."""

    def rouse(self) -> None:
        """Go on, because there may be messages; called from the event loop."""
        ...


class Wakes:
    """The consumers of one bus that are to be woken, the first one first."""

    __slots__ = ("_context", "_is_due", "_loop", "_ready", "done")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
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
            self._loop.call_soon(self._run, context=self._context)

    def _run(self) -> None:
        ready = self._ready
        try:
            for _ in range(WAKES_IN_A_ROW):
                ready.popleft().rouse()
                if not ready:
                    break
        finally:  # Whatever gets through, as an interrupt does, must not stop the others.
            self._is_due = bool(ready)
            if ready:
                self._loop.call_soon(self._run, context=self._context)


class Nap:
    """What the task of one consumer sleeps on, again and again."""

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
        self._wakeup: Callable[[Nap], object] | None = None
        self._context: Context | None = None
        # Those of a future that is done: written in C, they cost a third of methods.
        self.get_loop = wakes.done.get_loop
        self.result = wakes.done.result

    @coroutine
    def sleep(self) -> Generator[Any, None, None]:
        """Wait to be roused, which may happen for no reason; one task at a time."""
        self._asyncio_future_blocking = True
        yield self

    def add_done_callback(self, wakeup: Callable[[Nap], object], *, context: Context) -> None:
        """Be told by the task how to wake it."""
        self._wakeup = wakeup
        self._context = context

    def rouse(self) -> None:
        """Let the task go on, if it sleeps."""
        wakeup, context = self._wakeup, self._context
        if wakeup is not None and context is not None:
            self._wakeup = None
            context.run(wakeup, self)

    def cancel(self, msg: object = None) -> bool:
        """Let a task go on that is cancelled; it then finds out by itself, as False tells it."""
        self._wakes.add(self)
        return False
