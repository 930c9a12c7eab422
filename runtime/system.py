"""A running mendel: bus, agents under supervision, and the world they heal.

It starts from the ground up (bus, world, agents) and stops the other way round.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

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
from ..bus.local import LocalBus
from ..bus.messages import (
    ConfigChanged,
    Heartbeat,
    Message,
    PluginRejected,
    Status,
)
from ..core.health import Overall, overall
from ..core.levels import Level
from ..core.policy import Pause
from ..core.pressure import STEPS, Relief
from ..errors import BusClosed, ConfigError, PluginError
from ..genome.farm import Farm
from ..genome.service import GenomeService
from .config import Config
from .factory import Parts, build
from .ground import Ground
from .helm import Helm
from .levels import evolves, known_component
from .revision import Aside, excuse_booting, inline
from .staff import Staff
from .supervision import ChildStatus

_log = logging.getLogger("mendel.system")

C = TypeVar("C", bound=AgentConfig)

OWN_AGENTS: tuple[type[Agent[Any]], ...] = (
    Coordinator,
    Recovery,
    Breaker,
    Monitor,
    GenomeService,  # Only where the level of some component evolves.
)
_OWN_NAMES = frozenset(kind.name for kind in OWN_AGENTS)


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
        staff: the agents.
        plugins: those beside mendel's own.
        started_s: loop time of the start.
        relief: what is done without at present, for want of resources ...
        apart: ... and for single components, because they use too much of them.
        url: where its page is, or empty.
    """

    bus: LocalBus
    parts: Parts
    staff: Staff

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
        self.problems = tuple(problems)
        self.started_s = 0.0
        self.relief = STEPS[0]
        self.apart: Mapping[str, Relief] = {}
        self.meters = meters
        self.url = ""
        self._run = run
        self.plugins = tuple(plugins)
        self._pauses = tuple(pauses)
        self._earlier = tuple(earlier)
        self._make_farm = farm
        self._farm: Farm | None = None
        self._rng = random.Random(config.runtime.seed)  # noqa: S311  Jitter is no secret.
        self._helm = Helm(self)
        self._ground = Ground(world)

    # --- start and stop -----------------------------------------------------------------------

    async def __aenter__(self) -> System:
        loop = asyncio.get_running_loop()
        self.started_s = loop.time()
        self.bus = await self._ground.enter()
        try:
            self._start(loop.time())
        except BaseException:
            await self._ground.leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.staff.stop()
        finally:
            if self._farm is not None:
                await self._farm.close()
            self.parts.board.disconnect()
            await self._ground.leave()

    async def wait(self) -> None:
        """Wait until the healer itself cannot go on; healthy systems wait for ever.

        Raises:
            GaveUp: an agent could not be kept alive.
        """
        await self.staff.wait()

    def _start(self, now_s: float) -> None:
        self.parts = build(
            self.config,
            self.world,
            self.journal,
            run=self._run,
            pauses=self._pauses,
            earlier=self._earlier,
        )
        self.parts.board.connect(self.publish)
        configs = {each.name: each.guard for each in self.config.components if each.guard}
        for problem in self.parts.board.configure(configs):
            _log.warning("%s", problem)
        excuse_booting(self.config.components, self.parts, self.world, now_s)
        self.staff = Staff(self.bus, self.journal, self.config.supervisor, self._rng, self.publish)
        parts, world = self.parts, self.world
        self._employ(Coordinator, lambda config: Coordinator(config, parts.casebook))
        self._employ(Recovery, lambda config: Recovery(config, world, parts.ledger))
        self._employ(Breaker, lambda config: Breaker(config, world, parts.board))
        for plugin in self.plugins:
            self.add_agent(plugin)
        self.breed()
        # The last to start and the first to stop: nobody sees a problem before all can act on it.
        self._employ(Monitor, lambda config: Monitor(config, world, parts.charts, self.meters))
        self.staff.start()

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
        """Heal by another configuration from now on; see `mendel.runtime.helm.Helm.reconfigure`."""
        return await self._helm.reconfigure(
            config, was=was, plugins=plugins, who=who, reason=reason, source=source, aside=aside
        )

    async def change_level(
        self, component: str, level: Level, *, who: str = "", reason: str = ""
    ) -> ConfigChanged:
        """Heal a component on another level; see `mendel.runtime.helm.Helm.change_level`."""
        return await self._helm.change_level(component, level, who=who, reason=reason)

    async def relieve(
        self,
        relief: Relief,
        reasons: Sequence[str] = (),
        *,
        apart: Mapping[str, Relief] | None = None,
        aside: Aside = inline,
    ) -> None:
        """Do without some things, or take them up again; see `mendel.runtime.helm.Helm.relieve`."""
        await self._helm.relieve(relief, reasons, apart=apart, aside=aside)

    def own_kinds(self) -> list[type[Agent[Any]]]:
        """Classes of mendel's own agents that are employed."""
        return [kind for kind in OWN_AGENTS if kind.name in self.seats]

    # --- agents -------------------------------------------------------------------------------

    def add_agent(self, loaded: LoadedAgent) -> None:
        """Start one more agent; it crashes and is restarted by itself, and never stops the others.

        Raises:
            ConfigError: there is an agent of this name.
        """
        self.staff.add(loaded.name, loaded.agent_class, loaded.config, loaded.agent_class)

    def breed(self) -> None:
        """Let configurations evolve from the first component on whose level does so.

        Healing goes on without it when that fails for good.
        """
        if self._make_farm is None or self._farm is not None or not evolves(self.config):
            return
        farm = self._farm = self._make_farm(self)
        config = convert_config(GenomeService, self.config.agent.get(GenomeService.name, {}))
        self.staff.add(
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
        await self.staff.remove(name)

    def _employ(self, agent_class: type[Agent[C]], make: Callable[[C], Agent[C]]) -> None:
        self.staff.employ(agent_class, self.config.agent.get(agent_class.name, {}), make)

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
        self.publish(Heartbeat(target=component, metrics=dict(metrics)))

    @property
    def seats(self) -> Mapping[str, Seat[Any]]:
        """Places of all agents, by name."""
        return self.staff.seats

    @property
    def kinds(self) -> Mapping[str, type[Agent[Any]]]:
        """Classes of all agents, by name."""
        return self.staff.kinds

    # --- what it tells ------------------------------------------------------------------------

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
        return self.staff.status()

    def publish(self, message: Message) -> None:
        """Put something on the bus, unless that is closed already."""
        try:
            self.bus.publish(message)
        except BusClosed:
            _log.debug("the bus is closed already: %s", message)
