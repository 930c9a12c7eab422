"""Candidates judged by what they do in simulated scenarios: all of mendel, plug-ins included.

Slower by far than judging by recorded incidents, and the only way for genes that no record speaks
of: those of custom agents, and of what closes the loop. Every candidate meets the same courses,
drawn from the same seeds; other seeds are for validation, and others again are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import numpy as np
from msgspec import Struct, structs

from ..agents.agent import AgentConfig
from ..agents.journal import MemoryJournal
from ..agents.ports import World
from ..agents.registry import LoadedAgent, load_agents
from ..core.detection.detect import DEFAULT_THRESHOLDS
from ..errors import ConfigError
from ..genome.scores import OBJECTIVES, Matrix, Scores
from ..genome.service import EvolveConfig
from ..genome.space import Genome, Space
from ..genome.state import SearchConfig
from ..genome.task import Job, Portable, Task
from ..scenarios import replay as replaying
from ..scenarios.format import Scenario
from ..scenarios.replay import Outcome
from ..scenarios.shipped import find_scenario
from ..scenarios.staging import stage
from .breeding import workplace
from .config import Config
from .genomes import genome_of, with_genome
from .system import System

# What is worse than anything that can happen, for a candidate that its configs refuse.
_REFUSED = 1e6


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
    lots = [
        SimulatedTrial(space, config, agents, scenarios, range(first, first + material.runs))
        for first in range(0, 3 * material.runs, material.runs)
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


class SimulatedTrial:
    """A `Trial` over scenarios.

    Args:
        space: that points are from.
        config: what their genomes change.
        agents: plug-ins, whose settings are part of the genomes.
        scenarios: what happens.
        seeds: of each scenario's courses.
    """

    def __init__(
        self,
        space: Space,
        config: Config,
        agents: Sequence[LoadedAgent],
        scenarios: Sequence[Scenario],
        seeds: Sequence[int],
    ) -> None:
        self._space = space
        self._config = config
        self._agents = tuple(agents)
        self._courses = [(scenario, seed) for seed in seeds for scenario in scenarios]
        self._known: dict[tuple[bytes, int], list[float]] = {}

    def __call__(self, points: Matrix, share: float = 1.0) -> Scores:
        """Judge canonical points; see `Trial`."""
        count = max(1, round(share * len(self._courses)))
        by_course = self._judge(points, count)
        refused = np.any(by_course >= _REFUSED, axis=(1, 2))
        return Scores(by_course.mean(axis=1), refused[:, np.newaxis].astype(float))

    def by_incident(self, points: Matrix) -> Any:
        """Objectives of points in each course, shape (n, courses, m)."""
        return self._judge(points, len(self._courses))

    def _judge(self, points: Matrix, count: int) -> Any:
        rows = [[self._one(point, number) for number in range(count)] for point in points]
        return np.array(rows)

    def _one(self, point: Matrix, number: int) -> list[float]:
        key = point.tobytes(), number
        if key not in self._known:
            try:
                genome = self._space.decode(point)
                self._known[key] = objectives_of(self._run(genome, *self._courses[number]))
            except ConfigError:
                self._known[key] = [_REFUSED] * len(OBJECTIVES)
        return self._known[key]

    def _run(self, genome: Genome, scenario: Scenario, seed: int) -> Outcome:
        staged = stage(scenario, seed)
        config = with_genome(self._config, genome)
        config = structs.replace(config, runtime=structs.replace(config.runtime, seed=seed))
        agents = [
            each._replace(config=cast("AgentConfig", genome.get(f"agent.{each.name}", each.config)))
            for each in self._agents
        ]

        def build(world: World) -> System:
            journal = MemoryJournal()
            return System(config, world, journal, plugins=agents, pauses=staged.pauses)

        return replaying.replay(staged.world, build, scenario.until_s, seed, broken=staged.broken)


def objectives_of(outcome: Outcome) -> list[float]:
    """What a run came to, in the order of `OBJECTIVES`.

    A fault that was not healed counts as lasting to the end.
    """
    measures = outcome.measures
    unhealed = (measures.broken or 0) - (measures.healed or 0)
    mended_s = measures.recovery.mean_s * measures.recovery.count if measures.recovery else 0.0
    faults = max(measures.broken or 0, 1)
    return [
        outcome.harm or 0.0,
        (mended_s + unhealed * outcome.until_s) / faults,
        float(measures.false_alarms or 0),
        float(measures.actions),
    ]
