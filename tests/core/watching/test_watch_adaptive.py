"""A target whose metrics are compared with their own past, beside a line or without one."""

import random
from typing import Any

from mendel.bus.messages import (
    AnomalyCleared,
    AnomalyDetected,
    HealthChanged,
    LoadChanged,
    Message,
    Status,
)
from mendel.core.detection.detect import Threshold
from mendel.core.detection.detect_adaptive import AdaptiveDetection
from mendel.core.watching.watch import TargetWatch, WatchConfig

LATENCY = {"latency_s": AdaptiveDetection(direction="up", low=0.0)}


def a_watch(**settings: Any) -> TargetWatch:
    """A target that has been looked at for half an hour, and was well."""
    watch = TargetWatch("cart", WatchConfig(**({"adaptive": LATENCY} | settings)), {"http": 10.0})
    look(watch, 0.1, 1800, from_s=0.0)
    return watch


def look(watch: TargetWatch, level: float, count: int, *, from_s: float) -> list[Message]:
    draw = random.Random(from_s)
    events = []
    for number in range(count):
        metrics = {"latency_s": level + 0.02 * abs(draw.gauss(0, 1))}
        events += watch.on_sample("http", metrics, "", from_s + number)
    return events


def anomalies(events: list[Message]) -> list[Message]:
    return [each for each in events if isinstance(each, AnomalyDetected | AnomalyCleared)]


def test_a_step_is_found_without_a_line() -> None:
    watch = a_watch()

    events = look(watch, 0.5, 5, from_s=1800.0)

    found = anomalies(events)[0]
    assert isinstance(found, AnomalyDetected)
    assert (found.metric, found.onset_s, found.detected_s) == ("latency_s", 1800.0, 1801.0)
    assert found.score > 5.0
    assert found.reason.startswith(f"latency_s is {found.value:g}, expected 0.11")
    assert watch.status is Status.SICK


def test_it_is_cleared_when_the_value_is_back() -> None:
    watch = a_watch()
    look(watch, 0.5, 30, from_s=1800.0)

    events = look(watch, 0.1, 5, from_s=1830.0)

    assert anomalies(events) == [
        AnomalyCleared(target="cart", metric="latency_s", cleared_s=1832.0)
    ]
    assert [each.status for each in events if isinstance(each, HealthChanged)] == [Status.HEALTHY]


def test_line_and_past_of_one_metric_are_cleared_together() -> None:
    watch = a_watch(thresholds={"latency_s": Threshold(above=0.45, samples=2, of=2, clear=2)})
    raised = anomalies(look(watch, 0.5, 10, from_s=1800.0))
    assert len(raised) == 2

    # Below the line, but not as it was before: that is not over yet.
    assert anomalies(look(watch, 0.4, 10, from_s=1810.0)) == []

    assert len(anomalies(look(watch, 0.1, 10, from_s=1820.0))) == 1


def test_while_a_target_is_healed_its_metrics_are_no_news_and_teach_nothing() -> None:
    watch = a_watch()

    watch.on_action_started(1860.0, 1800.0)
    acted = look(watch, 0.5, 40, from_s=1800.0)
    watch.on_booting(1860.0, 1840.0)
    booting = look(watch, 0.8, 15, from_s=1840.0)
    healed = look(watch, 0.1, 5, from_s=1860.0)
    again = look(watch, 0.5, 5, from_s=1865.0)

    assert anomalies([*acted, *booting, *healed]) == []
    assert [each.status for each in healed if isinstance(each, HealthChanged)] == [Status.HEALTHY]
    assert len(anomalies(again)) == 1


def test_another_config_begins_to_learn_anew_and_ends_the_alarm_of_the_old_one() -> None:
    watch = a_watch()
    look(watch, 0.5, 5, from_s=1800.0)
    changed = WatchConfig(adaptive={"latency_s": AdaptiveDetection(alarms_per_month=3.0)})

    events = watch.reconfigure(changed, 1805.0)

    assert events == [AnomalyCleared(target="cart", metric="latency_s", cleared_s=1805.0)]
    assert watch.worst_score({"latency_s": 9.0}) == 0.0  # Nothing is known yet.


def test_what_was_learned_stays_when_another_metric_is_configured() -> None:
    watch = a_watch()

    watch.reconfigure(WatchConfig(adaptive=LATENCY | {"load": AdaptiveDetection()}), 1800.0)

    assert watch.worst_score({"latency_s": 0.5}) > 5.0


def test_when_nobody_calls_an_alarm_ends_but_what_was_learned_stays() -> None:
    watch = TargetWatch("cart", WatchConfig(adaptive=LATENCY), {})
    draw = random.Random(1)
    for now_s in range(600):
        watch.on_calls({"latency_s": 0.1 + 0.02 * abs(draw.gauss(0, 1))}, float(now_s))
    watch.on_calls({"latency_s": 0.5}, 600.0)
    watch.on_calls({"latency_s": 0.5}, 601.0)

    events = watch.on_calls(None, 602.0)

    assert anomalies(events) == [AnomalyCleared(target="cart", metric="latency_s", cleared_s=602.0)]
    assert watch.worst_score({"latency_s": 0.5}) > 5.0


def test_what_was_learned_rests_while_nobody_wants_it_and_then_goes_on() -> None:
    watch = a_watch()
    look(watch, 0.5, 5, from_s=1800.0)

    told = watch.reconfigure(WatchConfig(), 1805.0)
    meanwhile = look(watch, 0.5, 10, from_s=1805.0)
    again = watch.reconfigure(WatchConfig(adaptive=LATENCY), 1815.0)

    assert told == [AnomalyCleared(target="cart", metric="latency_s", cleared_s=1805.0)]
    assert anomalies([*meanwhile, *again]) == []
    assert watch.worst_score({"latency_s": 0.5}) > 5.0
    assert len(anomalies(look(watch, 0.5, 5, from_s=1815.0))) == 1


def test_only_what_was_in_use_last_rests() -> None:
    watch = a_watch()
    other = WatchConfig(adaptive={"latency_s": AdaptiveDetection(alarms_per_month=3.0)})

    watch.reconfigure(other, 1800.0)
    watch.reconfigure(WatchConfig(), 1801.0)
    watch.reconfigure(WatchConfig(adaptive=LATENCY), 1802.0)

    assert watch.worst_score({"latency_s": 0.5}) == 0.0


def test_a_level_that_does_not_control_load_still_sees_the_end_of_what_another_one_began() -> None:
    watch = TargetWatch("cart", WatchConfig(), {"http": 10.0})
    calm = {"answered": 1.0, "queue_items": 0.0, "request_rate": 100.0, "cpu_share": 0.4}
    busy = {"answered": 0.0, "queue_items": 900.0, "request_rate": 300.0, "cpu_share": 1.0}

    def states(metrics: dict[str, float], from_s: float, count: int) -> list[str]:
        told = [
            each
            for number in range(count)
            for each in watch.on_sample("http", metrics, "", from_s + number)
        ]
        return [each.state for each in told if isinstance(each, LoadChanged)]

    states(calm, 0.0, 60)
    assert states(busy, 60.0, 30) == ["overloaded"]
    watch.reconfigure(WatchConfig(load=None), 90.0)

    assert states(calm, 90.0, 600) == ["eased", "calm"]
    assert states(busy, 690.0, 30) == []
    watch.reconfigure(WatchConfig(), 720.0)
    assert states(busy, 720.0, 30) == ["overloaded"]
