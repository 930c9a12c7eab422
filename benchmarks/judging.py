"""What `healing.py` asks of one run: who acted on which course, and what came of it.

What others do is a function of the course, the simulator and their own sources, so it is kept in a
file under the digest of these; the clairvoyant operator costs most of all, for he tries dozens of
runs. Mendel's own runs are never kept.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import mendel
import msgspec
from mendel.agents.journal import MemoryJournal
from mendel.core.incidents.treatment import ASIDE
from mendel.core.levels import LEVELS
from mendel.core.records import ExperienceRecord
from mendel.runtime.config import Config, DefaultsConfig, Loaded, load
from mendel.runtime.replay import builder
from mendel.scenarios.baselines import BASELINES, conduct
from mendel.scenarios.replay import Outcome, replay
from mendel.scenarios.scoring import AVOIDABLE_LEAST, Measures
from mendel.scenarios.simulator import (
    SPLITS,
    Course,
    Group,
    SimulatedWorld,
    Simulation,
    name_of,
    oracle,
    play,
    score,
)
from mendel.scenarios.staging import announced_in, broken_in
from msgspec import Struct, structs

NOBODY, ORACLE = "nobody", "oracle"
POLICIES = (NOBODY, *BASELINES, *LEVELS, ORACLE)

# What proxies and circuit breakers do to calls is no treatment of anybody, and neither is telling
# a person.
ROUTINE = (*ASIDE, "drain", "undrain")

# A run is worse than nobody when it cost three seconds of a full outage more; telling a person
# about what nobody could cure costs less than that.
WORSE = 0.05


DAY_S = 86_400.0
WATCH = ("components", "replicas", "edges")


class Task(Struct, frozen=True, kw_only=True):
    """One run to judge.

    Attributes:
        split, shape, seed, group, until_s: which course; see `mendel.scenarios.simulator.Split`.
        policy: who acts: a name, or the path of a configuration.
        watch: what mendel has probes for.
    """

    split: str
    shape: str
    seed: int
    group: Group
    until_s: float
    policy: str
    watch: tuple[str, ...] = WATCH

    @property
    def course(self) -> Course:
        return SPLITS[self.split].course(self.shape, self.seed, self.group, until_s=self.until_s)


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of one run.

    Attributes:
        group, shape, seed, policy: of the task.
        harm: error-minutes with the price of every action.
        actions: how many treatments were run.
        unneeded: of what was not broken.
        incidents, false_alarms, broken, detected, named, healed, escalated: as in `Measures`.
        detection_s, recovery_s: medians of the run; ``None`` where there is nothing.
    """

    group: str
    shape: str
    seed: int
    policy: str
    harm: float
    actions: int = 0
    unneeded: int = 0
    incidents: int = 0
    false_alarms: int = 0
    broken: int = 0
    detected: int = 0
    named: int = 0
    healed: int = 0
    escalated: int = 0
    detection_s: float | None = None
    recovery_s: float | None = None


class Ends(Struct, frozen=True):
    """Nobody acting and the clairvoyant operator, on one course."""

    null: float
    best: float


def judge(task: Task) -> Verdict:
    """Run one task."""
    course = task.course
    if task.policy == NOBODY:
        return _seen(task, course, play(course))
    if task.policy == ORACLE:
        return _seen(task, course, play(course, oracle(course).orders))
    if task.policy in BASELINES:
        return _seen(task, course, conduct(course, task.policy))
    outcome = heal(course, task.policy, task.watch)
    assert outcome.harm is not None
    return _verdict(task, outcome.harm, outcome.measures)


def heal(
    course: Course, policy: str, watch: Sequence[str], journal: MemoryJournal | None = None
) -> Outcome:
    """A course that mendel heals, at a level or by a configuration."""
    world = SimulatedWorld(course, watch=watch)  # type: ignore[arg-type]
    pauses = announced_in(course)
    build = builder(config_of(policy), course.seed, pauses=pauses, journal=journal)
    return replay(world, build, course.until_s, course.seed, broken=broken_in(course))


def judge_campaign(tasks: Sequence[Task]) -> list[Verdict]:
    """Courses one after the other, with what was learned kept from each to the next."""
    learned: list[ExperienceRecord] = []
    verdicts = []
    for task in tasks:
        journal = MemoryJournal()
        journal.restore((), experiences=learned)
        outcome = heal(task.course, task.policy, task.watch, journal)
        assert outcome.harm is not None
        verdicts.append(_verdict(task, outcome.harm, outcome.measures))
        # A day lies between two of them.
        learned = [
            structs.replace(each, at_s=each.at_s - task.until_s - DAY_S)
            for each in journal.experiences()
        ]
    return verdicts


def config_of(policy: str) -> Config | Loaded:
    """The configuration that a level or a file stands for."""
    if policy in LEVELS:
        return Config(defaults=DefaultsConfig(level=policy))  # type: ignore[arg-type]
    return load(policy)


def is_kept(policy: str) -> bool:
    """Whether what a policy did once need not be played again."""
    return policy in (NOBODY, ORACLE) or policy in BASELINES


def key_of(task: Task) -> str:
    """A digest of a task and of the sources that decide what others come to in it."""
    digest = hashlib.sha256(_sources(task.policy in BASELINES))
    digest.update(msgspec.json.encode((task.course, task.policy, name_of(task.group))))
    return digest.hexdigest()[:32]


@cache
def _sources(with_baselines: bool) -> bytes:
    root = Path(mendel.__file__).parent / "scenarios"
    files = [root / "catalogue.py", *(root / "simulator" / f"{name}.py" for name in _DECIDING)]
    if with_baselines:
        files += sorted((root / "baselines").glob("*.py"))
    return b"".join(path.read_bytes() for path in files)


_DECIDING = (
    "illness",
    "layout",
    "operations",
    "panels",
    "physics",
    "policies",
    "readings",
    "simulation",
    "state",
)


class Cache:
    """What others did on courses that were played before, in a file.

    Args:
        path: of the file, one line per run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Verdict] = {}
        if path.exists():
            for line in path.read_bytes().splitlines():
                key, verdict = msgspec.json.decode(line, type=tuple[str, Verdict])
                self._known[key] = verdict

    def get(self, task: Task) -> Verdict | None:
        return self._known.get(key_of(task)) if is_kept(task.policy) else None

    def put(self, task: Task, verdict: Verdict) -> None:
        if is_kept(task.policy):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode((key_of(task), verdict)) + b"\n")


def _seen(task: Task, course: Course, simulation: Simulation) -> Verdict:
    """Who acts without agents opens no incidents; what was done is in the simulation's log."""
    broken = broken_in(course)
    done = [(at_s, target) for at_s, name, target in simulation.ran if name not in ROUTINE]
    unneeded = [
        target for at_s, target in done if not any(each.covers(target, at_s) for each in broken)
    ]
    return Verdict(
        group=name_of(task.group),
        shape=task.shape,
        seed=task.seed,
        policy=task.policy,
        harm=simulation.harm(),
        actions=len(done),
        unneeded=len(unneeded),
        broken=len(broken),
    )


def _verdict(task: Task, harm: float, measures: Measures) -> Verdict:
    return Verdict(
        group=name_of(task.group),
        shape=task.shape,
        seed=task.seed,
        policy=task.policy,
        harm=harm,
        actions=measures.actions,
        unneeded=measures.unneeded or 0,
        incidents=measures.incidents,
        false_alarms=measures.false_alarms or 0,
        broken=measures.broken or 0,
        detected=measures.detected or 0,
        named=measures.named or 0,
        healed=measures.healed or 0,
        escalated=measures.escalated,
        detection_s=measures.detection.median_s if measures.detection else None,
        recovery_s=measures.recovery.median_s if measures.recovery else None,
    )


# --- together -------------------------------------------------------------------------------------


class Judged(Struct, frozen=True, kw_only=True):
    """Runs of one policy, judged together.

    Attributes:
        runs: how many.
        score: share of the avoidable harm that was avoided, in percent, by the means of all runs:
            who saves ten minutes here may waste one there.
        avoidable: whether there was harm that somebody could have avoided.
        worse: share of the runs that were worse than nobody acting.
        actions, unneeded, false_alarms: per run.
        detected, named, healed: share of the faults; ``None`` for those who open no incidents.
        detection_s, recovery_s: medians over the runs.
    """

    runs: int
    score: float
    avoidable: bool
    worse: float
    actions: float
    unneeded: float
    false_alarms: float
    detected: float | None
    named: float | None
    healed: float | None
    detection_s: float | None
    recovery_s: float | None


def together(verdicts: Sequence[Verdict], ends: Sequence[Ends]) -> Judged:
    """Judge runs together.

    Args:
        verdicts: of one policy; at least one.
        ends: of the scale, for each of them.
    """
    runs = len(verdicts)
    tells = any(each.incidents for each in verdicts)
    broken = sum(each.broken for each in verdicts) if tells else 0
    null = math.fsum(each.null for each in ends) / runs
    best = math.fsum(each.best for each in ends) / runs
    return Judged(
        runs=runs,
        score=score(math.fsum(each.harm for each in verdicts) / runs, null, best),
        avoidable=null - best > AVOIDABLE_LEAST,
        worse=sum(is_worse(v, e) for v, e in zip(verdicts, ends, strict=True)) / runs,
        actions=sum(each.actions for each in verdicts) / runs,
        unneeded=sum(each.unneeded for each in verdicts) / runs,
        false_alarms=sum(each.false_alarms for each in verdicts) / runs,
        detected=sum(each.detected for each in verdicts) / broken if broken else None,
        named=sum(each.named for each in verdicts) / broken if broken else None,
        healed=sum(each.healed for each in verdicts) / broken if broken else None,
        detection_s=_median([each.detection_s for each in verdicts]),
        recovery_s=_median([each.recovery_s for each in verdicts]),
    )


def is_worse(verdict: Verdict, ends: Ends) -> bool:
    """Whether nobody acting would have been better."""
    return verdict.harm > ends.null + WORSE


def by_group(verdicts: Sequence[Verdict], ends: Sequence[Ends]) -> Mapping[str, Judged]:
    """The runs of one policy, judged group by group, in the order in which they came."""
    pairs = list(zip(verdicts, ends, strict=True))
    return {
        name: together(*zip(*[pair for pair in pairs if pair[0].group == name], strict=True))
        for name in dict.fromkeys(each.group for each in verdicts)
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(each for each in values if each is not None)
    return known[(len(known) - 1) // 2] if known else None
