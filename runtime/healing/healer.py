"""Basic and advanced healing for a program: the six verbs by direct calls.

Nothing runs beside the program: no bus, no task, no database. Time is what the caller tells, or
that of the running event loop. What is decided is decided by the same cores as everywhere
(`mendel.runtime.healing.driver`); the program carries it out when it applies a response.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ...agents.agent import Agent, convert_config
from ...agents.breaker import Breaker
from ...agents.execution import Execution
from ...agents.isolation import Isolation
from ...agents.ports import Sample, World
from ...agents.recovery import Recovery
from ...bus.messages import ActionFinished, Message, RunAction
from ...core.levels import Level
from ...core.records import ExperienceRecord
from ...errors import ConfigError
from ..factory import Parts, build
from ..levels import exchange
from .clockwork import Clockwork
from .driver import Command, Driver
from .hands import Hands
from .notes import Notes
from .protocol import Detection, HealthStatus, Lesson, RecoveryStatus, Response
from .setup import Memory, Source, checked_level, checked_time
from .told import TOLD
from .watched import Watched, health_of, not_run, withdrawn

# Silence is looked for this often at most, as the Monitor does; for every sample it would be felt.
_SWEEP_S = 1.0


class Healer(Watched):
    """Heals what is watched, verb by verb (`mendel.runtime.healing.protocol.SelfHealing`).

    Args:
        level: of every component, to begin with.
        source: settings; see `mendel.create`.
        world: probes and actions beside what the program tells and gives.

    Example:
        ``healer = mendel.create("basic"); healer.watch("cart", {"restart": restart_cart})``
    """

    def __init__(self, level: Level, source: Source = None, world: World | None = None) -> None:
        super().__init__(level, source, world)
        self._clock = Clockwork()
        self._ahead_s: float | None = None  # What told time is ahead of the event loop.
        self._sweep_s = -math.inf
        self._entered = False
        self._locks: dict[str, asyncio.Lock] = {}
        self._isolations: dict[str, Isolation] = {}

    async def __aenter__(self) -> Healer:
        await self._setup.world.__aenter__()
        self._entered = True
        return self

    async def __aexit__(self, *error: object) -> None:
        self._entered = False
        if self._begun:
            self._parts.board.disconnect()
        await self._setup.world.__aexit__(*error)

    # --- the six verbs ------------------------------------------------------------------------

    async def detect_anomaly(
        self,
        target: str,
        metrics: Mapping[str, float] | None = None,
        *,
        detail: str = "",
        now_s: float | None = None,
    ) -> Detection:
        """Take a sample, and tell what is known by now.

        Args:
            target: whose sample.
            metrics: values by name; ``None`` lets the target's own probes look.
            detail: what a person should know of it.
            now_s: when it was taken; ``None`` for now.

        Raises:
            ConfigError: nobody watches the target, or the sample is none.
        """
        if metrics is None:
            return await self._look(target, now_s)
        checked = self._checked(target, metrics)
        at_s = self._turn(now_s)
        self._driver.seen(self._driver.rounds.on_told(target, TOLD, checked, detail, at_s))
        return self._detected(target, at_s)

    async def select_response(self, target: str, *, now_s: float | None = None) -> Response:
        """Tell what is to be done now; the same answer until that is done or overtaken."""
        self._known(target)
        self._turn(now_s)
        return self._notes.response(target)

    async def apply_response(self, response: Response) -> ActionFinished:
        """Carry a response out, once, and tell how that went."""
        at_s = self._turn(None)
        command = self._notes.command(response.intent)
        if command is None:
            return not_run(response, response.reason or "there is nothing to carry out", at_s)
        async with self._alone(command.intent):
            finished = self._parts.ledger.finished.get(command.intent)
            if finished is None and not self._is_going(command):
                return not_run(response, "it was overtaken by events", at_s)
            if finished is None:
                await self._isolate()
                finished = await self._hands.act(self._execution(command))
                self._turn(None)
        await self._isolate()
        return finished

    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        """Tell whether the target is proven well again."""
        self._known(target)
        self._turn(now_s)
        await self._isolate()
        return self._notes.recovery(target)

    async def learn_from_incident(self, experience: Sequence[ExperienceRecord]) -> Lesson:
        """Learn from an incident that was seen elsewhere."""
        self._turn(None)
        return self._school.teach(self._parts, experience)

    async def get_health_status(self, *, now_s: float | None = None) -> HealthStatus:
        """Tell how everything is."""
        return health_of(self._parts_at(now_s), self._clock.time())

    async def change_level(self, component: str, level: Level, *, reason: str = "") -> None:
        """Heal a component on another level from now on, its open incident included."""
        self._known(component)
        at_s = self._turn(None)
        self._setup.config = exchange(
            self._setup.config,
            self._parts,
            self._setup.world,
            component,
            checked_level(level),
            publish=self._driver.tell,
            now_s=at_s,
        )
        self._clock.run()

    async def tell(self, message: Message, *, now_s: float | None = None) -> None:
        """Pass on what a person wishes: `PauseTarget`, `ResumeTarget` or `ApprovalGiven`."""
        self._turn(now_s)
        self._driver.tell(message)
        self._clock.run()

    # --- time ---------------------------------------------------------------------------------

    def _turn(self, now_s: float | None) -> float:
        """Let time go on, and everything happen that is due."""
        told_s = None if now_s is None else checked_time(now_s)
        loop_s = asyncio.get_running_loop().time()
        if told_s is None:
            told_s = loop_s + (self._ahead_s or 0.0)
        self._clock.tell(told_s)
        self._ahead_s = self._clock.time() - loop_s
        if not self._begun:
            self._begin()
        now_s = self._clock.time()
        if now_s >= self._sweep_s:
            self._sweep_s = now_s + _SWEEP_S
            self._driver.sweep()
        self._clock.run()
        return now_s

    def _now(self) -> float:
        """Told time, and what has passed of the loop's since."""
        return asyncio.get_running_loop().time() + (self._ahead_s or 0.0)

    # --- inside -------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._setup.has_world and not self._entered:
            raise ConfigError(
                "there are probes and actions to start first: use `async with` on the healer"
            )
        self._setup.check()
        config, world = self._setup.config, self._setup.world
        journal = Memory(self._learned)
        self._parts = build(config, world, journal, run=1)
        self._notes = Notes(self._parts, runs_itself=False)
        self._parts.board.connect(lambda _: None)
        self._driver = Driver(
            self._parts,
            world,
            journal,
            self._clock,
            carry_out=self._carry_out,
            hear=self._notes.hear,
        )
        self._hands = Hands(
            world,
            self._parts,
            journal,
            tell=self._driver.tell,
            now=self._now,
            recovery=_settings(Recovery, config.agent),
            breaker=_settings(Breaker, config.agent),
        )
        self._begun = True
        self._driver.take_up()
        self._driver.watch()

    def _parts_at(self, now_s: float | None) -> Parts:
        self._turn(now_s)
        return self._parts

    def _carry_out(self, command: Command) -> None:
        if not isinstance(command, RunAction):
            self._isolations[command.target] = self._hands.want(command)

    def _detected(self, target: str, at_s: float) -> Detection:
        self._clock.run()
        for command in self._notes.idle(target):
            if command.intent not in self._parts.ledger.under_way:
                self._driver.tell(withdrawn(command, at_s))
                self._clock.run()
        return self._notes.detection(target, at_s)

    async def _look(self, target: str, now_s: float | None) -> Detection:
        self._known(target)
        probes = [
            probe
            for probe in self._setup.world.probes
            if probe.target == target and probe.name != TOLD
        ]
        if not probes:
            raise ConfigError(f"{target!r} has no probe of its own; its metrics have to be told")
        for probe in probes:
            # Raising means no data, which the next sweep notices if it lasts.
            with contextlib.suppress(Exception):
                found = probe.read()
                sample = found if isinstance(found, Sample) else await found
                at_s = self._turn(now_s)
                rounds = self._driver.rounds
                told = rounds.on_told(target, probe.name, sample.metrics, sample.detail, at_s)
                self._driver.seen(told)
        return self._detected(target, self._turn(now_s))

    def _is_going(self, command: RunAction) -> bool:
        return command.intent in self._parts.ledger.under_way or self._notes.is_wanted(command)

    def _execution(self, command: RunAction) -> Execution:
        accepted = self._hands.accept(command)
        # Accepted before means that whoever carried it out was cancelled: it is gone on with.
        if isinstance(accepted, Execution):
            return accepted
        return self._parts.ledger.under_way[command.intent]

    async def _isolate(self) -> None:
        """Keep calls away from targets, and let them in again, as the world knows how to."""
        for target, isolation in list(self._isolations.items()):
            async with self._alone(f"isolate {target}"):
                if await self._hands.isolate(isolation) == 0.0:
                    self._isolations.pop(target, None)
        self._turn(None)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._locks.pop(name, None)


def _settings(agent: type[Agent], settings: Mapping[str, Mapping[str, Any]]) -> Any:
    return convert_config(agent, settings.get(agent.name, {}))
