"""mendel itself ends in the middle of its work and begins anew, with the memory that it has.

What a power cut does to real processes and a real store is played in `tests/end_to_end`; here it is
played hundreds of times, with every moment as likely as any other.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from estates import Estate, Service, SlowJournal, Watcher, a_shop
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import IncidentClosed, IncidentEscalated
from mendel.core.health import Overall
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import PolicyConfig
from mendel.core.records import IntentRecord, OutcomeRecord
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.system import System
from mendel.scenarios.virtual_time import run

STUBBORN = Config(
    policy=PolicyConfig(component_actions=1000, estate_actions=1000),
    defaults=DefaultsConfig(playbook=PlaybookConfig(attempts=50, backoff_s_max=2.0)),
)
STORIES = 60
CHUNK = 20


async def a_story(seed: int) -> None:
    rng = random.Random(seed)
    shop, journal = a_shop(), SlowJournal(rng.choice((0.0, 0.02, 0.2)))
    for life in range(1, 7):
        async with System(STUBBORN, shop, journal, run=life):
            await asyncio.sleep(rng.uniform(0.0, 8.0))
            shop[rng.choice(sorted(shop.services))].crash()
            await asyncio.sleep(rng.uniform(0.0, 8.0))
    async with System(STUBBORN, shop, journal, run=7) as system:
        await asyncio.sleep(120)
        assert system.health() is Overall.HEALTHY, system.statuses()

    assert not any(each.is_isolated for each in shop.services.values()), shop.ran
    assert [intent for intent, times in Counter(shop.intents).items() if times > 1] == []
    assert journal.open_incidents() == ()
    assert journal.unfinished_intents() == ()
    intents = [each.intent for each in journal.records if isinstance(each, IntentRecord)]
    outcomes = {each.intent for each in journal.records if isinstance(each, OutcomeRecord)}
    assert outcomes == set(intents)


@pytest.mark.parametrize("first", range(0, STORIES, CHUNK))
def test_whenever_mendel_ends_its_next_run_carries_on(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            run(a_story(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.virtual_time
class TestOneRestart:
    async def test_an_action_that_took_place_is_not_repeated(self) -> None:
        estate, journal = Estate([Service("cart")]), MemoryJournal()
        estate.actions("cart")["restart"].takes_s = 4.0
        estate["cart"].boot_s = 0.0
        async with System(Config(), estate, journal) as system:
            await asyncio.sleep(10)
            estate["cart"].crash()
            await asyncio.sleep(3.5)
            assert estate["cart"].ran == ["isolate", "restart"]
            assert len(journal.unfinished_intents()) == 1
        async with System(Config(), estate, journal, run=2) as system:
            seen = Watcher(system)
            await asyncio.sleep(30)

            # Guards forget what is isolated; their world is told again, under a new name.
            assert estate["cart"].ran == ["isolate", "restart", "isolate", "release"]
            assert [each.incident for each in seen.of(IncidentClosed)] == ["1-1"]

    async def test_an_action_that_did_not_take_place_is_run_under_a_new_name(self) -> None:
        estate, journal = Estate([Service("cart")]), MemoryJournal()
        estate.actions("cart")["restart"].takes_s = 8.0
        async with System(Config(), estate, journal):
            await asyncio.sleep(10)
            estate["cart"].crash()
            await asyncio.sleep(2)
            assert estate["cart"].ran == ["isolate"]
        async with System(Config(), estate, journal, run=2):
            await asyncio.sleep(60)

        assert [each for each in estate.intents if "isolate" not in each] == [
            "1-1.2",
            "1-1.release.2.2",
        ]

    async def test_what_nobody_can_tell_goes_to_a_person(self) -> None:
        estate, journal = Estate([Service("cart")]), MemoryJournal()
        estate.actions("cart")["restart"].takes_s = 8.0
        async with System(Config(), estate, journal):
            await asyncio.sleep(10)
            estate["cart"].crash()
            await asyncio.sleep(2)
        estate.actions("cart")["restart"].is_known = False
        async with System(Config(), estate, journal, run=2) as system:
            seen = Watcher(system)
            await asyncio.sleep(60)

            assert [each.reason for each in seen.of(IncidentEscalated)] == [
                "cannot tell whether restart ran"
            ]
            assert estate["cart"].ran == ["isolate", "isolate", "notify"]

    async def test_an_action_that_left_the_configuration_goes_to_a_person(self) -> None:
        estate, journal = Estate([Service("cart")]), MemoryJournal()
        estate.actions("cart")["restart"].takes_s = 8.0
        async with System(Config(), estate, journal):
            await asyncio.sleep(10)
            estate["cart"].crash()
            await asyncio.sleep(2)
        del estate.actions("cart")["restart"]
        async with System(Config(), estate, journal, run=2):
            await asyncio.sleep(60)

        assert estate["cart"].ran == ["isolate", "isolate", "notify"]
        assert journal.unfinished_intents() == ()


@pytest.mark.virtual_time
class TestRelease:
    async def test_a_release_that_mendel_did_not_live_to_finish_is_made_up_for(
        self, shop: Estate
    ) -> None:
        shop.actions("db")["release"].takes_s = 8.0
        journal = MemoryJournal()
        async with System(Config(), shop, journal) as system:
            seen = Watcher(system)
            await asyncio.sleep(10)
            shop["db"].crash()
            await seen.until(lambda: seen.of(IncidentClosed, "db"), within_s=20)
            assert shop["db"].is_isolated
        async with System(Config(), shop, journal, run=2):
            await asyncio.sleep(20)

        assert shop["db"].ran == ["isolate", "restart", "release"]
        assert journal.isolations() == journal.unfinished_intents() == ()

    async def test_a_release_that_fails_is_tried_again(self, shop: Estate) -> None:
        shop.actions("db")["release"].problem = "the balancer does not answer"
        async with System(Config(), shop, MemoryJournal()):
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(20)
            assert shop["db"].is_isolated

            shop.actions("db")["release"].problem = ""
            await asyncio.sleep(20)

            assert not shop["db"].is_isolated

    async def test_it_is_not_tried_forever(
        self, shop: Estate, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop.actions("db")["release"].problem = "the balancer does not answer"
        journal = MemoryJournal()
        config = Config(agent={"breaker": {"release_tries": 3}})
        async with System(config, shop, journal):
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(600)

        records = [each for each in journal.records if isinstance(each, IntentRecord)]
        assert [each.action for each in records].count("release") == 3
        assert "db stays isolated: release the balancer does not answer" in caplog.text

    async def test_a_target_that_falls_ill_again_before_its_release_is_not_released_meanwhile(
        self, shop: Estate
    ) -> None:
        shop.actions("db")["release"].problem = "the balancer does not answer"
        async with System(Config(), shop, MemoryJournal()):
            await asyncio.sleep(10)
            shop["db"].crash()
            await asyncio.sleep(18)
            shop.actions("db")["release"].problem = ""
            shop["db"].boot_s = 20.0
            shop.actions("db")["restart"].settle_s = 30.0
            shop["db"].crash()
            await asyncio.sleep(10)
            assert shop["db"].is_isolated

            await asyncio.sleep(60)

            assert not shop["db"].is_isolated

    async def test_a_world_without_isolation_is_healed_all_the_same(self) -> None:
        estate = Estate([Service("cart")], actions=["restart"])
        async with System(Config(), estate, MemoryJournal()) as system:
            await asyncio.sleep(10)
            estate["cart"].crash()
            await asyncio.sleep(30)

            assert estate.ran == {"cart": ["restart"]}
            assert system.parts.board.state_of("cart") != "forced_open"
