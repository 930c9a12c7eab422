"""Carrying looks out: in time, many at once, whatever a probe of somebody else may do."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio

from ..core.watching.rounds import Look, Rounds
from .ports import Probe, Sample

_log = logging.getLogger(__name__)

Take = Callable[[Look[Probe], Sample | None], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Eyes:
    """Begin each look when it is due, and hand over what it brings.

    Args:
        rounds: decide when.
        concurrent: looks under way at once; further ones wait their turn.
        tick_s: looks due within one tick are begun together.
        take: gets each sample; ``None`` when there was no data.
        spawn: runs a probe that takes its time.

    Attributes:
        concurrent: the same; may be changed at any time.
        tick_s: likewise.
    """

    def __init__(
        self, rounds: Rounds[Probe], concurrent: int, tick_s: float, take: Take, spawn: Spawn
    ) -> None:
        self._rounds = rounds
        self.concurrent = concurrent
        self.tick_s = tick_s
        self._take = take
        self._spawn = spawn
        self._waiting: deque[Look[Probe]] = deque()
        self._under_way = 0
        self._wake: asyncio.Future[None] | None = None
        self._wake_s = -math.inf

    async def look_around(self) -> None:
        """Look for as long as this is not cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            limit_s = loop.time() + self.tick_s
            while (look := self._rounds.due(limit_s)) is not None:
                await self._begin(look)
            await self._sleep(loop)

    def heed(self) -> None:
        """Wake up when a look has become due sooner than was thought."""
        if self._rounds.next_s < self._wake_s:
            self._rouse()

    async def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._wake = loop.create_future()
        self._wake_s = self._rounds.next_s
        timer = loop.call_at(self._wake_s, self._rouse) if self._wake_s < math.inf else None
        try:
            await self._wake
        finally:
            self._wake_s = -math.inf
            if timer is not None:
                timer.cancel()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _begin(self, look: Look[Probe]) -> None:
        if self._under_way >= self.concurrent:
            self._waiting.append(look)
        else:
            await self._read(look)

    async def _read(self, look: Look[Probe]) -> None:
        try:
            found = look.probe.read()
        except Exception as error:  # noqa: BLE001  A probe may be anybody's.
            await self._no_data(look, error)
            return
        if isinstance(found, Sample):
            await self._take(look, found)
        else:
            self._under_way += 1
            task = self._spawn(self._finish(look, found), f"look at {look.probe.target}")
            if isinstance(found, Coroutine):  # A task that is cancelled early never reaches it.
                task.add_done_callback(lambda _: found.close())

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
            await self._no_data(look, problem or TimeoutError("it did not end in time"))
        else:
            await self._take(look, sample)
        # A probe that answers at once leaves its place to the next.
        while self._waiting and self._under_way < self.concurrent:
            await self._read(self._waiting.popleft())

    async def _no_data(self, look: Look[Probe], error: Exception) -> None:
        name, target = look.probe.name, look.probe.target
        _log.debug("no data from probe %s of %s: %s", name, target, error, extra={"target": target})
        await self._take(look, None)
