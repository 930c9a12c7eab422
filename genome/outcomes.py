"""What would have come of actions that were not taken: chances and durations, drawn in advance.

Where the record tells what an action led to in an incident, that is what comes of it again. Where
it does not, the chance of a cure is the posterior mean of `core/ranking/ranking.py`, by which live
healing ranks too: optimism and pessimism have their place in gates and constraints, not in what is
judged. All chance is drawn once per incident, action and attempt, so that candidates are compared
in the same world (common random numbers), and each draw belongs to the incident: leaving some
incidents out changes nothing for the others. One draw is one world, in which a search soon finds
out who is lucky; so there may be several, in which the same is on record and the rest falls out
anew.

Source:
    Glasserman and Yao, Management Science 38 (1992) 884-908, for common random numbers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from ..core.ranking.priors import prior_of
from ..core.ranking.ranking import Experience, RankingConfig, Remedy
from ..core.records import Ailment, ExperienceRecord
from .history import History, Means, PastIncident

Floats = NDArray[np.float64]

# An action is drawn for so often in an incident; a further try fares as the last one did.
TRIES = 4
# Until something is known of an action: it runs for so long.
_RUN_S = 10.0
# Of cases that were not cured so many got worse, before anything was seen, worth some cases.
_WORSE, _WORSE_STRENGTH = 0.05, 10.0
_NORMAL = NormalDist()


class Drawn(Struct, frozen=True):
    """What comes of one try of an action in several incidents, one element each.

    Attributes:
        cured: whether it takes the trouble away.
        after_s: how long after its start that shows.
        worse: whether it makes things worse instead.
    """

    cured: NDArray[np.bool_]
    after_s: Floats
    worse: NDArray[np.bool_]


class Outcomes:
    """The world that candidates are judged in.

    Args:
        incidents: that they are judged by.
        known: the history that chances are learned from.
        seed: of all chance.
        worlds: how often all chance is drawn; incident number i of world w has the position
            ``w * len(incidents) + i``.

    Attributes:
        experience: what was learned from the history.
    """

    def __init__(
        self, incidents: Sequence[PastIncident], known: History, seed: int, worlds: int = 1
    ) -> None:
        self.experience = Experience(RankingConfig())
        for record in sorted(known.experiences, key=lambda each: each.at_s):
            self.experience.learn(record)
        self._means = known.means
        self._incidents = tuple(incidents)
        self._seed, self._worlds = seed, worlds
        self._worse = _worse_shares(known.experiences)
        self._drawn: dict[tuple[str, int], Drawn] = {}

    def means(self, kind: str, action: str) -> Means | None:
        """How an action on components of a kind was met with, if it was."""
        return self._means.get(kind, {}).get(action)

    def run_s(self, kind: str, action: str) -> float:
        """How long it runs."""
        means = self.means(kind, action)
        return means.run_s if means is not None else _RUN_S

    def support(self, ailment: Ailment, action: str) -> float:
        """Cases of an action against this cause in this kind of component."""
        return self.experience.posterior(ailment, Remedy(action=action), 0.0).support

    def draw(self, action: str, attempt: int, which: NDArray[np.intp]) -> Drawn:
        """What comes of the n-th try of an action in some of the incidents.

        Args:
            action: its name.
            attempt: from 0.
            which: positions of the incidents.
        """
        key = action, min(attempt, TRIES - 1)
        if key not in self._drawn:
            self._drawn[key] = self._draw_all(*key)
        drawn = self._drawn[key]
        return Drawn(drawn.cured[which], drawn.after_s[which], drawn.worse[which])

    def _draw_all(self, action: str, attempt: int) -> Drawn:
        rows = [
            self._draw_one(each, action, attempt, world)
            for world in range(self._worlds)
            for each in self._incidents
        ]
        cured, after_s, worse = zip(*rows, strict=True) if rows else ((), (), ())
        return Drawn(np.array(cured, bool), np.array(after_s, float), np.array(worse, bool))

    def _draw_one(
        self, incident: PastIncident, action: str, attempt: int, world: int
    ) -> tuple[bool, float, bool]:
        remedy = self._remedy(incident.ailment, action)
        posterior = self.experience.posterior(incident.ailment, remedy, 0.0)
        names = _digits(incident.incident, action)
        rng = np.random.default_rng([self._seed, attempt, *names, *([world] if world else ())])
        chance, again, late, harm = rng.random(4)
        after_s = math.exp(
            posterior.log_s + posterior.log_spread * _NORMAL.inv_cdf(max(late, 1e-9))
        )
        fact = _fact(incident, action, attempt)
        if fact is not None:
            after_s = fact.took_s if fact.verdict == "helped" and fact.took_s > 0.0 else after_s
            return fact.verdict == "helped", after_s, fact.verdict == "worse"
        cured = bool(chance < posterior.mean)
        if attempt:  # What failed once will mostly fail again, for the same reason.
            cured = cured and bool(again < self.experience.config.again)
        return cured, after_s, bool(not cured and harm < self._worse.get(action, _WORSE))

    def _remedy(self, ailment: Ailment, action: str) -> Remedy:
        means = self.means(ailment.kind, action)
        settle_s = means.facts.settle_s if means is not None else 0.0
        return Remedy(
            action=action,
            prior=prior_of(action, ailment.kind, ailment.cause),
            takes_s=self.run_s(ailment.kind, action) + settle_s,
        )


def _fact(incident: PastIncident, action: str, attempt: int) -> ExperienceRecord | None:
    """What is on record of this very try; a cure that did not last was none."""
    tries: list[ExperienceRecord] = []
    for each in incident.tried:
        if each.action != action:
            continue
        if each.verdict != "relapsed":
            tries.append(each)
        elif tries:
            tries[-1] = structs.replace(tries[-1], verdict="no_effect")
    return tries[attempt] if attempt < len(tries) else None


def _worse_shares(records: Sequence[ExperienceRecord]) -> Mapping[str, float]:
    """For each action the share of its failures that made things worse, shrunk to what is usual."""
    failed: dict[str, list[bool]] = {}
    for each in records:
        if each.verdict != "helped":
            failed.setdefault(each.action, []).append(each.verdict == "worse")
    return {
        action: (_WORSE_STRENGTH * _WORSE + sum(worse)) / (_WORSE_STRENGTH + len(worse))
        for action, worse in failed.items()
    }


def _digits(*names: str) -> list[int]:
    return [zlib.crc32(name.encode()) for name in names]
