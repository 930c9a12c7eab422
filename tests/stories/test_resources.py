"""Little to work with: what is done without, and what never is."""

from __future__ import annotations

import asyncio

import pytest
from estates import Estate, Service, Watcher, a_row
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import (
    HealthChanged,
    IncidentClosed,
    LevelsChanged,
    Reading,
    ResourcesChanged,
    Status,
)
from mendel.core.pressure import STEPS, ResourcesConfig
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.specs import ComponentSpec
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


def a_system(estate: Estate, config: Config | None = None) -> System:
    return System(config or Config(), estate, MemoryJournal())


class TestStretched:
    async def test_healthy_targets_are_looked_at_less_often_and_are_not_called_silent(self) -> None:
        async with a_system(a_row(1)) as system:
            await asyncio.sleep(5)
            await system.relieve(STEPS[4], ["cpu_share is 0.9, limit 0.5"])
            await asyncio.sleep(10)
            seen = Watcher(system)
            await asyncio.sleep(160)

            assert len(seen.of(Reading, "s0")) == 20  # Every eight seconds instead of each.
            assert seen.of(HealthChanged) == []

    async def test_what_fell_ill_is_looked_at_and_healed_as_fast_as_ever(self) -> None:
        times = {}
        for step in (0, 4):
            estate = a_row(1)
            async with a_system(estate) as system:
                seen = Watcher(system)
                await asyncio.sleep(5)
                await system.relieve(STEPS[step])
                await asyncio.sleep(20)
                estate["s0"].crash()
                await asyncio.sleep(60)
                closed = seen.of(IncidentClosed)[0]
                times[step] = closed.closed_s - closed.opened_s

        assert times[4] == pytest.approx(times[0])

    async def test_a_component_that_comes_later_is_looked_at_no_more_often(self) -> None:
        async with a_system(a_row(2)) as system:
            await system.relieve(STEPS[4])
            await system.reconfigure(Config(components=(ComponentSpec(name="s0"),)))

            assert {chart.stretch for chart in system.parts.charts.values()} == {8.0}


class TestLowered:
    async def test_levels_are_lowered_and_come_back_and_incidents_live_through_both(self) -> None:
        config = Config(
            defaults=DefaultsConfig(level="full"),
            components=(ComponentSpec(name="s1", level="basic"),),
        )
        estate = a_row(2)
        estate["s0"].cure = "replace"
        async with a_system(estate, config) as system:
            seen = Watcher(system)
            await asyncio.sleep(5)
            estate["s0"].fault = "bad"
            await asyncio.sleep(5)
            incidents = list(system.parts.casebook.incidents.values())
            assert len(incidents) == 1

            levels = []
            for step in (5, 6, 0):
                await system.relieve(STEPS[step])
                cares = system.parts.casebook.cares
                levels.append({name: cares[name].level for name in ("s0", "s1")})
                assert list(system.parts.casebook.incidents.values()) == incidents

            assert levels == [
                {"s0": "advanced", "s1": "basic"},
                {"s0": "basic", "s1": "basic"},
                {"s0": "full", "s1": "basic"},
            ]
            await seen.until(lambda: seen.of(IncidentClosed), within_s=120)
            assert system.statuses()["s0"] is Status.HEALTHY

    async def test_each_way_is_told_with_its_reason(self) -> None:
        config = Config(defaults=DefaultsConfig(level="full"))
        async with a_system(a_row(2), config) as system:
            seen = Watcher(system)
            await system.relieve(STEPS[5], ["cpu_share is 0.9, limit 0.5"])
            await system.relieve(STEPS[0])
            await asyncio.sleep(1)

            told = [(each.levels["s0"], each.who, each.reason) for each in seen.of(LevelsChanged)]
            assert told == [
                (("full", "advanced"), "resources", "cpu_share is 0.9, limit 0.5"),
                (("advanced", "full"), "resources", "there is enough to work with again"),
            ]
            assert {each.components for each in seen.of(LevelsChanged)} == {2}

    async def test_a_level_set_by_hand_meanwhile_holds_once_there_is_enough_again(self) -> None:
        async with a_system(a_row(1), Config(defaults=DefaultsConfig(level="full"))) as system:
            await system.relieve(STEPS[6])
            await system.change_level("s0", "advanced", who="ada")
            lowered = system.parts.casebook.levels
            await system.relieve(STEPS[0])

            assert (lowered, system.parts.casebook.levels) == ({"s0": "basic"}, {"s0": "advanced"})

    async def test_some_components_keep_their_level(self) -> None:
        config = Config(
            defaults=DefaultsConfig(level="full"), resources=ResourcesConfig(keep_levels=("s1",))
        )
        async with a_system(a_row(2), config) as system:
            await system.relieve(STEPS[6])

            assert system.parts.casebook.levels == {"s0": "basic", "s1": "full"}

    async def test_another_configuration_keeps_to_the_ceiling(self) -> None:
        async with a_system(a_row(1)) as system:
            await system.relieve(STEPS[5])
            await system.reconfigure(Config(defaults=DefaultsConfig(level="full")))

            assert system.parts.casebook.cares["s0"].level == "advanced"

    async def test_everybody_hears_of_it_with_the_reason(self) -> None:
        async with a_system(Estate([Service("db")])) as system:
            seen = Watcher(system)
            await system.relieve(STEPS[1], ["lag_s is 1, limit 0.5"])
            await asyncio.sleep(1)

            (news,) = seen.of(ResourcesChanged)
            assert (news.step, news.evolves, news.stretch) == (1, False, 1.0)
            assert news.reasons == ("lag_s is 1, limit 0.5",)
