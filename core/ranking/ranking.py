r"""What helped before is tried first: the chance that an action cures, learned from its verdicts.

Evidence of one action is kept on three levels, each shrunk towards the one above it, so that a case
seen for the first time still profits from all others:

    what is usual (`core/ranking/priors.py`)
      -> the action against this cause, wherever
           -> ... in components of this kind
                -> ... with these symptoms

Each level is a Beta distribution whose prior has the mean of the level above, worth
``prior_strength`` cases. A case counts once: a level is told of its siblings by its parent *less*
what it knows itself, and that for a part. Old evidence fades, with time and with every newer case.
How long a cure takes is learned likewise, as a shrunken mean of logarithms (durations are
lognormal).

Actions are tried one after the other until one cures, and the order that has the least expected
cost is that by cost over chance, where the cost is the time until the verdict and the price of the
action. Ordering by the chance alone, or by chance times what a cure saves, was turned down: the one
spends minutes on the surest action where a quick one cures half of the cases in seconds, and the
other does so too whenever much is at stake.

There is an order to begin with, of a plan or a diagnosis, and it holds until experience clearly
speaks against it: the better one is taken by a cautious chance, the one that it passes by its
chance at best. Where evidence is thin, these are far apart.

Source:
    Gelman et al., Bayesian Data Analysis (2013), chapter 5, for the shrinkage; Mitten, Management
    Science 6 (1960) 92-96, for the order of tests that has the least cost.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from ..gene import Gene
from ..records import Ailment, ExperienceRecord
from ..units import format_duration
from .beta import bounds
from .evidence import WEIGHTS, Evidence
from .likeness import Cases, Likeness

# What is seen elsewhere counts for a part: in components of other kinds, in those of this kind with
# other symptoms, in cases like this. Before several kinds were seen, nobody can learn from cases
# how much kinds differ.
_KINSHIP = (0.25, 0.5, 1.0)
_PLACES = ("in components of other kinds", "in components of this kind", "like this")

# Standard deviation of the logarithms of durations of one action: two thirds of them usually lie
# between 0.6 and 1.6 of the middle one.
_LOG_SPREAD = 0.5

# A person who wrote a plan knows what is in no record: it takes more to do otherwise.
INSISTENCE = 2.0

# Bounds this many standard deviations from the mean still move with every case as they should.
_SPREADS_MAX = 0.8

# Chances of a prior stay clear of 0 and 1, which no evidence could ever move.
_CHANCE_MIN = 0.01


class RankingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How experience is weighed.

    Attributes:
        prior_strength: cases that the level above counts for.
        caution: how far from its mean a chance is taken, in standard deviations of its log-odds:
            below it for what is to be preferred, above it for what that would be preferred to.
        again: the chance of an action that did not help in this incident already is multiplied by
            this, once for each time.
        disruption_s: price of an action that costs capacity, in seconds of the trouble.
        half_life_cases: after so many newer cases of the same action evidence counts half ...
        half_life_s: ... and after so much time as well.
        memory: how many levels of evidence are kept; the one not used for longest is forgotten.
    """

    prior_strength: Annotated[float, Meta(gt=0), Gene(low=0.5, high=8, scale="log")] = 2.0
    caution: Annotated[float, Meta(ge=0, le=0.8), Gene(low=0.0, high=0.8)] = 0.4
    again: Annotated[float, Meta(gt=0, le=1), Gene(low=0.1, high=1.0)] = 0.4
    disruption_s: Annotated[float, Meta(ge=0), Gene(low=1, high=120, scale="log", unit="s")] = 15.0
    half_life_cases: Annotated[float, Meta(gt=0)] = 50.0
    half_life_s: Annotated[float, Meta(gt=0)] = 30 * 86_400.0
    memory: Annotated[int, Meta(ge=3)] = 10_000


class Remedy(Struct, frozen=True, kw_only=True):
    """An action that could be tried, as far as it is known beforehand.

    Attributes:
        action: its name; one on a part of the component has that behind it (``drain cart/2``).
        prior: its chance to cure when nothing has been learned yet.
        takes_s: how long a cure by it should take, settling included.
        deadline_s: how long until it is known that it did not help.
        disruptive: whether it costs capacity.
        refuted: how often it was tried in this incident and did not help.
    """

    action: str
    prior: float = 0.5
    takes_s: float = 20.0
    deadline_s: float = 30.0
    disruptive: bool = True
    refuted: int = 0


class Estimate(Struct, frozen=True, kw_only=True):
    """What experience says of a remedy.

    Attributes:
        action: its name.
        chance: of a cure, cautiously.
        chance_at_best: the same, as far above its mean.
        tries: cases ever seen that come nearest to this one.
        takes_s: how long a cure should take.
        cost_s: expected cost until the cure if it were the only action, in seconds of the trouble.
        cost_s_at_best: the same by the chance at best.
        words: all that for people.
    """

    action: str
    chance: float
    chance_at_best: float
    tries: int
    takes_s: float
    cost_s: float
    cost_s_at_best: float
    words: str


_NOTHING = Evidence()


class Posterior(Struct, frozen=True, kw_only=True):
    """What is believed of an action: a Beta chance of a cure, and a lognormal duration of it.

    Attributes:
        alpha, beta: of the chance.
        log_s: mean of the logarithm of the duration in seconds.
        log_spread: standard deviation of that.
        support: cases against this cause in this kind of component, faded ones in part.
        nearest: evidence of the cases that come nearest to this one.
        place: where these were seen, in words.
    """

    alpha: float
    beta: float
    log_s: float
    log_spread: float
    support: float
    nearest: Evidence
    place: str

    @property
    def mean(self) -> float:
        """Chance of a cure, neither cautious nor bold."""
        return self.alpha / (self.alpha + self.beta)


Key = tuple[str, ...]


class Experience:
    """All that was learned of which action cures what.

    Args:
        config: how it is weighed.

    Attributes:
        config: see above.
        forgotten: levels of evidence that no longer fitted into memory.
    """

    def __init__(self, config: RankingConfig | None = None) -> None:
        self.config = config or RankingConfig()
        self.forgotten = 0
        self._evidence: OrderedDict[Key, Evidence] = OrderedDict()
        self._cases = Cases()

    def seen_by(self, config: RankingConfig) -> Experience:
        """The same evidence, weighed in another way; what one learns the other knows."""
        other = Experience(config)
        other._evidence, other._cases = self._evidence, self._cases
        return other

    def recognise(self, ailment: Ailment, now_s: float) -> Likeness | None:
        """The incident that was healed and looked most like this one; ``None`` when none did."""
        return self._cases.like(ailment, now_s, self.config.half_life_s)

    def learn(self, record: ExperienceRecord) -> bool:
        """Take in what an action led to.

        Returns:
            Whether anything was learned: a verdict that is none teaches nothing.
        """
        if record.verdict not in WEIGHTS:
            return False
        self._cases.learn(record)
        keys = _keys(record.ailment, record.action)
        case = self._case(keys) + 1
        for key in reversed(keys):  # The most general one last: it is forgotten last.
            evidence = self._evidence.setdefault(key, Evidence())
            evidence.fade(record.at_s, case, self.config)
            evidence.add(record.verdict, record.took_s)
            self._evidence.move_to_end(key)
        while len(self._evidence) > self.config.memory:
            self._evidence.popitem(last=False)
            self.forgotten += 1
        return True

    def rank(
        self,
        ailment: Ailment,
        remedies: Iterable[Remedy],
        now_s: float,
        *,
        insistence: float = 1.0,
    ) -> Sequence[Estimate]:
        """Remedies in the order in which they should be tried.

        That is the given order, but for what experience speaks clearly against: a remedy passes
        those before it when it costs less by its cautious chance than they do by theirs at best.

        Args:
            ailment: what is to be cured.
            remedies: what could be tried, in the order that holds while nothing is known.
            now_s: loop time.
            insistence: factor on the caution; greater where a person wrote the order.
        """
        spreads = min(_SPREADS_MAX, insistence * self.config.caution)
        order: list[Estimate] = []
        for remedy in remedies:
            estimate = self.estimate(ailment, remedy, now_s, spreads)
            place = len(order)
            while place and estimate.cost_s < order[place - 1].cost_s_at_best:
                place -= 1
            order.insert(place, estimate)
        return order

    def estimate(self, ailment: Ailment, remedy: Remedy, now_s: float, spreads: float) -> Estimate:
        """What is to be expected of one remedy.

        Args:
            ailment: what is to be cured.
            remedy: by what.
            now_s: loop time.
            spreads: how far its chances at worst and at best are from the mean, in standard
                deviations of the log-odds, less than 1.
        """
        posterior = self.posterior(ailment, remedy, now_s)
        again = self.config.again**remedy.refuted
        low, high = (again * each for each in bounds(posterior.alpha, posterior.beta, spreads))
        takes_s = math.exp(posterior.log_s)
        return Estimate(
            action=remedy.action,
            chance=low,
            chance_at_best=high,
            tries=posterior.nearest.tries,
            takes_s=takes_s,
            cost_s=self._cost_s(low, takes_s, remedy),
            cost_s_at_best=self._cost_s(high, takes_s, remedy),
            words=_words(remedy, posterior, takes_s),
        )

    def posterior(self, ailment: Ailment, remedy: Remedy, now_s: float) -> Posterior:
        """What is believed of one remedy, cases of this incident aside."""
        keys = _keys(ailment, remedy.action)
        case = self._case(keys)
        levels = [self._faded(key, now_s, case) for key in keys]
        mean = min(max(remedy.prior, _CHANCE_MIN), 1.0 - _CHANCE_MIN)
        strength = self.config.prior_strength
        log_s = math.log(max(remedy.takes_s, 1e-3))
        alpha = beta = 0.0
        for kinship, level, below in zip(_KINSHIP, levels, [*levels[1:], _NOTHING], strict=True):
            alpha = strength * mean + kinship * max(0.0, level.cured - below.cured)
            beta = strength * (1.0 - mean) + kinship * max(0.0, level.failed - below.failed)
            mean = alpha / (alpha + beta)
            timed = kinship * max(0.0, level.timed - below.timed)
            cures_log_s = kinship * (level.log_s - below.log_s)
            log_s = (strength * log_s + cures_log_s) / (strength + timed)
        nearest = next((at for at in reversed(range(len(levels))) if levels[at].tries), None)
        return Posterior(
            alpha=alpha,
            beta=beta,
            log_s=log_s,
            log_spread=_log_spread(levels[0], strength),
            support=levels[1].cured + levels[1].failed,
            nearest=_NOTHING if nearest is None else levels[nearest],
            place="" if nearest is None else _PLACES[nearest],
        )

    def _cost_s(self, chance: float, takes_s: float, remedy: Remedy) -> float:
        """Expected cost of one try, over the chance that it is the last one."""
        price_s = self.config.disruption_s if remedy.disruptive else 0.0
        until_s = chance * takes_s + (1.0 - chance) * max(takes_s, remedy.deadline_s)
        return (until_s + price_s) / chance

    def _case(self, keys: Sequence[Key]) -> int:
        """How many cases of the action there were, by which all its levels fade alike."""
        known = self._evidence.get(keys[0])
        return known.at_case if known is not None else 0

    def _faded(self, key: Key, now_s: float, case: int) -> Evidence:
        evidence = self._evidence.get(key)
        if evidence is None:
            return _NOTHING
        evidence.fade(now_s, case, self.config)
        return evidence


def known_as(step: str) -> str:
    """What experience knows a step as: an action, and what sort of part it is done to.

    Example:
        >>> known_as("restart"), known_as("restart cart/2"), known_as("isolate web>cart")
        ('restart', 'restart replica', 'isolate edge')
    """
    action, _, target = step.partition(" ")
    if not target:
        return action
    return f"{action} {'edge' if '>' in target else 'replica' if '/' in target else 'other'}"


def _keys(ailment: Ailment, step: str) -> tuple[Key, Key, Key]:
    """The levels of evidence, the most general one first."""
    action, cause, kind = known_as(step), ailment.cause, ailment.kind
    return (action, cause), (action, cause, kind), (action, cause, kind, ailment.signature)


def _log_spread(evidence: Evidence, strength: float) -> float:
    """Standard deviation of the logarithms of durations, shrunk to what is usual."""
    mean = evidence.log_s / evidence.timed if evidence.timed else 0.0
    squares = max(0.0, evidence.log_s_squared - evidence.timed * mean * mean)
    usual = strength * _LOG_SPREAD * _LOG_SPREAD
    return math.sqrt((usual + squares) / (strength + evidence.timed))


def _words(remedy: Remedy, posterior: Posterior, takes_s: float) -> str:
    """``restart cured 7 of 9 like this, about 12 s``: the most specific evidence that there is."""
    nearest, action = posterior.nearest, known_as(remedy.action)
    if not nearest.tries:
        return f"{action} is untried, {posterior.mean:.0%} expected"
    about = f", about {format_duration(takes_s)}" if nearest.cures else ""
    counts = f"{nearest.cures} of {nearest.tries}"
    return f"{action} cured {counts} {posterior.place}{about}"
