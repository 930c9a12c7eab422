"""Candidates judged by what they do in simulated scenarios: all of mendel, plug-ins included.

Slower by far than judging by recorded incidents, and the only way for genes that no record speaks
of: those of custom agents, and of what closes the loop. Every candidate meets the same courses,
drawn from the same seeds; other seeds are for validation, and others again are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from msgspec import Struct

from ..agents.registry import load_agents
from ..core.detection.detect import DEFAULT_THRESHOLDS
from ..errors import ConfigError
from ..genome.farm import EvolveConfig
from ..genome.space import Space
from ..genome.state import SearchConfig
from ..genome.task import Job, Portable, Task
from ..scenarios.shipped import find_scenario
from ..scenarios.staging import stage
from .breeding import workplace
from .config import Config
from .genomes import genome_of
from .simulated import SimulatedTrial


class Material(Struct, frozen=True, kw_only=True):
    """What a task is made of.

    Attributes:
        config: the configuration to improve, as JSON.
        scenarios: names or files.
        runs: of each scenario, in each of the three lots.
    """

    config: bytes
    scenarios: tuple[str, ...]
    runs: int


def order(
    config: Config, scenarios: Sequence[str], *, runs: int, evolve: EvolveConfig, seed: int
) -> Job:
    """A job for `mendel.genome.breeder.Worker`.

    Args:
        config: the configuration to improve.
        scenarios: names of scenarios that ship, or files.
        runs: of each scenario.
        evolve: how to search.
        seed: of all chance.
    """
    text = msgspec.json.encode(config)
    material = Material(config=text, scenarios=tuple(scenarios), runs=runs)
    return Job(
        task="mendel.runtime.rehearsed:task_of",
        payload=msgspec.msgpack.encode(material),
        search=SearchConfig(
            population=evolve.population,
            generations=evolve.generations,
            polish=evolve.polish,
            screening=1,  # A part of a few runs would be no run at all.
        ),
        seed=seed,
        **workplace(evolve),
    )


def task_of(payload: bytes) -> Task:
    """The task that a job is about.

    Raises:
        ConfigError: a scenario cannot be used, or nothing of the configuration is open.
        PluginError: a plug-in cannot be loaded.
    """
    material = msgspec.msgpack.decode(payload, type=Material)
    config = msgspec.json.decode(material.config, type=Config)
    agents, problems = load_agents(config.agents, settings=config.agent)
    if problems:
        raise problems[0]
    space = Space(genome_of(config, agents, metrics=DEFAULT_THRESHOLDS))
    if not space.dimensions:
        raise ConfigError("no field of the configuration has a gene; there is nothing to evolve")
    scenarios = [find_scenario(name) for name in material.scenarios]
    runs = material.runs
    lots = [
        SimulatedTrial(
            space,
            config,
            agents,
            [partial(stage, each, seed) for seed in range(at, at + runs) for each in scenarios],
        )
        for at in range(0, 3 * runs, runs)
    ]
    return Task(
        space=space,
        trial=lots[0],
        known=[space.encode(space.base)],
        validate=lots[1].by_incident,
        hold_out=lots[2].by_incident,
        support=lambda _: material.runs * len(scenarios),
        portable=lambda: Portable("mendel.runtime.rehearsed:task_of", payload),
    )
