"""When the first action is not the cure: the next of the plan, taking back, a person."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from estates import ACTIONS, Estate, Service, Watcher
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import (
    ActionFinished,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    ResumeTarget,
)
from mendel.core.playbook import PlaybookConfig
from mendel.core.records import IncidentRecord
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time

ONCE_EACH = Config(defaults=DefaultsConfig(playbook=PlaybookConfig(attempts=1)))


@pytest.fixture
def estate() -> Estate:
    return Estate([Service("cart")])


async def test_the_next_action_of_the_plan_follows_one_without_effect(estate: Estate) -> None:
    estate["cart"].cure = "replace"
    async with System(ONCE_EACH, estate, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        estate["cart"].fault = "hang"
        await asyncio.sleep(60)

        assert estate.ran == {"cart": ["isolate", "restart", "replace", "release"]}
        assert seen.of(IncidentClosed)[0].actions == ("restart", "replace")
        assert "restart did not help" in " ".join(each.reason for each in seen.of(IncidentChanged))


async def test_a_failed_action_is_tried_again_after_a_pause_that_grows(estate: Estate) -> None:
    estate.actions("cart")["restart"].problem = "permission denied"
    config = Config(defaults=DefaultsConfig(playbook=PlaybookConfig(attempts=3, backoff_s=4)))
    async with System(config, estate, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        estate["cart"].crash()
        await asyncio.sleep(60)

        tries = [each for each in seen.of(ActionFinished) if each.action == "restart"]
        assert [(each.outcome, each.detail) for each in tries] == [
            ("failed", "permission denied")
        ] * 3
        gaps_s = [b.finished_s - a.finished_s for a, b in pairwise(tries)]
        assert gaps_s == pytest.approx([4.25, 8.25])
        assert estate["cart"].ran == ["isolate", "replace", "release"]


async def test_when_nothing_is_left_a_person_is_told_and_nothing_more_is_done(
    estate: Estate,
) -> None:
    estate["cart"].cure = "a person"
    journal = MemoryJournal()
    async with System(ONCE_EACH, estate, journal) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        estate["cart"].fault = "hang"
        await asyncio.sleep(600)

        assert estate.ran == {"cart": ["isolate", "restart", "replace", "notify"]}
        assert [each.reason for each in seen.of(IncidentEscalated)] == [
            "the wait is over; nothing is left to try"
        ]
        assert journal.open_incidents()[0].stage == "escalated"

        estate["cart"].fault = ""
        await asyncio.sleep(10)

        assert estate["cart"].ran[-1] == "release"
        assert journal.open_incidents() == ()


async def test_a_person_can_have_it_tried_again(estate: Estate) -> None:
    estate["cart"].cure = "a person"
    async with System(ONCE_EACH, estate, MemoryJournal()) as system:
        await asyncio.sleep(10)
        estate["cart"].fault = "hang"
        await asyncio.sleep(100)
        estate["cart"].cure = "restart"
        system.bus.publish(ResumeTarget(target="cart", who="ann"))
        await asyncio.sleep(60)

        assert estate["cart"].ran == [
            *("isolate", "restart", "replace", "notify"),
            *("restart", "release"),
        ]


async def test_what_makes_it_worse_is_taken_back_and_the_line_stops() -> None:
    estate = Estate([Service("cart")], actions=[*ACTIONS, "undo"])
    estate.actions("cart")["restart"].undo = "undo"
    estate["cart"].cure = "a person"
    estate["cart"].breaks = {"restart": "crash"}  # It answered with errors; now it is gone.
    async with System(Config(), estate, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        estate["cart"].fault = "errors"
        await asyncio.sleep(300)

        assert estate.ran == {"cart": ["isolate", "restart", "undo", "notify"]}
        assert [each.reason for each in seen.of(IncidentEscalated)] == [
            "restart made it worse; undo succeeded: done"
        ]


async def test_what_makes_it_worse_and_cannot_be_taken_back_stops_the_line(estate: Estate) -> None:
    estate["cart"].cure = "a person"
    estate["cart"].breaks = {"restart": "crash"}
    async with System(Config(), estate, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        estate["cart"].fault = "errors"
        await asyncio.sleep(300)

        assert estate.ran == {"cart": ["isolate", "restart", "notify"]}
        assert [each.reason for each in seen.of(IncidentEscalated)] == [
            "restart made it worse and cannot be taken back"
        ]


async def test_an_action_that_does_not_end_is_stopped_and_counts_as_failed(estate: Estate) -> None:
    estate.actions("cart")["restart"].takes_s = 1000.0
    async with System(ONCE_EACH, estate, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        estate["cart"].crash()
        await asyncio.sleep(100)

        outcomes = {each.action: each.outcome for each in seen.of(ActionFinished)}
        assert outcomes == {
            "isolate": "succeeded",
            "restart": "timed_out",
            "replace": "succeeded",
            "release": "succeeded",
        }


async def test_what_belongs_to_others_is_reported_and_never_restarted() -> None:
    bank = Service("bank", kind="external")
    estate = Estate([bank, Service("checkout", [bank])])
    async with System(Config(), estate, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        bank.fault = "hang"
        await asyncio.sleep(100)

        assert estate.ran == {"bank": ["isolate", "notify"]}
        assert [each.target for each in seen.of(IncidentEscalated)] == ["bank"]


async def test_every_step_is_on_record_with_its_reason(estate: Estate) -> None:
    journal = MemoryJournal()
    async with System(Config(), estate, journal):
        await asyncio.sleep(10)
        estate["cart"].crash()
        await asyncio.sleep(30)

    story = [
        (each.stage, each.reason) for each in journal.records if isinstance(each, IncidentRecord)
    ]
    assert story == [
        ("triage", "alive is 0, should be at least 0.5 (exited)"),
        ("recovering", "the evidence speaks of it alone; runs restart"),
        ("verifying", "restart succeeded: done"),
        ("closed", "all metrics within bounds"),
    ]
