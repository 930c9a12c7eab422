"""The Monitor: looks at every target on time, and says what has changed.

Healthy samples end here: only changes cross a mailbox. A target that is in doubt is looked at more
often until the doubt is settled, and anybody may ask for a fresh look (`ProbeNow`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Iterable, Mapping
from heapq import heappop, heappush
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
    Status,
    TargetProbed,
)
from ..core.effects import Publish, Record, StartTimer
from ..core.records import WindowRecord
from ..core.treatment import ASIDE
from ..core.watch import CALLS, TargetWatch
from ..core.windows import Rows
from .agent import Agent, AgentConfig, on
from .guards.feed import CallFeed
from .ports import Probe, Sample, World
from .timers import Timer

_log = logging.getLogger(__name__)

# A golden-ratio step spreads any number of probes evenly over their interval, without a draw.
_SPREAD = 0.618033988749895


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


class Chart:
    """What is kept of one target between two lives of the Monitor.

    Args:
        watch: decides what its samples mean.
    """

    __slots__ = ("rows", "watch")

    def __init__(self, watch: TargetWatch) -> None:
        self.watch = watch
        self.rows = Rows(watch.config.window_rows)


class _Look:
    """One probe and when it is due."""

    __slots__ = ("again", "chart", "due_s", "probe", "running")

    def __init__(self, probe: Probe, chart: Chart, due_s: float) -> None:
        self.probe = probe
        self.chart = chart
        self.due_s = due_s
        self.running = False
        self.again = False


class Monitor(Agent[MonitorConfig]):
    """Carry out the looks that are due, and publish what `TargetWatch` makes of them.

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
        self._charts = charts
        self._looks: dict[str, list[_Look]] = {}
        self._heap: list[tuple[float, int, _Look]] = []
        self._order = 0
        self._waiting: deque[_Look] = deque()
        self._under_way = 0
        self._asked: dict[str, list[_Look]] = {}
        self._calls = CallFeed()
        self._wake: asyncio.Future[None] | None = None

    async def on_start(self) -> None:
        """Begin to look."""
        now_s = self.now_s
        for number, probe in enumerate(self._world.probes):
            chart = self._charts[probe.target]
            phase_s = number * _SPREAD % 1.0 * probe.every_s
            look = _Look(probe, chart, now_s + phase_s)
            self._looks.setdefault(probe.target, []).append(look)
            self._schedule(look, look.due_s)
        for chart in self._charts.values():
            chart.watch.expect_from(now_s)
        self.spawn(self._look_around(), name="look around")
        await self._sweep_later()

    # --- looking ------------------------------------------------------------------------------

    async def _look_around(self) -> None:
        while True:
            limit_s = self.now_s + self.config.tick_s
            while self._heap and self._heap[0][0] <= limit_s:
                due_s, _, look = heappop(self._heap)
                if look.due_s == due_s and not look.running:
                    await self._begin(look)
            await self._sleep()

    async def _sleep(self) -> None:
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_at(self._heap[0][0], self._rouse) if self._heap else None
        try:
            await self._wake
        finally:
            if timer is not None:
                timer.cancel()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _begin(self, look: _Look) -> None:
        look.running = True  # From here on nobody else begins it.
        if self._under_way >= self.config.concurrent_looks:
            self._waiting.append(look)
        else:
            await self._read(look)

    async def _read(self, look: _Look) -> None:
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

    async def _finish(self, look: _Look, found: Awaitable[Sample]) -> None:
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

    async def _no_data(self, look: _Look, error: Exception) -> None:
        _log.debug("no data from probe %s of %s: %s", look.probe.name, look.probe.target, error)
        await self._done(look)

    async def _take(self, look: _Look, sample: Sample) -> None:
        chart, now_s, metrics, detail = look.chart, self.now_s, sample.metrics, sample.detail
        chart.rows.add(now_s, metrics)
        target, probe = look.probe.target, look.probe.name
        await self.publish(
            Reading(target=target, metrics=metrics, taken_s=now_s, detail=detail, probe=probe)
        )
        await self._tell(chart.watch.on_sample(probe, metrics, detail, now_s))
        await self._done(look)

    async def _done(self, look: _Look) -> None:
        look.running = False
        watch = look.chart.watch
        every_s = look.probe.every_s
        if look.again:
            look.again, every_s = False, 0.0
        else:
            await self._answer(look)
            if watch.status is not Status.HEALTHY:
                every_s = min(every_s, watch.config.confirm_s)
        # Missed turns are not made up for: a probe that takes long is due again from now on.
        self._schedule(look, max(self.now_s, look.due_s + every_s))

    async def _answer(self, look: _Look) -> None:
        watch = look.chart.watch
        asked = self._asked.get(watch.target)
        if asked is None or look not in asked:
            return
        asked.remove(look)
        if not asked:
            del self._asked[watch.target]
            await self._tell_probed(watch)

    async def _tell_probed(self, watch: TargetWatch) -> None:
        now_s = self.now_s
        since_s = watch.since_s(now_s)
        probed = TargetProbed(
            target=watch.target, status=watch.status, since_s=since_s, taken_s=now_s
        )
        await self.publish(probed)

    def _schedule(self, look: _Look, due_s: float) -> None:
        look.due_s = due_s
        self._order += 1
        heappush(self._heap, (due_s, self._order, look))
        if self._heap[0][2] is look:
            self._rouse()

    # --- what others say ----------------------------------------------------------------------

    @on(ProbeNow)
    async def look_now(self, message: ProbeNow) -> None:
        """Look at one target at once."""
        looks = self._looks.get(message.target)
        chart = self._charts.get(message.target)
        if chart is None:
            return
        if not looks:
            await self._tell_probed(chart.watch)  # Nobody can look; what is known must do.
            return
        self._asked[message.target] = list(looks)
        for look in looks:
            if look.running:
                look.again = True  # It began before the question.
            else:
                self._schedule(look, self.now_s)

    @on(Heartbeat)
    def take_heartbeat(self, message: Heartbeat) -> None:
        """A component reports by itself; its probe reads it."""
        self._world.heartbeat(message.target, message.metrics)

    @on(ActionStarted)
    async def excuse(self, message: ActionStarted) -> None:
        """What a target shows while it is being restarted is no news."""
        chart = self._charts.get(message.target)
        if chart is not None and message.action not in ASIDE:
            until_s = message.started_s + message.timeout_s
            await self._tell(chart.watch.on_action_started(until_s, self.now_s))

    @on(ActionFinished)
    async def ask_for_proof(self, message: ActionFinished) -> None:
        """After an action the target boots, and then has to prove itself."""
        chart = self._charts.get(message.target)
        if chart is not None and message.action not in ASIDE:
            settle_s = message.settle_s if message.outcome == "succeeded" else 0.0
            await self._tell(chart.watch.on_booting(message.finished_s + settle_s, self.now_s))
            await self.look_now(ProbeNow(target=message.target))

    @on(IncidentOpened)
    async def keep_window_before(self, message: IncidentOpened) -> None:
        """The readings that led to an incident go on record."""
        await self._keep_window(message.target, message.incident)

    @on(IncidentClosed)
    async def keep_window_after(self, message: IncidentClosed) -> None:
        """The readings that prove its end go on record."""
        await self._keep_window(message.target, message.incident)

    async def _keep_window(self, target: str, incident: str) -> None:
        chart = self._charts.get(target)
        if chart is None:
            return
        times_s, metrics = chart.rows.columns()
        window = WindowRecord(incident=incident, target=target, times_s=times_s, metrics=metrics)
        await self.perform([Record(window)])

    # --- silence ------------------------------------------------------------------------------

    async def on_timer(self, timer: Timer) -> None:
        """Look for probes that have fallen silent, and at the calls that were made meanwhile."""
        now_s = self.now_s
        for chart in self._charts.values():
            await self._tell(chart.watch.on_sweep(now_s))
        for target, metrics in self._calls.read():
            await self._learn_from_calls(target, metrics)
        await self._sweep_later()

    async def _learn_from_calls(self, target: str, metrics: dict[str, float] | None) -> None:
        chart, now_s = self._charts.get(target), self.now_s
        if chart is None:
            return
        if metrics is not None:
            chart.rows.add(now_s, metrics)
            await self.publish(Reading(target=target, metrics=metrics, taken_s=now_s, detail=CALLS))
        await self._tell(chart.watch.on_calls(metrics, now_s))

    async def _sweep_later(self) -> None:
        await self.perform([StartTimer("sweep", "", self.now_s + self.config.sweep_s)])

    async def _tell(self, messages: Iterable[Message]) -> None:
        # As a whole: what a chart has concluded is concluded once, and not again in another life.
        await self.perform([Publish(message) for message in messages])
