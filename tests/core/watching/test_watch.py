import math
from typing import Any

from mendel.bus.messages import AnomalyCleared, AnomalyDetected, HealthChanged, Status
from mendel.core.detection.detect import Threshold
from mendel.core.watching.watch import TargetWatch, WatchConfig

HEALTHY, SUSPECT, SICK, UNKNOWN = Status.HEALTHY, Status.SUSPECT, Status.SICK, Status.UNKNOWN
GONE = {"alive": 0.0}
WELL = {"alive": 1.0, "reachable": 1.0, "answered": 1.0, "ok": 1.0}
WRONG = WELL | {"ok": 0.0}


def a_watch(*probes: str, **settings: Any) -> TargetWatch:
    """Of the cart by one probe that may be silent for 10 s."""
    return TargetWatch("cart", WatchConfig(**settings), dict.fromkeys(probes or ("http",), 10.0))


def a_healthy_watch(*probes: str, **settings: Any) -> TargetWatch:
    """It has seen good samples at 0 s, and the clock of each probe runs."""
    watch = a_watch(*probes, **settings)
    watch.expect_from(0.0)
    for probe in probes or ("http",):
        watch.on_sample(probe, WELL, "", 0.0)
    assert watch.status is HEALTHY
    return watch


def statuses(watch: TargetWatch, *samples: dict[str, float], from_s: float = 1.0) -> list[Status]:
    """Status after each sample; they are one second apart."""
    found = []
    for number, metrics in enumerate(samples):
        watch.on_sample("http", metrics, "", from_s + number)
        found.append(watch.status)
    return found


class TestSamples:
    def test_a_process_that_is_gone_is_an_anomaly_at_the_first_look(self) -> None:
        watch = a_healthy_watch()

        events = watch.on_sample("http", GONE, "exited with 1", 5.0)

        assert events == [
            AnomalyDetected(
                target="cart",
                metric="alive",
                value=0.0,
                score=2.0,
                onset_s=5.0,
                detected_s=5.0,
                reason="alive is 0, should be at least 0.5 (exited with 1)",
                own=True,
            ),
            HealthChanged(
                target="cart",
                status=SICK,
                previous=HEALTHY,
                reason="alive out of bounds",
                changed_s=5.0,
            ),
        ]

    def test_the_end_of_an_alarm_and_health_are_told_in_this_order(self) -> None:
        watch = a_healthy_watch()
        watch.on_sample("http", GONE, "", 5.0)
        watch.on_sample("http", WELL, "", 6.0)

        assert watch.on_sample("http", WELL, "", 7.0) == [
            AnomalyCleared(target="cart", metric="alive", cleared_s=7.0),
            HealthChanged(
                target="cart",
                status=HEALTHY,
                previous=SICK,
                reason="all metrics within bounds",
                changed_s=7.0,
            ),
        ]

    def test_one_wrong_answer_is_a_suspicion_and_three_of_five_an_anomaly(self) -> None:
        found = statuses(a_healthy_watch(), WRONG, WELL, WRONG, WELL, WRONG, WELL, WELL, WELL)

        assert found == [SUSPECT] * 4 + [SICK] * 3 + [HEALTHY]

    def test_what_is_not_reached_is_not_blamed_for_not_answering(self) -> None:
        watch = a_healthy_watch()
        dead = {"reachable": 0.0, "answered": 0.0, "ok": 0.0}

        events = [*watch.on_sample("http", dead, "", 1.0), *watch.on_sample("http", dead, "", 2.0)]

        assert [each.metric for each in events if isinstance(each, AnomalyDetected)] == [
            "reachable"
        ]

    def test_a_missing_answer_says_nothing_of_its_content(self) -> None:
        watch = a_healthy_watch()
        for now_s in (1.0, 2.0, 3.0, 4.0):
            watch.on_sample("http", {"answered": 0.0, "ok": 0.0}, "", now_s)

        assert (watch.status, watch.since_s(5.0)) == (SICK, 1.0)
        assert watch.on_sample("http", WELL, "", 5.0) == []
        (cleared, _) = watch.on_sample("http", WELL, "", 6.0)
        assert cleared == AnomalyCleared(target="cart", metric="answered", cleared_s=6.0)

    def test_metrics_without_a_line_and_not_a_number_say_nothing(self) -> None:
        found = statuses(a_healthy_watch(), {"load": 99.0}, {"ok": math.nan})

        assert found == [HEALTHY, HEALTHY]

    def test_a_line_of_ones_own_completes_the_usual_ones(self) -> None:
        line = Threshold(above=0.5, samples=1, of=1, clear=1)
        watch = a_healthy_watch(thresholds={"latency_s": line})

        assert statuses(watch, {"latency_s": 0.6}, {"latency_s": 0.4}) == [SICK, HEALTHY]
        assert watch.worst_score({"latency_s": 1.0, "ok": 1.0, "load": 99.0}) == 2.0


class TestSilence:
    def test_no_data_is_neither_up_nor_down(self) -> None:
        watch = a_healthy_watch()
        assert watch.on_sweep(9.9) == []

        assert watch.on_sweep(10.0) == [
            HealthChanged(
                target="cart",
                status=UNKNOWN,
                previous=HEALTHY,
                reason="no data from probe http",
                changed_s=10.0,
            )
        ]
        assert statuses(watch, WELL, from_s=11.0) == [HEALTHY]

    def test_nothing_is_known_before_the_first_sample_and_little_before_all_have_spoken(
        self,
    ) -> None:
        watch = a_watch("http", "process")
        assert (watch.status, watch.on_sweep(1e9)) == (UNKNOWN, [])

        (changed,) = watch.on_sample("http", WELL, "", 1.0)

        assert changed == HealthChanged(
            target="cart",
            status=SUSPECT,
            previous=UNKNOWN,
            reason="waiting for probe process",
            changed_s=1.0,
        )

    def test_a_target_that_nobody_probes_stays_unknown(self) -> None:
        watch = TargetWatch("cart", WatchConfig(), {})

        assert (watch.on_sweep(1e9), watch.status) == ([], UNKNOWN)

    def test_what_reported_by_itself_may_fall_silent_too(self) -> None:
        watch = a_healthy_watch(silent_s=30.0)
        watch.on_sample("heartbeat", {"beating": 1.0}, "", 1.0)
        watch.on_sample("http", WELL, "", 30.0)

        (changed,) = watch.on_sweep(31.0)

        assert isinstance(changed, HealthChanged)
        assert changed.reason == "no data from probe heartbeat"

    def test_an_alarm_whose_probe_falls_silent_says_nothing_of_the_present(self) -> None:
        watch = a_healthy_watch()
        watch.on_sample("http", GONE, "", 5.0)

        watch.on_sweep(100.0)
        unknown = watch.status
        watch.on_sample("http", GONE, "", 101.0)

        assert (unknown, watch.status) == (Status.UNKNOWN, SICK)


class TestActions:
    def test_what_a_target_shows_while_it_is_acted_on_is_no_news(self) -> None:
        watch = a_healthy_watch()
        watch.on_action_started(30.0, 1.0)

        assert statuses(watch, GONE, GONE, GONE, from_s=2.0) == [SUSPECT] * 3
        assert statuses(watch, GONE, from_s=30.0) == [SICK]

    def test_it_has_to_prove_itself_afterwards_by_every_metric_and_probe(self) -> None:
        watch = a_healthy_watch("http", "process")
        watch.on_action_started(30.0, 1.0)

        assert statuses(watch, WELL, WELL, WELL, WELL) == [SUSPECT] * 4
        watch.on_sample("process", {}, "", 6.0)
        assert watch.status is HEALTHY

    def test_good_health_during_an_action_does_not_end_the_excuse(self) -> None:
        watch = a_healthy_watch()
        watch.on_action_started(30.0, 1.0)
        assert statuses(watch, WELL, WELL, WELL)[-1] is HEALTHY

        assert statuses(watch, GONE, from_s=10.0) == [SUSPECT]

    def test_while_it_boots_wrong_answers_are_expected_but_not_its_death(self) -> None:
        watch = a_healthy_watch()
        watch.on_booting(30.0, 1.0)

        assert statuses(watch, WRONG, WRONG, WRONG, GONE) == [SUSPECT] * 3 + [SICK]

    def test_it_has_booted_when_it_is_healthy_and_is_excused_no_more(self) -> None:
        watch = a_healthy_watch()
        watch.on_booting(30.0, 1.0)

        found = statuses(watch, WELL, WELL, WELL, WRONG, WRONG, WRONG)

        assert found == [SUSPECT] * 2 + [HEALTHY] + [SUSPECT] * 2 + [SICK]

    def test_an_alarm_that_stands_is_no_excuse(self) -> None:
        watch = a_healthy_watch()
        watch.on_sample("http", GONE, "", 1.0)

        watch.on_action_started(30.0, 2.0)

        assert statuses(watch, GONE, from_s=3.0) == [SICK]


class TestSince:
    def test_trouble_began_with_its_first_bad_sample_and_is_over_with_it(self) -> None:
        watch = a_healthy_watch()
        assert watch.since_s(1.0) == 1.0

        statuses(watch, WRONG, WRONG, WRONG, from_s=2.0)
        assert watch.since_s(5.0) == 2.0
        statuses(watch, WELL, WELL, WELL, from_s=6.0)
        watch.on_booting(20.0, 10.0)

        assert watch.since_s(11.0) == 11.0


class TestReconfiguring:
    def test_what_is_known_stays_where_the_line_stays(self) -> None:
        watch = a_healthy_watch()
        watch.on_sample("http", GONE, "", 1.0)

        events = watch.reconfigure(WatchConfig(confirm_s=1.0), 2.0)

        assert (events, watch.status, watch.config.confirm_s) == ([], SICK, 1.0)

    def test_by_a_line_that_was_moved_the_target_has_to_be_proven_good(self) -> None:
        watch = a_healthy_watch()
        watch.on_sample("http", {"alive": 0.0, "load": 9.0}, "", 1.0)
        lines = {
            "alive": Threshold(below=0.5, samples=2, of=2, clear=2),
            "load": Threshold(above=10.0, clear=2),
        }

        events = watch.reconfigure(WatchConfig(thresholds=lines), 2.0)

        assert events == [AnomalyCleared(target="cart", metric="alive", cleared_s=2.0)]
        calm = WELL | {"load": 9.0}
        assert statuses(watch, calm, calm, from_s=3.0) == [SUSPECT, HEALTHY]

    def test_a_metric_that_lost_its_line_is_not_judged_any_more(self) -> None:
        line = Threshold(above=1.0, samples=1, of=1)
        watch = a_healthy_watch(thresholds={"load": line})
        watch.on_sample("http", {"load": 9.0}, "", 1.0)

        events = watch.reconfigure(WatchConfig(), 2.0)

        assert events == [AnomalyCleared(target="cart", metric="load", cleared_s=2.0)]
        assert statuses(watch, {"load": 9.0}, from_s=3.0) == [HEALTHY]


class TestOtherProbes:
    def test_a_probe_that_is_gone_takes_its_alarm_with_it(self) -> None:
        watch = a_healthy_watch("http", "process")
        for at_s in (1.0, 1.2, 1.4):
            watch.on_sample("process", {"stopped": 1.0}, "", at_s)
        watch.on_sample("http", WELL, "", 1.5)

        events = watch.reconfigure(watch.config, 2.0, {"http": 10.0})

        assert events == [AnomalyCleared(target="cart", metric="stopped", cleared_s=2.0)]
        assert statuses(watch, WELL, from_s=3.0) == [HEALTHY]
        assert watch.on_sweep(11.0) == []  # Its silence is nobody's.

    def test_a_probe_without_an_alarm_goes_quietly(self) -> None:
        watch = a_healthy_watch("http", "process")
        watch.on_sample("process", {"alive": 1.0}, "", 1.0)

        assert watch.reconfigure(watch.config, 2.0, {"http": 10.0}) == []

    def test_a_new_probe_has_its_time_before_it_is_silent(self) -> None:
        watch = a_healthy_watch()

        watch.reconfigure(watch.config, 2.0, {"http": 100.0, "tcp": 10.0})
        watch.on_sample("http", WELL, "", 3.0)

        assert watch.on_sweep(11.0) == []
        watch.on_sweep(12.0)
        assert watch.status is UNKNOWN

    def test_a_known_probe_keeps_its_clock_and_has_the_new_patience_from_its_next_sample(
        self,
    ) -> None:
        watch = a_healthy_watch()

        watch.reconfigure(watch.config, 2.0, {"http": 100.0})

        watch.on_sweep(10.0)
        assert watch.status is UNKNOWN
        watch.on_sample("http", WELL, "", 11.0)
        assert watch.on_sweep(110.0) == []


class TestGuardedCalls:
    BAD, GOOD = {"calls": 20.0, "call_failure_rate": 0.9}, {"calls": 20.0, "call_failure_rate": 0.1}

    def test_failing_calls_make_a_target_sick_and_good_ones_well_again(self) -> None:
        watch = a_healthy_watch()

        found = []
        for number, metrics in enumerate([self.BAD, self.BAD, self.GOOD, self.GOOD]):
            watch.on_calls(metrics, 1.0 + number)
            found.append(watch.status)

        assert found == [SUSPECT, SICK, SICK, HEALTHY]

    def test_no_calls_say_nothing_so_the_alarm_of_earlier_ones_is_over(self) -> None:
        watch = a_healthy_watch()
        watch.on_calls(self.BAD, 1.0)
        watch.on_calls(self.BAD, 2.0)

        events = watch.on_calls(None, 3.0)

        assert [type(each) for each in events] == [AnomalyCleared, HealthChanged]
        assert watch.status is HEALTHY
        assert watch.on_calls(None, 4.0) == []

    def test_nobody_owes_calls_so_their_absence_is_no_silence(self) -> None:
        watch = a_healthy_watch()
        watch.on_calls(self.GOOD, 1.0)
        watch.on_sample("http", WELL, "", 99.0)

        assert watch.on_sweep(100.0) == []

    def test_a_suspicion_from_calls_ends_with_them(self) -> None:
        watch = a_healthy_watch()
        watch.on_calls(self.BAD, 1.0)

        watch.on_calls(None, 2.0)

        assert watch.status is HEALTHY
