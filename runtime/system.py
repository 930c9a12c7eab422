"""A running mendel: bus, agents under supervision, and the world they heal.

It starts from the ground up (bus, world, agents) and stops the other way round. Its supervisor
knows nothing of the bus; what it tells is put on the bus here, so that whoever wants to know that
an agent crashed listens like for anything else.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import structs

from ..agents.agent import Agent, AgentConfig, convert_config
from ..agents.breaker import Breaker
from ..agents.coordinator import Coordinator
from ..agents.guards.guard import Guard
from ..agents.guards.registry import guard as make_guard
from ..agents.meter import Meters
from ..agents.monitor import Monitor
from ..agents.ports import Journal, World
from ..agents.recovery import Recovery
from ..agents.registry import LoadedAgent
from ..agents.seat import Seat
from ..bus.consumers import BATCH
from ..bus.local import LocalBus
from ..bus.messages import (
    ConfigChanged,
    Heartbeat,
    Message,
    PluginRejected,
    Status,
)
from ..core.health import Overall, overall
from ..core.levels import Ceiling, Level
from ..core.policy import Pause
from ..core.pressure import STEPS, Relief
from ..core.restarts import ChildSpec
from ..core.topology import home_of
from ..errors import BusClosed, ConfigError, PluginError
from ..genome.farm import Farm
from ..genome.service import GenomeService
from .config import Config
from .factory import Parts, build
from .levels import evolves, known_component, with_level, with_levels_by_hand
from .lives import OneLife, as_message
from .revision import (
    Aside,
    Revision,
    ask_agents,
    excuse_booting,
    in_force,
    inline,
    levels_changed,
    prepare,
    put_into_force,
    relieved,
    settle,
    turnover,
)
from .supervision import ChildStatus, Crashed, Event
from .supervisor import Supervisor

_log = logging.getLogger("mendel.system")

C = TypeVar("C", bound=AgentConfig)

OWN_AGENTS: tuple[type[Agent[Any]], ...] = (
    Coordinator,
    Recovery,
    Breaker,
    Monitor,
    GenomeService,  # Only where the level of some component evolves.
)
# Who changes levels for want of resources, and back.
_RESOURCES = "resources"
_OWN_NAMES = frozenset(kind.name for kind in OWN_AGENTS)

# The whole program stops within two seconds; the world needs most of them.
_AGENTS_STOP_S = 0.6
_PLUGIN_STOP_S = 0.4
# Messages that anybody's agent handles in a row: healing does not wait for hundreds of slow ones.
_PLUGIN_BATCH = 32


class System:
    """Everything that heals one estate; use it as ``async with System(...) as system:``.

    Args:
        config: how it heals.
        world: what it heals.
        journal: its memory.
        run: number of this run, first part of every incident's name.
        plugins: agents beside the four of its own.
        problems: plug-ins that could not be loaded; see `tell_problems`.
        pauses: of components that nothing may be done to for now.
        earlier: actions of earlier runs that limits count: target and loop time, oldest first.
        meters: count what each component takes; by default nobody wants to know.
        farm: makes what evolution needs of this system, once a component's level evolves; without
            it nothing is bred.

    Attributes:
        bus: how the agents talk; there once the system is entered.
        parts: what outlives the agents.
        seats: places of all agents, by name.
        kinds: their classes, by name.
        started_s: loop time of the start.
        relief: what is done without at present, for want of resources ...
        apart: ... and for single components, because they use too much of them.
        url: where its page is, or empty.
    """

    bus: LocalBus
    parts: Parts

    def __init__(
        self,
        config: Config,
        world: World,
        journal: Journal,
        *,
        run: int = 1,
        plugins: Sequence[LoadedAgent] = (),
        problems: Sequence[PluginError] = (),
        pauses: Sequence[Pause] = (),
        earlier: Sequence[tuple[str, float]] = (),
        meters: Meters | None = None,
        farm: Callable[[System], Farm] | None = None,
    ) -> None:
        self.config = config
        self.world = world
        self.journal = journal
        self.seats: dict[str, Seat[Any]] = {}
        self.kinds: dict[str, type[Agent[Any]]] = {}
        self.problems = tuple(problems)
        self.started_s = 0.0
        self.relief = STEPS[0]
        self.apart: Mapping[str, Relief] = {}
        self.meters = meters
        self.url = ""
        self._run = run
        self._plugins = tuple(plugins)
        self._pauses = tuple(pauses)
        self._earlier = tuple(earlier)
        self._make_farm = farm
        self._farm: Farm | None = None
        self._by_hand: Mapping[str, Level] = {}
        self._rng = random.Random(config.runtime.seed)  # noqa: S311  Jitter is no secret.
        self._alone: dict[str, Supervisor] = {}
        self._revising = asyncio.Lock()  # One change at a time.
        self._supervision: asyncio.Task[None] | None = None

    # --- start and stop -----------------------------------------------------------------------

    async def __aenter__(self) -> System:
        loop = asyncio.get_running_loop()
        self.started_s = loop.time()
        self.bus = LocalBus()
        await self.world.__aenter__()
        try:
            self._start(loop.time())
        except BaseException:
            await self.world.__aexit__(None, None, None)
            await self.bus.close(0.0)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._supervision is not None:
                self._supervision.cancel()
                await asyncio.wait({self._supervision})
        finally:
            if self._farm is not None:
                await self._farm.close()
            self.parts.board.disconnect()
            try:
                await self.world.__aexit__(None, None, None)
            finally:
                await self.bus.close(0.0)

    async def wait(self) -> None:
        """Wait until the healer itself cannot go on; healthy systems wait for ever.

        Raises:
            GaveUp: an agent could not be kept alive.
        """
        assert self._supervision is not None, "the system is not running"
        await asyncio.shield(self._supervision)

    def _start(self, now_s: float) -> None:
        self.parts = build(self.config, self.world, self.journal, run=self._run)
        self.parts.board.connect(self._publish)
        configs = {each.name: each.guard for each in self.config.components if each.guard}
        for problem in self.parts.board.configure(configs):
            _log.warning("%s", problem)
        for pause in self._pauses:
            self.parts.policy.pause(pause)
        for target, at_s in self._earlier:
            self.parts.policy.remember(target, at_s)
        excuse_booting(self.config.components, self.parts, self.world, now_s)
        spec = structs.replace(self.config.supervisor, shutdown_s=_AGENTS_STOP_S)
        self._supervisor = Supervisor("mendel", spec, [], rng=self._rng, on_event=self._on_event)
        parts, world = self.parts, self.world
        self._employ(Coordinator, lambda config: Coordinator(config, parts.casebook))
        self._employ(Recovery, lambda config: Recovery(config, world, parts.ledger))
        self._employ(Breaker, lambda config: Breaker(config, world, parts.board))
        for plugin in self._plugins:
            self.add_agent(plugin)
        self._breed()
        # The last to start and the first to stop: nobody sees a problem before all can act on it.
        self._employ(Monitor, lambda config: Monitor(config, world, parts.charts, self.meters))
        self._supervision = asyncio.create_task(self._supervisor.run(), name="mendel")

    async def reconfigure(
        self,
        config: Config,
        *,
        was: Config | None = None,
        plugins: Sequence[LoadedAgent] | None = None,
        who: str = "",
        reason: str = "",
        source: str = "",
        aside: Aside = inline,
    ) -> ConfigChanged:
        """Heal by another configuration from now on; see `mendel.runtime.revision`.

        Args:
            config: the whole of it.
            was: what it is a new version of; levels that were set by hand hold on where the two do
                not differ in them. Without it the configuration holds as it is.
            plugins: agents that it asks for beside mendel's own; by default those of now.
            who: the person or program that asks for it.
            reason: why.
            source: where the configuration was read.
            aside: works out what the configuration comes to; ``asyncio.to_thread`` keeps that from
                holding up the loop, for which a large estate is work of a second.

        Returns:
            What was published about it.

        Raises:
            ConfigError: it cannot come into force; everything is as before.
        """
        async with self._revising:
            by_hand = self._by_hand
            if was is not None:
                components = self.parts.casebook.topology.components
                config, by_hand = with_levels_by_hand(config, was, by_hand, components)
            wanted = self._plugins if plugins is None else tuple(plugins)
            changed = await self._go_over(config, wanted, who, reason, source, aside)
            self._by_hand = by_hand
            return changed

    async def change_level(
        self, component: str, level: Level, *, who: str = "", reason: str = ""
    ) -> ConfigChanged:
        """Heal a component on another level from now on, its open incident included.

        It holds until it is changed again, or the file says another level of the component than
        before.

        Args:
            component: its name.
            level: which.
            who: the person or program that asks for it.
            reason: why.

        Returns:
            What was published about it.

        Raises:
            ConfigError: there is no such component.
        """
        async with self._revising:
            config = with_level(self.config, known_component(self.parts, component), level)
            changed = await self._go_over(config, self._plugins, who, reason)
            self._by_hand = {**self._by_hand, component: level}
            return changed

    async def _go_over(
        self,
        config: Config,
        wanted: Sequence[LoadedAgent],
        who: str,
        reason: str,
        source: str = "",
        aside: Aside = inline,
    ) -> ConfigChanged:
        """Go over to a configuration; one at a time."""
        loop = asyncio.get_running_loop()
        come, go = turnover(self._plugins, wanted, self.seats)
        stay = [each for each in wanted if each not in come]
        revision = await aside(
            prepare,
            self.config,
            config,
            self.parts,
            self.world,
            stay,
            self._own(),
            self._ceiling(config),
        )
        await ask_agents(self.bus, revision.agents)
        began_s = loop.time()
        self._put_into_force(revision, began_s)
        self.config, self._plugins = config, tuple(wanted)
        excuse_booting(revision.fresh, self.parts, self.world, began_s)
        now_s = loop.time()
        changed = in_force(
            revision, who=who, reason=reason, source=source, began_s=began_s, now_s=now_s
        )
        self._publish(changed)
        self._tell_levels(revision, who, reason)
        self._breed()
        for name in go:
            await self.remove_agent(name)
        for plugin in come:
            self.add_agent(plugin)
        await settle(self.world)
        return changed

    async def relieve(
        self,
        relief: Relief,
        reasons: Sequence[str] = (),
        *,
        apart: Mapping[str, Relief] | None = None,
        aside: Aside = inline,
    ) -> None:
        """Do without some things, or take them up again; what is known stays.

        Args:
            relief: what to do without from now on ...
            reasons: ... and why, for whoever asks.
            apart: what to do without for single components; by default as before.
            aside: see `reconfigure`.
        """
        async with self._revising:
            now_s = asyncio.get_running_loop().time()
            before, was = self.relief, self._ceiling(self.config)
            self.relief, self.apart = relief, self.apart if apart is None else apart
            config, ceiling = self.config, self._ceiling(self.config)
            if ceiling != was:
                revision = await aside(
                    prepare, config, config, self.parts, self.world, (), (), ceiling
                )
                self._put_into_force(revision, now_s)
                calm = "there is enough to work with again"
                self._tell_levels(revision, _RESOURCES, "; ".join(reasons) or calm)
            for name, chart in self.parts.charts.items():
                chart.stretch = self._stretch(name)
            if relief is not before:
                self._publish(relieved(relief, reasons, now_s))

    def _put_into_force(self, revision: Revision, now_s: float) -> None:
        put_into_force(revision, self.parts, self.world, self._publish, now_s)
        for name, chart in revision.charts.fresh.items():
            chart.stretch = self._stretch(name)

    def _stretch(self, target: str) -> float:
        own = self.apart.get(home_of(target))
        return self.relief.stretch if own is None else max(own.stretch, self.relief.stretch)

    def _ceiling(self, config: Config) -> Ceiling:
        return config.resources.ceiling(self.relief, self.apart)

    def _tell_levels(self, revision: Revision, who: str, reason: str) -> None:
        now_s = asyncio.get_running_loop().time()
        news = levels_changed(revision, who=who, reason=reason, now_s=now_s)
        if news is not None:
            self._publish(news)

    def _own(self) -> list[type[Agent[Any]]]:
        return [kind for kind in OWN_AGENTS if kind.name in self.seats]

    # --- agents -------------------------------------------------------------------------------

    def add_agent(self, loaded: LoadedAgent) -> None:
        """Start one more agent; it crashes and is restarted by itself, and never stops the others.

        Raises:
            ConfigError: there is an agent of this name.
        """
        if loaded.name in self.seats:
            raise ConfigError(f"there is an agent {loaded.name!r} already")
        self._add(loaded.name, loaded.agent_class, loaded.config, loaded.agent_class)

    def _add(
        self,
        name: str,
        agent_class: type[Agent[Any]],
        config: AgentConfig,
        make: Callable[[Any], Agent[Any]],
    ) -> None:
        seat = self._seat_of(name, agent_class, config, batch=_PLUGIN_BATCH)
        child = (ChildSpec(name=name), lambda: OneLife(seat, make))
        # In a supervisor of its own: when that gives up, it is this agent only that is missing.
        spec = structs.replace(self.config.supervisor, shutdown_s=_PLUGIN_STOP_S / 2)
        alone = Supervisor(name, spec, [child], rng=self._rng, on_event=self._on_event)
        self._alone[name] = alone
        guard = ChildSpec(name=_guard_of(name), restart="temporary", shutdown_s=_PLUGIN_STOP_S)
        self._supervisor.add(guard, lambda: alone)

    def _breed(self) -> None:
        """Let configurations evolve from the first component on whose level does so.

        Healing goes on without it when that fails for good.
        """
        if self._make_farm is None or self._farm is not None or not evolves(self.config):
            return
        farm = self._farm = self._make_farm(self)
        config = convert_config(GenomeService, self.config.agent.get(GenomeService.name, {}))
        self._add(
            GenomeService.name, GenomeService, config, lambda config: GenomeService(config, farm)
        )

    async def remove_agent(self, name: str) -> None:
        """Stop an agent that was added; what waits for it becomes dead letters.

        Raises:
            ConfigError: there is none of this name, or it is one of mendel's own.
        """
        if name in _OWN_NAMES or name not in self.seats:
            known = sorted(set(self.seats) - _OWN_NAMES)
            raise ConfigError(f"no agent {name!r} to remove; there are: {', '.join(known) or '-'}")
        await self._supervisor.remove(_guard_of(name))
        del self._alone[name]
        del self.kinds[name]
        self.seats.pop(name).close()

    def _employ(self, agent_class: type[Agent[C]], make: Callable[[C], Agent[C]]) -> None:
        name = agent_class.name
        config = convert_config(agent_class, self.config.agent.get(name, {}))
        seat = self._seat_of(name, agent_class, config)
        self._supervisor.add(ChildSpec(name=name), lambda: OneLife(seat, make))

    def _seat_of(
        self, name: str, agent_class: type[Agent[Any]], config: AgentConfig, batch: int = BATCH
    ) -> Seat[Any]:
        seat = Seat(self.bus, agent_class, config, name=name, journal=self.journal, batch=batch)
        self.seats[name], self.kinds[name] = seat, agent_class
        return seat

    # --- for the program that it lives in -----------------------------------------------------

    @staticmethod
    def guard(target: str, **parts: Any) -> Guard:
        """The guard of calls to a target; as `mendel.guard`, which is the same for all systems."""
        return make_guard(target, **parts)

    def report(self, component: str, metrics: Mapping[str, float]) -> None:
        """A part of the program tells how it is; its ``heartbeat`` probe reads that.

        Args:
            component: its name.
            metrics: values by name, units as suffixes; more than 64 are not read.

        Raises:
            ConfigError: there is no such component.
        """
        known_component(self.parts, component)
        self._publish(Heartbeat(target=component, metrics=dict(metrics)))

    # --- what it tells ------------------------------------------------------------------------

    @property
    def plugins(self) -> Sequence[LoadedAgent]:
        """Agents beside mendel's own."""
        return self._plugins

    def tell_problems(self) -> None:
        """Say which plug-ins could not be loaded; called once those who should know listen."""
        for problem in self.problems:
            _log.warning("%s", problem)
            self.bus.publish(PluginRejected(place=problem.place, reason=problem.reason))

    def statuses(self) -> dict[str, Status]:
        """Health of each component, in the order of the configuration."""
        return self.parts.statuses()

    def health(self) -> Overall:
        """Health of the whole."""
        return overall(self.statuses())

    def agents(self) -> dict[str, ChildStatus]:
        """How each agent stands."""
        supervisors = (self._supervisor, *self._alone.values())
        found = {each.name: each for one in supervisors for each in one.status()}
        return {name: found[name] for name in self.seats if name in found}

    def _on_event(self, event: Event) -> None:
        message = as_message(event)
        level = logging.WARNING if isinstance(event, Crashed) else logging.DEBUG
        _log.log(level, "%s", message, exc_info=getattr(event, "exception", None))
        self._publish(message)

    def _publish(self, message: Message) -> None:
        try:
            self.bus.publish(message)
        except BusClosed:
            _log.debug("the bus is closed already: %s", message)


def _guard_of(agent: str) -> str:
    return f"supervisor of {agent}"
