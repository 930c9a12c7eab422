"""How good the candidates are that the search has found after 1,000 of them, beside others.

    python benchmarks/evolution.py [--seeds N] [--without tpe,...] [--output text|json]

Each search gets the same budget of evaluations of the same problems (`evolution_problems.py`) and
starts from nothing. Its figure is the hypervolume of all it has found that keeps the constraint, up
to one reference point for all, as a share of mendel's in the same problem; the median over the
seeds is shown. Peers: pymoo's recipe for mixed variables, NSGA-II on floats that are rounded
afterwards, random points, and Optuna's NSGA-II and TPE (``pip install -e '.[bench]'``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mendel.genome.evolve import Search, hypervolume
from mendel.genome.front import front_of
from mendel.genome.loci import Locus, Matrix
from mendel.genome.state import SearchConfig
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mixed import MixedVariableGA
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.repair import Repair
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Binary, Choice, Integer, Real
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

sys.path.insert(0, str(Path(__file__).parent))
from evolution_problems import OBJECTIVES, Problem

BUDGET = 1_000
POPULATION = 40
TARGETS = {"pymoo mixed": 1.8, "rounded floats": 1.25}

Found = tuple[Matrix, Matrix]  # Objectives and constraints of all that were judged in full.


class Noted:
    """A problem that keeps what was judged."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.objectives: list[Matrix] = []
        self.constraints: list[Matrix] = []

    def __call__(self, points: Matrix, share: float = 1.0) -> Any:
        scores = self.problem(points, share)
        if share == 1.0:
            self.objectives.append(scores.objectives)
            self.constraints.append(scores.constraints)
        return scores

    @property
    def is_over(self) -> bool:
        return self.problem.evaluations >= BUDGET

    def found(self) -> Found:
        return np.concatenate(self.objectives)[:BUDGET], np.concatenate(self.constraints)[:BUDGET]


def mendel(trial: Noted, seed: int, **settings: Any) -> None:
    config = SearchConfig(**{"population": POPULATION, "screening": 1, "polish": 0} | settings)
    search = Search(trial.problem.space, trial, config, seed=seed)
    state = search.begin()
    while not trial.is_over:
        state = search.step(state)


def screened(trial: Noted, seed: int) -> None:
    mendel(trial, seed, screening=3, screening_share=0.1)


def agemoea2(trial: Noted, seed: int) -> None:
    mendel(trial, seed, algorithm="agemoea2")


def random_points(trial: Noted, seed: int) -> None:
    space, rng = trial.problem.space, np.random.default_rng(seed)
    trial(space.canonical(rng.random((BUDGET, space.dimensions))))


class _Canonical(Repair):  # type: ignore[misc]  # pymoo has no types.
    def __init__(self, space: Any) -> None:
        super().__init__()
        self._space = space

    def _do(self, _: Any, X: Matrix, **__: Any) -> Matrix:  # noqa: N803
        return self._space.canonical(X)


def floats(trial: Noted, seed: int) -> None:
    space = trial.problem.space
    problem = PymooProblem(n_var=space.dimensions, n_obj=4, n_ieq_constr=1, xl=0.0, xu=1.0)
    algorithm = NSGA2(pop_size=POPULATION, repair=_Canonical(space))
    algorithm.setup(problem, seed=seed, termination=NoTermination())
    _drive(algorithm, trial, lambda population: population.get("X"))


def mixed(trial: Noted, seed: int) -> None:
    space = trial.problem.space
    variables: dict[str, Any] = {}
    for locus in space.loci:
        variables |= _variables(locus)
    problem = PymooProblem(vars=variables, n_obj=4, n_ieq_constr=1)
    algorithm = MixedVariableGA(pop_size=POPULATION, survival=RankAndCrowding(), output=None)
    algorithm.setup(problem, seed=seed, termination=NoTermination())

    def points(population: Any) -> Matrix:
        return np.array([_point(space.loci, each) for each in population.get("X")])

    _drive(algorithm, trial, points)


def _variables(locus: Locus) -> dict[str, Any]:
    match locus.kind:
        case "float":  # Handed over as a share of its range, because Real knows no logarithm.
            return {locus.name: Real(bounds=(0.0, 1.0))}
        case "int":
            return {locus.name: Integer(bounds=(int(locus.low), int(locus.high)))}
        case "bool":
            return {locus.name: Binary()}
        case "choice":
            return {locus.name: Choice(options=list(locus.choices))}
        case "order":
            return {f"{locus.name}.{at}": Real(bounds=(0.0, 1.0)) for at in range(locus.width)}


def _point(loci: tuple[Locus, ...], values: dict[str, Any]) -> Matrix:
    columns: list[float] = []
    for locus in loci:
        if locus.kind == "order":
            columns += [values[f"{locus.name}.{at}"] for at in range(locus.width)]
        elif locus.kind == "float":
            columns.append(values[locus.name])
        else:
            value = values[locus.name]
            plain = value if locus.kind == "choice" else (bool, int)[locus.kind == "int"](value)
            columns.append(float(locus.cube(locus.row(plain)[np.newaxis])[0, 0]))
    return np.array(columns)


def _drive(algorithm: Any, trial: Noted, points_of: Callable[[Any], Matrix]) -> None:
    while not trial.is_over:
        asked: Population = algorithm.ask()
        scores = trial(trial.problem.space.canonical(points_of(asked)))
        asked.set("F", scores.objectives, "G", scores.constraints)
        algorithm.tell(infills=asked)


def _optuna(sampler_of: Callable[[Any, Any, int], Any], trial: Noted, seed: int) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    space = trial.problem.space
    sampler = sampler_of(optuna.samplers, lambda each: each.user_attrs["constraint"], seed)
    study = optuna.create_study(directions=["minimize"] * OBJECTIVES, sampler=sampler)

    def judge(asked: Any) -> tuple[float, ...]:
        values: dict[str, Any] = {}
        for locus in space.loci:
            values |= _suggested(asked, locus)
        scores = trial(space.canonical(_point(space.loci, values)[np.newaxis]))
        asked.set_user_attr("constraint", scores.constraints[0].tolist())
        return tuple(scores.objectives[0].tolist())

    study.optimize(judge, n_trials=BUDGET)


def _suggested(asked: Any, locus: Locus) -> dict[str, Any]:
    match locus.kind:
        case "float":
            return {locus.name: asked.suggest_float(locus.name, 0.0, 1.0)}
        case "int":
            low, high, log = int(locus.low), int(locus.high), locus.gene.scale == "log"
            return {locus.name: asked.suggest_int(locus.name, low, high, log=log)}
        case "bool":
            return {locus.name: asked.suggest_categorical(locus.name, [False, True])}
        case "choice":
            return {locus.name: asked.suggest_categorical(locus.name, list(locus.choices))}
        case "order":
            names = (f"{locus.name}.{at}" for at in range(locus.width))
            return {name: asked.suggest_float(name, 0.0, 1.0) for name in names}


def optuna_nsga2(trial: Noted, seed: int) -> None:
    _optuna(
        lambda samplers, constraint, seed: samplers.NSGAIISampler(
            population_size=POPULATION, seed=seed, constraints_func=constraint
        ),
        trial,
        seed,
    )


def optuna_tpe(trial: Noted, seed: int) -> None:
    _optuna(
        lambda samplers, constraint, seed: samplers.TPESampler(
            seed=seed, constraints_func=constraint, multivariate=True
        ),
        trial,
        seed,
    )


SEARCHES: dict[str, Callable[[Noted, int], None]] = {
    "mendel": mendel,
    "mendel screened": screened,
    "mendel agemoea2": agemoea2,
    "pymoo mixed": mixed,
    "rounded floats": floats,
    "random": random_points,
    "optuna nsga2": optuna_nsga2,
    "optuna tpe": optuna_tpe,
}


def volumes(found: dict[str, Found]) -> dict[str, float]:
    """Hypervolume of each, up to a tenth beyond the worst of what chance alone finds good."""
    from mendel.genome.scores import Scores

    chance = Scores(*found["random"])
    reference = 1.1 * chance.objectives[front_of(chance)].max(axis=0)
    result = {}
    for name, (objectives, constraints) in found.items():
        scores = Scores(objectives, constraints)
        result[name] = hypervolume(scores.objectives[front_of(scores)], reference)
    return result


def measure(names: list[str], seeds: int) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for kind in ("clean", "noisy"):
        ratios: dict[str, list[float]] = {name: [] for name in names}
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for seed in range(seeds):
            found = {}
            for name in names:
                trial = Noted(Problem(seed, noisy=kind == "noisy"))
                began = time.process_time()
                SEARCHES[name](trial, seed)
                seconds[name].append(time.process_time() - began)
                found[name] = trial.found()
            volume = volumes(found)
            for name in names:
                ratios[name].append(volume["mendel"] / max(volume[name], 1e-12))
        report[kind] = {
            name: {
                "mendel_times_as_good": round(statistics.median(ratios[name]), 3),
                "worst_seed": round(min(ratios[name]), 3),
                "cpu_s": round(statistics.median(seconds[name]), 2),
            }
            for name in names
        }
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--without", default="", help="searches to leave out, by comma")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    left_out = {each.strip() for each in options.without.split(",")}
    report = measure([name for name in SEARCHES if name not in left_out], options.seeds)
    if options.output == "json":
        print(json.dumps(report))
    else:
        for kind, rows in report.items():
            print(f"{kind}: mendel's hypervolume / theirs after {BUDGET} evaluations")
            for name, row in rows.items():
                ratio, worst = row["mendel_times_as_good"], row["worst_seed"]
                print(f"  {name:18} {ratio:7.2f}  (worst {worst:5.2f})  {row['cpu_s']:8.2f} s CPU")
    reached = all(
        report["clean"][name]["mendel_times_as_good"] >= target
        for name, target in TARGETS.items()
        if name in report["clean"]
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
