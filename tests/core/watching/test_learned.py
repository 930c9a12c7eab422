"""What was learned of a target, given to another one that goes on with it."""

import random

import pytest
from mendel.bus.messages import AnomalyDetected
from mendel.core.detection.detect_adaptive import AdaptiveDetection
from mendel.core.watching.learned import Learned, learned_of, recall
from mendel.core.watching.watch import TargetWatch, WatchConfig

LATENCY = AdaptiveDetection(direction="up", low=0.0)
CONFIG = WatchConfig(adaptive={"latency_s": LATENCY}, usual=True)
WELL = {"ok": 1.0, "latency_s": 0.1, "error_rate": 0.01, "disk_share": 0.3}


def a_watch(config: WatchConfig = CONFIG) -> TargetWatch:
    return TargetWatch("cart", config, {"http": 10.0})


def look(watch: TargetWatch, count: int, *, from_s: float = 0.0, **odd: float) -> list[str]:
    """Metrics that an alarm was raised of."""
    draw = random.Random(from_s)
    found = []
    for number in range(count):
        jitter = {"latency_s": 0.1 + 0.02 * abs(draw.gauss(0, 1))}
        events = watch.on_sample("http", WELL | jitter | odd, "", from_s + number)
        found += [each.metric for each in events if isinstance(each, AnomalyDetected)]
    return found


def test_all_that_learns_is_kept_and_lines_are_not() -> None:
    watch = a_watch()
    look(watch, 100)

    kept = [(each.metric, each.by) for each in learned_of(watch)]

    assert kept == [
        ("latency_s", "AdaptiveDetection"),
        ("error_rate", "UsualLine"),
        ("disk_share", "UsualLine"),
        ("disk_share", "ForecastConfig"),
    ]


def test_a_target_that_recalls_has_no_second_learning_period() -> None:
    first, second, fresh = a_watch(), a_watch(), a_watch()
    look(first, 100)

    reasons = [recall(second, each, 90.0) for each in learned_of(first)]

    assert reasons == ["", "", "", ""]
    odd = {"latency_s": 0.9, "error_rate": 0.4}
    assert sorted(look(second, 5, from_s=10.0, **odd)) == ["error_rate", "latency_s"]
    assert look(fresh, 5, from_s=10.0, **odd) == []


def test_what_was_recalled_and_not_seen_yet_is_kept_again() -> None:
    first, second = a_watch(), a_watch()
    look(first, 100)
    for each in learned_of(first):
        recall(second, each, 0.0)

    assert learned_of(second) == learned_of(first)


@pytest.mark.parametrize(
    ("config", "reasons"),
    [
        (
            WatchConfig(adaptive={"latency_s": AdaptiveDetection(direction="down")}, usual=True),
            ["direction was 'up' and is 'down' now", "", "", ""],
        ),
        (
            WatchConfig(forecast=None),
            ["nobody asks for it any more"] * 4,
        ),
        (
            WatchConfig(
                adaptive={"latency_s": AdaptiveDetection(direction="up", clear=9)}, usual=True
            ),
            ["", "", "", ""],
        ),
    ],
)
def test_what_depends_on_settings_that_changed_is_learned_anew(
    config: WatchConfig, reasons: list[str]
) -> None:
    first, second = a_watch(), a_watch(config)
    look(first, 100)

    assert [recall(second, each, 0.0) for each in learned_of(first)] == reasons


def test_what_cannot_be_read_is_told_and_left() -> None:
    first, second = a_watch(), a_watch()
    look(first, 100)
    kept, *_ = learned_of(first)
    broken = Learned(metric=kept.metric, by=kept.by, basis=kept.basis, state={"version": 7})

    reason = recall(second, broken, 0.0)

    assert reason == "state of an adaptive detector has version 7, this one reads 2"
    assert look(second, 5, latency_s=0.9) == []
