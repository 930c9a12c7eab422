"""A whole system heals a simulated estate, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import IncidentClosed, Message
from mendel.runtime.config import Config
from mendel.runtime.system import System
from mendel.scenarios import faults
from mendel.scenarios.simulator import SimulatedWorld, nobody, oracle
from mendel.scenarios.virtual_time import run
from shops import a_shop

CRASH = a_shop(faults.crash("cart", 60.0))


async def heal(seconds: float) -> tuple[SimulatedWorld, list[Message]]:
    world = SimulatedWorld(CRASH)
    heard: list[Message] = []
    async with System(Config(), world, MemoryJournal()) as system:
        system.bus.tap(lambda batch: heard.extend(each.message for each in batch))
        await asyncio.sleep(seconds)
        assert system.health() == "healthy"
    return world, heard


@pytest.mark.virtual_time
async def test_a_crash_is_healed_and_most_of_its_harm_avoided() -> None:
    world, heard = await heal(300.0)

    ran = [(name, target) for _, name, target in world.simulation.ran]
    closed = [each for each in heard if isinstance(each, IncidentClosed) and each.target == "cart"]
    assert ("rolling_restart", "cart") in ran
    assert not any(target != "cart" for _, target in ran)
    assert [each.outcome for each in closed] == ["healed"]
    alone = nobody(CRASH).harm
    assert alone > 10.0
    assert oracle(CRASH).harm < world.harm() < 0.1 * alone


def test_the_same_seed_gives_the_same_day_to_the_last_byte() -> None:
    async def once() -> tuple[float, list[tuple[float, str, str]], str]:
        world, heard = await heal(150.0)
        return world.harm(), world.simulation.ran, repr(heard)

    assert run(once()) == run(once())
