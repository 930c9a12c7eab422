"""Replay of files: recordings and scenarios, under several configurations and levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, structs

from ..core.levels import Level
from ..core.policy import Pause
from ..errors import ConfigError
from ..scenarios import replay as replaying
from ..scenarios.circuits import CircuitRun, run_circuits
from ..scenarios.contents import is_of_calls
from ..scenarios.demands import broken_demands
from ..scenarios.format import Scenario
from ..scenarios.recorded import RecordedWorld
from ..scenarios.recording import Recording, Row
from ..scenarios.replay import Decision, Difference, Outcome, drift_s, first_difference
from ..scenarios.shipped import find_scenario
from .config import Loaded
from .pauses import announced
from .replay import builder
from .witness import Course, Witness
from .world import RealWorld

DEFAULTS = "defaults"
RECORDED = "recorded"

# A row in the very last moment still has to be looked at and decided about.
_AFTER_LAST_S = 1.0


class Setup(Struct, frozen=True):
    """Who heals in a run.

    Attributes:
        config: how; ``None`` for the defaults.
        level: of every component, whatever the configuration says; ``None`` leaves that to it.
    """

    config: Loaded | None = None
    level: Level | None = None

    @property
    def config_name(self) -> str:
        """How its configuration is called in what is told."""
        return DEFAULTS if self.config is None else self.config.document.name

    @property
    def name(self) -> str:
        """How it is called in what is told."""
        return self.config_name if self.level is None else f"{self.config_name} at {self.level}"


class Rerun(Struct, frozen=True, kw_only=True):
    """What came of one file under one setup.

    Attributes:
        file: which recording or scenario.
        setup: name of the setup: its configuration, and the level where one was asked for.
        config: which configuration; ``defaults`` for none.
        level: that was asked for every component, or ``None``.
        outcome: what was decided, and how well.
        score: share of the avoidable harm that was avoided, in percent, where it was asked for.
        compared_with: what the decisions are compared with: ``recorded``, or the name of the first
            setup; empty when there is nothing to compare with.
        difference: where they part; ``None`` when they do not.
        drift_s: the longest time between two decisions that are alike.
        broken_demands: what a scenario demands and was not kept, in words.
        course: what a picture of it needs, where it was asked for.
        circuits: what the circuits of this configuration make of the guarded calls of a recording.
    """

    file: str
    setup: str
    config: str
    level: Level | None = None
    outcome: Outcome
    score: float | None = None
    compared_with: str = ""
    difference: Difference | None = None
    drift_s: float = 0.0
    broken_demands: tuple[str, ...] = ()
    course: Course | None = None
    circuits: tuple[CircuitRun, ...] = ()


class Order(Struct, frozen=True, kw_only=True):
    """How files are to be replayed.

    Attributes:
        seed: of everything random; ``None`` for a scenario's own.
        until_s: how long to follow each; ``None`` for its own end.
        scored: whether scenarios are compared with nobody acting and with somebody who knows.
        drawn: whether the course of each run is kept, to be drawn.
    """

    seed: int | None = None
    until_s: float | None = None
    scored: bool = False
    drawn: bool = False


def rerun(
    file: Path,
    setups: Sequence[Setup],
    order: Order = Order(),  # noqa: B008  Frozen.
) -> Iterator[Rerun]:
    """Replay a recording or a scenario under each setup.

    Args:
        file: a recording, a scenario (``.toml``), or the name of a scenario that ships.
        setups: each of them.
        order: how.

    Raises:
        ConfigError: a configuration or scenario cannot be used, or nothing is left to follow.
        PluginError: a plug-in of a configuration cannot be loaded.
        RecordingError: the recording cannot be read.
    """
    # A name without an end that is no file is meant to be a scenario, and may be misspelled.
    is_scenario = file.suffix == ".toml" or not (file.exists() or file.suffix)
    play = _player(file, order) if is_scenario else _projector(file, order)
    first: Rerun | None = None
    for setup in setups:
        this = play(setup)
        if first is not None and not this.compared_with:
            this = _compared(this, first.setup, first.outcome.decisions)
        first = first or this
        yield this


def _rerun(file: Path, setup: Setup, outcome: Outcome, course: Course | None) -> Rerun:
    return Rerun(
        file=str(file),
        setup=setup.name,
        config=setup.config_name,
        level=setup.level,
        outcome=outcome,
        course=course,
    )


def _look_away(_: object) -> None:
    """Nobody wants a picture."""


def _compared(this: Rerun, name: str, decisions: Sequence[Decision]) -> Rerun:
    difference = first_difference(this.outcome.decisions, decisions)
    late_s = drift_s(this.outcome.decisions, decisions)
    return structs.replace(this, compared_with=name, difference=difference, drift_s=late_s)


# --- recordings -----------------------------------------------------------------------------------


def _projector(file: Path, order: Order) -> Callable[[Setup], Rerun]:
    """What shows a recording to one setup after the other."""

    def project(setup: Setup) -> Rerun:
        config = setup.config
        like = None if config is None else _configured(config)
        world = RecordedWorld(file, like)
        contents = world.contents
        if not world.probes:
            raise ConfigError(f"{file}: no row of any probe is in it; there is nothing to replay")
        seed = contents.seed if order.seed is None else order.seed
        pauses = _windows(config, contents.start_s, contents.start_utc)
        until_s = order.until_s or contents.last_s - contents.start_s + _AFTER_LAST_S
        witness = Witness(contents.start_s, until_s, contents.broken)
        outcome = replaying.replay(
            world,
            builder(config, seed, pauses=pauses, level=setup.level, run=contents.run),
            until_s,
            seed,
            start_s=contents.start_s,
            broken=contents.broken,
            inputs=contents.inputs,
            attend=witness.attend if order.drawn else _look_away,
            notes=contents.notes,
        )
        this = _rerun(file, setup, outcome, witness.course if order.drawn else None)
        end_s = outcome.start_s + outcome.until_s
        if contents.calls:
            this = structs.replace(this, circuits=_circuits(file, config, end_s))
        then = [each for each in contents.decisions if each.at_s <= end_s]
        return _compared(this, RECORDED, then) if then else this

    return project


def _circuits(file: Path, config: Loaded | None, end_s: float) -> tuple[CircuitRun, ...]:
    specs = config.config.components if config is not None else ()
    configs = {each.name: each.guard.circuit for each in specs if each.guard is not None}
    with Recording(file) as recording:
        rows = (each for each in recording if isinstance(each, Row) and is_of_calls(each))
        return tuple(run_circuits((each for each in rows if each.at_s <= end_s), configs))


def _configured(config: Loaded) -> RealWorld:
    """The world that a configuration describes; nobody enters it, so nothing is started."""
    return RealWorld(config.config.components, state=config.state, base=config.base)


def _windows(config: Loaded | None, start_s: float, start_utc: float) -> list[Pause]:
    if config is None:
        return []
    return announced(config.config.maintenance, now_s=start_s, now_utc=start_utc)


# --- scenarios ------------------------------------------------------------------------------------


def _player(file: Path, order: Order) -> Callable[[Setup], Rerun]:
    """What plays a scenario for one setup after the other."""
    scenario = find_scenario(file)

    def play(setup: Setup) -> Rerun:
        return _play(file, scenario, setup, order)

    return play


def _play(file: Path, scenario: Scenario, setup: Setup, order: Order) -> Rerun:
    from ..scenarios.simulator import nobody, oracle, score  # Late: numpy takes its time.
    from ..scenarios.staging import stage

    staged = stage(scenario, order.seed)
    seed = staged.course.seed
    until_s = order.until_s or scenario.until_s
    build = builder(setup.config, seed, pauses=staged.pauses, level=setup.level)
    witness = Witness(0.0, until_s, staged.broken)
    outcome = replaying.replay(
        staged.world,
        build,
        until_s,
        seed,
        broken=staged.broken,
        attend=witness.attend if order.drawn else _look_away,
    )
    scored = None
    if order.scored and outcome.harm is not None:
        course = structs.replace(staged.course, until_s=until_s)
        scored = score(outcome.harm, nobody(course).harm, oracle(course).harm)
    kept = broken_demands(scenario, staged.broken, outcome.messages)
    this = _rerun(file, setup, outcome, witness.course if order.drawn else None)
    return structs.replace(this, score=scored, broken_demands=kept)
