"""A custom agent becomes part of the search by the annotations of its config, and by no more."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hesitant import Hesitant, Plain
from mendel.agents.registry import load_agents
from mendel.errors import ConfigError
from mendel.genome.evolve import Search
from mendel.genome.front import knee_of
from mendel.genome.space import Space
from mendel.genome.state import SearchConfig
from mendel.runtime.config import Config
from mendel.runtime.genomes import genome_of
from mendel.runtime.simulated import SimulatedTrial
from mendel.scenarios.shipped import find_scenario
from mendel.scenarios.staging import stage

pytestmark = pytest.mark.timeout(300)
SHORT = """
name = "short"
description = "One service is gone."
source = "Made for this test."
until = "100s"

[estate]
topology = "shop"

[[faults]]
kind = "crash"
target = "cart"
at = "15s"

[must]
healed = ["cart"]
"""


def test_a_gene_of_a_custom_agent_evolves_to_the_better_side_and_others_stay(
    tmp_path: Path,
) -> None:
    (tmp_path / "short.toml").write_text(SHORT)
    agents, problems = load_agents(["hesitant:Hesitant", "hesitant:Plain"])
    assert not problems
    genome = genome_of(Config(), agents)
    assert genome["agent.plain"] == Plain.Config()
    # The rest of the configuration stays, so that a test of one gene takes no minutes.
    space = Space({name: genome[name] for name in ("agent.hesitant", "agent.plain")})
    scenario = find_scenario(str(tmp_path / "short.toml"))
    trial = SimulatedTrial(space, Config(), agents, [partial(stage, scenario, 1)])
    settings = SearchConfig(population=5, generations=2, screening=1, polish=0)
    search = Search(space, trial, settings, seed=3)
    incumbent = space.encode(space.base)

    state = search.step(search.begin([incumbent]))

    points, scores = state.archive.arrays()
    best = space.decode(points[knee_of(scores.objectives)])
    assert [each.name for each in space.loci] == ["agent.hesitant.vetoes"]
    assert best["agent.plain"] is genome["agent.plain"]
    found = best["agent.hesitant"]
    assert isinstance(found, Hesitant.Config)
    assert found.vetoes < 4, "the plan has four steps; with fewer vetoes one of them is taken"
    rated = trial(incumbent[np.newaxis])
    assert scores.objectives[:, 0].min() < 0.8 * rated.objectives[0, 0]
    assert trial.by_incident(incumbent[np.newaxis]).shape == (1, 1, 4)


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ConfigError):
        find_scenario("no_such_scenario")
