"""A genome at work in simulated courses, with all of mendel: as a trial, and as a last test.

What a configuration looks like can be simulated (`own_courses`): a candidate that did well on
recorded incidents has to get through some troubles there before it is proposed. A recording tells
what came of actions one by one; only where the loop is closed does it show what they do together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from msgspec import structs

from ..agents.agent import AgentConfig
from ..agents.journal import MemoryJournal
from ..agents.ports import World
from ..agents.registry import LoadedAgent
from ..core.topology import Component
from ..errors import ConfigError
from ..genome.scores import OBJECTIVES, Matrix, Scores
from ..genome.space import Genome, Space
from ..scenarios import replay as replaying
from ..scenarios.catalogue import CATALOGUE, FaultKind
from ..scenarios.replay import Outcome
from ..scenarios.simulator import Course, SimulatedWorld, candidates, draw_fault, estate_like
from ..scenarios.staging import Staged, broken_in
from .config import Config
from .genomes import with_genome
from .system import System

# What is worse than anything that can happen, for a candidate that its configs refuse.
_REFUSED = 1e6
# From the onset, a minute or two in, there is time for a whole plan.
_COURSE_S = 420.0

# Leaks take longer to show than that.
_TAKE_HOURS = ("memory_leak", "disk_fill")

Set = Callable[[], Staged]


def own_courses(config: Config, count: int, seed: int) -> list[Set]:
    """Troubles that could befall the components of a configuration, one each.

    Args:
        config: of which the components and what they depend on matter.
        count: how many.
        seed: of everything that is drawn.

    Raises:
        ConfigError: they depend on each other in a circle.
    """
    components = [
        Component(name=each.name, kind=each.kind, depends_on=tuple(each.depends_on))
        for each in config.components
    ]
    estate = estate_like(components, seed)
    rng = np.random.default_rng((seed, 1))
    cured = [kind for kind, entry in CATALOGUE.items() if entry.cures and kind not in _TAKE_HOURS]
    possible: list[FaultKind] = [kind for kind in cured if candidates(kind, estate)]
    courses: list[Set] = []
    for number in range(count):
        kind = possible[int(rng.integers(len(possible)))]
        fault = draw_fault(kind, estate, rng)
        course = Course(estate=estate, faults=(fault,), seed=seed + number, until_s=_COURSE_S)
        courses.append(partial(_staged, course))
    return courses


def _staged(course: Course) -> Staged:
    world = SimulatedWorld(course)
    return Staged(world=world, course=course, broken=broken_in(course), pauses=())


class SimulatedTrial:
    """A `Trial` over simulated courses.

    Args:
        space: that points are from.
        config: what their genomes change.
        agents: plug-ins, whose settings are part of the genomes.
        courses: what happens, set up anew for each run.
    """

    def __init__(
        self,
        space: Space,
        config: Config,
        agents: Sequence[LoadedAgent],
        courses: Sequence[Set],
    ) -> None:
        self._space = space
        self._config = config
        self._agents = tuple(agents)
        self._courses = tuple(courses)
        self._known: dict[tuple[bytes, int], list[float]] = {}

    def __call__(self, points: Matrix, share: float = 1.0) -> Scores:
        """Judge canonical points; see `Trial`."""
        count = max(1, round(share * len(self._courses)))
        by_course = self._judge(points, count)
        refused = np.any(by_course >= _REFUSED, axis=(1, 2))
        return Scores(by_course.mean(axis=1), refused[:, np.newaxis].astype(float))

    def by_incident(self, points: Matrix, rest: Callable[[], None] | None = None) -> Any:
        """Objectives of points in each course, shape (n, courses, m).

        Args:
            points: shape (n, dimensions).
            rest: called after each run.
        """
        return self._judge(points, len(self._courses), rest)

    def _judge(self, points: Matrix, count: int, rest: Callable[[], None] | None = None) -> Any:
        rows = [[self._one(point, number, rest) for number in range(count)] for point in points]
        return np.array(rows)

    def _one(self, point: Matrix, number: int, rest: Callable[[], None] | None) -> list[float]:
        key = point.tobytes(), number
        if key not in self._known:
            try:
                genome = self._space.decode(point)
                self._known[key] = objectives_of(self._run(genome, self._courses[number]()))
            except ConfigError:
                self._known[key] = [_REFUSED] * len(OBJECTIVES)
            if rest is not None:
                rest()
        return self._known[key]

    def _run(self, genome: Genome, staged: Staged) -> Outcome:
        course = staged.course
        config = with_genome(self._config, genome)
        config = structs.replace(config, runtime=structs.replace(config.runtime, seed=course.seed))
        agents = [
            each._replace(config=cast("AgentConfig", genome.get(f"agent.{each.name}", each.config)))
            for each in self._agents
        ]

        def build(world: World) -> System:
            journal = MemoryJournal()
            return System(config, world, journal, plugins=agents, pauses=staged.pauses)

        return replaying.replay(
            staged.world, build, course.until_s, course.seed, broken=staged.broken
        )


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
