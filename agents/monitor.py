"""The Monitor: looks at every target on time, and says what has changed.

Healthy samples end here: only changes cross a mailbox. When to look and what it means is decided by
`mendel.core.rounds`; the Monitor carries the looks out, many at a time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Annotated

import anyio
from msgspec import Meta

from ..bus.messages import (
    ActionFinished,
    ActionStarted,
    Heartbeat,
    IncidentClosed,
    IncidentOpened,
    Message,
    ProbeNow,
    Reading,
)
from ..core.effects import Effect, StartTimer
from ..core.rounds import Chart, Look, Rounds
from ..core.watch import CALLS
from .agent import Agent, AgentConfig, on
from .guards.feed import CallFeed
from .ports import Probe, Sample, World
from .timers import Timer

_log = logging.getLogger(__name__)


class MonitorConfig(AgentConfig, frozen=True, kw_only=True):
    """How the Monitor works.

    Attributes:
        concurrent_looks: probes under way at once; further ones wait their turn.
        tick_s: probes due within one tick are started together.
        sweep_s: how often silent probes are looked for.
    """

    concurrent_looks: Annotated[int, Meta(ge=1)] = 256
    tick_s: Annotated[float, Meta(gt=0)] = 0.01
    sweep_s: Annotated[float, Meta(gt=0)] = 1.0


class Monitor(Agent[MonitorConfig]):
    """Carry out the looks that are due, and publish what `Rounds` makes of them.

    Args:
        config: how it works.
        world: where the probes are.
        charts: by target; they outlive the agent.
    """

    Config = MonitorConfig
    name = "monitor"

    def __init__(self, config: MonitorConfig, world: World, charts: Mapping[str, Chart]) -> None:
        super().__init__(config)
        self._world = world
        self._rounds: Rounds[Probe] = Rounds(charts)
        self._waiting: deque[Look[Probe]] = deque()
        self._under_way = 0
        self._calls = CallFeed()
        self._wake: asyncio.Future[None] | None = None
        self._wake_s = -math.inf

    async def on_start(self) -> None:
        """Begin to look."""
        self._rounds.begin(self._world.probes, self.now_s)
        self.spawn(self._look_around(), name="look around")
        await self._sweep_later()

    # --- looking ------------------------------------------------------------------------------

    async def _look_around(self) -> None:
        while True:
            limit_s = self.now_s + self.config.tick_s
            while (look := self._rounds.due(limit_s)) is not None:
                await self._begin(look)
            await self._sleep()

    async def _sleep(self) -> None:
        loop = asyncio.get_running_loop()
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
        if self._under_way >= self.config.concurrent_looks:
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
            self.spawn(self._finish(look, found), name=f"look at {look.probe.target}")

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
        while self._waiting and self._under_way < self.config.concurrent_looks:
            await self._read(self._waiting.popleft())

    async def _no_data(self, look: Look[Probe], error: Exception) -> None:
        _log.debug("no data from probe %s of %s: %s", look.probe.name, look.probe.target, error)
        await self._tell(self._rounds.on_no_data(look, self.now_s))

    async def _take(self, look: Look[Probe], sample: Sample) -> None:
        now_s, metrics, detail = self.now_s, sample.metrics, sample.detail
        target, probe = look.probe.target, look.probe.name
        await self.publish(
            Reading(target=target, metrics=metrics, taken_s=now_s, detail=detail, probe=probe)
        )
        await self._tell(self._rounds.on_sample(look, metrics, detail, now_s))

    # --- what others say ----------------------------------------------------------------------

    @on(Heartbeat)
    def take_heartbeat(self, message: Heartbeat) -> None:
        """A component reports by itself; its probe reads it."""
        self._world.heartbeat(message.target, message.metrics)

    @on(ProbeNow)
    @on(ActionStarted)
    @on(ActionFinished)
    @on(IncidentOpened)
    @on(IncidentClosed)
    async def attend(self, message: Message) -> None:
        """Whatever concerns the looks is for the rounds to decide."""
        await self._tell(self._rounds.on_message(message, self.now_s))

    # --- silence ------------------------------------------------------------------------------

    async def on_timer(self, timer: Timer) -> None:
        """Look for probes that have fallen silent, and at the calls that were made meanwhile."""
        now_s = self.now_s
        await self._tell(self._rounds.on_sweep(now_s))
        for target, metrics in self._calls.read():
            effects = self._rounds.on_calls(target, metrics, now_s)
            if metrics is not None and self._rounds.knows(target):
                reading = Reading(target=target, metrics=metrics, taken_s=now_s, detail=CALLS)
                await self.publish(reading)
            await self._tell(effects)
        await self._sweep_later()

    async def _sweep_later(self) -> None:
        await self.perform([StartTimer("sweep", "", self.now_s + self.config.sweep_s)])

    async def _tell(self, effects: list[Effect]) -> None:
        # As a whole: what a chart has concluded is concluded once, and not again in another life.
        if effects:
            await self.perform(effects)
        if self._rounds.next_s < self._wake_s:
            self._rouse()
