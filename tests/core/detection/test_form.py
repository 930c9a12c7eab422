from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.form import Form, Values, form_of, told, turned

DRAW = random.Random(1)
CALM = [10.0 + DRAW.gauss(0, 0.3) for _ in range(60)]
TEETH = [5.0 + row % 10 for row in range(45)]


def noisy(*values: float) -> list[float]:
    draw = random.Random(2)
    return [value + draw.gauss(0, 0.3) for value in values]


@pytest.mark.parametrize(
    ("before", "since", "form", "way"),
    [
        (CALM, noisy(*[20.0] * 12), "step", "up"),
        (CALM, noisy(*[2.0] * 12), "step", "down"),
        (CALM, [20.0], "step", "up"),
        (CALM, noisy(*[10.0 + row for row in range(15)]), "ramp", "up"),
        (CALM, noisy(*[10.0 - 0.6 * row for row in range(15)]), "ramp", "down"),
        (CALM, noisy(10.0, *[10.0 + 2 * row for row in range(6)], *[20.0] * 6), "ramp", "up"),
        (CALM, noisy(25.0, 24.0, *[10.0] * 10), "spike", "up"),
        (CALM, noisy(1.0, 1.0, 2.0, *[10.0] * 12), "dip", "down"),
        (CALM, noisy(*[1.0, 1.0, 10.0, 10.0] * 4), "flap", "down"),
        (TEETH, [20.0, 20.0], "sawtooth", "up"),
        ([30.0 - each for each in TEETH], [26.0], "sawtooth", "up"),
        (CALM, [10.0, None, None, None], "silence", ""),
        (CALM, [], "", ""),
        (CALM, noisy(*[10.0] * 20), "", "up"),
        ([10.0] * 3, [20.0] * 5, "", "up"),
        ([0.0] * 30, [0.0] * 5, "", ""),
        ([0.0] * 30, [1.0, 1.0], "step", "up"),
        ([], [1.0], "", ""),
    ],
)
def test_a_trouble_has_a_form_and_goes_somewhere(
    before: Values, since: Values, form: Form, way: str
) -> None:
    assert form_of(before, since) == form
    if form:
        assert turned(before, since) == way or form == "silence"


@given(
    scale=st.floats(1e-3, 1e6),
    values=st.lists(st.floats(-50, 50), min_size=1, max_size=20),
)
def test_the_unit_does_not_matter(scale: float, values: list[float]) -> None:
    before, since = CALM, [10.0 + round(each) for each in values]

    scaled = form_of([scale * each for each in before], [scale * each for each in since])

    assert scaled == form_of(before, since)


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=30), st.integers(0, 30))
def test_whatever_comes_there_is_an_answer(values: list[float | None], at: int) -> None:
    form_of(values[:at], values[at:])
    turned(values[:at], values[at:])


def test_what_is_no_number_is_no_value() -> None:
    assert form_of([*CALM, math.nan, math.inf], [math.nan, 20.0, 20.0]) == "step"


@pytest.mark.parametrize(
    ("since", "words"),
    [
        ([20.0] * 5, "a step up"),
        ([10.0 - 0.6 * row for row in range(15)], "a ramp down"),
        ([25.0, *[10.0] * 10], "a spike"),
        ([None] * 3, "silence"),
        ([10.0], ""),
    ],
)
def test_a_form_is_told_in_words(since: list[float | None], words: str) -> None:
    assert told(CALM, since) == words
