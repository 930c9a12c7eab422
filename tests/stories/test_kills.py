"""Any agent may be killed at any moment: healing goes on, nothing is lost, nothing runs twice.

Each seed is one story: faults in a shop, and agents that are killed at random moments while those
are healed. Commits take time and actions have their effect in the middle, so that kills hit every
place in which an agent can wait.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import pytest
from estates import Estate, SlowJournal, Watcher, a_shop
from mendel.bus.messages import AgentCrashed, IncidentClosed, IncidentOpened
from mendel.core.health import Overall
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import PolicyConfig
from mendel.core.records import IntentRecord, OutcomeRecord
from mendel.core.restarts import SupervisorSpec
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.system import System
from mendel.scenarios.virtual_time import run

AGENTS = ("coordinator", "recovery", "breaker", "monitor")
# Tried for as long as it takes, and soon: an action that was interrupted counts as one that failed,
# and here it is the healing that is tested, not the patience.
CONFIG = Config(
    supervisor=SupervisorSpec(
        max_restarts=10_000, first_delay_s=0.05, max_delay_s=0.2, stable_s=0.5
    ),
    policy=PolicyConfig(component_actions=100, estate_actions=1000),
    defaults=DefaultsConfig(playbook=PlaybookConfig(attempts=50, backoff_s_max=2.0)),
)
# More of them: MENDEL_STORIES=1000 pytest tests/stories/test_kills.py
STORIES = int(os.environ.get("MENDEL_STORIES", "120"))
CHUNK = 20


def kill(agent: str) -> bool:
    """Cancel the task in which an agent lives; False when it waits for its restart."""
    for task in asyncio.all_tasks():
        if task.get_name() == f"mendel/{agent}":
            return task.cancel()
    return False


async def kill_at_random(rng: random.Random, every_s: float, for_s: float) -> int:
    """Kill agents for a while; returns how often that hit a living one."""
    kills = 0
    end_s = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < end_s:
        await asyncio.sleep(rng.expovariate(1 / every_s))
        for agent in rng.sample(AGENTS, rng.choice((1, 1, 1, 2, 4))):
            kills += kill(agent)
    return kills


def break_something(shop: Estate, rng: random.Random) -> set[str]:
    """One to three faults; returns the names of the components that are broken by themselves."""
    broken = set(rng.sample(sorted(shop.services), rng.choice((1, 1, 2, 3))))
    for name in sorted(broken):
        fault = rng.choice(("crash", "hang", "bad"))
        if fault == "crash":
            shop[name].crash()
        else:
            shop[name].fault = fault
    return broken


async def a_story(seed: int) -> int:
    """Play one story and check what must hold at its end; returns the number of kills."""
    rng = random.Random(seed)
    shop, journal = a_shop(), SlowJournal(rng.choice((0.0, 0.001, 0.02, 0.2)))
    for name in shop.services:
        for action in shop.actions(name).values():
            action.takes_s = rng.choice((0.01, 0.2, 1.0))
    async with System(CONFIG, shop, journal) as system:
        seen = Watcher(system)
        await asyncio.sleep(5 + rng.random())
        broken = break_something(shop, rng)
        kills = await kill_at_random(rng, rng.choice((0.1, 0.5, 2.0)), for_s=20)
        await asyncio.sleep(120)

        assert system.health() is Overall.HEALTHY, system.statuses()
        touched = {
            event.target
            for each in shop.services.values()
            for event in each.happened
            if event.action in ("restart", "replace")
        }
        assert broken <= touched, "healed by itself?"
        assert not any(each.is_isolated for each in shop.services.values()), shop.ran
        assert [intent for intent, times in Counter(shop.intents).items() if times > 1] == []
        check_memory(journal, seen)
        assert len(seen.of(AgentCrashed)) == kills
        assert system.bus.stats().dead == {}
        return kills


def check_memory(journal: SlowJournal, seen: Watcher) -> None:
    """Every incident was opened once and closed once, every intent has one outcome."""
    opened = [each.incident for each in seen.of(IncidentOpened)]
    assert len(set(opened)) == len(opened) > 0
    assert sorted(each.incident for each in seen.of(IncidentClosed)) == sorted(opened)
    assert journal.open_incidents() == ()
    assert journal.unfinished_intents() == ()
    intents = {each.intent for each in journal.records if isinstance(each, IntentRecord)}
    outcomes = {each.intent for each in journal.records if isinstance(each, OutcomeRecord)}
    assert outcomes == intents


@pytest.mark.parametrize("first", range(0, STORIES, CHUNK))
def test_whoever_is_killed_whenever_everything_is_healed_once(first: int) -> None:
    kills = 0
    for seed in range(first, first + CHUNK):
        try:
            kills += run(a_story(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise

    assert kills > 10 * CHUNK
