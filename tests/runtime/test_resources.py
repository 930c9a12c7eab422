"""What mendel itself uses, measured on a real event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from estates import Estate, Service, Watcher
from mendel.agents.agent import Agent, on
from mendel.agents.journal import MemoryJournal
from mendel.agents.registry import LoadedAgent
from mendel.bus.messages import Heartbeat, ResourcesChanged
from mendel.core.pressure import ResourcesConfig
from mendel.runtime.config import Config
from mendel.runtime.resources import Steward
from mendel.runtime.system import System


class Hog(Agent[None]):  # type: ignore[type-var]
    """Keeps the event loop busy for a while with every heartbeat."""

    name = "hog"

    @on(Heartbeat)
    def work(self, message: Heartbeat) -> None:
        end_s = time.perf_counter() + message.metrics["busy_s"]
        while time.perf_counter() < end_s:
            pass


def hog() -> LoadedAgent:
    return LoadedAgent("hog", "here", Hog, Hog.Config())


async def until(holds: Callable[[], object], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)  # Bounded: what is measured takes its time.


async def test_who_uses_what_is_told_for_each_agent_and_component() -> None:
    config = Config(resources=ResourcesConfig(every_s=0.05))
    async with (
        System(config, Estate([Service("db")]), MemoryJournal(), plugins=[hog()]) as system,
        Steward(system) as steward,
    ):
        await until(lambda: steward.view().memory_bytes)
        system.bus.publish(Heartbeat(target="db", metrics={"busy_s": 0.2}))
        await until(lambda: steward.view().lag_s > 0.05)
        view = steward.view()

    agents = {each.name: each for each in view.agents}
    assert 0.2 <= agents["hog"].cpu_s < 1.0
    assert agents["monitor"].cpu_s < agents["hog"].cpu_s
    assert agents["monitor"].tasks >= 1
    assert [each.name for each in view.components] == ["db"]
    assert view.components[0].looks >= 1
    assert view.cpu_share > 0.0
    assert view.memory_bytes > 10_000_000
    assert view.tasks >= 4


async def test_a_limit_that_is_exceeded_leads_to_doing_without_and_calm_back() -> None:
    tight = Config(resources=ResourcesConfig(every_s=0.02, calm_s=0.1, tasks=1))
    async with (
        System(tight, Estate([Service("db")]), MemoryJournal()) as system,
        Steward(system) as steward,
    ):
        seen = Watcher(system)
        await until(lambda: system.relief.step == 6)
        assert "tasks is" in steward.view().reasons[0]

        await system.reconfigure(Config(resources=ResourcesConfig(every_s=0.02, calm_s=0.1)))
        await until(lambda: system.relief.step == 0)
        await until(lambda: len(seen.of(ResourcesChanged)) == 12)

    steps = [each.step for each in seen.of(ResourcesChanged)]
    assert steps == [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0]
