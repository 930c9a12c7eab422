from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus.messages import LoadChanged
from mendel.core.load import LoadSigns, LoadWatch

CALM = {
    "answered": 1.0,
    "ok": 1.0,
    "error_rate": 0.0,
    "latency_s": 0.05,
    "queue_items": 0.0,
    "request_rate": 100.0,
    "retries_rate": 0.0,
    "cpu_share": 0.4,
    "memory_bytes": 1e8,
}
SWAMPED = {
    **CALM,
    "answered": 0.0,
    "latency_s": 4.0,
    "queue_items": 900.0,
    "request_rate": 300.0,
    "cpu_share": 1.0,
}
STORM = {**SWAMPED, "retries_rate": 0.8, "cpu_share": 0.2}
HELD = {**CALM, "request_rate": 300.0, "cpu_share": 0.9}


def told(watch: LoadWatch, start_s: float, *samples: dict[str, float]) -> list[LoadChanged]:
    """What the watch tells of samples that come once a second."""
    answers = [watch.take(sample, start_s + number) for number, sample in enumerate(samples)]
    return [each for each in answers if each is not None]


def a_watch(*, calm: int = 60, **signs: float) -> LoadWatch:
    """One that has seen a minute of calm."""
    watch = LoadWatch("web", LoadSigns(**signs))  # type: ignore[arg-type]  # Only floats are given.
    assert told(watch, 0.0, *[CALM] * calm) == []
    return watch


class TestOverload:
    def test_two_of_three_late_busy_and_crowded_samples_are_an_overload(self) -> None:
        watch = a_watch()

        changes = told(watch, 100.0, SWAMPED, CALM, SWAMPED)

        assert changes == [
            LoadChanged(
                target="web",
                state="overloaded",
                busy=True,
                retried=False,
                demand=3.0,
                crowded=True,
                onset_s=100.0,
                changed_s=102.0,
                reason="3.0 times the usual requests, 900 waiting, 100% busy",
            )
        ]

    def test_retries_are_a_load_even_while_the_component_is_not_busy(self) -> None:
        changes = told(a_watch(), 100.0, STORM, STORM)

        assert [(each.busy, each.retried) for each in changes] == [(False, True)]
        assert changes[0].reason.endswith("80% of the attempts are retries")

    def test_it_is_told_again_when_it_turns_out_to_be_of_another_sort_and_only_then(self) -> None:
        watch = a_watch()

        both = {**STORM, "cpu_share": 1.0}
        changes = told(watch, 100.0, STORM, STORM, STORM, both, STORM, both)

        assert [(each.busy, each.retried) for each in changes] == [(False, True), (True, True)]

    @pytest.mark.parametrize(
        "fault",
        [
            {**CALM, "request_rate": 300.0, "cpu_share": 0.95},  # A busy day.
            {**CALM, "answered": 0.0, "latency_s": 9.0, "cpu_share": 0.0},  # It hangs ...
            {**SWAMPED, "request_rate": 100.0, "cpu_share": 0.1},  # ... and a queue grows.
            {**CALM, "error_rate": 1.0, "ok": 0.0},  # A bad version.
            {**CALM, "latency_s": 0.5, "cpu_share": 0.95},  # Slow for a reason of its own.
            {**SWAMPED, "queue_items": 0.0},  # Nobody waits.
            {"reachable": 0.0},
            {"memory_bytes": 1.0},
        ],
    )
    def test_other_troubles_are_none_of_its_business(self, fault: dict[str, float]) -> None:
        assert told(a_watch(), 100.0, *[fault] * 60) == []

    def test_who_does_not_tell_how_busy_it_is_is_judged_by_what_comes_in(self) -> None:
        watch = LoadWatch("web", LoadSigns())
        names = ("answered", "queue_items", "request_rate")
        calm, swamped = ({name: each[name] for name in names} for each in (CALM, SWAMPED))
        told(watch, 0.0, *[calm] * 60)

        changes = told(watch, 100.0, swamped, swamped)

        assert [each.state for each in changes] == ["overloaded"]

    def test_nothing_is_usual_before_some_samples_were_seen(self) -> None:
        assert told(LoadWatch("web", LoadSigns()), 0.0, *[SWAMPED] * 60) == []

    def test_failed_answers_are_late_ones_as_shares_and_as_counts(self) -> None:
        calm = {"errors": 2.0, "failure_share": 0.01, "queue_items": 0.0, "request_rate": 100.0}
        crowd = {"queue_items": 900.0, "request_rate": 300.0}
        for bad in ({"errors": 12.0}, {"failure_share": 0.12}):
            watch = LoadWatch("web", LoadSigns())
            told(watch, 0.0, *[calm] * 60)

            assert told(watch, 100.0, *[calm | crowd] * 2) == []
            assert len(told(watch, 102.0, *[calm | crowd | bad] * 2)) == 1

    def test_what_is_usual_follows_the_day_and_not_the_overload(self) -> None:
        watch = a_watch(usual_s=60.0)
        busier = {**CALM, "request_rate": 120.0}

        told(watch, 100.0, *[busier] * 300)
        first = told(watch, 400.0, *[SWAMPED] * 300)

        assert first[0].demand == pytest.approx(300.0 / 120.0, rel=0.02)
        assert watch.state == "overloaded"

    def test_what_is_not_a_number_is_no_sample(self) -> None:
        odd = dict.fromkeys(CALM, math.nan)

        assert told(a_watch(), 100.0, odd, SWAMPED, odd, SWAMPED)[0].state == "overloaded"


class TestLettingGo:
    def test_it_is_eased_when_answers_are_in_time_and_calm_when_the_crowd_has_gone(self) -> None:
        watch = a_watch()
        told(watch, 100.0, SWAMPED, SWAMPED)

        changes = told(watch, 102.0, *[HELD] * 100, *[CALM] * 30)

        assert [(each.state, each.changed_s) for each in changes] == [
            ("eased", 106.0),
            ("calm", 222.0),
        ]
        assert watch.state == "calm"

    def test_one_good_answer_does_not_end_it(self) -> None:
        watch = a_watch()
        told(watch, 100.0, SWAMPED, SWAMPED)

        assert told(watch, 102.0, *[HELD, HELD, HELD, HELD, SWAMPED] * 4) == []

    def test_it_is_overloaded_again_when_that_was_not_enough(self) -> None:
        watch = a_watch()

        changes = told(watch, 100.0, *[SWAMPED] * 2, *[HELD] * 5, *[SWAMPED] * 2)

        assert [each.state for each in changes] == ["overloaded", "eased", "overloaded"]

    def test_retries_that_go_on_are_no_calm(self) -> None:
        watch = a_watch()
        told(watch, 100.0, SWAMPED, SWAMPED)

        changes = told(watch, 102.0, *[{**CALM, "retries_rate": 0.3}] * 400)

        assert [each.state for each in changes] == ["eased"]

    def test_a_crowd_that_stays_is_let_in_for_a_trial_once_it_is_served_with_ease(self) -> None:
        watch = a_watch()
        told(watch, 100.0, SWAMPED, SWAMPED)
        served = {**HELD, "cpu_share": 0.5}

        changes = told(watch, 102.0, *[HELD] * 300, *[served] * 400)

        # Fifteen times as long as it takes when the crowd has gone.
        assert [(each.state, each.changed_s) for each in changes] == [
            ("eased", 106.0),
            ("calm", 702.0),
        ]

    @given(samples=st.lists(st.sampled_from((CALM, SWAMPED, STORM, HELD)), max_size=80))
    def test_states_follow_each_other_as_they_should(self, samples: list[dict[str, float]]) -> None:
        watch = a_watch()

        states = ["calm", *(each.state for each in told(watch, 100.0, *samples))]

        follows = {
            "calm": {"overloaded"},
            "overloaded": {"eased", "overloaded"},
            "eased": {"overloaded", "calm"},
        }
        assert all(after in follows[before] for before, after in itertools.pairwise(states))
