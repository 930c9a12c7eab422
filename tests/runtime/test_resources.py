"""What mendel itself uses, measured on a real event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from estates import Estate, Service, Watcher
from mendel.agents.agent import Agent, on
from mendel.agents.journal import MemoryJournal
from mendel.agents.meter import Meters
from mendel.agents.registry import LoadedAgent
from mendel.bus.messages import (
    AgentCrashed,
    AllowanceExceeded,
    Heartbeat,
    IncidentClosed,
    LevelsChanged,
    ResourcesChanged,
)
from mendel.core.pressure import AgentAllowance, Allowance, ResourcesConfig
from mendel.runtime.config import Config
from mendel.runtime.layers import DefaultsConfig
from mendel.runtime.resources import AGENT_STEPS, HEALING, Steward
from mendel.runtime.system import System
from mendel.runtime.weigh import weigh
from msgspec import structs


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


class Hoarder(Agent[None]):  # type: ignore[type-var]
    """Keeps a megabyte of each heartbeat."""

    name = "hoarder"

    def __init__(self, config: None = None) -> None:
        super().__init__(config)
        self.kept: list[bytes] = []

    @on(Heartbeat)
    def keep(self, message: Heartbeat) -> None:
        self.kept.append(bytes(1_000_000))


def tight(**resources: Any) -> Config:
    quick: dict[str, Any] = {"every_s": 0.02, "calm_s": 0.1, "lag_s": None, "mailbox_age_s": None}
    return Config(resources=ResourcesConfig(**quick, **resources))


class TestLimitsOfOneAgent:
    async def test_who_takes_too_much_of_the_processor_is_held_back_and_nobody_else(self) -> None:
        config = tight(agent=AgentAllowance(cpu_share=0.2))
        async with (
            System(config, Estate([Service("db")]), MemoryJournal(), plugins=[hog()]) as system,
            Steward(system) as steward,
        ):
            seen = Watcher(system)
            for _ in range(1000):
                system.bus.publish(Heartbeat(target="db", metrics={"busy_s": 0.01}))
            await until(lambda: "hog" in {x.name for x in seen.of(AllowanceExceeded)})
            before_s, began_s = system.seats["hog"].meter.busy_s, time.monotonic()
            await asyncio.sleep(1.0)  # Long enough for a share of it to be one.
            share = (system.seats["hog"].meter.busy_s - before_s) / (time.monotonic() - began_s)
            usage = {each.name: each for each in steward.view().agents}["hog"]

        assert share < 0.5  # It would be 1.0; what is more than 0.2 is noise.
        news = next(each for each in seen.of(AllowanceExceeded) if each.name == "hog")
        assert (news.kind, news.step, news.done) == (
            "agent",
            1,
            "uses too much, and is held back",
        )
        assert news.reasons[0].startswith("cpu_share is ")
        assert usage.excesses >= 1
        assert seen.of(AgentCrashed) == []

    async def test_who_keeps_too_much_is_ended_and_begins_anew(self) -> None:
        config = tight(agent=AgentAllowance(memory_bytes=3_000_000))
        hoarder = LoadedAgent("hoarder", "here", Hoarder, Hoarder.Config())
        async with (
            System(config, Estate([Service("db")]), MemoryJournal(), plugins=[hoarder]) as system,
            Steward(system),
        ):
            seen = Watcher(system)
            for _ in range(5):
                system.bus.publish(Heartbeat(target="db", metrics={}))
            await until(lambda: seen.of(AgentCrashed))
            await until(lambda: system.agents()["hoarder"].restarts == 1)
            await until(lambda: system.seats["hoarder"].agent is not None)
            again = system.seats["hoarder"].agent

        assert "OverLimit: memory_bytes is " in seen.of(AgentCrashed)[0].error
        assert isinstance(again, Hoarder)
        assert again.kept == []

    async def test_what_waits_beyond_the_limit_is_given_up_oldest_first(self) -> None:
        config = tight(agent=AgentAllowance(waiting=5))
        async with (
            System(config, Estate([Service("db")]), MemoryJournal(), plugins=[hog()]) as system,
            Steward(system),
        ):
            for number in range(200):
                system.bus.publish(Heartbeat(target="db", metrics={"busy_s": 0.02 + number / 1e9}))
            mailbox = system.seats["hog"].mailbox
            await until(lambda: mailbox.stats().dropped)
            assert mailbox.stats().dropped["dropped_oldest"] >= 50

    async def test_who_heals_is_told_of_and_never_held_back(self) -> None:
        config = tight(agent=AgentAllowance(tasks=1, memory_bytes=1))
        estate = Estate([Service("db")])
        async with System(config, estate, MemoryJournal()) as system, Steward(system):
            seen = Watcher(system)
            await until(
                lambda: {x.name for x in seen.of(AllowanceExceeded) if x.step == AGENT_STEPS}
            )
            estate["db"].crash()
            await until(lambda: seen.of(IncidentClosed), within_s=30.0)

        assert {each.name for each in seen.of(AllowanceExceeded)} <= HEALING
        assert seen.of(AgentCrashed) == []
        assert {each.done for each in seen.of(AllowanceExceeded)} == {
            "uses too much, and is not held back: it heals"
        }


class TestLimitsOfOneComponent:
    async def test_who_takes_too_much_is_looked_at_less_and_then_on_a_lower_level(self) -> None:
        defaults = DefaultsConfig(level="full")
        config = structs.replace(tight(component=Allowance(memory_bytes=1)), defaults=defaults)
        estate = Estate([Service("db")])
        async with (
            System(config, estate, MemoryJournal(), meters=Meters()) as system,
            Steward(system) as steward,
        ):
            seen = Watcher(system)
            await until(lambda: system.parts.casebook.levels == {"db": "basic"})
            stretch = system.parts.charts["db"].stretch
            usage = steward.view().components[0]
            free = ResourcesConfig(every_s=0.02, calm_s=0.05, lag_s=None, mailbox_age_s=None)
            await system.reconfigure(Config(defaults=defaults, resources=free))
            await until(lambda: system.parts.casebook.levels == {"db": "full"})
            await until(lambda: system.parts.charts["db"].stretch == 1.0)

        lowered = [each.reason for each in seen.of(LevelsChanged)]
        assert "db: memory_bytes is " in lowered[0]
        assert lowered[-1] == "there is enough to work with again"
        assert (stretch, usage.step, usage.excesses >= 5) == (8.0, 5, True)
        assert 1_000 < usage.memory_bytes < 100_000
        assert usage.cpu_s > 0.0
        assert [each.step for each in seen.of(AllowanceExceeded)][:5] == [1, 2, 3, 4, 5]
        assert "on no level above basic" in seen.of(AllowanceExceeded)[4].done
        assert system.relief.step == 0


def test_weight_is_of_what_is_not_somebody_elses() -> None:
    shared = [bytes(100_000)]

    assert 10_000 < weigh([bytes(10_000), shared], [shared]) < 11_000
    assert weigh([shared]) > 100_000
    assert weigh([[each] for each in range(100_000)]) < 2_000_000
