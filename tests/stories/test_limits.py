"""What keeps mendel from acting: modes, approvals, pauses, limits, and too much at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from estates import Estate, Service, Watcher, a_row
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import (
    ApprovalGiven,
    ApprovalRequested,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    PauseTarget,
    ResumeTarget,
)
from mendel.core.incidents.treatment import IncidentConfig
from mendel.core.policy import PolicyConfig
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.pauses import MaintenanceSpec, announced
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


def a_system(estate: Estate, **policy: Any) -> System:
    return System(Config(policy=PolicyConfig(**policy)), estate, MemoryJournal())


class TestModes:
    async def test_observing_touches_nothing_but_says_what_it_would(self, shop: Estate) -> None:
        async with a_system(shop, mode="observe") as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(60)

            assert shop.ran == {}
            told = [(each.stage, each.reason) for each in seen.of(IncidentChanged, "db")]
            assert told == [("observed", "the evidence speaks of it alone; would run restart")]
            assert system.parts.board.state_of("db") in ("", "closed")

            shop["db"].is_running = True
            await asyncio.sleep(30)

            assert [each.outcome for each in seen.of(IncidentClosed, "db")] == ["cleared"]

    async def test_recommending_waits_for_a_person(self, shop: Estate) -> None:
        async with a_system(shop, mode="recommend") as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(1000)
            assert shop.ran == {}

            asked = seen.of(ApprovalRequested)
            assert [(each.target, each.action) for each in asked] == [("db", "restart")]
            system.bus.publish(ApprovalGiven(approval=asked[0].approval, who="ann"))
            await asyncio.sleep(30)

            assert shop.ran == {"db": ["restart"]}
            assert [each.outcome for each in seen.of(IncidentClosed, "db")] == ["healed"]

    async def test_only_the_named_actions_need_approval(self, shop: Estate) -> None:
        shop["db"].cure = "replace"
        async with a_system(shop, approve=("replace",)) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["payment"].fault, shop["payment"].cure = "hang", "replace"
            await asyncio.sleep(100)
            assert shop["payment"].ran == ["isolate", "restart", "restart"]

            system.bus.publish(
                ApprovalGiven(approval=seen.of(ApprovalRequested)[0].approval, who="ann")
            )
            await asyncio.sleep(30)

            assert shop["payment"].ran[3:] == ["replace", "release"]

    async def test_what_is_not_allowed_is_left_out(self, shop: Estate) -> None:
        async with a_system(shop, allow=("replace", "notify")) as system:
            await asyncio.sleep(10)
            shop["payment"].crash()
            await asyncio.sleep(60)

            assert shop.ran == {"payment": ["replace"]}
            assert system.statuses()["payment"] == "healthy"


class TestPauses:
    async def test_a_paused_component_is_left_alone_until_a_person_resumes(
        self, shop: Estate
    ) -> None:
        async with a_system(shop) as system:
            system.bus.publish(PauseTarget(target="db", duration_s=3600, who="ann"))
            await asyncio.sleep(10)
            shop["db"].crash()
            shop["payment"].crash()
            await asyncio.sleep(60)
            assert shop.ran == {"payment": ["isolate", "restart", "release"]}

            system.bus.publish(ResumeTarget(target="db", who="ann"))
            await asyncio.sleep(30)

            assert shop.ran["db"] == ["isolate", "restart", "release"]

    async def test_what_fell_ill_during_a_long_maintenance_is_healed_at_its_end(
        self, shop: Estate
    ) -> None:
        async with a_system(shop) as system:
            seen = Watcher(system)
            system.bus.publish(PauseTarget(target="*", duration_s=3600, who="ann"))
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(3580)
            assert shop.ran == {}
            assert seen.of(IncidentEscalated) == []

            await asyncio.sleep(60)

            assert shop.ran == {"db": ["isolate", "restart", "release"]}

    async def test_an_announced_maintenance_begins_and_ends_by_itself(self, shop: Estate) -> None:
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        window = MaintenanceSpec(
            component="db", start_utc=noon, end_utc=noon + timedelta(minutes=10)
        )
        pauses = announced([window], now_s=0.0, now_utc=noon.timestamp() - 60)
        async with System(Config(), shop, MemoryJournal(), pauses=pauses):
            await asyncio.sleep(30)
            shop["db"].crash()
            await asyncio.sleep(25)
            assert shop.ran == {"db": ["isolate", "restart", "release"]}

            await asyncio.sleep(60)
            shop["db"].crash()
            await asyncio.sleep(500)
            assert len(shop["db"].ran) == 3

            await asyncio.sleep(75)
            assert shop["db"].ran[3:] == ["isolate", "restart", "release"]


class TestLimits:
    async def test_a_component_gets_so_many_actions_and_then_a_person(self) -> None:
        estate = Estate([Service("cart")])
        estate["cart"].cure = "a person"
        config = Config(
            policy=PolicyConfig(component_actions=3, component_period_s=3600),
            defaults=DefaultsConfig(incident=IncidentConfig(held_s=100)),
        )
        async with System(config, estate, MemoryJournal()) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            estate["cart"].fault = "hang"
            await asyncio.sleep(1000)

            assert estate["cart"].ran == ["isolate", "restart", "restart", "replace", "notify"]
            assert "cart had 3 actions in the last 3600 s" in seen.of(IncidentEscalated)[0].reason

    async def test_the_estate_gets_so_many_actions_and_the_rest_wait(self) -> None:
        estate = a_row(8)
        async with a_system(estate, estate_actions=2, estate_period_s=100, blast_share=1.0):
            await asyncio.sleep(10)
            for name in ("s1", "s3", "s5"):
                estate[name].crash()
            await asyncio.sleep(50)
            assert sum("restart" in each.ran for each in estate.services.values()) == 2

            await asyncio.sleep(100)
            assert sum("restart" in each.ran for each in estate.services.values()) == 3

    async def test_disruptive_actions_touch_few_at_once(self) -> None:
        estate = a_row(9)
        async with a_system(estate, blast_share=0.25):
            await asyncio.sleep(10)
            for name in ("s1", "s3", "s5", "s7"):
                estate.actions(name)["restart"].takes_s = 8.0
                estate[name].crash()
            await asyncio.sleep(60)

            begun = sorted(
                each.happened[-2].at_s - 4 for each in estate.services.values() if each.ran
            )
            assert len(begun) == 4
            assert begun[2] - begun[0] >= 8.0

    async def test_when_most_look_sick_at_once_nothing_is_done(self) -> None:
        estate = a_row(10)
        async with a_system(estate) as system:
            seen = Watcher(system)
            await asyncio.sleep(10.5)
            for each in estate.services.values():
                each.fault = "hang"  # As all look when the network of mendel itself is sick.
            await asyncio.sleep(60)
            restarted = [name for name, ran in estate.ran.items() if "restart" in ran]
            assert len(seen.of(IncidentOpened)) == 10
            assert len(restarted) <= 3

            for each in estate.services.values():
                each.fault = ""
            await asyncio.sleep(60)

            assert [name for name, ran in estate.ran.items() if "restart" in ran] == restarted
            assert not any(each.is_isolated for each in estate.services.values())
            assert system.health() == "healthy"
