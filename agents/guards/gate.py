"""Slots for calls in flight, and the queue of those who wait for one."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from typing import ClassVar

from ...core.circuits.circuit import Outcome
from ...core.circuits.concurrency import AdaptiveLimit
from ...core.circuits.limits import Bulkhead
from ...errors import CallNotPermitted
from .clock import clock
from .events import lock

#: Importance of what runs in this context, from 0 (keep at all cost) to 3 (first to be refused).
priority: ContextVar[int] = ContextVar("mendel.priority", default=0)


class Unlimited:
    """Slots for everybody."""

    limit: ClassVar[int] = 1
    in_flight: ClassVar[int] = 0
    refused: ClassVar[int] = 0

    def enter(self) -> bool:
        """Let the call pass."""
        return True

    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None:
        """Take notice of nothing."""


class Gate:
    """The way to the slots of one target.

    Args:
        target: whose.
        slots: how many there are, and who may have one.

    Attributes:
        queue: those who wait, in their order; bounded by the bulkhead's ``max_waiting``.
    """

    __slots__ = ("_target", "queue", "slots")

    def __init__(self, target: str, slots: Bulkhead | AdaptiveLimit | Unlimited) -> None:
        self._target = target
        self.slots = slots
        self.queue: deque[asyncio.Future[None]] = deque()

    def enter(self) -> bool:
        """Take a slot if there is one for the priority of this context."""
        with lock:
            if isinstance(self.slots, AdaptiveLimit):
                return self.slots.enter(priority.get())
            return self.slots.enter()

    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None:
        """Free a slot, for one who waits if there is one."""
        with lock:
            self.slots.leave(duration_s, outcome, now_s)
            self.wake()

    def refusal(self) -> CallNotPermitted:
        """What somebody is told who gets no slot."""
        return CallNotPermitted(self._target, "full", 0.0)

    async def wait(self) -> None:
        """Queue for a slot, which is taken when this returns.

        Raises:
            CallNotPermitted: the queue is full, or the wait too long.
        """
        config = self.slots.config if isinstance(self.slots, Bulkhead) else None
        if config is None or len(self.queue) >= config.max_waiting:
            raise self.refusal()
        turn = asyncio.get_running_loop().create_future()
        self.queue.append(turn)
        try:
            async with asyncio.timeout(config.wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # The slot came in the very moment.
                self.leave(0.0, Outcome.NEUTRAL, clock.now_s())
            elif turn in self.queue:
                self.queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise self.refusal() from None
            raise

    def wake(self) -> None:
        """Hand free slots to those who wait, first come, first served."""
        while self.queue and self.slots.in_flight < self.slots.limit:
            turn = self.queue.popleft()
            if not turn.done():
                self.slots.enter()
                turn.get_loop().call_soon_threadsafe(self._grant, turn)

    def _grant(self, turn: asyncio.Future[None]) -> None:
        if turn.done():  # Cancelled in the meantime.
            self.leave(0.0, Outcome.NEUTRAL, clock.now_s())
        else:
            turn.set_result(None)
