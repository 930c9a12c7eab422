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
# As many timers that were cancelled may lie about, and half of all beyond them.
_CANCELLED_MAX = 100


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Event loop in virtual time; also the factory that asyncio, anyio and pytest-asyncio take.

    Raises:
        Deadlock: out of whatever runs the loop, when nothing is ready and no timer is set.
    """

    # Of asyncio's base loops since Python 3.4; typeshed does not know them.
    _ready: deque[asyncio.Handle]
    _scheduled: list[_Timer]
    _selector: selectors.BaseSelector
    _process_events: Callable[[list[tuple[selectors.SelectorKey, int]]], None]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers = 0
        self._settling: deque[asyncio.Future[None]] = deque()
        self._threads = threading.active_count()
        # The loop itself always watches one descriptor, the pipe that wakes it up; but it never
        # waits, so while there is no other one, asking the kernel would tell nothing.
        selector = selectors.DefaultSelector()
        self._watched = selector.get_map()
        super().__init__(selector)

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

    def _run_once(self) -> None:
        # One turn, as asyncio has it, but for the waiting. It is written out because a replay is
        # made of turns in which one timer is due, and half of asyncio's turn asks the kernel.
        if len(self._watched) > 1:
            self._process_events(self._selector.select(0))
        ready = self._ready
        self._ring_due()
        if not ready and not self._stopping:
            self._go_on()
            self._ring_due()
        for _ in range(len(ready)):  # What they make ready has its turn after this one.
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _ring_due(self) -> None:
        """Make ready what is due, and drop what was cancelled: what is next is to ring for sure."""
        timers = self._scheduled
        while timers and (timers[0]._cancelled or timers[0]._when <= self._now_s):
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(timer)
        if self._timer_cancelled_count > _CANCELLED_MAX + len(timers) // 2:
            self._scheduled = [each for each in timers if not each._cancelled]
            heapq.heapify(self._scheduled)
            self._timer_cancelled_count = 0

    def _go_on(self) -> None:
        """Find something to do when nothing is ready.

        Raises:
            Deadlock: there is nothing.
            VirtualTimeError: somebody has started a thread.
        """
        if threading.active_count() > self._threads:
            raise VirtualTimeError(
                f"a thread was started ({threading.enumerate()[-1].name!r}), and virtual time "
                "cannot tell how long it takes; do the work in the loop"
            )
        while self._settling:
            settled = self._settling.popleft()
            if not settled.done():
                settled.set_result(None)
                return
        if self._scheduled:
            self._now_s = self._scheduled[0]._when
            return
        descriptors = len(self._watched) - 1
        found = self._selector.select(PATIENCE_S) if descriptors else []
        if not found:
            raise _deadlock(descriptors)
        self._process_events(found)


class _Timer(asyncio.TimerHandle):
    """A timer that knows its place among those of the same time, which asyncio leaves open."""

    number: int
    _cancelled: bool
    _scheduled: bool
    _when: float

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Timer):
            return NotImplemented
        return self._when < other._when or (
            self._when == other._when and self.number < other.number
        )


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
