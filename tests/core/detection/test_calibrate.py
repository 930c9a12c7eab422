import math
import random

import pytest
from mendel.core.detection.calibrate import COMMON, SIDE, Calibration, place_of
from mendel.core.detection.lanes import One

ONE = One()


def seen(values: list[float], *, is_normal: bool = True) -> Calibration:
    """A calibration that has seen the values, and is up to date."""
    calibration = Calibration(ONE, is_normal=is_normal)
    for value in values:
        take(calibration, value)
    calibration.renew(ONE, True)
    return calibration


def take(calibration: Calibration, value: float, weight: int = COMMON) -> float:
    place = place_of(ONE, abs(value))
    return calibration.take(ONE, place, (value < 0) * SIDE, weight)  # type: ignore[no-any-return]


def test_before_anything_was_seen_numbers_are_believed_to_be_normal() -> None:
    calibration = Calibration(ONE)

    # Two mean absolute deviations: one in 18 of normal data lies further out on that side.
    assert take(calibration, 2.0, 0) == pytest.approx(math.log10(18), abs=0.2)
    assert take(calibration, 4.0, 0) > 2.0


def test_surprise_is_the_share_of_the_past_that_was_further_out() -> None:
    draw = random.Random(1)
    calibration = seen([draw.expovariate(1.0) for _ in range(1500)])

    # Lower edges of bins, so that nothing is lost to their width.
    assert take(calibration, 2.0, 0) == pytest.approx(2.0 / math.log(10), abs=0.1)
    assert take(calibration, 4.0, 0) == pytest.approx(4.0 / math.log(10), abs=0.25)


def test_sides_are_apart() -> None:
    calibration = seen([5.0, -1.0, -1.0, -1.0] * 200)

    assert take(calibration, 5.0, 0) < 1.0
    assert take(calibration, -5.0, 0) > 2.0


def test_further_out_is_never_less_surprising() -> None:
    draw = random.Random(2)
    calibration = seen([draw.gauss(0, 1) for _ in range(500)])

    surprises = [take(calibration, 2.0 ** (step / 10 - 5), 0) for step in range(180)]

    assert surprises == sorted(surprises)
    assert surprises[-1] < 50.0


def test_what_a_tail_cannot_count_goes_on_growing() -> None:
    draw = random.Random(3)
    calibration = seen([draw.gauss(0, 1) for _ in range(1500)])

    assert take(calibration, 6.0, 0) > 3.5
    assert take(calibration, 60.0, 0) > take(calibration, 6.0, 0) + 4.0


def test_the_older_generation_is_forgotten_after_two_turns() -> None:
    calibration = seen([8.0] * 300)
    assert take(calibration, 8.0, 0) < 1.0

    for _ in range(2):
        calibration.turn(ONE, True)
        for _ in range(300):
            take(calibration, 0.5)
    calibration.renew(ONE, True)

    assert take(calibration, 8.0, 0) > 2.0


def test_without_a_belief_a_tail_is_still_a_tail() -> None:
    calibration = Calibration(ONE, is_normal=False)

    assert calibration.take(ONE, 0.0, 0, 0) == 0.0
    assert calibration.take(ONE, 10.0, 0, 0) == pytest.approx(10 * math.log10(math.e) / 1.5)
