"""How a running system goes over to something else: a configuration, a level, less to work with.

One change at a time: each is worked out in full, put into force in one step, and told
(`mendel.runtime.revision`). Who is healed on which level is decided here alone, whether a file, a
person or want of resources asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..agents.registry import LoadedAgent
from ..bus.messages import ConfigChanged
from ..core.levels import Ceiling, Level
from ..core.pressure import Relief
from ..core.topology import home_of
from .config import Config
from .levels import known_component, with_level, with_levels_by_hand
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

if TYPE_CHECKING:
    from .system import System

# Who changes levels for want of resources, and back.
_RESOURCES = "resources"


class Helm:
    """Changes what a system heals by, while it heals.

    Args:
        system: which one.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._by_hand: Mapping[str, Level] = {}
        self._one_at_a_time = asyncio.Lock()

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
        async with self._one_at_a_time:
            by_hand = self._by_hand
            if was is not None:
                components = self._system.parts.casebook.topology.components
                config, by_hand = with_levels_by_hand(config, was, by_hand, components)
            wanted = self._system.plugins if plugins is None else tuple(plugins)
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
        system = self._system
        async with self._one_at_a_time:
            config = with_level(system.config, known_component(system.parts, component), level)
            changed = await self._go_over(config, system.plugins, who, reason)
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
        system = self._system
        loop = asyncio.get_running_loop()
        come, go = turnover(system.plugins, wanted, system.seats)
        stay = [each for each in wanted if each not in come]
        revision = await aside(
            prepare,
            system.config,
            config,
            system.parts,
            system.world,
            stay,
            system.own_kinds(),
            self._ceiling(config),
        )
        await ask_agents(system.bus, revision.agents)
        began_s = loop.time()
        self._put_into_force(revision, began_s)
        system.config, system.plugins = config, tuple(wanted)
        excuse_booting(revision.fresh, system.parts, system.world, began_s)
        now_s = loop.time()
        changed = in_force(
            revision, who=who, reason=reason, source=source, began_s=began_s, now_s=now_s
        )
        system.publish(changed)
        self._tell_levels(revision, who, reason)
        system.breed()
        for name in go:
            await system.remove_agent(name)
        for plugin in come:
            system.add_agent(plugin)
        await settle(system.world)
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
        system = self._system
        async with self._one_at_a_time:
            now_s = asyncio.get_running_loop().time()
            before, was = system.relief, self._ceiling(system.config)
            system.relief = relief
            system.apart = system.apart if apart is None else apart
            config, ceiling = system.config, self._ceiling(system.config)
            if ceiling != was:
                revision = await aside(
                    prepare, config, config, system.parts, system.world, (), (), ceiling
                )
                self._put_into_force(revision, now_s)
                calm = "there is enough to work with again"
                self._tell_levels(revision, _RESOURCES, "; ".join(reasons) or calm)
            for name, chart in system.parts.charts.items():
                chart.stretch = self._stretch(name)
            if relief is not before:
                system.publish(relieved(relief, reasons, now_s))

    def _put_into_force(self, revision: Revision, now_s: float) -> None:
        system = self._system
        put_into_force(revision, system.parts, system.world, system.publish, now_s)
        for name, chart in revision.charts.fresh.items():
            chart.stretch = self._stretch(name)

    def _stretch(self, target: str) -> float:
        system = self._system
        own = system.apart.get(home_of(target))
        return system.relief.stretch if own is None else max(own.stretch, system.relief.stretch)

    def _ceiling(self, config: Config) -> Ceiling:
        return config.resources.ceiling(self._system.relief, self._system.apart)

    def _tell_levels(self, revision: Revision, who: str, reason: str) -> None:
        now_s = asyncio.get_running_loop().time()
        news = levels_changed(revision, who=who, reason=reason, now_s=now_s)
        if news is not None:
            self._system.publish(news)
