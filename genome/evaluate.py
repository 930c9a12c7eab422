"""Judges candidates by incidents that were: when each would have noticed, what it would have done.

    points --decoded--> configs --arrays--> when it is noticed --per kind--> what is tried
        --outcomes drawn in advance--> when it is over, and what that cost

Detection is exact (`genome/detection.py`). What is done follows from the very objects that heal
live: a `Treatment` walks its plan, once for all incidents in which it would take the same steps;
which of them each step cures is told by `genome/outcomes.py`.

An action of which too little is known is no place for experiments: a candidate that takes one with
less than `SUPPORT` cases where the config in force takes another breaks a constraint.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from msgspec import Struct, structs

from ..core.levels import LEVELS
from ..core.playbook import DEFAULT_PLANS, PlaybookConfig
from ..core.policy import PolicyConfig
from ..core.ranking import RankingConfig
from ..core.records import Ailment
from ..core.topology import Kind
from ..core.treatment import Care
from ..core.triage import TriageConfig
from ..core.verify import VerifyConfig
from ..core.watch import WatchConfig
from ..errors import ConfigError
from .detection import Noticed, Signals
from .history import History, PastIncident
from .outcomes import Outcomes
from .scores import OBJECTIVES, Matrix, Scores
from .space import Genome, Space
from .walk import TrialConfig, Walk, ranking

T = TypeVar("T", bound=Struct)

# Fewer cases than these tell nothing: the config in force keeps its place.
SUPPORT = 8.0
# The columns of the constraints.
CONSTRAINTS = ("refused", "unsupported", "too_many_actions")


class HealingTrial:
    """A `Trial` over a history of incidents.

    The genome it judges has the parts ``watch``, ``triage``, ``verify``, ``ranking`` and
    ``playbook``, and for kinds that have their own ``playbook/database`` and so on; what is missing
    is as it is by default.

    Args:
        space: that points are from; its base is the config in force.
        incidents: to judge by, at least one.
        known: history that chances of cures are learned from; it may hold more than ``incidents``.
        config: how.
        policy: limits that hold for every candidate.

    Attributes:
        judged: candidates that were judged, those remembered left out.

    Raises:
        ConfigError: there is no incident.
    """

    def __init__(
        self,
        space: Space,
        incidents: Sequence[PastIncident],
        known: History,
        config: TrialConfig | None = None,
        policy: PolicyConfig | None = None,
    ) -> None:
        if not incidents:
            raise ConfigError("there is no incident to judge by")
        self.judged = 0
        self._space = space
        self._incidents = tuple(incidents)
        self._known = known
        self._config = config or TrialConfig()
        self._policy = policy or PolicyConfig()
        self._benches: dict[int, _Bench] = {}
        self._memory: OrderedDict[tuple[bytes, int], tuple[Matrix, Matrix]] = OrderedDict()

    def __call__(self, points: Matrix, share: float = 1.0) -> Scores:
        """Judge canonical points; see `Trial`."""
        count = max(1, math.ceil(share * len(self._incidents)))
        keys = [(point.tobytes(), count) for point in points]
        fresh = dict(zip(keys, points, strict=True))
        fresh = {key: point for key, point in fresh.items() if key not in self._memory}
        if fresh:
            scores = self._judge(np.array(list(fresh.values())), count)
            pairs = zip(scores.objectives, scores.constraints, strict=True)
            self._memory.update(zip(fresh, pairs, strict=True))
        rows = [self._memory[key] for key in keys]
        while len(self._memory) > max(self._config.memory, len(points)):
            self._memory.popitem(last=False)
        objectives, constraints = zip(*rows, strict=True)
        return Scores(np.array(objectives), np.array(constraints))

    def judge(self, genomes: Sequence[Genome]) -> Scores:
        """Judge genomes that need not be points of the space, by all incidents."""
        return self._bench(len(self._incidents)).judge(genomes)

    def _judge(self, points: Matrix, count: int) -> Scores:
        self.judged += len(points)
        genomes: list[Genome | None] = []
        for point in points:
            try:
                genomes.append(self._space.decode(point))
            except ConfigError:
                genomes.append(None)
        sound = [each for each in genomes if each is not None]
        scores = self._bench(count).judge(sound)
        objectives = np.full((len(points), len(OBJECTIVES)), self._config.unseen_s)
        constraints = np.ones((len(points), len(CONSTRAINTS)))
        which = np.array([each is not None for each in genomes])
        objectives[which], constraints[which] = scores.objectives, scores.constraints
        return Scores(objectives, constraints)

    def _bench(self, count: int) -> _Bench:
        """Everything that is laid out for so many of the incidents."""
        if count not in self._benches:
            # The same ones for all candidates, and spread over all times and causes.
            order = np.random.default_rng(self._config.seed).permutation(len(self._incidents))
            chosen = [self._incidents[number] for number in sorted(order[:count])]
            outcomes = Outcomes(chosen, self._known, self._config.seed)
            self._benches[count] = _Bench(
                chosen, outcomes, self._space.base, self._config, self._policy
            )
        return self._benches[count]


class _Walks(Struct, frozen=True):
    """What one candidate would have done; one element per incident.

    Attributes:
        over_s: how long after it was noticed the trouble is over.
        price: of all that is done.
        actions: how many.
        steps: for each ailment the actions that are tried, in order, as long as none cures.
    """

    over_s: Matrix
    price: Matrix
    actions: Matrix
    steps: Mapping[Ailment, tuple[str, ...]]


class _Bench:
    """Incidents, laid out."""

    def __init__(
        self,
        incidents: Sequence[PastIncident],
        outcomes: Outcomes,
        base: Genome,
        config: TrialConfig,
        policy: PolicyConfig,
    ) -> None:
        self._config, self._policy = config, policy
        self._outcomes = outcomes
        self._signals = Signals(incidents, _part(base, "watch", WatchConfig))
        self._onsets_s = np.array([each.onset_s for each in incidents])
        self._held_s = np.array([_held_s(each) for each in incidents])
        self._real = np.array([each.is_real for each in incidents])
        groups: dict[Ailment, list[int]] = {}
        for number, incident in enumerate(incidents):
            groups.setdefault(self._told_apart(incident.ailment), []).append(number)
        self._groups = {ailment: np.array(found) for ailment, found in groups.items()}
        self._usual = self._walk(base).steps

    def judge(self, genomes: Sequence[Genome]) -> Scores:
        if not genomes:
            return Scores(np.empty((0, len(OBJECTIVES))), np.empty((0, len(CONSTRAINTS))))
        noticed = self._signals.noticed([_part(each, "watch", WatchConfig) for each in genomes])
        rows = [self._score(each, noticed, place) for place, each in enumerate(genomes)]
        objectives, constraints = zip(*rows, strict=True)
        return Scores(np.array(objectives), np.array(constraints))

    def _score(
        self, genome: Genome, noticed: Noticed, place: int
    ) -> tuple[list[float], list[float]]:
        walks = self._walk(genome)
        at_s, false = noticed.at_s[place], noticed.false_alarms[place]
        is_seen = np.isfinite(at_s) & self._real
        hold_s = np.minimum(self._held_s, _part(genome, "triage", TriageConfig).hold_s)
        noticed_s = np.where(is_seen, at_s - self._onsets_s, 0.0)
        lasts_s = np.where(is_seen, noticed_s + hold_s + walks.over_s, self._config.unseen_s)
        lasts_s = lasts_s[self._real]
        false_actions = false * np.minimum(walks.actions, 1.0)
        price = np.where(is_seen, walks.price, 0.0) + false_actions * self._config.step_price
        days = max(self._signals.calm_s / 86_400.0, 1e-9)
        objectives = [
            float(np.mean(lasts_s * self._signals.weights[self._real]) / 60.0),
            float(np.mean(lasts_s)),
            float(np.sum(false) / days),
            float(np.mean(price)),
        ]
        most = float(walks.actions.max())
        return objectives, [
            0.0,
            self._unsupported(walks.steps),
            max(0.0, most - self._policy.component_actions),
        ]

    def _unsupported(self, steps: Mapping[Ailment, tuple[str, ...]]) -> float:
        """Share of the incidents in which something is tried of which too little is known."""
        found = 0
        for ailment, names in steps.items():
            usual = self._usual.get(ailment, ())
            others = [each for at, each in enumerate(names) if usual[at : at + 1] != (each,)]
            if any(self._outcomes.support(ailment, each) < SUPPORT for each in others):
                found += len(self._groups[ailment])
        return found / len(self._onsets_s)

    # --- what is done -------------------------------------------------------------------------

    def _told_apart(self, ailment: Ailment) -> Ailment:
        """As much of an ailment as the steps depend on: symptoms only where they are ranked by."""
        ranks = LEVELS[self._config.level].ranks
        return ailment if ranks else structs.replace(ailment, signature="")

    def _walk(self, genome: Genome) -> _Walks:
        count = len(self._onsets_s)
        walks = _Walks(np.zeros(count), np.zeros(count), np.zeros(count), {})
        steps: dict[Ailment, tuple[str, ...]] = {}
        experience = self._outcomes.experience.seen_by(_part(genome, "ranking", RankingConfig))
        for ailment, which in self._groups.items():
            walk = Walk(ailment, which, self._outcomes, self._config)
            care = self._care(genome, ailment.kind)
            walk.go(care, partial(ranking, ailment, experience))
            walks.over_s[which], walks.price[which] = walk.over_s, walk.price
            walks.actions[which], steps[ailment] = walk.actions, tuple(walk.steps)
        return structs.replace(walks, steps=steps)

    def _care(self, genome: Genome, kind: Kind) -> Care:
        shared = _part(genome, "playbook", PlaybookConfig)
        playbook = genome.get(f"playbook/{kind}", shared)
        assert isinstance(playbook, PlaybookConfig), f"{playbook} is no playbook"
        plan = playbook.plan or DEFAULT_PLANS[kind]
        known = {name: self._outcomes.means(kind, name) for name in plan}
        facts = {name: means.facts for name, means in known.items() if means is not None}
        return Care(
            plan=tuple(facts),
            actions=facts,
            triage=_part(genome, "triage", TriageConfig),
            playbook=playbook,
            verify=_part(genome, "verify", VerifyConfig),
            level=self._config.level,
        )


def _part(genome: Genome, name: str, kind: type[T]) -> T:
    """A part of a genome, as it is by default when it has none."""
    part = genome.get(name)
    if part is None:
        return kind()
    assert isinstance(part, kind), f"part {name} of a genome is {part}"
    return part


def _held_s(incident: PastIncident) -> float:
    """How long it took from noticing a trouble to acting."""
    return max(0.0, incident.acted_s - incident.opened_s) if incident.tried else 0.0
