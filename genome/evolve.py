"""The search itself: generations of candidates, by pymoo, asked and told.

The one door to pymoo: it costs a second and 280 MB, so this module is loaded only in a process that
evolves. Each generation is a function of the rows that the one before left (`SearchState`) and of
the seed; the optimiser is made anew in it, ranks the rows, breeds, and ranks again. That costs a
millisecond and buys that there is no hidden state.

Source:
    NSGA-II: Deb et al., IEEE Trans. Evol. Comput. 6 (2002) 182-197. AGE-MOEA-II: Panichella,
    GECCO 2022. Refinement of the best by local search: Moscato's memetic algorithms (1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.indicators.hv import HV
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from ..errors import EnvironmentProblem
from .front import front_of, knee_of, spread_out
from .operators import Operators, neighbours, unique
from .scores import Matrix, Scores, Trial, chosen, together
from .space import Space
from .state import Rows, SearchConfig, SearchState

# The reference point lies a tenth beyond the worst of what the search begins with.
_BEYOND = 1.1
# A local search that has come down to steps of a 64th of the range has found its hilltop.
_STEP_MIN = 1 / 64


class Search:
    """Breed candidates of one space.

    Args:
        space: where to look; it has at least one gene.
        trial: judges candidates.
        config: how.
        seed: of all chance.
    """

    def __init__(self, space: Space, trial: Trial, config: SearchConfig, *, seed: int) -> None:
        self._space = space
        self._trial = trial
        self._config = config
        self._seed = seed
        self._operators = Operators(space)

    def begin(self, known: Sequence[Matrix] = ()) -> SearchState:
        """Judge the first generation.

        Args:
            known: points to start from, most important first: incumbent, defaults, the last front.
                They fill at most half of the population; a quarter are mutants of theirs.
        """
        rng = self._rng(0)
        size, dimensions = self._config.population, self._space.dimensions
        seeds = np.array([*known][: size // 2]).reshape(-1, dimensions)
        fresh = rng.random((size, dimensions))
        if len(seeds):
            mutants = seeds[np.arange(size // 4) % len(seeds)]
            fresh[: size // 4] = self._operators.mutate(self._operators.mutate(mutants, rng), rng)
        points = unique(self._space.canonical(np.concatenate((seeds, fresh))))[:size]
        scores = self._trial(points)
        reference = _reference(scores)
        state = SearchState(
            signature=self._space.signature,
            seed=self._seed,
            generation=1,
            evaluations=float(len(points)),
            reference=reference.tolist(),
            population=Rows.of(points, scores),
            archive=Rows([], [], []),
            hypervolume=0.0,
        )
        return self._archived(state, points, scores)

    def step(self, state: SearchState) -> SearchState:
        """Breed and judge one more generation."""
        state.check(self._space.signature)
        rng = self._rng(state.generation)
        size, broods = self._config.population, self._config.broods
        for brood in range(broods):
            state = self._bred(state, (brood + 1) * size // broods - brood * size // broods, rng)
        return structs.replace(state, generation=state.generation + 1)

    def _bred(self, state: SearchState, count: int, rng: np.random.Generator) -> SearchState:
        """So many more candidates, bred from the population; the best of both are the next one."""
        if not count:
            return state
        points, scores = state.population.arrays()
        optimiser = self._optimiser(points, scores, count * self._config.screening, rng)
        offspring = self._space.canonical(optimiser.ask().get("X"))
        cost = 0.0
        if len(offspring) > count:
            cost = len(offspring) * self._config.screening_share
            offspring = self._screened(offspring, count, rng)
        judged = self._trial(offspring)
        merged, both = np.concatenate((points, offspring)), together(scores, judged)
        survivors = self._survivors(merged, both, rng)
        next_state = structs.replace(
            state,
            evaluations=state.evaluations + cost + len(offspring),
            population=Rows.of(merged[survivors], chosen(both, survivors)),
        )
        return self._archived(next_state, offspring, judged)

    def polish(self, state: SearchState, incumbent: Matrix | None = None) -> SearchState:
        """Climb from the knee of the archive to the hilltop nearest to it.

        All neighbours are judged at once; the best is taken, and when none is better the steps
        become shorter.

        Args:
            state: after the last generation.
            incumbent: objectives of the config in force, for the choice of the knee.
        """
        state.check(self._space.signature)
        budget, step = self._config.polish, 0.25
        while budget > 0 and step >= _STEP_MIN and state.archive.points:
            points, scores = state.archive.arrays()
            knee = knee_of(scores.objectives, incumbent)
            around = neighbours(self._space, points[knee], step)[:budget]
            judged = self._trial(around)
            budget -= len(around)
            sound = judged.objectives[judged.is_feasible]
            rivals = np.vstack((scores.objectives[knee], sound))
            is_better = knee_of(rivals, incumbent) != 0
            step = step if is_better else step / 2
            state = self._archived(
                structs.replace(state, evaluations=state.evaluations + len(around)), around, judged
            )
        return structs.replace(state, is_polished=True)

    # --- inside -------------------------------------------------------------------------------

    def _rng(self, generation: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, generation])

    def _optimiser(
        self, points: Matrix, scores: Scores, offspring: int, rng: np.random.Generator
    ) -> Any:
        """NSGA-II that has these candidates and has ranked them."""
        optimiser = NSGA2(
            pop_size=self._config.population,
            n_offsprings=offspring,
            sampling=_population(points, scores, varied_only=self._follows_shape),
            selection=TournamentSelection(func_comp=binary_tournament),
            crossover=_Crossover(self._operators),
            mutation=_Mutation(self._operators),
            survival=self._survival(),
            eliminate_duplicates=True,
            output=None,
        )
        problem = Problem(
            n_var=points.shape[1],
            n_obj=scores.objectives.shape[1],
            n_ieq_constr=scores.constraints.shape[1],
            xl=0.0,
            xu=1.0,
        )
        optimiser.setup(problem, seed=int(rng.integers(2**31)), termination=NoTermination())
        optimiser.tell(infills=optimiser.ask())
        return optimiser

    @property
    def _follows_shape(self) -> bool:
        return self._config.algorithm == "agemoea2"

    def _survival(self) -> Any:
        return _age_survival() if self._follows_shape else RankAndCrowding()

    def _survivors(
        self, points: Matrix, scores: Scores, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        population = _population(points, scores, varied_only=self._follows_shape)
        population.set("row", np.arange(len(points)))
        problem = Problem(n_var=points.shape[1], n_obj=population.get("F").shape[1])
        kept = self._survival().do(
            problem, population, n_survive=self._config.population, random_state=rng
        )
        rows: NDArray[np.intp] = kept.get("row").astype(np.intp)
        return rows

    def _screened(self, offspring: Matrix, count: int, rng: np.random.Generator) -> Matrix:
        """The best of the offspring by a part of the incidents."""
        glance = self._trial(offspring, self._config.screening_share)
        population = _population(offspring, glance)
        population.set("row", np.arange(len(offspring)))
        problem = Problem(n_var=offspring.shape[1], n_obj=glance.objectives.shape[1])
        best = RankAndCrowding().do(problem, population, n_survive=count, random_state=rng)
        kept: Matrix = offspring[np.sort(best.get("row").astype(np.intp))]
        return kept

    def _archived(self, state: SearchState, points: Matrix, scores: Scores) -> SearchState:
        if state.archive.points:
            old_points, old_scores = state.archive.arrays()
            points, scores = np.concatenate((old_points, points)), together(old_scores, scores)
        front = front_of(scores)
        front = front[spread_out(scores.objectives[front], self._config.archive)]
        kept = chosen(scores, front)
        volume = hypervolume(kept.objectives, np.array(state.reference))
        return structs.replace(state, archive=Rows.of(points[front], kept), hypervolume=volume)


def hypervolume(objectives: Matrix, reference: Matrix) -> float:
    """Share of the box from zero to the reference point that candidates dominate.

    Args:
        objectives: of candidates, shape (n, m), not negative.
        reference: shape (m,).
    """
    box = float(np.prod(reference))
    inside = objectives[np.all(objectives < reference, axis=1)]
    if not len(inside) or not box:
        return 0.0
    return float(HV(ref_point=reference)(inside)) / box


class _Crossover(Crossover):  # type: ignore[misc]  # pymoo has no types.
    def __init__(self, operators: Operators) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=1.0)
        self._operators = operators

    def _do(self, _: Any, X: Matrix, *, random_state: Any, **__: Any) -> Matrix:  # noqa: N803
        return np.stack(self._operators.cross(X[0], X[1], random_state))


class _Mutation(Mutation):  # type: ignore[misc]  # Likewise.
    def __init__(self, operators: Operators) -> None:
        super().__init__()
        self._operators = operators

    def _do(self, _: Any, X: Matrix, *, random_state: Any, **__: Any) -> Matrix:  # noqa: N803
        return self._operators.mutate(X, random_state)


def _population(points: Matrix, scores: Scores, *, varied_only: bool = False) -> Any:
    """Rows as pymoo has them.

    Args:
        points: where they are.
        scores: how they did.
        varied_only: leave out objectives in which all are equal; AGE-MOEA-II divides by their span.
    """
    objectives = scores.objectives
    if varied_only:
        varied = np.ptp(objectives, axis=0) > 0
        objectives = objectives[:, varied] if varied.any() else objectives[:, :1]
    return Population.new(X=points, F=objectives, G=scores.constraints)


def _age_survival() -> Any:
    try:
        from pymoo.algorithms.moo.age2 import AGEMOEA2Survival
    except Exception as error:  # pymoo raises just that where numba is missing.
        raise EnvironmentProblem(
            "the algorithm agemoea2 needs numba: pip install 'mendel[agemoea2]'"
        ) from error
    return AGEMOEA2Survival()


def _reference(scores: Scores) -> Matrix:
    worst = scores.objectives.max(axis=0)
    reference: Matrix = np.where(worst > 0, worst * _BEYOND, 1.0)
    return reference
