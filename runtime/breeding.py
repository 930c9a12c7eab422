"""What the process that evolves is given: incidents of a store, and the configuration they met.

`order` is called where it is wanted, `task_of` in the process that does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from ..agents.registry import LoadedAgent, load_agents
from ..core.evidence import history_problem, lots_of
from ..core.topology import Kind
from ..errors import ConfigError
from ..genome.evaluate import HealingTrial
from ..genome.farm import EvolveConfig
from ..genome.history import History, PastIncident
from ..genome.scores import Matrix
from ..genome.space import Space
from ..genome.state import SearchConfig, SearchState
from ..genome.task import Job, Portable, Task
from ..genome.walk import TrialConfig
from .config import Config
from .genomes import genome_of
from .history import read_history

# How often chance is drawn for what is not on record. In a single world a search finds out who is
# lucky there; exams are few, and may be exact.
_WORLDS = {"train": 4, "validation": 16, "hold_out": 16}
# Fewer teach nothing: a sixth of them is held out, and five decide nothing.
INCIDENTS_MIN = 30


class Material(Struct, frozen=True, kw_only=True):
    """What a task is made of.

    Attributes:
        store: path of the database with the history.
        config: the configuration in force, as JSON.
        known: genes to start from beside those in force, most important first.
        seed: of the chance in outcomes.
        rehearsals: simulated troubles of the configured components for the winner.
    """

    store: str
    config: bytes
    known: tuple[dict[str, Any], ...] = ()
    seed: int = 0
    rehearsals: int = 0


class Packed(Struct, frozen=True, kw_only=True):
    """The same for another machine: what was read of the store instead of where it lies.

    Attributes:
        material: as above; its store is a name for people only.
        history: what was read.
    """

    material: Material
    history: History


def order(
    store: Path,
    config: Config,
    *,
    evolve: EvolveConfig,
    seed: int,
    known: Sequence[dict[str, Any]] = (),
    state: Mapping[str, Any] | None = None,
) -> Job:
    """A job for `mendel.genome.breeder.Worker`.

    Args:
        store: database with the history.
        config: the configuration in force.
        evolve: how to search.
        seed: of all chance.
        known: genes to start from beside those in force.
        state: where an earlier worker came to.
    """
    material = Material(
        store=str(store.absolute()),
        config=msgspec.json.encode(config),
        known=tuple(known),
        seed=seed,
        rehearsals=evolve.rehearsals,
    )
    return Job(
        task="mendel.runtime.breeding:task_of",
        payload=msgspec.msgpack.encode(material),
        search=SearchConfig(
            population=evolve.population, generations=evolve.generations, polish=evolve.polish
        ),
        seed=seed,
        state=None if state is None else msgspec.convert(state, SearchState),
        **workplace(evolve),
    )


def workplace(evolve: EvolveConfig) -> dict[str, Any]:
    """Where a job is done, and what it may take; by the names that `Job` has for it."""
    if evolve.engine == "dask" and not evolve.address:
        raise ConfigError('the engine dask needs an address, such as "tcp://10.0.0.5:8786"')
    return {
        "cpu_share": evolve.cpu_share * evolve.processes,
        "engine": evolve.engine,
        "address": evolve.address,
        "processes": evolve.processes,
        "budget_s": evolve.budget_s,
    }


def task_of(payload: bytes) -> Task:
    """The task that a job is about.

    Raises:
        ConfigError: the history is too poor, or nothing of the configuration is open.
        StoreError: the history cannot be read.
    """
    material = msgspec.msgpack.decode(payload, type=Material)
    return _task(Packed(material=material, history=asyncio.run(read_history(Path(material.store)))))


def unpacked(payload: bytes) -> Task:
    """The same task on another machine."""
    return _task(msgspec.msgpack.decode(payload, type=Packed))


def _task(packed: Packed) -> Task:
    material, history = packed.material, packed.history
    config = msgspec.json.decode(material.config, type=Config)
    causes = [cause_of(each) for each in history.incidents]
    problem = history_problem(causes, least=INCIDENTS_MIN)
    if problem:
        raise ConfigError(f"{material.store}: {problem}")
    agents, problems = load_agents(config.agents, settings=config.agent)
    if problems:
        raise problems[0]
    space = space_of(config, agents, history)
    if not space.dimensions:
        raise ConfigError("no field of the configuration has a gene; there is nothing to evolve")
    trials = _trials(space, history, causes, config, material.seed)
    defaults = genome_of(Config(), **_known_of(history))
    points = [space.encode(space.base), _as_far_as_it_fits(space, defaults)]
    points += [space.read_what_fits(genes) for genes in material.known]
    return Task(
        space=space,
        trial=trials["train"],
        known=points,
        validate=trials["validation"].by_incident,
        hold_out=trials["hold_out"].by_incident,
        support=lambda names: support_of(history, names),
        portable=lambda: Portable(
            "mendel.runtime.breeding:unpacked", msgspec.msgpack.encode(packed)
        ),
        rehearse=_rehearsal(space, config, agents, material),
    )


def _rehearsal(
    space: Space, config: Config, agents: Sequence[LoadedAgent], material: Material
) -> Callable[[Matrix, Callable[[], None]], Any] | None:
    """Simulated troubles of the user's own components, where there are any to simulate."""
    if not material.rehearsals or not config.components:
        return None
    from .simulated import SimulatedTrial, own_courses  # All of mendel, with a world.

    courses = own_courses(config, material.rehearsals, material.seed)
    return SimulatedTrial(space, config, agents, courses).by_incident


def space_of(config: Config, agents: Sequence[LoadedAgent], history: History) -> Space:
    """Where to search: what is open in a configuration, as far as history says something of it."""
    return Space(genome_of(config, agents, **_known_of(history)))


def cause_of(incident: PastIncident) -> str:
    """What incidents are told apart by when they are shared out."""
    return f"{incident.ailment.kind}: {incident.ailment.cause or 'unknown'}"


def support_of(history: History, names: Sequence[str]) -> int:
    """Fewest incidents that say something of any of these genes."""
    counts = [len(history.incidents)]
    for name in names:
        part, _, field = name.partition(".")
        if part.startswith("playbook/"):
            kind = part.removeprefix("playbook/")
            counts.append(sum(each.ailment.kind == kind for each in history.incidents))
        elif field.startswith(("thresholds.", "adaptive.")):
            metric = field.split(".")[1]
            counts.append(sum(metric in each.metrics for each in history.incidents))
    return min(counts)


def _known_of(history: History) -> dict[str, Any]:
    actions: dict[Kind, tuple[str, ...]] = {
        each.ailment.kind: tuple(history.means.get(each.ailment.kind, ()))
        for each in history.incidents
    }
    metrics = {name for each in history.incidents for name in each.metrics}
    return {"metrics": metrics, "actions": actions}


def _trials(
    space: Space, history: History, causes: Sequence[str], config: Config, seed: int
) -> dict[str, HealingTrial]:
    lots = lots_of(causes)
    trials = {}
    for lot in ("train", "validation", "hold_out"):
        own = [each for each, at in zip(history.incidents, lots, strict=True) if at == lot]
        # What an action leads to is learned from training alone, or the rest would be no test.
        train = [each for each, at in zip(history.incidents, lots, strict=True) if at == "train"]
        known = history.part(train)
        settings = TrialConfig(level=config.defaults.level, seed=seed, worlds=_WORLDS[lot])
        trials[lot] = HealingTrial(space, own, known, settings, config.policy)
    return trials


def _as_far_as_it_fits(space: Space, genome: dict[str, Struct]) -> Matrix:
    """The point of the built-in defaults, in what they share with a space."""
    defaults = Space(genome)
    point: Matrix = np.asarray(space.read_what_fits(defaults.write(defaults.encode(defaults.base))))
    return point
