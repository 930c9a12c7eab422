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
from ...agents.ports import Action, Sample, World
from ...agents.recovery import Recovery
from ...bus.messages import ActionFinished, Message, RunAction
from ...core.detection.detect import Threshold
from ...core.health import overall
from ...core.levels import Level
from ...core.records import ExperienceRecord
from ...core.topology import Kind
from ...documents.kinds import did_you_mean
from ...errors import ConfigError
from ..factory import Parts, build
from ..levels import exchange
from .clockwork import Clockwork
from .driver import Command, Driver
from .hands import Hands
from .learning import Schooling
from .notes import Notes
from .protocol import Detection, HealthStatus, Lesson, RecoveryStatus, Response
from .setup import (
    Memory,
    Setup,
    Source,
    checked_level,
    checked_metrics,
    checked_time,
)
from .told import TOLD, Deed, Manner

# Silence is looked for this often at most, as the Monitor does; for every sample it would be felt.
_SWEEP_S = 1.0


class Healer:
    """Heals what is watched, verb by verb (`mendel.runtime.healing.protocol.SelfHealing`).

    Args:
        level: of every component, to begin with.
        source: settings; see `mendel.create`.
        world: probes and actions beside what the program tells and gives.

    Example:
        ``healer = mendel.create("basic"); healer.watch("cart", {"restart": restart_cart})``
    """

    def __init__(self, level: Level, source: Source = None, world: World | None = None) -> None:
        self._setup = Setup(source, level, world)
        self._clock = Clockwork()
        self._ahead_s: float | None = None  # What told time is ahead of the event loop.
        self._sweep_s = -math.inf
        self._entered = False
        self._begun = False
        self._locks: dict[str, asyncio.Lock] = {}
        self._isolations: dict[str, Isolation] = {}
        self._school = Schooling()

    # --- what is healed -----------------------------------------------------------------------

    def watch(
        self,
        target: str,
        actions: Mapping[str, Deed | Action] | None = None,
        *,
        kind: Kind = "service",
        depends_on: Sequence[str] = (),
        every_s: float = 1.0,
        plan: Sequence[str] = (),
        thresholds: Mapping[str, Threshold | Mapping[str, Any]] | None = None,
        timeout_s: float = 30.0,
        settle_s: float = 10.0,
    ) -> None:
        """Heal a component; all of them are named before the first verb.

        Args:
            target: its name.
            actions: what can be done to it, by name: functions, asynchronous or quick, or objects
                that keep `mendel.Action`. One that returns ``False`` or raises has failed.
            kind: what sort of thing it is; it decides what is tried first.
            depends_on: components that it cannot do its work without.
            every_s: how often its metrics will be told; a longer silence makes it unknown.
            plan: names of actions in the order in which they are tried, instead of its kind's.
            thresholds: by metric, beside the usual ones.
            timeout_s: how long an action that is a function may take ...
            settle_s: ... and how long its effect may then take to show.

        Raises:
            ConfigError: that makes no sense, or healing has begun.
        """
        if self._begun:
            raise ConfigError(
                f"healing has begun; {target!r} has to be named before the first verb"
            )
        self._setup.watch(
            target,
            actions,
            kind=kind,
            depends_on=tuple(depends_on),
            every_s=every_s,
            plan=tuple(plan),
            thresholds=thresholds or {},
            manner=Manner(timeout_s=timeout_s, settle_s=settle_s),
        )

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
        checked = checked_metrics(target, metrics)
        if not self._setup.world.is_told_of(target):
            self._unknown(target)
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

    def _learned(self, record: ExperienceRecord) -> None:
        self._school.know(record)
        self._notes.note(record)

    def _carry_out(self, command: Command) -> None:
        if not isinstance(command, RunAction):
            self._isolations[command.target] = self._hands.want(command)

    def _detected(self, target: str, at_s: float) -> Detection:
        self._clock.run()
        for command in self._notes.idle(target):
            if command.intent not in self._parts.ledger.under_way:
                self._driver.tell(_withdrawn(command, at_s))
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

    def _known(self, target: str) -> None:
        names = {each.name for each in self._setup.world.components}
        if target not in names:
            self._unknown(target)

    def _unknown(self, target: str) -> None:
        names = [each.name for each in self._setup.world.components]
        help_ = did_you_mean(str(target), names, "components")
        raise ConfigError(f"nobody watches {target!r}; {help_}")


def health_of(parts: Parts, now_s: float) -> HealthStatus:
    """How everything is."""
    book = parts.casebook
    statuses = {name: book.status_of(name) for name in book.topology.components}
    return HealthStatus(
        status=overall(statuses),
        components=statuses,
        levels=book.levels,
        incidents={name: incident.name for name, incident in book.incidents.items()},
        at_s=now_s,
    )


def _settings(agent: type[Agent], settings: Mapping[str, Mapping[str, Any]]) -> Any:
    return convert_config(agent, settings.get(agent.name, {}))


def _withdrawn(command: RunAction, now_s: float) -> ActionFinished:
    """What has become well by itself needs no action that nobody has begun."""
    return ActionFinished(
        target=command.target,
        intent=command.intent,
        incident=command.incident,
        action=command.action,
        outcome="not_run",
        detail="it was well before anybody did it",
        duration_s=0.0,
        finished_s=now_s,
    )


def not_run(response: Response, why: str, now_s: float) -> ActionFinished:
    """What is told of a response that was not carried out."""
    return ActionFinished(
        target=response.target,
        intent=response.intent,
        incident=response.incident,
        action=response.action,
        outcome="not_run",
        detail=why,
        duration_s=0.0,
        finished_s=now_s if math.isfinite(now_s) else 0.0,
    )
