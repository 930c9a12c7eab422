"""Timeouts for many calls at the price of one timer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from .clock import clock, clock_of, watchable

_thread = threading.get_ident
_current_task = asyncio.current_task
_Task = asyncio.Task[Any]


class _Waiting:
    """Calls in flight in one loop, in the order in which they are due; ``None`` once overdue."""

    __slots__ = ("due_s", "loop", "read", "timer", "watchable")

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.watchable = watchable(loop)
        self.due_s: dict[_Task, float | None] = {}
        self.read: Callable[[], float] = clock_of(loop)
        self.timer: asyncio.TimerHandle | None = None


class Deadlines:
    """Cancel tasks that spend longer than they may between `watch` and `unwatch`.

    All calls of one guard may take equally long, so they are due in the order in which they began,
    and one timer for the oldest is enough: `asyncio.timeout` sets and cancels one for each call,
    which costs more than all the rest of a guard. Within a task only the outermost call is watched,
    as it is due before those inside of it.

    Args:
        timeout_s: how long a call may take.

    Attributes:
        timed_out: calls that took longer.
        due_s: when the tasks of the loop seen last are due.
    """

    __slots__ = ("_loops", "_mixed_until_s", "_timeout_s", "_waiting", "due_s", "timed_out")

    def __init__(self, timeout_s: float) -> None:
        self.timed_out = 0
        self._timeout_s = timeout_s
        self._mixed_until_s = 0.0
        self._waiting = _Waiting(None)
        self.due_s = self._waiting.due_s
        self._loops: dict[asyncio.AbstractEventLoop, _Waiting] = {}

    def watch(self) -> _Task | None:
        """Begin the time of the running task; what it returns goes to `unwatch`."""
        waiting = self._waiting
        if waiting.watchable._thread_id != _thread():
            waiting = self._switch()
        task = _current_task(waiting.loop)
        due_s = waiting.due_s
        if task is None or task in due_s:
            return None
        due_s[task] = due = waiting.read() + self._timeout_s
        if waiting.timer is None:
            waiting.timer = waiting.loop.call_at(due, self._fire, waiting)
        return task

    def unwatch(self, task: _Task | None) -> bool:
        """End the time; true when it was exceeded and nobody else cancelled the task meanwhile."""
        return self.due_s.pop(task, None) is None and self.ended(task)  # type: ignore[arg-type]

    def ended(self, task: _Task | None) -> bool:
        """The rest of `unwatch` for a task that is no longer in ``due_s``, or never was."""
        if task is None:
            return False
        waiting = self._loops[task.get_loop()]
        if waiting.due_s is not self.due_s and waiting.due_s.pop(task) is not None:
            return False  # It belongs to another loop than the one seen last, and was in time.
        self.timed_out += 1
        return task.uncancel() == 0

    def change(self, timeout_s: float) -> None:
        """Set another time for the calls to come."""
        now_s = clock.now_s()
        self._mixed_until_s = now_s + self._timeout_s  # Until then they are not due in order.
        self._timeout_s = timeout_s
        for waiting in self._loops.values():
            if waiting.due_s and not waiting.loop.is_closed():
                waiting.loop.call_soon_threadsafe(self._fire, waiting)

    def _fire(self, waiting: _Waiting) -> None:
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
        loop = waiting.loop
        now_s, next_s = loop.time(), None
        for task, due_s in waiting.due_s.items():
            if due_s is None:
                continue
            if due_s <= now_s:
                waiting.due_s[task] = None
                task.cancel()
                continue
            next_s = due_s if next_s is None else min(next_s, due_s)
            if now_s >= self._mixed_until_s:
                break
        if next_s is not None:
            waiting.timer = loop.call_at(next_s, self._fire, waiting)

    def _switch(self) -> _Waiting:
        """Find the calls of the running loop, and forget those of closed ones."""
        loop = asyncio.get_running_loop()
        kept = {known: each for known, each in self._loops.items() if not known.is_closed()}
        self._waiting = kept.setdefault(loop, _Waiting(loop))
        self._loops = kept
        self.due_s = self._waiting.due_s
        return self._waiting
