"""Over a campaign of incidents mendel gets better, and a restart does not make it forget."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from estates import Estate, Service, Watcher
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import IncidentClosed
from mendel.core.incidents.treatment import ASIDE
from mendel.core.levels import Level
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import PolicyConfig
from mendel.runtime.config import Config
from mendel.runtime.layers import DefaultsConfig
from mendel.runtime.system import System
from mendel.scenarios.virtual_time import run

INCIDENTS = 30


def a_config(level: Level) -> Config:
    return Config(
        policy=PolicyConfig(component_actions=1000, estate_actions=1000),
        defaults=DefaultsConfig(level=level, playbook=PlaybookConfig(relapse_s=0.0)),
    )


def an_estate() -> Estate:
    """One service that only a replacement heals, which its plan tries last."""
    service = Service("cart")
    service.cure = "replace"
    return Estate([service])


def has_ended(watcher: Watcher, incidents: int) -> bool:
    return len(watcher.of(IncidentClosed)) == incidents


async def a_campaign(
    estate: Estate, journal: MemoryJournal, level: Level, incidents: int, life: int = 1
) -> list[float]:
    """Seconds that each incident took, from its onset to its end."""
    async with System(a_config(level), estate, journal, run=life) as system:
        watcher = Watcher(system)
        for number in range(1, incidents + 1):
            await asyncio.sleep(60)
            estate["cart"].fault = "bad"
            await watcher.until(partial(has_ended, watcher, number), 300)
        return [each.closed_s - each.onset_s for each in watcher.of(IncidentClosed)]


def thirds(durations: list[float]) -> tuple[float, float]:
    """Means of the first and of the last third."""
    count = len(durations) // 3
    return sum(durations[:count]) / count, sum(durations[-count:]) / count


@pytest.mark.parametrize("level", ["advanced", "full"])
def test_the_last_third_of_a_campaign_is_healed_faster_than_the_first(level: Level) -> None:
    first, last = thirds(run(a_campaign(an_estate(), MemoryJournal(), level, INCIDENTS)))

    assert last < 0.8 * first


def test_a_level_that_does_not_rank_stays_as_it_is() -> None:
    first, last = thirds(run(a_campaign(an_estate(), MemoryJournal(), "basic", INCIDENTS)))

    assert last == pytest.approx(first, rel=0.05)


def test_what_was_learned_outlives_mendel() -> None:
    journal, estate = MemoryJournal(), an_estate()
    run(a_campaign(an_estate(), journal, "advanced", 4))

    run(a_campaign(estate, journal, "advanced", 1, life=2))

    assert [each for each in estate["cart"].ran if each not in ASIDE] == ["replace"]
