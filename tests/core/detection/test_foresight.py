from __future__ import annotations

import math

import pytest
from mendel.bus.messages import AnomalyCleared, AnomalyDetected, LoadChanged, Message, Status
from mendel.core.detection.detect import Threshold, Verdict
from mendel.core.detection.forecast import ForecastConfig
from mendel.core.detection.foresight import ForecastDetector, limit_of
from mendel.core.levels import LEVELS
from mendel.core.load import LoadSigns
from mendel.core.watching.watch import TargetWatch, WatchConfig, fitted


@pytest.mark.parametrize(
    ("metric", "metrics", "threshold", "limit"),
    [
        ("memory_bytes", {"memory_limit_bytes": 2e9}, None, 2e9),
        ("heap_used_bytes", {"heap_used_max_bytes": 1e9}, None, 1e9),
        ("memory_bytes", {"memory_limit_bytes": 2e9}, Threshold(above=1e9), 1e9),
        ("memory_bytes", {"memory_limit_bytes": 2e9}, Threshold(below=1.0), 2e9),
        ("memory_bytes", {"memory_limit_bytes": 0.0}, None, None),
        ("memory_limit_bytes", {"memory_limit_bytes": 2e9}, None, None),
        ("disk_share", {}, None, 1.0),
        ("connections_share", {}, None, 1.0),
        ("queue_items", {}, None, None),
        ("queue_items", {}, Threshold(above=500.0), 500.0),
        ("latency_s", {}, Threshold(above=0.5), None),
    ],
)
def test_a_limit_is_what_somebody_says_it_is(
    metric: str, metrics: dict[str, float], threshold: Threshold | None, limit: float | None
) -> None:
    assert limit_of(metric, metrics, threshold) == limit


def fill(detector: ForecastDetector, start: float, until: float, now_s: float = 0.0) -> float:
    """It grows by a thousandth a second; returns the time at its end."""
    level = start
    while level < until:
        detector.update(level, now_s)
        level, now_s = level + 0.001, now_s + 1.0
    return now_s


class TestForecastDetector:
    def a_detector(self, **config: float) -> ForecastDetector:
        detector = ForecastDetector(ForecastConfig(**config))  # type: ignore[arg-type]  # Floats.
        detector.limit = 1.0
        return detector

    def test_it_says_how_many_samples_it_still_has_to_see_and_what_is_open(self) -> None:
        detector = self.a_detector()
        found = [(detector.missing, detector.source.is_open)]

        now_s = fill(detector, 0.5, 0.52)
        found.append((detector.missing, detector.source.is_open))
        fill(detector, 0.52, 0.95, now_s)

        assert found == [(36, False), (17, False)]
        assert (detector.missing, detector.source.is_open) == (0, True)

    def test_it_alarms_when_the_limit_is_closer_than_the_lead(self) -> None:
        detector = self.a_detector(lead_s=100.0)

        now_s = fill(detector, 0.5, 0.86)
        early = detector.alarmed
        fill(detector, 0.86, 0.95, now_s)

        assert (early, detector.alarmed) == (False, True)
        assert list(detector.due_s or ()) == pytest.approx([500.0, 500.0], abs=30.0)
        assert detector.score(0.95) == 1.0
        words = detector.describe("disk_share", 0.95)
        assert words.startswith("disk_share is 0.95 and grows by 0.001 a second: it reaches 1 in ")

    def test_a_disk_is_no_matter_before_there_is_something_to_clean_up(self) -> None:
        watch = TargetWatch("db", WatchConfig(), {"p": 10.0})
        fills = [{"disk_share": 0.3 + step / 1000.0} for step in range(690)]

        told = [watch.on_sample("p", each, "", float(n)) for n, each in enumerate(fills)]

        found = [each for events in told for each in events if isinstance(each, AnomalyDetected)]
        assert [each.value for each in found] == [pytest.approx(0.85, abs=0.01)]

    def test_what_has_no_limit_owes_no_proof_after_an_action(self) -> None:
        watch = TargetWatch("db", WatchConfig(), {"p": 10.0})
        for now_s in range(5):
            watch.on_sample("p", {"ok": 1.0, "queue_items": 3.0}, "", float(now_s))
        watch.on_action_started(6.0, 5.0)
        for now_s in range(6, 12):
            watch.on_sample("p", {"ok": 1.0, "queue_items": 3.0}, "", float(now_s))

        assert watch.status is Status.HEALTHY

    def test_before_that_it_tells_how_full_it_is(self) -> None:
        detector = ForecastDetector(ForecastConfig())
        assert detector.score(0.5) == 0.0
        assert detector.due_s is None

        detector.limit = 2.0

        assert (detector.score(1.0), detector.score(5.0)) == (0.5, 0.99)
        assert not detector.is_bad(5.0)

    def test_it_is_over_when_the_level_is_down_and_stays_there(self) -> None:
        detector = self.a_detector()
        now_s = fill(detector, 0.3, 0.95)

        verdicts = [detector.update(0.2, now_s + step) for step in range(4)]

        assert verdicts == [Verdict.UNCHANGED] * 2 + [Verdict.CLEARED, Verdict.UNCHANGED]
        assert detector.onset_s == math.inf

    def test_an_action_ends_what_it_had_foreseen_and_asks_for_proof(self) -> None:
        detector = self.a_detector()
        now_s = fill(detector, 0.3, 0.95)

        detector.ask_for_proof()
        detector.hold(now_s + 30.0)

        assert detector.update(0.9, now_s + 10.0) is Verdict.UNCHANGED
        assert (detector.alarmed, detector.suspect) == (True, True)
        after = [detector.update(0.3, now_s + 30.0 + step) for step in range(3)]
        assert after[-1] is Verdict.CLEARED
        assert not detector.suspect

    def test_who_had_foreseen_nothing_keeps_nobody_from_being_well_while_it_rests(self) -> None:
        detector = self.a_detector()
        detector.limit = 1.0

        detector.ask_for_proof()
        detector.hold(30.0)
        for now_s in range(3):
            assert detector.suspect
            detector.update(0.3, float(now_s))

        assert not detector.suspect

    def test_what_is_no_number_is_no_sample(self) -> None:
        assert self.a_detector().update(math.nan, 1.0) is Verdict.UNCHANGED

    def test_a_renewed_one_has_foreseen_nothing(self) -> None:
        detector = self.a_detector()
        fill(detector, 0.3, 0.95)

        assert not detector.renewed().alarmed


class TestWatch:
    def told(self, watch: TargetWatch, samples: list[dict[str, float]]) -> list[Message]:
        told: list[Message] = []
        for number, sample in enumerate(samples):
            told += watch.on_sample("p", sample, "", float(number))
        return [each for each in told if isinstance(each, AnomalyDetected | AnomalyCleared)]

    def leak(self, **more: float) -> list[dict[str, float]]:
        return [{"memory_bytes": 300.0 + step, **more} for step in range(680)]

    def test_a_leak_is_an_anomaly_of_its_own_before_anything_is_ill(self) -> None:
        watch = TargetWatch("cart", WatchConfig(), {"p": 10.0})

        told = self.told(watch, self.leak(memory_limit_bytes=1000.0))

        assert len(told) == 1
        anomaly = told[0]
        assert isinstance(anomaly, AnomalyDetected)
        assert (anomaly.metric, anomaly.own, anomaly.score) == ("memory_bytes", True, 1.0)
        assert anomaly.due_s is not None
        assert anomaly.due_s[0] < 700.0 < anomaly.due_s[1] + 5.0
        assert anomaly.detected_s < 600.0

    def test_a_pool_fills_up_for_those_it_leads_to_as_well(self) -> None:
        watch = TargetWatch("cart", WatchConfig(), {"p": 10.0})
        samples = [{"pool_share": 0.3 + step * 0.001} for step in range(680)]

        told = self.told(watch, samples)

        assert [each.own for each in told if isinstance(each, AnomalyDetected)][:1] == [False]

    def test_without_a_known_limit_there_is_none(self) -> None:
        watch = TargetWatch("cart", WatchConfig(), {"p": 10.0})

        assert self.told(watch, self.leak()) == []
        assert watch.forecasts().made == 0

    def test_levels_below_full_foresee_nothing(self) -> None:
        config = fitted(WatchConfig(), LEVELS["advanced"])
        watch = TargetWatch("cart", config, {"p": 10.0})

        told = self.told(watch, self.leak(memory_limit_bytes=1000.0))

        assert [each for each in told if isinstance(each, AnomalyDetected) and each.due_s] == []

    def test_only_forecasts_are_counted(self) -> None:
        config = WatchConfig(thresholds={"memory_bytes": Threshold(above=1000.0)})
        watch = TargetWatch("cart", config, {"p": 10.0})

        self.told(watch, self.leak())

        assert watch.forecasts().made == 0
        assert len(watch.detectors()["memory_bytes"]) == 2

    def test_another_level_looks_for_load_by_other_signs_or_not_at_all(self) -> None:
        watch = TargetWatch("web", fitted(WatchConfig(), LEVELS["basic"]), {"p": 10.0})
        busy = {"answered": 0.0, "queue_items": 900.0, "cpu_share": 1.0, "retries_rate": 0.9}

        def loads(samples: int) -> int:
            told = [watch.on_sample("p", busy, "", float(each)) for each in range(samples)]
            return sum(isinstance(each, LoadChanged) for events in told for each in events)

        assert loads(5) == 0
        watch.reconfigure(WatchConfig(), 5.0)
        watch.reconfigure(WatchConfig(load=LoadSigns(samples=3)), 5.0)
        assert loads(2) == 0
        assert loads(1) == 1

    def test_what_is_done_about_it_counts_as_prevented(self) -> None:
        watch = TargetWatch("cart", WatchConfig(), {"p": 10.0})
        self.told(watch, self.leak(memory_limit_bytes=1000.0))

        watch.on_action_started(700.0, 680.0)

        assert (watch.forecasts().made, watch.forecasts().prevented) == (1, 1)
