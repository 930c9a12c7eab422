"""The scorer over floats and over arrays is one; what it finds and what it leaves alone."""

import math
import random
from typing import Any

import numpy as np
import pytest
from mendel.core.detection.lanes import Many, One
from mendel.core.detection.scorer import KINDS, Scorer
from mendel.core.snapshot import freeze, thaw

DAY_S = 86_400.0


def scores(values: list[float], *, step_s: float = 60.0, **settings: Any) -> list[float]:
    scorer = Scorer(One(), **settings)
    found = []
    for number, value in enumerate(values):
        scorer.update(value, number * step_s, True)
        found.append(scorer.score)
    return found


def noise(count: int, seed: int = 1, *, level: float = 10.0, spread: float = 1.0) -> list[float]:
    draw = random.Random(seed)
    return [level + spread * draw.gauss(0, 1) for _ in range(count)]


def alarming(found: list[float]) -> int:
    """How many scores are very rare."""
    return sum(score > 20.0 for score in found)


def a_mess(lanes: int, rows: int, seed: int) -> Any:
    """Whatever a metric may do, in any order: shape (rows, lanes)."""
    draw = np.random.default_rng(seed)
    values = draw.normal(0, 1, (rows, lanes)) * 10.0 ** draw.integers(-3, 4, lanes)
    values += draw.choice([0.0, 5.0, -300.0, 1e12], lanes)
    values[rows // 2 :, ::3] += 40.0
    values[:, 1::4] = np.round(values[:, 1::4])
    values[:, 2::7] = 3.0
    for odd in (math.nan, math.inf, -math.inf, 0.0, 1e300):
        values[draw.random((rows, lanes)) < 0.01] = odd
    return values


@pytest.mark.parametrize(
    ("lanes", "rows", "step_s"), [(36, 200, 60.0), (3, 300, 3600.0), (2, 1600, 1.0)]
)
def test_floats_and_arrays_come_out_equal_bit_for_bit(lanes: int, rows: int, step_s: float) -> None:
    draw = np.random.default_rng(lanes)
    values = a_mess(lanes, rows, seed=rows)
    learns = draw.random((rows, lanes)) < 0.97
    steps_s = step_s * draw.choice([1.0, 1.0, 1.0, 0.0, -2.0, 30.0], (rows, lanes))
    stamps_s = 1e5 + np.cumsum(steps_s, axis=0)
    up, down = draw.choice([0.0, 1.0], lanes), np.ones(lanes)
    many = Scorer(Many(lanes, np), up=up, down=down, relearn_s=600.0)
    ones = [Scorer(One(), up=float(each), relearn_s=600.0) for each in up]

    for row in range(rows):
        many.update(values[row], stamps_s[row], learns[row])
        for lane, one in enumerate(ones):
            one.update(
                float(values[row, lane]), float(stamps_s[row, lane]), bool(learns[row, lane])
            )
        for name in ("score", "rank", "error", "spread", "margin"):
            assert getattr(many, name).tolist() == [getattr(one, name) for one in ones], (row, name)


def test_a_step_stands_out_at_once() -> None:
    found = scores([*noise(600), *noise(10, 2, level=18.0)])

    assert max(found[300:600]) < 20.0 < found[600]


@pytest.mark.parametrize("offset", [0.0, 1e12, -1e12])
def test_an_offset_changes_nothing_of_what_is_found(offset: float) -> None:
    values = [offset + value for value in [*noise(600), *noise(10, 2, level=25.0)]]

    assert scores(values)[600] > 20.0


@pytest.mark.parametrize("level", [100.0, 0.0, -5.0, 1e-3])
def test_a_constant_metric_has_no_score_for_a_ripple(level: float) -> None:
    values = [level] * 500
    values[300] = level * 1.004
    values[301] = level * 0.996

    found = scores(values)

    assert all(math.isfinite(score) for score in found)
    assert max(found) < 9.0


def test_a_constant_metric_that_jumps_stands_out() -> None:
    assert scores([5.0] * 300 + [8.0])[-1] > 20.0


def test_a_count_that_is_mostly_zero_is_normal_when_it_is_one_again() -> None:
    draw = random.Random(4)
    values = [float(draw.random() < 0.1) for _ in range(1500)]

    found = scores([*values, 1.0, 30.0])

    assert found[-2] < 20.0 < found[-1]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_leaves_no_trace_but_a_high_score(odd: float) -> None:
    found = scores([odd, *noise(400), odd, *noise(400, 2)])

    assert all(math.isfinite(score) for score in found)
    assert (found[401] == 0.0) == math.isnan(odd)
    assert alarming(found[450:]) <= 2


def test_stamps_that_stand_still_or_run_backward_do_no_harm() -> None:
    scorer = Scorer(One())
    for number, value in enumerate(noise(600)):
        scorer.update(value, (5.0, 3.0, 9.0)[number % 3], True)
        assert math.isfinite(scorer.score)

    scorer.update(30.0, 4.0, True)

    assert scorer.score > 20.0


def test_a_new_level_is_learned_when_it_stays() -> None:
    found = scores([*noise(600), *noise(200, 2, level=30.0)])

    assert found[600] > 20.0
    assert alarming(found[700:]) <= 1


def test_a_second_anomaly_right_after_the_first_is_seen() -> None:
    values = [*noise(600), *[25.0] * 5, *noise(12, 2), *[25.0] * 5]

    found = scores(values)

    assert found[600] > 20.0
    assert found[617] > 12.0


def test_a_day_is_not_news_the_next_day() -> None:
    draw = random.Random(5)
    rows = 7 * 288
    values = [
        10 + 8 * math.sin(row / 288 * 2 * math.pi) + draw.gauss(0, 0.5) for row in range(rows)
    ]
    calm = scores(values, step_s=300.0)
    values[5 * 288 + 144] += 8.0  # As high as every noon, but at another time.

    found = scores(values, step_s=300.0)

    assert alarming(calm[3 * 288 :]) <= 4  # A record once in a while is no alarm yet.
    assert found[5 * 288 + 144] > 20.0


@pytest.mark.parametrize(("up", "down", "value"), [(1.0, 0.0, 2.0), (0.0, 1.0, 18.0)])
def test_the_good_direction_is_no_news(up: float, down: float, value: float) -> None:
    assert scores([*noise(600), value], up=up, down=down)[-1] < 9.0


def test_what_is_smaller_than_the_floor_is_nothing() -> None:
    values = [*noise(600, spread=0.001), 10.05]

    assert scores(values)[-1] > 20.0
    assert scores(values, floor=0.1)[-1] < 9.0


def test_nothing_is_learned_while_it_must_not_be() -> None:
    scorer = Scorer(One())
    for number, value in enumerate(noise(600)):
        scorer.update(value, number * 60.0, True)
    before = freeze(scorer)

    for number in range(100):
        scorer.update(40.0, 36_000.0 + number * 60.0, False)
    after = freeze(scorer)

    seen = {
        "error",
        "margin",
        "rank",
        "score",
        "surprises",
        "spread",
        "_rest",
        "_run_s",
        "_stamp_s",
    }
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= seen


def test_what_was_saved_goes_on_as_if_nothing_had_happened() -> None:
    scorer, restored = Scorer(One()), Scorer(One())
    values = noise(700)
    for number, value in enumerate(values[:400]):
        scorer.update(value, number * 60.0, True)

    thaw(restored, freeze(scorer))

    for number, value in enumerate(values[400:], start=400):
        scorer.update(value, number * 60.0, True)
        restored.update(value, number * 60.0, True)
        assert restored.rank == scorer.rank
    assert freeze(restored) == freeze(scorer)


def test_a_state_of_another_size_is_refused() -> None:
    scorer = Scorer(One())
    state = freeze(scorer)
    state["_spreads"] = state["_spreads"][1:]

    with pytest.raises(ValueError, match=f"_spreads has 5 rows, should have {len(KINDS)}"):
        thaw(scorer, state)
