"""The Monitor: looks at every target on time, and says what has changed.

Healthy samples end here: only changes cross the bus. A reading of each is sent only as long as
somebody listens to readings, as a recorder does. When to look and what it means is decided by
`mendel.core.watching.rounds`; the Monitor carries the looks out, many at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from time import perf_counter
from typing import Annotated

from msgspec import Meta

from ..bus.messages import (
    ActionFinished,
    ActionStarted,
    ConfigChanged,
    Heartbeat,
    IncidentClosed,
    IncidentOpened,
    Message,
    ProbeNow,
    Reading,
)
from ..core.effects import Effect, Publish, StartTimer
from ..core.watching.rounds import Chart, Look, Rounds
from .agent import Agent, AgentConfig, on
from .eyes import Eyes
from .meter import Meters
from .ports import Probe, Sample, World
from .sweep import Sweep
from .timers import Timer


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
        meters: what each component takes; by default nobody wants to know.
    """

    Config = MonitorConfig
    name = "monitor"

    def __init__(
        self,
        config: MonitorConfig,
        world: World,
        charts: Mapping[str, Chart],
        meters: Meters | None = None,
    ) -> None:
        super().__init__(config)
        self._world = world
        self._probes: Sequence[Probe] = ()
        self._rounds: Rounds[Probe] = Rounds(charts)
        self._meters = meters or Meters()
        take = self._take if meters is None else self._take_metered
        self._eyes = Eyes(
            self._rounds, config.concurrent_looks, config.tick_s, take, self.spawn, meters
        )
        self._sweep = Sweep(world, self._rounds, lambda: self.bus.is_heard(Reading.topic))

    async def on_start(self) -> None:
        """Begin to look."""
        self._probes = self._world.probes
        self._rounds.begin(self._probes, self.now_s)
        await self._tell(self._sweep.annotations(self.now_s))
        self.spawn(self._eyes.look_around(), name="look around")
        await self._sweep_later()

    def on_reconfigured(self, old: MonitorConfig) -> None:
        """Look at another pace from the next tick on."""
        self._eyes.concurrent = self.config.concurrent_looks
        self._eyes.tick_s = self.config.tick_s

    def _take(self, look: Look[Probe], sample: Sample | None) -> Awaitable[None] | None:
        now_s = self.now_s
        if look.is_over:
            return None
        if sample is None:
            effects = self._rounds.on_no_data(look, now_s)
        else:
            effects = self._rounds.on_sample(look, sample.metrics, sample.detail, now_s)
            if self.bus.is_heard(Reading.topic):
                effects.insert(0, Publish(_reading(look.probe, sample, now_s)))
        if effects:
            return self._tell(effects)
        self._eyes.heed()  # As nearly always, there is nothing to tell.
        return None

    def _take_metered(self, look: Look[Probe], sample: Sample | None) -> Awaitable[None] | None:
        meter, began_s = self._meters.at(look.probe.target), perf_counter()
        try:
            return self._take(look, sample)
        finally:
            meter.busy_s += perf_counter() - began_s

    # --- what others say ----------------------------------------------------------------------

    @on(Heartbeat)
    def take_heartbeat(self, message: Heartbeat) -> None:
        """A component reports by itself; its probe reads it."""
        self._world.heartbeat(message.target, message.metrics)

    @on(ConfigChanged)
    async def rearrange(self, _: ConfigChanged) -> None:
        """The world may have other probes now."""
        probes = self._world.probes
        if probes is not self._probes:
            self._probes = probes
            await self._tell(self._rounds.rearrange(probes, self.now_s))

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
        """Look for probes that have fallen silent, and at whatever else there is to see."""
        await self._tell(self._sweep.look(self.now_s))
        await self._sweep_later()

    async def _sweep_later(self) -> None:
        due_s = self._sweep.next_s(self.now_s, self.config.sweep_s)
        await self.perform([StartTimer("sweep", "", due_s)])

    async def _tell(self, effects: list[Effect]) -> None:
        # As a whole: what a chart has concluded is concluded once, and not again in another life.
        if effects:
            await self.perform(effects)
        self._eyes.heed()


def _reading(probe: Probe, sample: Sample, now_s: float) -> Reading:
    return Reading(
        target=probe.target,
        metrics=sample.metrics,
        taken_s=now_s,
        detail=sample.detail,
        probe=probe.name,
    )
