from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.series import LEAST
from mendel.core.detection.trend import fit, steps_left


def noise(seed: int, count: int, size: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0.0, size, count)


class TestLine:
    def test_it_goes_through_points_on_a_line_without_an_error(self) -> None:
        line = fit([1.0 + 0.5 * step for step in range(40)])

        assert line.level == pytest.approx(20.5)
        assert line.slope == pytest.approx(0.5)
        assert line.level_error == pytest.approx(0.0, abs=1e-12)

    def test_its_errors_are_those_of_the_textbook(self) -> None:
        slopes, errors = [], []
        for seed in range(300):
            line = fit(list(0.1 * np.arange(60) + noise(seed, 60, 1.0)))
            slopes.append(line.slope)
            errors.append(line.slope_error)

        assert np.std(slopes) == pytest.approx(1.0 / math.sqrt(60 * (60**2 - 1) / 12), rel=0.15)
        # Chance alone correlates neighbours a little, and that is allowed for.
        assert 1.0 <= np.mean(errors) / np.std(slopes) < 1.25

    @given(
        level=st.floats(-1e6, 1e6),
        slope=st.floats(0.01, 1e3),
        left=st.floats(6.0, 20.0),
    )
    def test_steps_left_of_a_clean_line_hold_the_truth(
        self, level: float, slope: float, left: float
    ) -> None:
        values = [level + slope * step for step in range(LEAST)]

        found = steps_left(values, values[-1] + slope * left, 0.0)

        assert found is not None
        early, late, growth = found
        assert early <= left <= late <= left + 3.0
        assert growth == pytest.approx(slope, rel=1e-3)

    def test_what_does_not_grow_or_not_straight_has_none(self) -> None:
        flat, falls = [0.5] * 40, [1.0 - 0.01 * step for step in range(40)]
        bent = [0.5] * 30 + [0.5 + 0.04 * step for step in range(10)]
        half = [0.02 * step for step in range(20)] + [0.4 - 0.001 * step for step in range(20)]

        assert [steps_left(each, 0.95, 0.0) for each in (flat, falls, bent, half)] == [None] * 4

    def test_a_line_that_may_as_well_be_flat_has_none(self) -> None:
        rough = [0.01 * step + 0.08 * (step % 9 < 4) for step in range(60)]

        assert steps_left(rough, 0.9, 0.0) is None

    def test_a_newer_half_that_may_as_well_be_flat_is_enough_for_doubt(self) -> None:
        sizes = noise(89, 36, 0.03)[:35]
        wander = [0.0]
        for size in sizes:
            wander.append(0.9 * wander[-1] + size)
        values = [0.5 + 0.012 * step + off for step, off in enumerate(wander)]

        assert fit(values).slope > 0.0
        assert steps_left(values, 1.0, 0.0) is None
