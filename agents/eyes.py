"""Carrying looks out: in time, many at once, whatever a probe of somebody else may do."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any

import anyio

from ..bus.wakes import Nap, Wakes
from ..core.watching.rounds import Look, Rounds
from .meter import Meters, counted
from .ports import Probe, Sample

_log = logging.getLogger(__name__)

# Looks in a row that take longer let everybody else have a turn: when there is more to see than
# there is time, what was seen is still acted upon. In virtual time, which stands still, never.
TURN_S = 0.001

# What it returns, if anything, has to be awaited: a healthy sample is over when the call returns.
Take = Callable[[Look[Probe], Sample | None], Awaitable[None] | None]
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Eyes:
    """Begin each look when it is due, and hand over what it brings.

    Args:
        rounds: decide when.
        concurrent: looks under way at once; further ones wait their turn.
        tick_s: looks due within one tick are begun together.
        take: gets each sample; ``None`` when there was no data.
        spawn: runs a probe that takes its time.
        meters: what each component takes; by default nobody wants to know.

    Attributes:
        concurrent: the same; may be changed at any time.
        tick_s: likewise.
    """

    def __init__(
        self,
        rounds: Rounds[Probe],
        concurrent: int,
        tick_s: float,
        take: Take,
        spawn: Spawn,
        meters: Meters | None = None,
    ) -> None:
        self._rounds = rounds
        self.concurrent = concurrent
        self.tick_s = tick_s
        self._take = take
        self._spawn = spawn
        self._meters = meters
        self._waiting: deque[Look[Probe]] = deque()
        self._under_way = 0
        self._wakes: Wakes | None = None
        self._nap: Nap | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake_s = -math.inf

    async def look_around(self) -> None:
        """Look for as long as this is not cancelled."""
        loop = asyncio.get_running_loop()
        self._wakes = Wakes(loop, loop.time)
        nap = self._nap = Nap(self._wakes)
        while True:
            began_s = loop.time()
            limit_s = began_s + self.tick_s
            while (look := self._rounds.due(limit_s)) is not None:
                if self._under_way >= self.concurrent:
                    self._waiting.append(look)
                elif (taken := self._read(look)) is not None:
                    await taken
                if loop.time() - began_s > TURN_S:
                    await asyncio.sleep(0)
                    began_s = loop.time()
            await self._sleep(loop, nap)

    def heed(self) -> None:
        """Wake up when a look has become due sooner than was thought."""
        if self._wakes is not None and self._nap is not None and self._rounds.next_s < self._wake_s:
            self._cancel_timer()
            self._wakes.add(self._nap)

    @coroutine
    def _sleep(self, loop: asyncio.AbstractEventLoop, nap: Nap) -> Generator[Any, None, None]:
        # The timer wakes the task by itself: through a future it would take one turn more of the
        # event loop, which is half of what a look at a healthy component costs.
        self._wake_s = next_s = self._rounds.next_s
        if next_s < math.inf:
            self._timer = loop.call_at(next_s, nap.rouse)
        try:
            nap._asyncio_future_blocking = True
            yield nap
        except BaseException:
            self._cancel_timer()
            raise
        self._wake_s = -math.inf

    def _cancel_timer(self) -> None:
        self._wake_s = -math.inf
        if self._timer is not None:
            self._timer.cancel()

    def _read(self, look: Look[Probe]) -> Awaitable[None] | None:
        try:
            found = look.probe.read()
        except Exception as error:  # noqa: BLE001  A probe may be anybody's.
            return self._no_data(look, error)
        if isinstance(found, Sample):
            return self._take(look, found)
        self._under_way += 1
        work = self._metered(look, found)
        task = self._spawn(self._finish(look, work), f"look at {look.probe.target}")
        for each in (work, found):  # A task that is cancelled early never reaches them.
            if isinstance(each, Coroutine):
                task.add_done_callback(partial(_close, each))
        return None

    def _metered(self, look: Look[Probe], found: Awaitable[Sample]) -> Awaitable[Sample]:
        if self._meters is None or not isinstance(found, Coroutine):
            return found
        return counted(found, self._meters.at(look.probe.target))

    async def _finish(self, look: Look[Probe], found: Awaitable[Sample]) -> None:
        sample: Sample | None = None
        problem: Exception | None = None
        try:
            # The probe ends itself in time; this is for one that does not keep its word.
            with anyio.move_on_after(2 * look.probe.timeout_s + 1.0):
                sample = await found
        except Exception as error:  # noqa: BLE001  A probe may be anybody's.
            problem = error
        finally:
            self._under_way -= 1
        if sample is None:
            taken = self._no_data(look, problem or TimeoutError("it did not end in time"))
        else:
            taken = self._take(look, sample)
        if taken is not None:
            await taken
        # A probe that answers at once leaves its place to the next.
        while self._waiting and self._under_way < self.concurrent:
            if (taken := self._read(self._waiting.popleft())) is not None:
                await taken

    def _no_data(self, look: Look[Probe], error: Exception) -> Awaitable[None] | None:
        name, target = look.probe.name, look.probe.target
        _log.debug("no data from probe %s of %s: %s", name, target, error, extra={"target": target})
        return self._take(look, None)


def _close(work: Coroutine[Any, Any, object], _: object) -> None:
    work.close()
