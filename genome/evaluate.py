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
from numpy.typing import NDArray

from ..core.incidents.treatment import Care
from ..core.incidents.triage import TriageConfig
from ..core.incidents.verify import VerifyConfig
from ..core.levels import LEVELS
from ..core.playbook import DEFAULT_PLANS, PlaybookConfig
from ..core.policy import PolicyConfig
from ..core.ranking.ranking import RankingConfig
from ..core.records import Ailment
from ..core.topology import Kind
from ..core.watching.watch import WatchConfig
from ..errors import ConfigError
from .detection import Signals
from .history import History, PastIncident
from .outcomes import Outcomes
from .scores import OBJECTIVES, Matrix, Scores
from .space import Genome, Space
from .walk import TrialConfig, Walk, ranking

T = TypeVar("T", bound=Struct)
Array = NDArray[np.float64]

# Fewer cases than these tell nothing: the config in force keeps its place.
SUPPORT = 8.0
_DAY_S = 86_400.0
# Of less calm than an hour no rate of false alarms can be told.
_DAYS_MIN = 1.0 / 24.0
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

    def by_incident(self, points: Matrix) -> Array:
        """Objectives of points in each incident, shape (n, incidents, m); their means are `Scores`.

        Raises:
            ConfigError: a point is refused by its configs.
        """
        genomes = [self._space.decode(point) for point in points]
        return self._bench(len(self._incidents)).judge(genomes)[0]

    def _judge(self, points: Matrix, count: int) -> Scores:
        self.judged += len(points)
        genomes: list[Genome | None] = []
        for point in points:
            try:
                genomes.append(self._space.decode(point))
            except ConfigError:
                genomes.append(None)
        sound = [each for each in genomes if each is not None]
        objectives = np.full((len(points), len(OBJECTIVES)), self._config.unseen_s)
        constraints = np.ones((len(points), len(CONSTRAINTS)))
        which = np.array([each is not None for each in genomes])
        if sound:
            found, constraints[which] = self._bench(count).judge(sound)
            objectives[which] = found.mean(axis=1)
        return Scores(objectives, constraints)

    def _bench(self, count: int) -> _Bench:
        """Everything that is laid out for so many of the incidents."""
        if count not in self._benches:
            # The same ones for all candidates, and spread over all times and causes.
            order = np.random.default_rng(self._config.seed).permutation(len(self._incidents))
            chosen = [self._incidents[number] for number in sorted(order[:count])]
            config = self._config
            outcomes = Outcomes(chosen, self._known, config.seed, config.worlds)
            self._benches[count] = _Bench(
                chosen, outcomes, self._space.base, self._config, self._policy
            )
        return self._benches[count]


class _Walks(Struct, frozen=True):
    """What one candidate would have done; one element per incident, the mean of all worlds.

    Attributes:
        over_s: how long after it was noticed the trouble is over.
        price: of all that is done.
        acts: how often anything is done, from 0 to 1.
        actions: how much at most.
        steps: for each ailment the actions that are tried, in order, as long as none cures.
    """

    over_s: Matrix
    price: Matrix
    acts: Matrix
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
        self._opened_s = np.array([each.opened_s for each in incidents])
        self._held_s = np.array([_held_s(each) for each in incidents])
        self._real = np.array([each.is_real for each in incidents])
        groups: dict[Ailment, list[int]] = {}
        for number, incident in enumerate(incidents):
            groups.setdefault(self._told_apart(incident.ailment), []).append(number)
        self._groups = {ailment: np.array(found) for ailment, found in groups.items()}
        self._usual = self._walk(base).steps

    def judge(self, genomes: Sequence[Genome]) -> tuple[Array, Matrix]:
        """Objectives by incident, shape (n, incidents, m), and constraints, shape (n, k)."""
        noticed = self._signals.noticed([_part(each, "watch", WatchConfig) for each in genomes])
        walks = [self._walk(each) for each in genomes]
        objectives = [
            self._objectives(genome, walk, noticed.at_s[place], noticed.false_alarms[place])
            for place, (genome, walk) in enumerate(zip(genomes, walks, strict=True))
        ]
        return np.array(objectives), np.array([self._constraints(walk) for walk in walks])

    def _objectives(self, genome: Genome, walks: _Walks, at_s: Matrix, false: Matrix) -> Matrix:
        """In the order of `OBJECTIVES`: minutes of harm, seconds, alarms per day, price."""
        config = self._config
        at_s = np.where(self._signals.shows | ~self._real, at_s, self._opened_s)
        is_seen = np.isfinite(at_s)
        hold_s = np.minimum(self._held_s, _part(genome, "triage", TriageConfig).hold_s)
        noticed_s = np.where(is_seen, at_s - self._onsets_s, 0.0)
        lasts_s = np.where(is_seen, noticed_s + hold_s + walks.over_s, config.unseen_s)
        lasts_s *= self._real
        days = max(self._signals.calm_s / _DAY_S, _DAYS_MIN) / len(at_s)
        needless = false * walks.acts * config.step_price
        return np.stack(
            (
                lasts_s * self._signals.weights / 60.0,
                lasts_s,
                false / days,
                walks.price * (is_seen & self._real) + needless,
            ),
            axis=1,
        )

    def _constraints(self, walks: _Walks) -> list[float]:
        too_many = float(walks.actions.max()) - self._policy.component_actions
        return [0.0, self._unsupported(walks.steps), max(0.0, too_many)]

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
        walks = _Walks(np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count), {})
        worlds = count * np.arange(self._config.worlds)[:, np.newaxis]
        steps: dict[Ailment, tuple[str, ...]] = {}
        experience = self._outcomes.experience.seen_by(_part(genome, "ranking", RankingConfig))
        for ailment, which in self._groups.items():
            everywhere = worlds + which
            walk = Walk(ailment, everywhere.ravel(), self._outcomes, self._config)
            care = self._care(genome, ailment.kind)
            walk.go(care, partial(ranking, ailment, experience))
            actions = walk.actions.reshape(everywhere.shape)
            walks.over_s[which] = walk.over_s.reshape(everywhere.shape).mean(axis=0)
            walks.price[which] = walk.price.reshape(everywhere.shape).mean(axis=0)
            walks.acts[which] = np.minimum(actions, 1.0).mean(axis=0)
            walks.actions[which] = actions.max(axis=0)
            steps[ailment] = tuple(walk.steps)
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
