import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mendel.genome.front import front_of, knee_of, regret, spread_out
from mendel.genome.scores import Scores


def scores(*objectives: tuple[float, ...], broken: tuple[int, ...] = ()) -> Scores:
    constraints = [[1.0] if row in broken else [0.0] for row in range(len(objectives))]
    return Scores(np.array(objectives), np.array(constraints))


class TestFront:
    def test_what_another_beats_is_not_in_it(self) -> None:
        assert front_of(scores((1.0, 4.0), (2.0, 2.0), (3.0, 3.0), (4.0, 1.0))).tolist() == [
            0,
            1,
            3,
        ]

    def test_of_equals_the_first_stands_for_all(self) -> None:
        assert front_of(scores((1.0, 1.0), (1.0, 1.0), (1.0, 1.0))).tolist() == [0]

    def test_what_breaks_a_constraint_neither_is_in_it_nor_beats_anything(self) -> None:
        assert front_of(scores((0.0, 0.0), (1.0, 1.0), broken=(0,))).tolist() == [1]
        assert front_of(scores((0.0, 0.0), broken=(0,))).tolist() == []

    @given(values=arrays(float, (12, 3), elements=st.integers(0, 4).map(float)))
    def test_everything_outside_is_beaten_or_equalled_by_something_inside(
        self, values: np.ndarray
    ) -> None:
        front = front_of(Scores(values, np.zeros((12, 1))))

        for row in range(12):
            if row not in front:
                assert any(np.all(values[inside] <= values[row]) for inside in front)
        for inside in front:
            others = np.delete(values, inside, axis=0)
            no_worse = np.all(others <= values[inside], axis=1)
            assert not np.any(no_worse & np.any(others < values[inside], axis=1))


class TestSpread:
    def test_the_most_crowded_go_first(self) -> None:
        line = np.array([[0.0, 1.0], [0.5, 0.5], [0.51, 0.49], [0.53, 0.47], [1.0, 0.0]])

        assert spread_out(line, 3).tolist() == [0, 1, 4]
        assert spread_out(line, 5).tolist() == [0, 1, 2, 3, 4]
        assert len(spread_out(line, 1)) == 1


class TestKnee:
    FRONT = np.array([[0.0, 10.0], [1.0, 2.0], [10.0, 0.0]])

    def test_it_is_the_best_compromise_in_the_ranges_of_the_front(self) -> None:
        assert knee_of(self.FRONT) == 1

    def test_what_is_worse_than_the_incumbent_in_anything_comes_last(self) -> None:
        assert knee_of(self.FRONT, np.array([20.0, 0.0])) == 2
        assert knee_of(self.FRONT, np.array([0.5, 0.5])) == 1, "none is harmless: the best then"

    def test_a_difference_of_a_fiftieth_is_none(self) -> None:
        assert knee_of(self.FRONT, np.array([0.99, 1.97])) == 1

    def test_an_objective_that_does_not_vary_counts_nothing(self) -> None:
        assert knee_of(np.array([[3.0, 1.0], [3.0, 0.5]])) == 1

    def test_an_empty_front_has_none(self) -> None:
        with pytest.raises(ValueError, match="empty front"):
            knee_of(np.empty((0, 2)))

    def test_regret_is_least_at_the_ideal_point(self) -> None:
        found = regret(np.array([[0.0, 0.0], [10.0, 10.0], [10.0, 0.0]]), self.FRONT)

        assert found.tolist() == pytest.approx([0.0, 1.1, 1.05])
