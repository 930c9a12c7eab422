"""How often a candidate that does harm gets into force, and how much of the gain is kept.

    python benchmarks/adoption.py [--installations N] [--output text|json]

Each installation has incidents of several causes, a hundred candidates, and a model of what they
would have done that is wrong by a quarter (standard deviation of the logarithm, drawn for each
candidate and cause, and the same in training, hold-out and for ever). In half of them the
incumbent is good, so that most candidates are worse; in the others it is poor. *Naive* promotes
what the model likes best in training. *Adopted* goes through `mendel.core.adoption`: gate, shadow,
canary with real harm. A promotion is harmful when the true harm grows by more than 2 %.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from typing import Any

import numpy as np
from mendel.core.adoption import Adoption, AdoptionConfig, Proposal, Stage, Standing
from mendel.core.evidence import lots_of
from msgspec import Struct

CANDIDATES = 100
MODEL_ERROR = 0.25
TARGETS = {"harmful": 0.03, "gain_kept": 0.5}


class Installation:
    """Incidents, candidates, and what is true of them; all drawn from a seed.

    Args:
        seed: of all that is drawn.
        poor: whether the incumbent is.
    """

    def __init__(self, seed: int, *, poor: bool) -> None:
        rng = np.random.default_rng([seed, poor])
        causes = int(rng.integers(3, 9))
        self.causes = rng.integers(causes, size=int(rng.integers(100, 400)))
        # Harm of an incident from 0 to 1: mostly small, sometimes grave.
        self.harms = rng.beta(1.2, 4.0, size=len(self.causes))
        drift = -0.15 if poor else 0.45
        self.true = drift + 0.3 * rng.standard_normal((CANDIDATES, causes))
        self.model = self.true + MODEL_ERROR * rng.standard_normal((CANDIDATES, causes))
        self.rng = rng

    def growth(self, candidate: int) -> float:
        """By how much the harm really grows, as a share."""
        weights = np.bincount(self.causes, self.harms, minlength=self.true.shape[1])
        return float(weights @ np.exp(self.true[candidate]) / weights.sum()) - 1.0

    def favourite(self) -> int:
        """What the model likes best in training."""
        train = np.array([lot == "train" for lot in lots_of(self.causes.tolist())])
        harms = np.exp(self.model[:, self.causes[train]]) @ self.harms[train]
        return int(np.argmin(harms))

    def proposal(self, candidate: int) -> Proposal:
        """The favourite on held-out incidents, as the model sees them."""
        held = np.array([lot == "hold_out" for lot in lots_of(self.causes.tolist())])
        harms = self.harms[held]
        modelled = harms * np.exp(self.model[candidate, self.causes[held]])
        return Proposal(
            genome=1,
            genes={"any": 1},
            support=100,
            incumbent=[[harm] for harm in harms.tolist()],
            candidate=[[harm] for harm in modelled.tolist()],
        )

    def incident(self, candidate: int, *, is_canary: bool) -> tuple[str, float]:
        """Cause and real harm of a new incident, without or with the candidate."""
        cause = self.causes[int(self.rng.integers(len(self.causes)))]
        harm = float(self.rng.beta(1.2, 4.0))
        if is_canary:
            harm = min(1.0, harm * math.exp(self.true[candidate, cause]))
        return str(cause), harm


class Fate(Struct):
    """What became of one installation: growth of harm, 0 for no promotion."""

    naive: float
    adopted: float
    pairs: int


def fate_of(seed: int, *, poor: bool) -> Fate:
    installation = Installation(seed, poor=poor)
    favourite = installation.favourite()
    growth = installation.growth(favourite)
    config = AdoptionConfig(shadow_s=0.0)
    rng = random.Random(seed)
    adoption = Adoption(config, Standing(), rng.random)
    adoption.propose(installation.proposal(favourite), 0.0)
    adoption.on_time(1.0)
    pairs = 0
    while adoption.standing.stage is Stage.CANARY:
        is_canary = rng.random() < config.canary_share
        cause, harm = installation.incident(favourite, is_canary=is_canary)
        adoption.on_incident(harm, cause=cause, is_canary=is_canary)
        pairs += is_canary
    return Fate(growth, growth if adoption.standing.incumbent else 0.0, pairs)


def measure(installations: int) -> dict[str, Any]:
    fates = {
        poor: [fate_of(seed, poor=poor) for seed in range(installations // 2)]
        for poor in (False, True)
    }
    every = fates[False] + fates[True]
    return {
        "installations": len(every),
        "harmful_naive": _share(fate.naive > 0.02 for fate in every),
        "harmful_naive_good_incumbent": _share(fate.naive > 0.02 for fate in fates[False]),
        "harmful": _share(fate.adopted > 0.02 for fate in every),
        "promoted": _share(fate.adopted != 0.0 for fate in every),
        "gain_naive_poor_incumbent": -_mean(fate.naive for fate in fates[True]),
        "gain_poor_incumbent": -_mean(fate.adopted for fate in fates[True]),
        "gain_kept": _mean(fate.adopted for fate in fates[True])
        / _mean(fate.naive for fate in fates[True]),
        "canary_pairs_mean": _mean(fate.pairs for fate in every if fate.pairs),
    }


def _mean(values: Any) -> float:
    return round(float(np.mean(list(values))), 3)


def _share(cases: Any) -> float:
    return _mean(map(float, cases))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installations", type=int, default=200)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    report = measure(options.installations)
    if options.output == "json":
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:30} {value:8.3f}")
    kept = report["gain_kept"] >= TARGETS["gain_kept"]
    return 0 if report["harmful"] <= TARGETS["harmful"] and kept else 1


if __name__ == "__main__":
    sys.exit(main())
