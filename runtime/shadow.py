"""A candidate that decides beside the one in force, on the same readings, and does nothing.

The shadow is a system like any other, in a world of its own: its probes see what the probes of the
live system have just seen, and its actions succeed at once without anybody doing anything. So what
it decides is decided by the very code that would decide if the candidate were in force. What it
wishes for is told on the live bus, and thereby recorded.

What it cannot show is what its actions would have led to; that is what the canary is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from ..agents.journal import MemoryJournal
from ..agents.ports import Action, ActionResult, IntentStatus, Probe, Sample, World
from ..agents.switchboard import Switchboard
from ..bus.envelope import Envelope
from ..bus.local import LocalBus
from ..bus.messages import AnomalyDetected, Reading, RunAction, ShadowDecided
from ..core.incidents.treatment import ASIDE
from ..core.records import IntentRecord
from ..core.topology import Component
from .config import Config
from .factory import Parts
from .healing.direct import DirectSystem

_log = logging.getLogger("mendel.shadow")


class Shadow:
    """Runs a candidate in the shadow; use it as ``async with Shadow(...):``.

    Args:
        config: with the genes of the candidate in force.
        world: what the live system heals.
        bus: of the live system.
    """

    def __init__(self, config: Config, world: World, bus: LocalBus) -> None:
        self._world = ShadowWorld(world)
        self._system = DirectSystem(config, self._world, MemoryJournal())
        self._bus = bus
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Shadow:
        system = await self._stack.enter_async_context(self._system)
        # The guards of the program are not the shadow's to open.
        system.parts = _unplugged(system.parts)
        for tap in (
            self._bus.tap(self._world.see, f"{Reading.topic}.>"),
            system.bus.tap(self._tell, f"{AnomalyDetected.topic}.>"),
            system.bus.tap(self._tell, f"{RunAction.topic}.>"),
        ):
            self._stack.callback(tap.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def wait(self) -> None:
        """Wait until it cannot go on."""
        await self._system.wait()

    def _tell(self, batch: Sequence[Envelope]) -> None:
        for envelope in batch:
            match envelope.message:
                case AnomalyDetected(target=target, reason=reason):
                    self._bus.publish(ShadowDecided(target=target, wish="alarm", reason=reason))
                case RunAction(target=target, action=action) if action not in ASIDE:
                    self._bus.publish(ShadowDecided(target=target, wish=action))
                case _:
                    pass  # To tell a person, or to keep calls away, treats nothing.


class ShadowWorld:
    """What a shadow sees and may do: the readings of a live system, and nothing.

    Args:
        live: the world that the live system heals.
    """

    def __init__(self, live: World) -> None:
        self._live = live
        mirrored = [_Mirror(each) for each in live.probes]
        self._probes = {(each.target, each.name): each for each in mirrored}

    @property
    def components(self) -> Sequence[Component]:
        """Those of the live world."""
        return self._live.components

    @property
    def probes(self) -> Sequence[Probe]:
        """One for each of the live world."""
        return tuple(self._probes.values())

    def actions(self, target: str) -> Mapping[str, Action]:
        """Those of the live world, with nothing behind them."""
        return {name: _Pretence(each) for name, each in self._live.actions(target).items()}

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """It has been seen by a live probe, whose reading comes by itself."""

    def see(self, batch: Sequence[Envelope]) -> None:
        """Take the readings of the live system."""
        for envelope in batch:
            reading = envelope.message
            if isinstance(reading, Reading):
                probe = self._probes.get((reading.target, reading.probe))
                if probe is not None:
                    probe.show(Sample(reading.metrics, reading.detail))

    async def __aenter__(self) -> ShadowWorld:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is held."""


class _Mirror:
    """Sees what a live probe sees, when it sees it."""

    def __init__(self, live: Probe) -> None:
        self.target, self.name = live.target, live.name
        self.every_s = live.every_s
        # The live one begins its looks by its own clock, so the next one may be a turn away.
        self.timeout_s = 2 * live.every_s + live.timeout_s
        self._next: asyncio.Future[Sample] | None = None

    async def read(self) -> Sample:
        """The next thing that the live probe sees.

        Raises:
            TimeoutError: it sees nothing.
        """
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(self.timeout_s):
            return await asyncio.shield(self._next)

    def show(self, sample: Sample) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(sample)


class _Pretence:
    """An action that succeeds at once, because nobody does anything."""

    def __init__(self, live: Action) -> None:
        self.name, self.disruptive, self.undo = live.name, live.disruptive, live.undo
        self.timeout_s, self.settle_s = live.timeout_s, live.settle_s

    def before(self) -> dict[str, Any]:
        """There is nothing to compare with."""
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        """Do nothing."""
        return ActionResult(succeeded=True, detail="in shadow: nothing was done")

    async def status(self, intent: IntentRecord) -> IntentStatus:
        """Nothing ever is."""
        return IntentStatus.NOT_DONE


class _Unplugged(Switchboard):
    """Guards of nobody."""

    def isolate(self, target: str, reason: str) -> None:
        """Leave the guards of the program alone."""

    def release(self, target: str, reason: str) -> None:
        """Likewise."""


def _unplugged(parts: Parts) -> Parts:
    return structs.replace(parts, board=_Unplugged(parts.board.run))
