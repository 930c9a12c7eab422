"""Decisions through agents on the bus, and through direct calls, are equal record for record."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from estates import Estate, SlowJournal, a_shop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import World
from mendel.core.levels import Level
from mendel.core.policy import Pause
from mendel.core.records import Record
from mendel.errors import ConfigError
from mendel.runtime.config import Config
from mendel.runtime.healing.direct import DirectSystem
from mendel.runtime.replay import builder
from mendel.runtime.system import System
from mendel.scenarios.catalogue import FaultKind
from mendel.scenarios.replay import Outcome, replay
from mendel.scenarios.shipped import find_scenario, shipped
from mendel.scenarios.simulator import SimulatedWorld, draw_course
from mendel.scenarios.staging import stage
from mishaps import LEVELS, UNTIL_S, Day, Mishap, MishapEstate, a_config, days

Told = tuple[Outcome, Sequence[Record]]


def healed(
    kind: type[System] | type[DirectSystem],
    world: World,
    config: Config,
    until_s: float = UNTIL_S,
    pauses: Sequence[Pause] = (),
    journal: MemoryJournal | None = None,
) -> Told:
    """What was decided, and what was put on record."""
    memory = MemoryJournal() if journal is None else journal
    outcome = replay(world, lambda world: kind(config, world, memory, pauses=pauses), until_s)
    return outcome, memory.records


def assert_equal(through_agents: Told, directly: Told) -> None:
    assert directly[0].decisions == through_agents[0].decisions
    assert directly[1] == through_agents[1]
    assert directly[0].sha256 == through_agents[0].sha256


# Two services fall ill at the same moment, and that which both need as well.
TOGETHER = Day(
    needs=((), (0,), (0, 1)),
    mishaps=(Mishap(10.0, 0, "hang"), Mishap(10.0, 1, "crash"), Mishap(10.0, 2, "errors")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    day=days(),
    level=st.sampled_from(LEVELS),
    mode=st.sampled_from(("act", "act", "act", "recommend", "observe")),
)
@example(day=TOGETHER, level="basic", mode="act")
@example(day=TOGETHER, level="full", mode="act")
def test_on_any_day_at_any_level(day: Day, level: Level, mode: str) -> None:
    config = a_config(level, mode)

    assert_equal(
        healed(System, MishapEstate(day), config), healed(DirectSystem, MishapEstate(day), config)
    )


@pytest.mark.parametrize(
    ("shape", "kind", "seed", "level"),
    [
        ("shop", "crash", 1, "full"),
        ("chain", "bad_deploy", 3, "basic"),
        ("pipeline", "poison_message", 2, "advanced"),
    ],
)
def test_in_simulated_estates(shape: str, kind: FaultKind, seed: int, level: Level) -> None:
    def world() -> SimulatedWorld:
        course = draw_course(shape, seed, kinds=(kind,))
        return SimulatedWorld(course, watch=("components", "replicas", "edges"))

    config = a_config(level)

    through_agents = healed(System, world(), config, 200.0)
    assert_equal(through_agents, healed(DirectSystem, world(), config, 200.0))


# All of them take ten minutes: make test ARGS="-m long". Those that were drawn stand for the rest.
PAIRS = [(name, level) for name in shipped() for level in LEVELS]
# In the last one load is shed while an incident is open, which once was told apart by agents only.
DRAWN = [*random.Random(23).sample(PAIRS, 6), ("noisy_neighbour", "full")]


@pytest.mark.parametrize(
    ("name", "level"),
    [pytest.param(*pair, marks=[] if pair in DRAWN else pytest.mark.long) for pair in PAIRS],
)
def test_in_every_scenario_that_ships(name: str, level: Level) -> None:
    scenario = find_scenario(name)

    def told(kind: type[System] | type[DirectSystem]) -> Told:
        staged = stage(scenario)
        return healed(kind, staged.world, a_config(level), scenario.until_s, staged.pauses)

    assert_equal(told(System), told(DirectSystem))


def test_while_hands_are_off() -> None:
    def world() -> Estate:
        shop = a_shop()
        shop["db"].crash()
        return shop

    pauses = [Pause(target="*", start_s=0.0, end_s=30.0, who="ann")]

    through_agents = healed(System, world(), Config(), pauses=pauses)
    directly = healed(DirectSystem, world(), Config(), pauses=pauses)

    assert_equal(through_agents, directly)
    assert next(each.at_s for each in directly[0].decisions if each.kind == "RunAction") >= 30.0


def test_with_a_journal_that_takes_its_time() -> None:
    def told(kind: type[System] | type[DirectSystem]) -> Told:
        return healed(kind, MishapEstate(TOGETHER), Config(), journal=SlowJournal(0.02))

    assert_equal(told(System), told(DirectSystem))


def test_what_an_earlier_run_left_open_is_gone_on_with() -> None:
    """The first run ends in the middle of everything; the second knows only the journal."""

    def told(kind: type[System] | type[DirectSystem]) -> Told:
        journal = MemoryJournal()
        world = MishapEstate(TOGETHER)
        healed(System, world, Config(), 11.4, journal=journal)
        return healed(kind, world, Config(), journal=journal)

    through_agents = told(System)

    assert any(each.kind == "IncidentClosed" for each in through_agents[0].decisions)
    assert_equal(through_agents, told(DirectSystem))


def test_a_release_that_fails_is_tried_again() -> None:
    def told(kind: type[System] | type[DirectSystem]) -> Told:
        world = MishapEstate(Day(needs=((),), mishaps=(Mishap(5.0, 0, "crash"),)))
        world.actions("s0")["release"].problem = "the balancer is busy"
        return healed(kind, world, Config())

    through_agents = told(System)
    tries = [each for each in through_agents[0].decisions if ".release." in str(each.message)]

    assert len(tries) >= 5
    assert_equal(through_agents, told(DirectSystem))


def test_a_core_that_fails_ends_it_with_its_error() -> None:
    class Broken(Exception):
        pass

    class Rotten(MemoryJournal):
        def note(self, record: Record) -> None:
            raise Broken

    with pytest.raises(Broken):
        healed(DirectSystem, MishapEstate(TOGETHER), Config(), journal=Rotten())


class TestAsFastPathOfReplay:
    def test_the_same_decisions_by_one_word(self) -> None:
        direct = replay(MishapEstate(TOGETHER), builder(direct=True), UNTIL_S)

        assert direct.decisions == replay(MishapEstate(TOGETHER), builder(), UNTIL_S).decisions
        assert direct.decisions

    def test_plug_ins_need_a_bus(self) -> None:
        with pytest.raises(ConfigError, match="plug-ins"):
            builder(Config(agents=("mendel.agents.monitor:Monitor",)), direct=True)
