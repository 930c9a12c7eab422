from __future__ import annotations

import math

import pytest
from mendel.bus.messages import AnomalyCleared, AnomalyDetected, Symptom
from mendel.core.detection.windows import Rows
from mendel.core.watching.picture import Picture, formed
from msgspec import structs


def a_calm_minute(metric: str = "latency_s", value: float = 0.2) -> Picture:
    picture = Picture()
    for second in range(60):
        picture.add({metric: value}, float(second), calm=True)
    return picture


def test_nothing_seen_is_no_symptom() -> None:
    assert Picture().symptoms(-math.inf, 10.0) == ()
    assert a_calm_minute().symptoms(-math.inf, 100.0) == ()


def test_a_metric_stands_beside_what_is_usual_for_it() -> None:
    picture = a_calm_minute()
    for second in (60, 61, 62):
        picture.add({"latency_s": 0.9}, float(second), calm=False)

    (symptom,) = picture.symptoms(60.0, 62.0)

    assert symptom == Symptom(
        metric="latency_s",
        value=symptom.value,
        latest=0.9,
        usual=0.2,
        trend_per_s=symptom.trend_per_s,
    )
    assert symptom.value == pytest.approx(0.9)
    assert symptom.trend_per_s == pytest.approx(0.7 / 62.0)


def test_what_was_seen_before_the_trouble_is_not_of_the_present() -> None:
    picture = a_calm_minute("ok", 1.0)
    picture.add({"ok": 0.0}, 60.0, calm=False)

    since_onset = picture.symptoms(60.0, 60.0)[0].value
    of_all = picture.symptoms(-math.inf, 60.0)[0].value

    assert (since_onset, of_all) == (0.0, 0.75)


def test_where_nothing_was_seen_since_the_onset_the_last_look_stands() -> None:
    picture = a_calm_minute("ok", 1.0)

    assert picture.symptoms(59.5, 60.0)[0].value == 1.0


def test_trouble_never_becomes_usual() -> None:
    picture = a_calm_minute()
    for second in range(60, 600):
        picture.add({"latency_s": 5.0}, float(second), calm=False)

    assert picture.symptoms(60.0, 599.0)[0].usual == 0.2


def test_with_too_little_calm_nothing_is_called_usual() -> None:
    picture = Picture()
    for second in range(10):
        picture.add({"latency_s": 0.2}, float(second), calm=True)

    symptom = picture.symptoms(-math.inf, 9.0)[0]

    assert (symptom.usual, symptom.trend_per_s) == (None, 0.0)


def test_of_what_fills_up_a_low_value_is_usual() -> None:
    picture = Picture()
    for second in range(0, 300, 5):
        picture.add({"memory_bytes": 1e9 + 2e6 * second}, float(second), calm=True)

    usual = picture.symptoms(-math.inf, 296.0)[0].usual

    assert usual == pytest.approx(1e9 + 2e6 * 35)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("latency_s", "it is slow; a step up"),
        ("ok", "it is slow"),  # What is there or not has no form.
        ("queue_items", "it is slow"),  # Never seen.
    ],
)
def test_an_anomaly_tells_its_form_where_there_is_one(metric: str, reason: str) -> None:
    rows = Rows(60)
    for second in range(40):
        odd = second >= 37
        rows.add(float(second), {"latency_s": 0.9 if odd else 0.1, "ok": 0.0 if odd else 1.0})
    found = AnomalyDetected(
        target="cart",
        metric=metric,
        value=0.9,
        score=8.0,
        onset_s=37.0,
        detected_s=39.0,
        reason="it is slow",
    )

    assert formed(found, rows) == structs.replace(found, reason=reason)


def test_other_messages_stay_as_they_are() -> None:
    message = AnomalyCleared(target="cart", metric="latency_s", cleared_s=1.0)

    assert formed(message, Rows(4)) is message
