"""An event loop that never sleeps: when all wait, its clock is set to the next timer.

Whatever takes its time from the loop (``asyncio.sleep``, timeouts, anyio, the bus, the agents) runs
unchanged, and an hour takes as long as the work that is done in it. The clock starts at 0.0 and
moves only when nothing is left to do at the present moment; timers fire exactly when they are due,
never early and never late, and in the order in which they were set when that is the same moment, so
that two runs are equal to the last bit.

The loop lives apart from the world outside. Threads and child processes take real time, which
virtual time would have to guess, so they are refused. Sockets work as long as both ends are in this
loop: bytes that are there are delivered, but the clock does not wait for those that may come. When
no timer is left they are given `PATIENCE_S` of real time, so that nothing hangs forever.

To use it::

    asyncio.run(main(), loop_factory=VirtualTimeLoop)  # Python 3.12; before, `run(main())` here
    anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})

A clock that is moved by hand was turned down: the test would have to know every timer inside.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import math
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextvars import Context
from inspect import isasyncgen, iscoroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from ..errors import Deadlock, VirtualTimeError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# A loopback connection hands over its bytes in microseconds, even on a busy machine.
PATIENCE_S = 1.0


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Event loop in virtual time; also the factory that asyncio, anyio and pytest-asyncio take.

    Raises:
        Deadlock: out of whatever runs the loop, when nothing is ready and no timer is set.
    """

    # Of asyncio's base loop since Python 3.4; typeshed does not know them.
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers = 0
        self._settling: deque[asyncio.Future[None]] = deque()
        self._threads = threading.active_count()
        super().__init__(_JumpingSelector(self._go_on))
        self._move_to(0.0)

    def time(self) -> float:
        """Virtual time in seconds, from 0.0 at the start of the loop."""
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a virtual time; of the same time, in the order of these calls."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = _Timer(when, callback, args, self, context)
        timer.number = self._timers = self._timers + 1
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def settled(self) -> asyncio.Future[None]:
        """Done as soon as nothing is left to do at the present moment; the clock stands still."""
        settled = self.create_future()
        self._settling.append(settled)
        return settled

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> NoReturn:
        """Refused.

        Raises:
            VirtualTimeError: always.
        """
        name = getattr(func, "__qualname__", repr(func))
        raise VirtualTimeError(f"a thread (for {name}) does not run in virtual time; await it here")

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        """Refused.

        Raises:
            VirtualTimeError: always.
        """
        raise VirtualTimeError(
            "a child process does not run in virtual time; simulate it, or test in real time"
        )

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        """Refused, as `subprocess_exec` is."""
        await self.subprocess_exec()

    def _go_on(self) -> bool:
        """Find something to do when nothing is ready; whether there was anything."""
        if threading.active_count() > self._threads:
            raise VirtualTimeError(
                f"a thread was started ({threading.enumerate()[-1].name!r}), and virtual time "
                "cannot tell how long it takes; do the work in the loop"
            )
        while self._settling:
            settled = self._settling.popleft()
            if not settled.done():
                settled.set_result(None)
                return True
        if self._scheduled:
            self._move_to(self._scheduled[0].when())  # asyncio has dropped the cancelled ones.
            return True
        return False

    def _move_to(self, now_s: float) -> None:
        self._now_s = now_s
        # The loop runs timers that are due before now + resolution. With the distance to the next
        # float those are exactly the due ones, even after years, when a fixed one would vanish.
        self._clock_resolution = math.ulp(now_s)


class _Timer(asyncio.TimerHandle):
    """A timer that knows its place among those of the same time, which asyncio leaves open."""

    number: int
    _when: float
    _scheduled: bool

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Timer):
            return NotImplemented
        return self._when < other._when or (
            self._when == other._when and self.number < other.number
        )


class _JumpingSelector(selectors.DefaultSelector):
    """Delivers what is there; where it would have to wait, the loop goes on instead."""

    def __init__(self, go_on: Callable[[], bool]) -> None:
        super().__init__()
        self._go_on = go_on
        self._watched = self.get_map()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # The loop itself always watches one descriptor: the pipe that wakes it up. It never waits,
        # so while there is no other one, asking the kernel would tell nothing, ten times a second.
        others = len(self._watched) - 1
        ready = super().select(0) if others > 0 else []
        if ready or timeout == 0 or self._go_on():
            return ready
        if others > 0 and (ready := super().select(PATIENCE_S)):
            return ready
        raise _deadlock(others)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time.

    Raises:
        Deadlock: everybody waits for somebody else.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


async def settle() -> None:
    """Wait until nothing is left to do at the present moment; the clock does not move.

    Raises:
        VirtualTimeError: the running loop is not in virtual time.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise VirtualTimeError(
            f"settle() needs a VirtualTimeLoop; the running loop is a {type(loop).__name__}"
        )
    await loop.settled()


async def until(at_s: float) -> None:
    """Wait for a moment, exactly; the sum that a sleep makes of it would be a rounding off.

    Args:
        at_s: loop time; one that is over is not waited for.
    """
    loop = asyncio.get_running_loop()
    if at_s <= loop.time():
        return
    due = loop.create_future()
    timer = loop.call_at(at_s, due.set_result, None)
    try:
        await due
    finally:
        timer.cancel()


def _deadlock(descriptors: int) -> Deadlock:
    loop = asyncio.get_running_loop()
    waiting = [describe_task(task) for task in asyncio.all_tasks(loop)]
    if descriptors:
        waiting.append(f"{descriptors} descriptor(s) were silent for {PATIENCE_S:g} s of real time")
    return Deadlock(loop.time(), sorted(waiting))


def describe_task(task: asyncio.Task[Any]) -> str:
    """Tell where a task stands: ``task 'a' waits in main (x.py:7) > Queue.get (queues.py:158)``."""
    places = " > ".join(_places(task.get_coro()))
    other = getattr(task, "_fut_waiter", None)
    awaited = f" for task {other.get_name()!r}" if isinstance(other, asyncio.Task) else ""
    return f"task {task.get_name()!r} waits in {places}{awaited}"


def _places(awaitable: Any) -> Iterator[str]:
    """Follow a chain of awaits inwards, through coroutines and generators of both kinds."""
    while awaitable is not None:
        for prefix, inner in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            frame = getattr(awaitable, f"{prefix}_frame", None)
            if frame is not None:
                file = Path(frame.f_code.co_filename).name
                yield f"{awaitable.__qualname__} ({file}:{frame.f_lineno})"
                awaitable = getattr(awaitable, f"{prefix}_{inner}")
                break
        else:
            # Python wraps what `async for` and `__await__` wait for, and only gc sees through it.
            inside = gc.get_referents(awaitable)
            awaitable = next((i for i in inside if isasyncgen(i) or iscoroutine(i)), None)
