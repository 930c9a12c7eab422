from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.detect import Verdict
from mendel.core.detection.usual import UsualDetector, UsualLine, usual_line
from mendel.errors import ConfigError


def a_detector(metric: str, usual: float, samples: int = 40) -> UsualDetector:
    """One that has seen what is usual, once a second."""
    line = usual_line(metric)
    assert line is not None
    detector = UsualDetector(line)
    for second in range(samples):
        detector.update(usual, float(second))
    return detector


def raised_after(detector: UsualDetector, value: float, least: int = 10) -> int | None:
    for number in range(1, least + 1):
        if detector.update(value, 100.0 + number) is Verdict.RAISED:
            return number
    return None


@pytest.mark.parametrize(
    ("metric", "usual", "bad", "good"),
    [
        ("error_rate", 0.01, 0.08, 0.05),
        ("errors", 2.0, 12.0, 10.0),
        ("success_rate", 0.99, 0.9, 0.95),
        ("latency_s", 0.1, 0.4, 0.3),
        ("latency_ms", 2.0, 30.0, 25.0),
        ("duration", 10.0, 31.0, 29.0),
        ("disk_share", 0.4, 0.9, 0.8),
        ("connections_share", 0.5, 0.9, 0.8),
        ("memory_share", 0.5, 0.85, 0.75),
        ("memory_bytes", 1e9, 1.7e9, 1.5e9),
    ],
)
def test_what_is_far_from_usual_is_an_alarm(
    metric: str, usual: float, bad: float, good: float
) -> None:
    assert raised_after(a_detector(metric, usual), bad) is not None
    assert raised_after(a_detector(metric, usual), good) is None


@pytest.mark.parametrize("metric", ["request_rate", "cpu_share", "queue_items", "frobs", "success"])
def test_some_metrics_may_have_any_value(metric: str) -> None:
    assert usual_line(metric) is None


def test_nothing_is_an_alarm_before_anything_is_usual() -> None:
    assert raised_after(a_detector("latency_s", 0.1, samples=10), 5.0, least=5) is None


def test_one_bad_sample_is_no_alarm() -> None:
    detector = a_detector("latency_s", 0.1)

    assert detector.update(9.0, 41.0) is Verdict.UNCHANGED
    assert (detector.suspect, detector.alarmed, detector.onset_s) == (True, False, 41.0)


def test_an_alarm_ends_with_good_samples_and_says_what_is_usual() -> None:
    detector = a_detector("latency_s", 0.1)
    raised_after(detector, 2.0)
    assert detector.alarmed
    assert detector.describe("latency_s", 2.0) == (
        "latency_s is 2, usually 0.1, should be at most 0.32"
    )

    verdicts = [detector.update(0.1, 120.0 + second) for second in range(3)]

    assert verdicts[-1] is Verdict.CLEARED


def test_a_fall_below_is_told_as_such() -> None:
    assert a_detector("success_rate", 0.99).describe("success_rate", 0.5).endswith("at least 0.94")


def test_no_sample_changes_nothing() -> None:
    assert a_detector("latency_s", 0.1).update(math.nan, 50.0) is Verdict.UNCHANGED


def test_trouble_is_not_learned_and_neither_is_what_is_seen_while_healing() -> None:
    detector = a_detector("latency_s", 0.1)
    raised_after(detector, 2.0)
    detector.hold(500.0)
    for second in range(200):
        detector.update(0.25, 200.0 + second)

    assert detector.usual == pytest.approx(0.1)


def test_what_stays_out_of_line_for_long_is_the_new_usual() -> None:
    detector = a_detector("latency_s", 0.1)
    for second in range(910):
        detector.update(2.0, 100.0 + second)

    assert (detector.usual, detector.alarmed) == (2.0, False)


def test_memory_that_creeps_is_not_taken_for_usual() -> None:
    detector = a_detector("memory_bytes", 1e9)

    assert any(
        detector.update(1e9 * (1.0 + 0.002 * second), 50.0 + second) is Verdict.RAISED
        for second in range(400)
    )


def test_renewed_it_keeps_what_it_has_learned() -> None:
    detector = a_detector("latency_s", 0.1)
    raised_after(detector, 2.0)

    renewed = detector.renewed()

    assert (renewed.alarmed, renewed.is_bad(2.0), renewed.is_bad(0.2)) == (False, True, False)
    renewed.ask_for_proof()
    assert renewed.suspect


@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=False), max_size=60))
def test_the_score_is_never_negative_and_never_odd(values: list[float]) -> None:
    detector = UsualDetector(UsualLine(factor=3.0, margin=0.1))
    for second, value in enumerate(values):
        detector.update(value, float(second))
        assert 0.0 <= detector.score(1.0) < math.inf


def test_what_is_usual_outlasts_a_restart() -> None:
    known, fresh = a_detector("latency_s", 0.1), UsualDetector(UsualLine(factor=3.0, margin=0.02))
    missing = fresh.missing

    fresh.restore(known.save())

    assert (missing, fresh.missing) == (20, 0)
    assert fresh.usual == known.usual
    assert raised_after(fresh, 0.4) == raised_after(known, 0.4) == 3
    assert known.basis == fresh.basis != a_detector("error_rate", 0.1).basis


def test_a_state_of_another_make_is_refused() -> None:
    detector = a_detector("latency_s", 0.1)

    with pytest.raises(ConfigError, match="state of what is usual is damaged: 'count'"):
        detector.restore({"usual": 3.0})
