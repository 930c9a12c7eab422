"""Another configuration while everything runs: what changes at once, and what is not lost."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar

import pytest
from estates import Estate, HeartbeatProbe, Service, Watcher, a_row
from mendel.agents.agent import Agent, AgentConfig, on
from mendel.agents.journal import MemoryJournal
from mendel.agents.registry import LoadedAgent
from mendel.bus.messages import (
    AnomalyCleared,
    AnomalyDetected,
    ConfigChanged,
    Heartbeat,
    IncidentClosed,
    IncidentOpened,
    Reading,
    Status,
)
from mendel.core.detection.detect import Threshold
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import PolicyConfig
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.runtime.config import Config, DefaultsConfig, RuntimeConfig
from mendel.runtime.specs import ComponentSpec
from mendel.runtime.store.config import StoreConfig
from mendel.runtime.system import System
from msgspec import Meta, structs

pytestmark = pytest.mark.virtual_time


def a_system(estate: Estate, config: Config | None = None) -> System:
    return System(config or Config(), estate, MemoryJournal())


def watching(**thresholds: Threshold) -> Config:
    return Config(defaults=DefaultsConfig(watch=WatchConfig(thresholds=thresholds)))


class Picky(Agent[Any]):
    """Takes up to three tries and no more."""

    class Config(AgentConfig, frozen=True, kw_only=True):
        tries: Annotated[int, Meta(ge=1)] = 1

    name = "picky"

    def on_reconfigured(self, old: Config) -> None:
        if self.config.tries > 3:
            raise ConfigError("three tries are enough")


class Witness(Agent[Any]):
    """Counts the heartbeats that reach it."""

    name = "witness"
    numbers: ClassVar[list[float]] = []

    @on(Heartbeat)
    def count(self, message: Heartbeat) -> None:
        self.numbers.append(message.metrics["number"])


def loaded(kind: type[Agent[Any]], **settings: Any) -> LoadedAgent:
    return LoadedAgent(kind.name, "here", kind, kind.Config(**settings))


class TestWhatChanges:
    async def test_mode_and_limits_hold_from_the_next_decision_on(self, shop: Estate) -> None:
        async with a_system(shop) as system:
            await asyncio.sleep(10)
            changed = await system.reconfigure(
                Config(policy=PolicyConfig(mode="observe")), who="ada", reason="upgrade"
            )
            shop["db"].crash()
            await asyncio.sleep(60)

            assert shop.ran == {}
            assert changed.changes == ('policy.mode: "act" -> "observe"',)
            assert (changed.who, changed.reason) == ("ada", "upgrade")
            assert system.statuses()["db"] is Status.SICK

    async def test_an_open_incident_goes_on_by_the_new_plan(self) -> None:
        estate = Estate([Service("db")])
        estate["db"].cure = "replace"
        stubborn = PlaybookConfig(plan=("restart",), attempts=50, backoff_s=5.0)
        async with a_system(estate, Config(defaults=DefaultsConfig(playbook=stubborn))) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            estate["db"].fault = "bad"
            await asyncio.sleep(30)
            assert "restart" in estate["db"].ran
            opened = seen.of(IncidentOpened)

            better = PlaybookConfig(plan=("replace",))
            await system.reconfigure(Config(defaults=DefaultsConfig(playbook=better)))
            await asyncio.sleep(60)

            assert [each.outcome for each in seen.of(IncidentClosed)] == ["healed"]
            assert seen.of(IncidentOpened) == opened

    async def test_a_new_line_is_watched_at_once_and_a_known_one_keeps_its_count(self) -> None:
        estate = Estate([Service("db")])
        probe = HeartbeatProbe("db")
        estate.probes.append(probe)
        line = Threshold(above=10.0, samples=3, of=3)
        async with a_system(estate, watching(queue=line)) as system:
            seen = Watcher(system)
            await asyncio.sleep(5)
            for _ in range(2):  # Two of the three that it takes.
                probe.said = {"queue": 11.0, "age": 2.0}
                await asyncio.sleep(1)
            await system.reconfigure(watching(queue=line, age=Threshold(above=1, samples=1, of=1)))
            probe.said = {"queue": 11.0, "age": 2.0}
            await seen.until(lambda: seen.of(IncidentOpened), within_s=2)

            reasons = {each.metric for each in seen.of(AnomalyDetected)}
            assert reasons == {"queue", "age"}

    async def test_an_agent_gets_its_settings_and_a_plugin_comes_and_goes(
        self, shop: Estate
    ) -> None:
        async with a_system(shop) as system:
            await system.reconfigure(
                Config(agent={"picky": {"tries": 2}, "monitor": {"sweep": "5s"}}),
                plugins=[loaded(Picky, tries=2)],
            )
            await asyncio.sleep(1)
            assert system.agents()["picky"].state == "running"

            await system.reconfigure(
                Config(agent={"picky": {"tries": 3}}), plugins=[loaded(Picky, tries=3)]
            )
            assert system.agents()["picky"].restarts == 0

            await system.reconfigure(Config(), plugins=[])
            assert "picky" not in system.agents()

    async def test_an_alarm_by_a_line_that_was_lifted_is_over_with_the_next_sample(self) -> None:
        estate = Estate([Service("db")])
        probe = HeartbeatProbe("db")
        estate.probes.append(probe)
        async with a_system(estate, watching(queue=Threshold(above=10, samples=1, of=1))) as system:
            seen = Watcher(system)
            await asyncio.sleep(5)
            for _ in range(2):
                probe.said = {"queue": 11.0}
                await asyncio.sleep(1)
            await system.reconfigure(watching(queue=Threshold(above=20, samples=1, of=1)))
            for _ in range(5):
                probe.said = {"queue": 11.0}
                await asyncio.sleep(1)

            assert [each.metric for each in seen.of(AnomalyCleared)] == ["queue"]
            assert system.statuses()["db"] is Status.HEALTHY


class TestWhatIsRefused:
    async def test_when_one_agent_says_no_nothing_changes(self, shop: Estate) -> None:
        before = Config(agent={"picky": {"tries": 2}})
        async with System(
            before, shop, MemoryJournal(), plugins=[loaded(Picky, tries=2)]
        ) as system:
            seen = Watcher(system)
            await asyncio.sleep(1)

            with pytest.raises(ConfigError, match=r"picky does not take .* three tries are enough"):
                await system.reconfigure(
                    Config(
                        policy=PolicyConfig(mode="observe"),
                        agent={"monitor": {"concurrent_looks": 1}, "picky": {"tries": 4}},
                    ),
                    plugins=[loaded(Picky, tries=4)],
                )

            assert system.config is before
            assert system.parts.policy.config.mode == "act"
            assert seen.of(ConfigChanged) == []
            shop["db"].crash()
            await asyncio.sleep(30)
            assert shop.ran["db"] == ["isolate", "restart", "release"]

    @pytest.mark.parametrize(
        ("config", "place"),
        [
            (Config(runtime=RuntimeConfig(state="elsewhere")), "runtime.state"),
            (Config(runtime=RuntimeConfig(seed=7)), "runtime.seed"),
            (Config(store=StoreConfig(busy_s=9.0)), "store"),
        ],
    )
    async def test_what_outlives_a_configuration_cannot_change(
        self, shop: Estate, config: Config, place: str
    ) -> None:
        async with a_system(shop) as system:
            with pytest.raises(ConfigError, match="cannot change while mendel runs") as caught:
                await system.reconfigure(config)

        assert [each.place for each in caught.value.problems] == [place]


class TestNothingIsLost:
    async def test_a_thousand_reloads_under_load_lose_no_message_and_no_incident(self) -> None:
        Witness.numbers = []
        estate = a_row(20)
        specs = tuple(ComponentSpec(name=name) for name in estate.services)
        lax = Config(components=specs)
        strict = structs.replace(
            lax,
            policy=PolicyConfig(concurrent_actions=50),
            components=tuple(structs.replace(each, watch={"confirm_s": 0.1}) for each in specs),
            agent={"monitor": {"concurrent_looks": 10}},
        )
        sent = 0
        async with System(lax, estate, MemoryJournal(), plugins=[loaded(Witness)]) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            for number in range(1000):
                for name in ("s1", "s2", "s3"):
                    system.bus.publish(Heartbeat(target=name, metrics={"number": float(sent)}))
                    sent += 1
                if number % 50 == 0:
                    estate[f"s{number // 50}"].crash()
                await system.reconfigure((strict, lax)[number % 2], plugins=[loaded(Witness)])
                await asyncio.sleep(0.1)
            await asyncio.sleep(60)

            assert Witness.numbers == [float(number) for number in range(sent)]
            assert len(seen.of(ConfigChanged)) == 1000
            assert system.bus.stats().dead == {}
            assert [each.outcome for each in seen.of(IncidentClosed)] == ["healed"] * 20
            once = ["isolate", "restart", "release"]
            assert [each.ran for each in estate.services.values()] == [once] * 20
            looks = len(seen.of(Reading, "s0"))
            assert looks >= 150  # Once a second, and nobody's turn was lost.
