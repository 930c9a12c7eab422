import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from mendel.core.circuits.circuit_config import CircuitConfig
from mendel.core.incidents.triage import TriageConfig
from mendel.errors import ConfigError
from mendel.genome.evolve import Search, hypervolume
from mendel.genome.front import front_of
from mendel.genome.scores import Matrix, Scores
from mendel.genome.space import Space
from mendel.genome.state import SearchConfig, SearchState

SPACE = Space({"circuit": CircuitConfig(), "triage": TriageConfig()})
GOALS = np.random.default_rng(3).random((4, SPACE.dimensions))


class Bowls:
    """Four objectives, each the distance to a place of its own; an eighth is forbidden."""

    def __init__(self) -> None:
        self.judged = 0.0
        self.lots: list[tuple[int, float]] = []

    def __call__(self, points: Matrix, share: float = 1.0) -> Scores:
        self.judged += share * len(points)
        self.lots.append((len(points), share))
        objectives = [np.square(points - goal).mean(axis=1) for goal in GOALS]
        return Scores(np.stack(objectives, axis=1), points[:, :1] - 0.875)


def a_search(trial: Any = None, seed: int = 1, **settings: Any) -> Search:
    return Search(SPACE, trial or Bowls(), SearchConfig(**settings), seed=seed)


def after(generations: int, search: Search) -> SearchState:
    state = search.begin()
    for _ in range(generations - 1):
        state = search.step(state)
    return state


def as_bytes(state: SearchState) -> bytes:
    return msgspec.json.encode(state)


class TestBegin:
    def test_what_is_known_comes_first_and_mutants_of_it_next(self) -> None:
        known = SPACE.encode(SPACE.base)

        state = a_search(population=20).begin([known])
        points = np.array(state.population.points)

        assert points[0].tolist() == known.tolist()
        assert len(points) == 20
        near = [SPACE.distance(known, each) for each in points]
        assert np.median(near[1:6]) < 0.15 < np.median(near[6:])

    def test_of_what_is_known_at_most_half_of_the_population_is_taken(self) -> None:
        known = list(np.random.default_rng(1).random((50, SPACE.dimensions)))

        state = a_search(population=20).begin(known)

        expected = SPACE.canonical(np.array(known[:10]))
        assert np.array(state.population.points)[:10].tolist() == expected.tolist()


class TestStep:
    def test_the_archive_gets_better_and_better(self) -> None:
        search = a_search()
        states = [search.begin()]
        for _ in range(9):
            states.append(search.step(states[-1]))

        volumes = [each.hypervolume for each in states]
        assert volumes == sorted(volumes)
        assert volumes[-1] > 1.2 * volumes[0]
        assert [each.generation for each in states] == list(range(1, 11))

    def test_the_archive_holds_only_what_nothing_beats_and_all_rules_keep(self) -> None:
        state = after(6, a_search(archive=30))
        points, scores = state.archive.arrays()

        assert len(points) == 30
        assert len(front_of(scores)) == 30
        assert scores.is_feasible.all()
        assert Bowls()(points).objectives.tolist() == scores.objectives.tolist()

    def test_no_candidate_is_judged_in_full_twice_in_a_generation(self) -> None:
        state = after(3, a_search(screening=1))

        points = state.population.points
        assert len({tuple(each) for each in points}) == len(points)

    def test_screening_judges_more_by_a_part_and_the_best_of_them_by_all(self) -> None:
        trial = Bowls()

        state = after(2, a_search(trial, population=20, screening=3, screening_share=0.1))

        two_broods = [(30, 0.1), (10, 1.0)] * 2
        assert trial.lots == [(20, 1.0), *two_broods]
        assert state.evaluations == trial.judged == 46.0

    def test_the_same_seed_gives_the_same_and_another_one_another(self) -> None:
        assert as_bytes(after(4, a_search())) == as_bytes(after(4, a_search()))
        assert as_bytes(after(4, a_search())) != as_bytes(after(4, a_search(seed=2)))

    def test_going_on_from_rows_is_as_if_it_had_never_stopped(self) -> None:
        kept = msgspec.json.decode(as_bytes(after(3, a_search())), type=SearchState)

        resumed = a_search().polish(a_search().step(a_search().step(kept)))

        search = a_search()
        assert as_bytes(resumed) == as_bytes(search.polish(after(5, search)))

    def test_a_search_of_other_genes_is_not_gone_on_with(self) -> None:
        state = after(1, a_search())
        other = Search(Space({"triage": TriageConfig()}), Bowls(), SearchConfig(), seed=1)

        with pytest.raises(ConfigError, match="was begun with other genes"):
            other.step(state)
        with pytest.raises(ConfigError, match="was begun with other genes"):
            other.polish(state)

    def test_nothing_feasible_is_no_crash(self) -> None:
        def hopeless(points: Matrix, share: float = 1.0) -> Scores:
            return Scores(np.ones((len(points), 4)), np.ones((len(points), 1)))

        search = a_search(hopeless)
        state = search.polish(search.step(search.begin()))

        assert state.archive.points == []
        assert (state.hypervolume, state.is_polished) == (0.0, True)

    def test_an_objective_in_which_all_are_equal_is_no_crash(self) -> None:
        def one_sided(points: Matrix, share: float = 1.0) -> Scores:
            zero = np.zeros(len(points))
            return Scores(np.stack([points[:, 1], zero], axis=1), np.zeros((len(points), 0)))

        state = after(5, a_search(one_sided))

        assert len(state.archive.points) >= 1


class TestPolish:
    def test_the_knee_gets_better_within_the_budget(self) -> None:
        search = a_search(polish=150)
        state = after(5, search)

        polished = search.polish(state)

        assert polished.is_polished
        assert polished.hypervolume >= state.hypervolume
        assert 0 < polished.evaluations - state.evaluations <= 150
        old, new = state.archive.arrays()[1], polished.archive.arrays()[1]
        assert new.objectives.mean(axis=1).min() < old.objectives.mean(axis=1).min()

    def test_without_a_budget_nothing_is_judged(self) -> None:
        search = a_search(polish=0)
        state = after(1, search)

        assert search.polish(state) == msgspec.structs.replace(state, is_polished=True)


class TestShapeOfTheFront:
    def test_agemoea2_survives_an_objective_in_which_all_are_equal(self) -> None:
        pytest.importorskip("numba", reason="needs the extra agemoea2")

        def flat(points: Matrix, share: float = 1.0) -> Scores:
            scores = Bowls()(points)
            objectives = scores.objectives.copy()
            objectives[:, 2] = 7.0
            return Scores(objectives, scores.constraints)

        state = after(4, a_search(flat, algorithm="agemoea2", population=12))

        assert state.generation == 4
        assert len(state.archive.points) > 1

    def test_without_numba_the_extra_is_named(self) -> None:
        script = (
            "import sys; sys.modules['numba'] = None\n"
            "from mendel.errors import EnvironmentProblem\n"
            "from mendel.genome.evolve import _age_survival\n"
            "try: _age_survival()\n"
            "except EnvironmentProblem as error: print(error)"
        )

        found = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )

        assert "mendel[agemoea2]" in found.stdout


def test_the_hypervolume_is_the_share_of_the_box_that_is_dominated() -> None:
    points = np.array([[0.25, 0.5], [0.5, 0.25], [2.0, 0.0]])

    assert hypervolume(points, np.array([1.0, 1.0])) == pytest.approx(0.75 * 0.5 + 0.25 * 0.5)
    assert hypervolume(points[2:], np.array([1.0, 1.0])) == 0.0
