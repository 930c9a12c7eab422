"""What mendel sees, and what it does when it sees nothing: no data is neither up nor down."""

from __future__ import annotations

import asyncio

import pytest
from estates import Estate, HeartbeatProbe, Service, ServiceProbe, Watcher
from mendel.agents.journal import MemoryJournal
from mendel.bus.envelope import Envelope
from mendel.bus.messages import (
    READINGS,
    AnomalyDetected,
    HealthChanged,
    Heartbeat,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    Reading,
)
from mendel.core.detection.detect import Threshold
from mendel.core.health import Overall
from mendel.core.watching.watch import WatchConfig
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.specs import ComponentSpec, ProcessSpec
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


class TestSilence:
    async def test_what_cannot_be_seen_is_unknown_and_never_treated(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal()) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            for each in shop.services.values():
                each.is_seen = False
            await asyncio.sleep(600)
            assert set(system.statuses().values()) == {"unknown"}
            assert system.health() is Overall.UNKNOWN

            for each in shop.services.values():
                each.is_seen = True
            await asyncio.sleep(10)

            assert system.health() is Overall.HEALTHY
            assert seen.of(IncidentOpened) == []
            assert shop.ran == {}

    async def test_one_that_is_lost_from_sight_in_the_middle_of_its_treatment_is_not_called_cured(
        self, shop: Estate
    ) -> None:
        async with System(Config(), shop, MemoryJournal()) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].crash()
            await seen.until(lambda: "restart" in shop["payment"].ran, within_s=5)
            shop["payment"].is_seen = False
            await asyncio.sleep(100)
            assert seen.of(IncidentClosed, "payment") == []
            assert shop["payment"].ran == ["isolate", "restart"]

            shop["payment"].is_seen = True
            await asyncio.sleep(10)

            assert [each.outcome for each in seen.of(IncidentClosed, "payment")] == ["healed"]
            assert shop["payment"].ran == ["isolate", "restart", "release"]

    async def test_a_caller_of_one_that_cannot_be_seen_is_treated_after_a_while(
        self, shop: Estate
    ) -> None:
        async with System(Config(), shop, MemoryJournal()):
            await asyncio.sleep(10)
            shop["db"].is_seen = False
            await asyncio.sleep(30)
            shop["cart"].fault = "hang"
            await asyncio.sleep(60)

            assert shop.ran == {"cart": ["isolate", "restart", "release"]}


class TestStart:
    async def test_what_mendel_has_just_started_may_boot(self, shop: Estate) -> None:
        spec = ComponentSpec(name="db", process=ProcessSpec(exec=("postgres",)))
        shop.actions("db")["restart"].settle_s = 30.0
        shop["db"].up_from_s = 25.0
        async with System(Config(components=(spec,)), shop, MemoryJournal()) as system:
            seen = Watcher(system)
            await asyncio.sleep(60)

            assert "db" not in shop.ran
            assert seen.of(IncidentOpened, "db") == []
            assert system.statuses()["db"] == "healthy"

    async def test_what_never_comes_up_is_treated_once_its_time_is_over(self, shop: Estate) -> None:
        spec = ComponentSpec(name="db", process=ProcessSpec(exec=("postgres",)))
        shop.actions("db")["restart"].settle_s = 30.0
        shop["db"].up_from_s = 1e9
        async with System(Config(components=(spec,)), shop, MemoryJournal()):
            await asyncio.sleep(29)
            assert "db" not in shop.ran

            await asyncio.sleep(60)

            assert shop["db"].ran == ["isolate", "restart", "release"]

    async def test_what_dies_while_it_boots_is_restarted_at_once(self, shop: Estate) -> None:
        spec = ComponentSpec(name="db", process=ProcessSpec(exec=("postgres",)))
        shop.actions("db")["restart"].settle_s = 30.0
        shop["db"].up_from_s = 25.0
        async with System(Config(components=(spec,)), shop, MemoryJournal()):
            await asyncio.sleep(5)
            shop["db"].crash()
            await asyncio.sleep(5)

            assert shop["db"].ran == ["isolate", "restart", "release"]


class TestHeartbeats:
    async def test_what_a_component_says_of_itself_is_judged(self) -> None:
        estate = Estate([Service("batch")])
        estate.probes = [HeartbeatProbe("batch")]
        watch = WatchConfig(thresholds={"lag_s": Threshold(above=60, samples=2, of=3)})
        config = Config(defaults=DefaultsConfig(watch=watch))
        async with System(config, estate, MemoryJournal()) as system:
            seen = Watcher(system)
            for lag_s in (1.0, 2.0, 1.0, 90.0, 95.0, 99.0):
                system.bus.publish(Heartbeat(target="batch", metrics={"lag_s": lag_s}))
                await asyncio.sleep(1)

            assert [each.metric for each in seen.of(AnomalyDetected)] == ["lag_s"]
            assert estate["batch"].ran[:2] == ["isolate", "restart"]

    async def test_one_that_falls_silent_is_unknown(self) -> None:
        estate = Estate([Service("batch")])
        estate.probes = [HeartbeatProbe("batch")]
        async with System(Config(), estate, MemoryJournal()) as system:
            seen = Watcher(system)
            for _ in range(5):
                system.bus.publish(Heartbeat(target="batch", metrics={"ok": 1.0}))
                await asyncio.sleep(1)
            assert system.statuses() == {"batch": "healthy"}
            await asyncio.sleep(30)

            assert system.statuses() == {"batch": "unknown"}
            assert [each.status for each in seen.of(HealthChanged)] == ["healthy", "unknown"]
            assert estate.ran == {}

    async def test_a_stray_heartbeat_disturbs_nobody(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal()) as system:
            system.bus.publish(Heartbeat(target="nobody", metrics={"ok": 0.0}))
            await asyncio.sleep(10)

            assert system.health() is Overall.HEALTHY
            assert system.agents()["monitor"].restarts == 0


class TestManyProbes:
    async def test_more_probes_than_may_look_at_once_all_get_their_turn(self) -> None:
        estate = Estate([Service(f"s{number}") for number in range(6)], probe_takes_s=0.3)
        quick = ServiceProbe(estate["s0"])
        quick.name = "quick"
        estate.probes.append(quick)
        config = Config(agent={"monitor": {"concurrent_looks": 1}})
        async with System(config, estate, MemoryJournal()) as system:
            await asyncio.sleep(20)
            assert system.health() is Overall.HEALTHY

            estate["s4"].crash()
            await asyncio.sleep(30)

            assert estate.ran == {"s4": ["isolate", "restart", "release"]}
            assert system.health() is Overall.HEALTHY

    async def test_a_probe_that_never_ends_is_no_data_and_blocks_nobody(self, shop: Estate) -> None:
        stuck = ServiceProbe(shop["web"], takes_s=1e9)
        stuck.name = "stuck"
        shop.probes.append(stuck)
        async with System(Config(), shop, MemoryJournal()) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(60)

            assert shop.ran == {"db": ["isolate", "restart", "release"]}
            assert system.statuses()["web"] == "unknown"
            assert seen.of(IncidentChanged, "web")[0].stage == "attributed"


class TestReadings:
    async def test_no_message_is_sent_for_what_a_healthy_component_shows(
        self, shop: Estate
    ) -> None:
        async with System(Config(), shop, MemoryJournal()) as system:
            system.bus.tap(lambda _: None, without=READINGS)
            await asyncio.sleep(10)
            before, seen = system.bus.stats().published, _readings(system)
            await asyncio.sleep(100)

            assert _readings(system) - seen == 100 * len(shop.services)
            # What is left is the timer by which the Monitor looks for silence, once a second.
            assert system.bus.stats().published - before <= 101

    async def test_they_are_sent_as_long_as_somebody_listens(self, shop: Estate) -> None:
        async with System(Config(), shop, MemoryJournal()) as system:
            await asyncio.sleep(10)
            heard: list[Envelope] = []
            tap = system.bus.tap(heard.extend, f"{Reading.topic}.cart")
            await asyncio.sleep(10)
            tap.close()
            await asyncio.sleep(10)

            assert len(heard) == 10
            assert {type(each.message) for each in heard} == {Reading}


def _readings(system: System) -> int:
    return sum(chart.rows.count for chart in system.parts.charts.values())
