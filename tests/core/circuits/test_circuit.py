import math
from typing import Any

import pytest
from mendel.bus.messages import CircuitChanged
from mendel.core.circuits.circuit import Circuit, CircuitConfig, CircuitRecord, Outcome, Pass, State
from mendel.errors import ConfigError

OK, FAILED, SLOW, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.SLOW, Outcome.NEUTRAL


def a_circuit(events: list[CircuitChanged] | None = None, **settings: Any) -> Circuit:
    """A circuit that opens at half of at least four calls, for 5 s, and tries with two calls."""
    config: dict[str, Any] = {
        "minimum_calls": 4,
        "open_jitter": 0.0,
        "permitted_calls": 2,
        "ramp_calls": 0,
        **settings,
    }
    on_change = events.append if events is not None else None
    return Circuit("db", CircuitConfig(**config), on_change=on_change)


def pass_of(circuit: Circuit, now_s: float) -> Pass:
    granted = circuit.acquire(now_s)
    assert granted is not None
    return granted


def play(circuit: Circuit, outcomes: list[Outcome], now_s: float = 0.0) -> None:
    for outcome in outcomes:
        pass_of(circuit, now_s).record(outcome, now_s)


def an_open_circuit(events: list[CircuitChanged] | None = None, **settings: Any) -> Circuit:
    """Opened at 0 s, so its trial may start at 5 s."""
    circuit = a_circuit(events, **settings)
    play(circuit, [FAILED] * 4)
    assert circuit.state is State.OPEN
    if events is not None:
        events.clear()
    return circuit


def change(state: str, previous: str, reason: str, changed_s: float) -> CircuitChanged:
    return CircuitChanged(
        target="db", state=state, previous=previous, reason=reason, changed_s=changed_s
    )


class TestClosed:
    def test_half_of_the_calls_failing_opens_it_with_one_event(self) -> None:
        events: list[CircuitChanged] = []
        circuit = a_circuit(events)

        play(circuit, [OK, FAILED, OK, FAILED], now_s=3.0)

        assert circuit.state is State.OPEN
        assert events == [
            change("open", "closed", "failure rate 50% of the last 4 calls", changed_s=3.0)
        ]

    def test_too_few_calls_decide_nothing(self) -> None:
        circuit = a_circuit()

        play(circuit, [FAILED, FAILED, FAILED])

        assert circuit.state is State.CLOSED
        assert circuit.failure_rate is None

    def test_a_success_that_completes_the_minimum_does_not_open_but_the_next_failure_does(
        self,
    ) -> None:
        circuit = a_circuit()
        play(circuit, [FAILED, FAILED, FAILED, OK])
        assert circuit.failure_rate == 0.75

        play(circuit, [FAILED])

        assert circuit.state is State.OPEN

    def test_failures_that_left_the_window_of_calls_are_forgotten(self) -> None:
        circuit = a_circuit(window_calls=6)

        play(circuit, [FAILED, FAILED, OK, OK, OK, OK, OK, FAILED])

        assert circuit.state is State.CLOSED
        assert circuit.failure_rate == pytest.approx(1 / 6)

    def test_failures_that_left_the_window_of_time_are_forgotten(self) -> None:
        circuit = a_circuit(window_s=10.0)
        play(circuit, [FAILED, FAILED, FAILED], now_s=0.0)
        play(circuit, [OK, OK, OK, OK], now_s=9.0)

        play(circuit, [FAILED], now_s=10.0)

        assert circuit.state is State.CLOSED
        assert circuit.failure_rate == 0.2

    def test_a_window_of_time_opens_on_what_it_still_holds(self) -> None:
        circuit = a_circuit(window_s=10.0)
        play(circuit, [OK] * 12, now_s=0.0)

        play(circuit, [FAILED] * 4, now_s=10.0)

        assert circuit.state is State.OPEN

    def test_a_rate_that_equals_its_limit_in_decimal_opens_it(self) -> None:
        circuit = a_circuit(failure_rate=0.1, window_calls=30, minimum_calls=30)

        play(circuit, [OK] * 27 + [FAILED] * 3)

        assert circuit.state is State.OPEN

    def test_slow_calls_open_it_by_a_limit_of_their_own(self) -> None:
        events: list[CircuitChanged] = []
        circuit = a_circuit(events, slow_call_s=1.0, slow_call_rate=0.75)

        play(circuit, [OK, SLOW, SLOW])
        assert circuit.slow_call_rate is None
        play(circuit, [SLOW])

        assert circuit.state is State.OPEN
        assert events[0].reason == "slow-call rate 75% of the last 4 calls"

    def test_slow_calls_that_left_the_window_are_forgotten(self) -> None:
        circuit = a_circuit(window_calls=6, slow_call_s=1.0)

        play(circuit, [SLOW, SLOW, SLOW, OK, OK, OK, OK, OK, SLOW])

        assert circuit.state is State.CLOSED
        assert circuit.slow_call_rate == pytest.approx(1 / 6)

    def test_neutral_outcomes_are_only_counted(self) -> None:
        circuit = a_circuit()

        play(circuit, [NEUTRAL] * 100)

        assert (circuit.state, circuit.calls, circuit.counts.neutral) == (State.CLOSED, 0, 100)

    def test_rates_of_a_healthy_circuit_are_zero(self) -> None:
        circuit = a_circuit()
        play(circuit, [OK] * 4)

        assert (circuit.failure_rate, circuit.slow_call_rate) == (0.0, 0.0)

    def test_opening_ahead_of_failure_is_possible_only_while_closed(self) -> None:
        circuit = a_circuit()

        assert circuit.open_ahead(1.0, "forecast")
        assert not circuit.open_ahead(2.0, "forecast")
        assert circuit.state is State.OPEN


class TestOpen:
    def test_refuses_until_its_time_is_over_and_says_how_long_that_is(self) -> None:
        circuit = an_open_circuit()

        assert circuit.acquire(4.9) is None
        assert circuit.retry_after_s(4.0) == 1.0
        assert circuit.counts.not_permitted == 1
        assert circuit.acquire(5.0) is not None
        assert circuit.state is State.HALF_OPEN

    def test_late_results_of_the_closed_era_decide_nothing(self) -> None:
        events: list[CircuitChanged] = []
        circuit = a_circuit(events)
        in_flight = [pass_of(circuit, 0.0) for _ in range(8)]
        for each in in_flight[:4]:
            each.record(FAILED, 1.0)

        for each in in_flight[4:6]:
            each.record(FAILED, 2.0)  # Still open.
        trial = pass_of(circuit, 6.0)
        for each in in_flight[6:]:
            each.record(FAILED, 6.0)  # Half-open by now.

        assert circuit.state is State.HALF_OPEN
        assert [event.state for event in events] == ["open", "half_open"]
        assert circuit.counts.late == 4
        trial.record(OK, 6.0)
        assert circuit.state is State.HALF_OPEN

    def test_open_time_grows_with_each_failed_trial_up_to_its_cap(self) -> None:
        circuit = an_open_circuit(open_s_max=15.0)
        waits = []
        now_s = 0.0
        for _ in range(4):
            waits.append(circuit.retry_after_s(now_s))
            now_s += waits[-1]
            play(circuit, [FAILED], now_s)

        assert waits == [5.0, 10.0, 15.0, 15.0]

    def test_a_circuit_that_was_well_for_as_long_as_it_was_ill_starts_with_the_first_open_time(
        self,
    ) -> None:
        circuit = an_open_circuit()
        play(circuit, [FAILED], now_s=5.0)  # Open for 10 s now.
        play(circuit, [OK, OK], now_s=15.0)

        play(circuit, [FAILED] * 4, now_s=25.0)

        assert circuit.retry_after_s(25.0) == 5.0

    def test_a_relapse_soon_after_closing_stays_open_longer(self) -> None:
        circuit = an_open_circuit()
        play(circuit, [OK, OK], now_s=5.0)

        play(circuit, [FAILED] * 4, now_s=6.0)

        assert circuit.retry_after_s(6.0) == 10.0

    def test_open_time_is_jittered_by_the_generator_handed_in(self) -> None:
        draws = iter([0.0, 1.0])
        config = CircuitConfig(minimum_calls=1, open_jitter=0.2, open_factor=1.0, ramp_calls=0)
        circuit = Circuit("db", config, draw=lambda: next(draws))

        play(circuit, [FAILED], now_s=0.0)
        first_s = circuit.retry_after_s(0.0)
        play(circuit, [FAILED], now_s=100.0)

        assert (first_s, circuit.retry_after_s(100.0)) == (4.0, 6.0)

    def test_thousands_of_openings_in_a_row_do_not_overflow(self) -> None:
        circuit = an_open_circuit()
        now_s = 0.0
        for _ in range(2_000):
            now_s += circuit.retry_after_s(now_s)
            play(circuit, [FAILED], now_s)

        assert circuit.retry_after_s(now_s) == 60.0


class TestTrial:
    def test_a_thousand_callers_get_as_many_permits_as_there_are(self) -> None:
        circuit = an_open_circuit(permitted_calls=7)

        granted = [circuit.acquire(5.0) for _ in range(1_000)]

        assert sum(each is not None for each in granted) == 7
        assert circuit.counts.not_permitted == 993

    def test_as_many_successes_as_permits_close_it(self) -> None:
        events: list[CircuitChanged] = []
        circuit = an_open_circuit(events)

        play(circuit, [OK, OK], now_s=5.0)

        assert circuit.state is State.CLOSED
        assert events == [
            change("half_open", "open", "open time is over", changed_s=5.0),
            change("closed", "half_open", "2 trial calls succeeded", changed_s=5.0),
        ]

    @pytest.mark.parametrize(("outcome", "how"), [(FAILED, "failed"), (SLOW, "was slow")])
    def test_one_failed_or_slow_trial_opens_it_again(self, outcome: Outcome, how: str) -> None:
        events: list[CircuitChanged] = []
        circuit = an_open_circuit(events)

        play(circuit, [OK, outcome], now_s=5.0)

        assert circuit.state is State.OPEN
        assert events[-1] == change("open", "half_open", f"a trial call {how}", changed_s=5.0)

    def test_a_neutral_trial_gives_its_permit_back_and_decides_nothing(self) -> None:
        circuit = an_open_circuit(permitted_calls=1)

        play(circuit, [NEUTRAL] * 50, now_s=5.0)

        assert circuit.state is State.HALF_OPEN
        assert circuit.acquire(5.0) is not None

    def test_a_trial_that_hangs_counts_as_failed_at_its_deadline(self) -> None:
        events: list[CircuitChanged] = []
        circuit = an_open_circuit(events, permit_s=3.0, permitted_calls=1)
        hung = pass_of(circuit, 5.0)
        assert circuit.acquire(6.0) is None
        assert circuit.retry_after_s(6.0) == 2.0

        assert circuit.acquire(8.0) is None
        hung.record(OK, 9.0)

        assert circuit.state is State.OPEN
        assert events[-1] == change(
            "open", "half_open", "a trial call did not end in time", changed_s=8.0
        )
        assert circuit.counts.overdue == 1

    def test_after_a_quiet_hour_a_hung_trial_does_not_cost_the_next_caller_another_wait(
        self,
    ) -> None:
        circuit = an_open_circuit(permit_s=3.0, permitted_calls=1)
        pass_of(circuit, 5.0)

        assert circuit.acquire(3_600.0) is not None

    def test_a_success_after_the_deadline_is_no_proof_of_health(self) -> None:
        circuit = an_open_circuit(permit_s=3.0, permitted_calls=1)
        trial = pass_of(circuit, 5.0)

        trial.record(OK, 8.0)

        assert circuit.state is State.OPEN

    def test_an_outcome_counts_once_however_often_it_is_told(self) -> None:
        circuit = an_open_circuit(permitted_calls=2)
        trial = pass_of(circuit, 5.0)

        trial.record(OK, 5.0)
        trial.record(OK, 5.0)

        assert circuit.state is State.HALF_OPEN

    def test_a_trial_of_an_earlier_half_open_period_decides_nothing(self) -> None:
        circuit = an_open_circuit()
        early, other = pass_of(circuit, 5.0), pass_of(circuit, 5.0)
        other.record(FAILED, 5.0)
        pass_of(circuit, 15.0)

        early.record(FAILED, 15.0)

        assert circuit.state is State.HALF_OPEN
        assert circuit.counts.late == 1

    def test_no_time_to_wait_when_no_trial_is_under_way(self) -> None:
        circuit = a_circuit()
        circuit.force_open(0.0, "maintenance")
        circuit.release(0.0)

        assert circuit.retry_after_s(0.0) == 0.0
        assert (circuit.failure_rate, circuit.slow_call_rate) == (None, None)

    def test_fewer_permitted_calls_close_a_trial_that_already_has_them(self) -> None:
        events: list[CircuitChanged] = []
        circuit = an_open_circuit(events, permitted_calls=3)
        play(circuit, [OK, OK], now_s=5.0)

        fewer = CircuitConfig(minimum_calls=4, permitted_calls=2, ramp_calls=0)
        circuit.reconfigure(fewer, now_s=6.0)

        assert circuit.state is State.CLOSED
        assert [event.state for event in events] == ["half_open", "closed"]


class TestRamp:
    def test_a_herd_is_let_in_step_by_step(self) -> None:
        circuit = an_open_circuit(ramp_calls=6)
        play(circuit, [OK, OK], now_s=5.0)
        assert circuit.state is State.CLOSED

        waves = []
        for _ in range(3):
            asked = [circuit.acquire(5.0) for _ in range(1_000)]
            admitted = [each for each in asked if each is not None]
            waves.append(len(admitted))
            for each in admitted:
                each.record(OK, 5.0)

        assert waves == [2, 4, 1_000]

    def test_someone_who_calls_one_at_a_time_notices_nothing(self) -> None:
        circuit = an_open_circuit(ramp_calls=100)
        play(circuit, [OK, OK], now_s=5.0)

        play(circuit, [OK] * 200, now_s=5.0)

        assert circuit.counts.not_permitted == 0
        assert circuit.plain is circuit.era

    def test_there_is_room_again_as_soon_as_a_call_has_ended(self) -> None:
        circuit = an_open_circuit(ramp_calls=6)
        play(circuit, [OK, OK], now_s=5.0)
        first = pass_of(circuit, 5.0)
        pass_of(circuit, 5.0)

        assert circuit.acquire(5.0) is None
        assert circuit.retry_after_s(5.0) == 0.0
        first.record(NEUTRAL, 5.0)
        assert circuit.acquire(5.0) is not None

    def test_calls_that_hang_in_the_ramp_count_as_failures(self) -> None:
        circuit = an_open_circuit(ramp_calls=6, permit_s=1.0, permitted_calls=4)
        play(circuit, [OK, OK, OK, OK], now_s=5.0)
        for _ in range(4):
            pass_of(circuit, 5.0)

        assert circuit.acquire(6.0) is None

        assert circuit.state is State.OPEN
        assert circuit.counts.overdue == 4

    def test_calls_that_hang_in_the_ramp_make_room_for_others(self) -> None:
        circuit = an_open_circuit(ramp_calls=6, permit_s=1.0)
        play(circuit, [OK, OK], now_s=5.0)
        pass_of(circuit, 5.0)
        pass_of(circuit, 5.0)

        assert circuit.acquire(6.0) is not None
        assert circuit.state is State.CLOSED

    def test_a_permit_that_outlives_the_ramp_still_counts_once(self) -> None:
        circuit = an_open_circuit(ramp_calls=1)
        play(circuit, [OK, OK], now_s=5.0)
        one, other = pass_of(circuit, 5.0), pass_of(circuit, 5.0)
        one.record(OK, 5.0)

        other.record(OK, 5.0)
        other.record(OK, 5.0)

        assert circuit.era.calls == 2

    def test_failures_in_the_ramp_do_not_widen_it(self) -> None:
        circuit = an_open_circuit(ramp_calls=6)
        play(circuit, [OK, OK], now_s=5.0)
        play(circuit, [FAILED], now_s=5.0)

        granted = [circuit.acquire(5.0) for _ in range(10)]

        assert sum(each is not None for each in granted) == 2

    def test_a_shorter_ramp_ends_one_that_already_has_its_successes(self) -> None:
        circuit = an_open_circuit(ramp_calls=50)
        play(circuit, [OK, OK], now_s=5.0)
        play(circuit, [OK] * 9, now_s=5.0)
        assert circuit.plain is None

        circuit.reconfigure(CircuitConfig(ramp_calls=9), now_s=5.0)

        assert circuit.plain is circuit.era

    def test_a_ramp_that_goes_on_under_a_new_configuration_keeps_its_cap(self) -> None:
        circuit = an_open_circuit(ramp_calls=50)
        play(circuit, [OK, OK], now_s=5.0)

        circuit.reconfigure(CircuitConfig(ramp_calls=60), now_s=5.0)

        granted = [circuit.acquire(5.0) for _ in range(10)]
        assert sum(each is not None for each in granted) == 2


class TestForcedOpen:
    def test_refuses_until_it_is_released_and_then_tries_first(self) -> None:
        events: list[CircuitChanged] = []
        circuit = a_circuit(events)

        circuit.force_open(1.0, "db is restarted")
        assert circuit.acquire(1_000.0) is None
        assert circuit.retry_after_s(1_000.0) == math.inf
        assert circuit.failure_rate is None
        circuit.release(1_001.0)

        assert circuit.state is State.HALF_OPEN
        assert events == [
            change("forced_open", "closed", "db is restarted", changed_s=1.0),
            change("half_open", "forced_open", "released", changed_s=1_001.0),
        ]

    def test_release_does_nothing_to_a_circuit_that_opened_by_itself(self) -> None:
        circuit = an_open_circuit()

        circuit.release(1.0)

        assert circuit.state is State.OPEN

    def test_stays_whatever_configuration_comes(self) -> None:
        circuit = a_circuit()
        circuit.force_open(0.0, "isolated")

        circuit.reconfigure(CircuitConfig(mode="disabled"), now_s=1.0)
        assert circuit.acquire(1.0) is None
        circuit.release(2.0)

        assert circuit.state is State.DISABLED

    def test_counts_the_calls_of_the_era_it_ended(self) -> None:
        circuit = a_circuit()
        play(circuit, [OK, OK, FAILED])

        circuit.force_open(0.0, "isolated")

        assert (circuit.calls, circuit.counts.failures) == (3, 1)


class TestDisabled:
    def test_lets_all_calls_pass_whatever_comes_of_them(self) -> None:
        circuit = a_circuit(mode="disabled")

        play(circuit, [FAILED] * 100)
        play(circuit, [OK])

        assert (circuit.state, circuit.calls) == (State.DISABLED, 1)
        assert circuit.plain is circuit.era
        assert (circuit.failure_rate, circuit.retry_after_s(0.0)) == (None, 0.0)

    def test_forgets_failures_that_come_by_the_short_way_too(self) -> None:
        circuit = a_circuit(mode="disabled")
        era = circuit.plain
        assert era is not None

        assert era.mark(FAILED) == ""
        era.open(0.0, "nobody's reason")

        assert (circuit.state, circuit.calls) == (State.DISABLED, 0)

    def test_is_switched_on_and_off_while_running(self) -> None:
        events: list[CircuitChanged] = []
        circuit = an_open_circuit(events)

        circuit.reconfigure(CircuitConfig(mode="disabled"), now_s=1.0)
        circuit.reconfigure(CircuitConfig(mode="disabled", open_s=7.0), now_s=2.0)
        circuit.reconfigure(CircuitConfig(), now_s=3.0)

        assert [(event.previous, event.state) for event in events] == [
            ("open", "disabled"),
            ("disabled", "closed"),
        ]


class TestShadow:
    def test_refuses_nothing_and_reports_what_it_would_have_done(self) -> None:
        events: list[CircuitChanged] = []
        circuit = a_circuit(events, mode="shadow")

        play(circuit, [FAILED] * 4, now_s=2.0)
        play(circuit, [OK], now_s=3.0)

        assert circuit.state is State.SHADOW
        assert events == [
            change(
                "shadow",
                "shadow",
                "would be open, was closed: failure rate 100% of the last 4 calls",
                changed_s=2.0,
            )
        ]

    def test_counts_whether_refusing_would_have_been_right(self) -> None:
        circuit = an_open_circuit()
        circuit.reconfigure(CircuitConfig(mode="shadow"), now_s=1.0)

        play(circuit, [OK, FAILED, SLOW, NEUTRAL], now_s=1.0)

        counts = circuit.counts
        assert (counts.shadow_successes, counts.shadow_failures, counts.neutral) == (1, 2, 1)
        assert counts.not_permitted == 0

    def test_goes_through_trial_and_closing_as_the_real_one_would(self) -> None:
        events: list[CircuitChanged] = []
        circuit = a_circuit(events, mode="shadow")
        play(circuit, [FAILED] * 4, now_s=0.0)

        play(circuit, [OK, OK], now_s=5.0)

        assert [event.reason.split(":")[0] for event in events] == [
            "would be open, was closed",
            "would be half_open, was open",
            "would be closed, was half_open",
        ]

    def test_refuses_on_somebodys_word(self) -> None:
        circuit = a_circuit(mode="shadow")
        circuit.force_open(0.0, "isolated")

        assert circuit.state is State.FORCED_OPEN
        assert circuit.acquire(1.0) is None


class TestShortWay:
    def test_is_open_to_callers_only_while_plainly_closed(self) -> None:
        circuit = a_circuit()
        ways = [circuit.plain]
        play(circuit, [FAILED] * 4)
        ways += [circuit.plain, circuit.timed]

        assert [way is not None for way in ways] == [True, False, False]

    def test_asks_for_durations_when_slow_calls_matter(self) -> None:
        circuit = a_circuit(slow_call_s=1.0)

        assert (circuit.plain, circuit.timed) == (None, circuit.era)

    def test_is_not_there_when_each_call_needs_its_time(self) -> None:
        circuit = a_circuit(window_s=10.0)

        assert (circuit.plain, circuit.timed) == (None, None)

    def test_an_increment_is_a_success(self) -> None:
        circuit = a_circuit()
        era = circuit.plain
        assert era is not None
        era.calls += 7

        play(circuit, [FAILED])

        assert circuit.failure_rate == 0.125


class TestReconfigure:
    def test_a_window_of_calls_survives_and_new_limits_count_at_once(self) -> None:
        circuit = a_circuit()
        play(circuit, [OK, OK, OK, FAILED])

        stricter = CircuitConfig(failure_rate=0.4, minimum_calls=4, ramp_calls=0)
        circuit.reconfigure(stricter, now_s=0.0)
        play(circuit, [FAILED])

        assert circuit.state is State.OPEN

    def test_a_window_of_time_may_change_its_length(self) -> None:
        circuit = a_circuit(window_s=10.0)
        play(circuit, [FAILED] * 3, now_s=0.0)

        shorter = CircuitConfig(window_s=5.0, minimum_calls=4)
        circuit.reconfigure(shorter, now_s=6.0)
        play(circuit, [FAILED] * 3, now_s=6.0)

        assert circuit.state is State.CLOSED

    @pytest.mark.parametrize(("before", "after"), [(None, 10.0), (10.0, None)])
    def test_a_window_that_starts_or_stops_to_forget_by_time_begins_anew(
        self, before: float | None, after: float | None
    ) -> None:
        circuit = a_circuit(window_s=before)
        play(circuit, [FAILED] * 3)

        circuit.reconfigure(CircuitConfig(window_s=after, minimum_calls=4), now_s=0.0)
        play(circuit, [FAILED] * 3)

        assert circuit.state is State.CLOSED
        assert circuit.calls == 6

    def test_an_open_circuit_stays_open_for_as_long_as_was_said(self) -> None:
        circuit = an_open_circuit()

        circuit.reconfigure(CircuitConfig(open_s=1.0, window_s=3.0), now_s=1.0)

        assert circuit.retry_after_s(1.0) == 4.0

    def test_reset_starts_anew(self) -> None:
        circuit = an_open_circuit()

        circuit.reset(1.0)
        play(circuit, [FAILED] * 4, now_s=1.0)

        assert circuit.retry_after_s(1.0) == 5.0


class TestRecord:
    def test_an_open_circuit_goes_on_with_its_remaining_time_and_its_openings(self) -> None:
        old = an_open_circuit()
        record = old.record_of(2.0, reason="failure rate")

        new = a_circuit()
        new.restore(record, now_s=1_000.0)

        assert record == CircuitRecord(
            target="db", state=State.OPEN, remaining_s=3.0, openings=1, reason="failure rate"
        )
        assert new.retry_after_s(1_000.0) == 3.0
        play(new, [FAILED], now_s=1_003.0)
        assert new.retry_after_s(1_003.0) == 10.0

    @pytest.mark.parametrize("state", [State.FORCED_OPEN, State.HALF_OPEN])
    def test_isolation_and_trials_survive_a_restart(self, state: State) -> None:
        circuit = a_circuit()

        circuit.restore(CircuitRecord(target="db", state=state), now_s=0.0)

        assert circuit.state is state

    def test_a_closed_circuit_starts_with_an_empty_window(self) -> None:
        old = a_circuit()
        record = old.record_of(0.0)

        new = a_circuit()
        new.restore(record, now_s=0.0)

        assert record == CircuitRecord(target="db", state=State.CLOSED)
        assert new.state is State.CLOSED


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"failure_rate": 1.5}, "failure_rate=1.5 must be <= 1"),
        ({"minimum_calls": 21}, "minimum_calls=21 exceeds window_calls=20"),
        ({"open_s": 61.0}, "open_s=61 exceeds open_s_max=60"),
        ({"slow_call_s": 0.0}, "slow_call_s=0.0 must be > 0"),
    ],
)
def test_impossible_settings_are_refused_when_they_are_set(
    settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        CircuitConfig(**settings)
