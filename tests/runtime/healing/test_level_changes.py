"""Levels change at any moment, and no incident is lost, handled twice or left half undone."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mendel.agents.journal import MemoryJournal
from mendel.bus.envelope import Envelope
from mendel.bus.messages import IncidentClosed, IncidentOpened
from mendel.core.levels import Level
from mendel.errors import ConfigError
from mendel.runtime.healing.direct import DirectSystem
from mendel.runtime.system import System
from mendel.scenarios.simulator import SimulatedWorld, draw_course
from mendel.scenarios.virtual_time import run
from mishaps import LEVELS, UNTIL_S, Day, MishapEstate, a_config, days

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "levels.py"

Change = tuple[float, int, Level]
CHANGES = st.lists(
    st.tuples(st.floats(0.0, UNTIL_S), st.integers(0, 4), st.sampled_from(LEVELS)), max_size=8
)


def note(names: list[str], batch: list[Envelope]) -> None:
    names.extend(str(getattr(each.message, "incident", "")) for each in batch)


async def healed(
    kind: type[System] | type[DirectSystem], day: Day, changes: Sequence[Change]
) -> tuple[list[str], list[str]]:
    """Names of all incidents that were opened, and of those that were closed or are open still."""
    world = MishapEstate(day)
    opened: list[str] = []
    closed: list[str] = []
    async with kind(a_config("basic"), world, MemoryJournal()) as system:
        system.bus.tap(partial(note, opened), f"{IncidentOpened.topic}.>")
        system.bus.tap(partial(note, closed), f"{IncidentClosed.topic}.>")
        for at_s, number, level in sorted(changes):
            await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))
            await system.change_level(f"s{number % len(day.needs)}", level)
        await asyncio.sleep(max(0.0, UNTIL_S - asyncio.get_running_loop().time()))
        still = [each.name for each in system.parts.casebook.incidents.values()]
    assert len(set(world.intents)) == len(world.intents), "an action was run twice"
    return opened, closed + still


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=days(), changes=CHANGES, kind=st.sampled_from((System, DirectSystem)))
def test_every_incident_that_was_opened_is_closed_once_or_open(
    day: Day, changes: list[Change], kind: type[System] | type[DirectSystem]
) -> None:
    opened, ended = run(healed(kind, day, changes))

    assert sorted(opened) == sorted(ended)


def test_load_that_is_held_back_is_let_in_again_on_a_level_that_controls_none() -> None:
    async def story() -> tuple[list[str], int]:
        world = SimulatedWorld(draw_course("shop", 3, kinds=("overload",), until_s=900.0))
        async with DirectSystem(a_config("advanced"), world, MemoryJournal()) as system:
            reliefs = system.parts.casebook.load.reliefs
            while not reliefs:
                await asyncio.sleep(1.0)
            (name,) = reliefs
            await system.change_level(name, "basic")
            await asyncio.sleep(850.0)
            ran = [action for _, action, target in world.simulation.ran if target == name]
            return ran, len(reliefs)

    ran, left = run(story())

    assert left == 0
    assert (ran.count("shed"), ran.count("unshed")) == (1, 1)
    assert ran.count("degrade") == ran.count("restore")


@pytest.mark.parametrize("kind", [System, DirectSystem])
def test_a_stranger_has_no_level(kind: type[System] | type[DirectSystem]) -> None:
    async def story() -> None:
        world = MishapEstate(Day(needs=((),), mishaps=()))
        async with kind(a_config(), world, MemoryJournal()) as system:
            await asyncio.sleep(1.0)
            with pytest.raises(ConfigError, match="there is no component 'cart'"):
                await system.change_level("cart", "full")

    run(story())


def test_the_benchmark_finds_nothing_lost_nothing_twice_and_no_harm() -> None:
    found = runpy.run_path(str(BENCHMARK))["changes"](6)

    assert found["incidents"] >= 6
    assert (found["lost"], found["twice"]) == (0, 0)
    assert found["points_below_not_changing"] <= 2.0
    assert found["score"]["basic"] < min(found["score"]["advanced"], found["score"]["full"])
