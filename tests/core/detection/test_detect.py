import math
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.detect import SCORE_MAX, Threshold, ThresholdDetector, Verdict
from mendel.errors import ConfigError

RAISED, CLEARED, UNCHANGED = Verdict.RAISED, Verdict.CLEARED, Verdict.UNCHANGED
GOOD, BAD = 0.0, 3.0


def a_threshold(**settings: Any) -> Threshold:
    """Above 1 is bad; two of three make an alarm, two good ones in a row end it; no margin."""
    return Threshold(**{"above": 1.0, "samples": 2, "of": 3, "clear": 2, "margin": 0.0} | settings)


def verdicts(detector: ThresholdDetector, *values: float) -> list[Verdict]:
    """What each value changes; they are one second apart, from 0 s."""
    return [detector.update(value, float(taken_s)) for taken_s, value in enumerate(values)]


class TestThreshold:
    @pytest.mark.parametrize(
        ("settings", "complaint"),
        [
            ({}, "a threshold needs `above`, `below` or both"),
            (
                {"above": 1.0, "below": 1.0},
                "below=1 must be less than above=1, or no value would be good",
            ),
            (
                {"above": 1.0, "samples": 3, "of": 2},
                "samples=3 exceeds of=2: it could never alarm",
            ),
        ],
    )
    def test_one_that_makes_no_sense_is_refused(
        self, settings: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            Threshold(**settings)

        assert str(caught.value) == complaint

    @pytest.mark.parametrize(
        ("settings", "value", "score"),
        [
            ({"above": 2.0}, 2.0, 1.0),
            ({"above": 2.0}, 6.0, 3.0),
            ({"above": 2.0}, -6.0, 0.0),
            ({"above": 0.0}, 2.0, 3.0),
            ({"below": 2.0}, 1.0, 1.5),
            ({"below": -2.0, "above": 2.0}, 0.0, 0.0),
            ({"below": -2.0, "above": 2.0}, -4.0, 2.0),
            ({"above": 1.0}, math.inf, SCORE_MAX),
            ({"below": 1.0}, math.inf, 0.0),
        ],
    )
    def test_the_score_is_one_on_the_line_and_more_beyond_it(
        self, settings: dict[str, Any], value: float, score: float
    ) -> None:
        assert Threshold(**settings).score(value) == score

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"above": 0.5}, "at most 0.5"),
            ({"below": 2.0}, "at least 2"),
            ({"above": 0.5, "below": -0.5}, "at least -0.5 and at most 0.5"),
        ],
    )
    def test_the_band_is_told_in_words(self, settings: dict[str, Any], words: str) -> None:
        assert Threshold(**settings).describe() == words

    def test_an_alarm_that_stands_is_harder_to_please(self) -> None:
        threshold = Threshold(above=10.0, below=-10.0, margin=0.1)

        found = [
            [
                value
                for value in (-10.5, -9.5, -8.5, 8.5, 9.5, 10.5)
                if threshold.is_bad(value, alarmed=alarmed)
            ]
            for alarmed in (False, True)
        ]

        assert found == [[-10.5, 10.5], [-10.5, -9.5, 9.5, 10.5]]


class TestDetector:
    def test_it_alarms_at_the_second_of_three_and_clears_after_two_good_ones(self) -> None:
        detector = ThresholdDetector(a_threshold())

        found = verdicts(detector, BAD, GOOD, BAD, GOOD, BAD, GOOD, GOOD)

        assert found == [
            UNCHANGED,
            UNCHANGED,
            RAISED,
            UNCHANGED,
            UNCHANGED,
            UNCHANGED,
            CLEARED,
        ]

    def test_the_onset_is_the_first_bad_sample_and_there_is_none_afterwards(self) -> None:
        detector = ThresholdDetector(a_threshold())
        onsets = []

        for taken_s, value in enumerate([GOOD, BAD, BAD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD]):
            detector.update(value, float(taken_s))
            onsets.append(detector.onset_s)

        none = math.inf
        assert onsets == [none, 1.0, 1.0, 1.0, none, 5.0, 5.0, 5.0, none]

    def test_the_onset_of_a_standing_alarm_does_not_move(self) -> None:
        detector = ThresholdDetector(a_threshold(samples=1, of=1))

        verdicts(detector, BAD, GOOD, BAD)

        assert (detector.alarmed, detector.onset_s) == (True, 0.0)

    def test_an_alarm_that_got_clearly_worse_is_raised_again(self) -> None:
        detector = ThresholdDetector(a_threshold(samples=1))

        assert verdicts(detector, 3.0, 6.0, 6.1, 12.0, 12.3) == [
            RAISED,
            UNCHANGED,
            RAISED,
            UNCHANGED,
            RAISED,
        ]

    def test_not_a_number_is_no_sample(self) -> None:
        detector = ThresholdDetector(a_threshold())

        assert verdicts(detector, math.nan, BAD, math.nan, BAD) == [
            UNCHANGED,
            UNCHANGED,
            UNCHANGED,
            RAISED,
        ]

    def test_it_suspects_after_a_bad_sample_and_when_asked_to(self) -> None:
        detector = ThresholdDetector(a_threshold())
        seen = [detector.suspect]

        for value in (BAD, GOOD, GOOD):
            detector.update(value, 0.0)
            seen.append(detector.suspect)
        detector.ask_for_proof()
        seen.append(detector.suspect)

        assert seen == [False, True, True, False, True]


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    of = draw(st.integers(1, 6))
    samples = draw(st.integers(1, of))
    return a_threshold(samples=samples, of=of, clear=draw(st.integers(1, 6)))


@given(threshold=thresholds(), bad=st.lists(st.booleans(), max_size=60))
def test_it_decides_like_a_plain_queue_of_samples(threshold: Threshold, bad: list[bool]) -> None:
    detector = ThresholdDetector(threshold)
    newest: deque[bool] = deque(maxlen=threshold.of)
    alarmed, good_in_a_row = False, threshold.clear

    for is_bad in bad:
        detector.update(BAD if is_bad else GOOD, 0.0)
        newest.append(is_bad)
        good_in_a_row = 0 if is_bad else good_in_a_row + 1
        if alarmed and good_in_a_row >= threshold.clear:
            alarmed = False
            newest.clear()
        elif is_bad and sum(newest) >= threshold.samples:
            alarmed = True
        assert (detector.alarmed, detector.suspect) == (alarmed, good_in_a_row < threshold.clear)


@given(threshold=thresholds(), data=st.data())
def test_it_never_alarms_below_its_number_of_bad_samples(
    threshold: Threshold, data: st.DataObject
) -> None:
    detector = ThresholdDetector(threshold)
    bad = data.draw(st.lists(st.booleans(), max_size=40))
    few = [
        is_bad and sum(bad[max(0, index - threshold.of + 1) : index + 1]) < threshold.samples
        for index, is_bad in enumerate(bad)
    ]

    found = verdicts(detector, *(BAD if is_bad else GOOD for is_bad in few))

    assert RAISED not in found
