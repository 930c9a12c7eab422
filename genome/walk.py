"""What a candidate does about an ailment, step by step, in many incidents side by side.

A live `Treatment` walks its plan once; the incidents that a step cures leave, and the next step is
for the others. So the steps are decided by what decides them live, and cost no more for a hundred
incidents than for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ..core.incidents.treatment import AskPlugins, Care, Rank, Run, Treatment
from ..core.levels import Level
from ..core.policy import ActionFacts, Permit
from ..core.ranking.ranking import INSISTENCE, Estimate, Experience
from ..core.records import Ailment
from .outcomes import Outcomes

Which = NDArray[np.intp]


class TrialConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates are judged.

    Attributes:
        level: at which the incidents are healed; one that ranks tries first what cured before.
        person_s: how long a person takes, once asked, to end a trouble.
        unseen_s: how long a trouble lasts that is not noticed.
        worse_s: what it costs to have made things worse, in seconds of the trouble.
        step_price: price of an action, ...
        disruption_price: ... and what one costs more that takes capacity.
        seed: of all chance.
        worlds: how often it is drawn; what is judged is the mean.
        memory: candidates whose scores are kept, in case they come again.
    """

    level: Level = "basic"
    person_s: float = 900.0
    unseen_s: float = 1800.0
    worse_s: float = 300.0
    step_price: float = 1.0
    disruption_price: float = 2.0
    seed: int = 0
    worlds: int = 1
    memory: int = 10_000


class Walk:
    """One plan, walked through all incidents of one ailment side by side.

    Attributes:
        over_s: how long after the start each trouble is over.
        price: of all that was done.
        actions: how many.
        steps: what was tried, in order.
    """

    def __init__(
        self, ailment: Ailment, which: Which, outcomes: Outcomes, config: TrialConfig
    ) -> None:
        self.over_s = np.full(len(which), math.inf)
        self.price, self.actions = np.zeros(len(which)), np.zeros(len(which))
        self.steps: list[str] = []
        self._ailment, self._which = ailment, which
        self._outcomes, self._config = outcomes, config
        self._open = np.ones(len(which), bool)

    def go(self, care: Care, rank: Callable[[Treatment], Rank]) -> None:
        """Walk until all are over, or nothing is left to try."""
        treatment = Treatment("", care)
        order = rank(treatment)
        now_s = 0.0
        while self._going(now_s).any():
            move = treatment.next_move(_allow, observes=False, rank=order)
            if isinstance(move, AskPlugins):
                treatment.hear(())
            elif isinstance(move, Run):
                now_s = self._try(treatment, move.action, now_s)
            else:
                asked_s = now_s + self._config.person_s
                left = self._going(now_s)
                self.over_s[left] = np.minimum(self.over_s[left], asked_s)
                return

    def _going(self, now_s: float) -> NDArray[np.bool_]:
        """Where mendel still acts at that time."""
        return self._open & (self.over_s > now_s)

    def _try(self, treatment: Treatment, action: ActionFacts, now_s: float) -> float:
        """Take one step wherever it is not over yet; returns when the next one is due."""
        config, going = self._config, self._going(now_s)
        drawn = self._outcomes.draw(action.name, self.steps.count(action.name), self._which)
        self.steps.append(action.name)
        treatment.start({})
        treatment.mark("no_effect")  # The next step is for those that it did not cure.
        self.price += going * (config.step_price + config.disruption_price * action.disruptive)
        self.actions += going
        run_s = self._outcomes.run_s(self._ailment.kind, action.name)
        judged_s = now_s + run_s + action.settle_s + treatment.care.verify.window_s
        # What shows too late for its verdict is a cure all the same, and the next step in vain.
        cured, worse = going & drawn.cured, going & drawn.worse & np.isinf(self.over_s)
        self.over_s[cured] = np.minimum(self.over_s, now_s + drawn.after_s)[cured]
        self.over_s[worse] = judged_s + config.worse_s + config.person_s
        self._open &= ~worse
        return judged_s + treatment.pause_s()


def ranking(ailment: Ailment, experience: Experience, treatment: Treatment) -> Rank:
    """What experience says of the steps of a treatment."""
    insistence = INSISTENCE if treatment.care.playbook.plan else 1.0

    def rank(names: Sequence[str]) -> Sequence[Estimate]:
        remedies = treatment.remedies(names, ailment)
        return experience.rank(ailment, remedies, 0.0, insistence=insistence)

    return rank


def _allow(_: ActionFacts) -> Permit:
    return Permit()
