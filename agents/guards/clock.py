"""The clock of the call path: the running loop's if there is one, else the monotonic clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

_running_loop = asyncio.events._get_running_loop  # Unlike the public one: None outside of a loop.


class NoLoop:
    """Stands for "ask again": no loop is running, or one whose end cannot be seen."""

    _thread_id = None


def clock_of(loop: asyncio.AbstractEventLoop | None) -> Callable[[], float]:
    """Return what tells the time of a loop, or of a program without one.

    asyncio's own loops read the monotonic clock, so for them it is read directly.
    """
    if loop is None or getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time:
        return time.monotonic
    return loop.time


def watchable(loop: asyncio.AbstractEventLoop | None) -> Any:
    """Return the loop if it tells in which thread it runs (asyncio's do), else `NoLoop`."""
    return loop if getattr(loop, "_thread_id", None) is not None else NoLoop


class CallClock:
    """Loop time without asking each time which loop is running.

    Asking costs as much as reading the clock. But asyncio's loops know the thread that they run in,
    and as long as the loop that was seen last is running, its clock is right: its own tasks share
    it, and loops in other threads read the same monotonic clock (virtual time refuses threads).

    Attributes:
        loop: the loop seen last; its ``_thread_id`` is ``None`` when it has stopped.
        read: tells the time of that loop, in seconds; it never runs backwards.
    """

    __slots__ = ("loop", "read")

    def __init__(self) -> None:
        self.loop: Any = NoLoop
        self.read: Callable[[], float] = time.monotonic

    def now_s(self) -> float:
        """Tell the time."""
        if self.loop._thread_id is None:
            self.bind()
        return self.read()

    def bind(self) -> None:
        """Choose the clock of the loop that is running, or of a program without one."""
        loop = _running_loop()
        self.read = clock_of(loop)
        self.loop = watchable(loop)


clock = CallClock()
