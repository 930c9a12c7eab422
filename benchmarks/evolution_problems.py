"""Search problems shaped like the tuning of a healer, whose best answers are known to nobody.

27 genes of every kind (logarithmic and linear numbers, whole numbers, flags, choices, an order),
four objectives that want different things, and a constraint that forbids a third of the space.
Seeds draw where the good values lie. *Clean* problems are smooth; *noisy* ones count incidents that
went wrong, of 200 that each ask something slightly different, so they have ties and steps.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from mendel.core.gene import Gene
from mendel.genome.scores import Matrix, Scores
from mendel.genome.space import Space
from msgspec import Struct

Seconds = Annotated[float, Gene(low=0.1, high=100, scale="log", unit="s")]
Share = Annotated[float, Gene(low=0.0, high=1.0)]
Count = Annotated[int, Gene(low=1, high=20)]
Calls = Annotated[int, Gene(low=5, high=500, scale="log")]
Flag = Annotated[bool, Gene()]
Way = Annotated[Literal["drain", "restart", "replace", "wait"], Gene()]

INCIDENTS = 200
OBJECTIVES = 4


class Healer(Struct, frozen=True):
    """27 genes; the names are of no account."""

    hold_s: Seconds = 1.0
    settle_s: Seconds = 1.0
    window_s: Seconds = 1.0
    backoff_s: Seconds = 1.0
    open_s: Seconds = 1.0
    relearn_s: Seconds = 1.0
    probe_s: Seconds = 1.0
    boot_s: Seconds = 1.0
    failure_rate: Share = 0.5
    slow_rate: Share = 0.5
    margin: Share = 0.5
    ejected: Share = 0.5
    samples: Annotated[int, Gene(low=1, high=20, at_most="of")] = 3
    of: Count = 5
    clear: Count = 3
    attempts: Count = 2
    permitted: Count = 3
    window_calls: Calls = 20
    ramp_calls: Calls = 100
    eager: Flag = False
    isolates: Flag = True
    forecasts: Flag = False
    shares: Flag = True
    first: Way = "restart"
    second: Way = "replace"
    last: Way = "wait"
    plan: Annotated[tuple[str, ...], Gene()] = ("drain", "restart", "replace", "roll_back", "wait")


class Problem:
    """A trial, drawn from a seed.

    Args:
        seed: of all that is drawn.
        noisy: whether candidates are judged by counting incidents.
    """

    def __init__(self, seed: int, *, noisy: bool) -> None:
        rng = np.random.default_rng([seed, noisy])
        self.space = Space({"healer": Healer()})
        self.evaluations = 0.0
        dimensions = self.space.dimensions
        # Most genes have one good value, whatever one wants; the others are what one trades.
        self._good = self.space.canonical(rng.random((1, dimensions)))[0]
        self._wanted = self.space.canonical(rng.random((OBJECTIVES, dimensions)))
        self._is_traded = rng.permutation(len(self.space.loci)) < 9
        # What each incident allows, from far too much for anyone to what anyone keeps to.
        allowed = np.exp(rng.uniform(np.log(0.1), np.log(3.0), (INCIDENTS, OBJECTIVES)))
        self._allowed = allowed if noisy else None
        self._forbidden = rng.choice(self.space.dimensions - 5, size=2, replace=False)

    def __call__(self, points: Matrix, share: float = 1.0) -> Scores:
        self.evaluations += share * len(points)
        shared = self._away(points, self._good, ~self._is_traded)
        wants = [self._away(points, wanted, self._is_traded) for wanted in self._wanted]
        objectives = (0.05 + np.stack(wants, axis=1)) * (1.0 + 6.0 * shared[:, np.newaxis])
        if self._allowed is not None:
            allowed = self._allowed[: max(1, round(share * INCIDENTS))]
            wrong = objectives[:, np.newaxis] > allowed[np.newaxis]
            objectives = wrong.mean(axis=1)
        # Two numbers that must not both be great: what one may do at once.
        load = points[:, self._forbidden].sum(axis=1, keepdims=True) - 1.2
        return Scores(objectives, load)

    def _away(self, points: Matrix, goal: Matrix, which: np.ndarray) -> Matrix:
        """Mean distance from a goal over some genes: flags and choices are right or wrong."""
        apart = np.abs(points - goal)
        total = np.zeros(len(points))
        for locus, counts in zip(self.space.loci, which, strict=True):
            if counts:
                own = apart[:, locus.columns]
                is_named = locus.kind in ("bool", "choice")
                total += 0.5 * (own[:, 0] > 0) if is_named else np.sqrt(own.mean(axis=1) * 0.5)
        return total / which.sum()
