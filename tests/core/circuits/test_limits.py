import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.circuits.circuit import Outcome
from mendel.core.circuits.limits import (
    Bulkhead,
    BulkheadConfig,
    RateConfig,
    RateLimit,
    Throttle,
    ThrottleConfig,
)


class TestBulkhead:
    def test_lets_as_many_calls_in_as_it_has_slots(self) -> None:
        bulkhead = Bulkhead(BulkheadConfig(max_calls=2))

        assert [bulkhead.enter() for _ in range(3)] == [True, True, False]
        assert (bulkhead.in_flight, bulkhead.refused) == (2, 1)

    def test_a_call_that_ends_makes_room(self) -> None:
        bulkhead = Bulkhead(BulkheadConfig(max_calls=1))
        bulkhead.enter()

        bulkhead.leave(0.1, Outcome.FAILURE, now_s=1.0)

        assert bulkhead.enter()

    def test_fewer_slots_let_calls_in_flight_end_in_peace(self) -> None:
        bulkhead = Bulkhead(BulkheadConfig(max_calls=3))
        for _ in range(3):
            bulkhead.enter()

        bulkhead.reconfigure(BulkheadConfig(max_calls=1))
        for _ in range(2):
            bulkhead.leave(0.1, Outcome.SUCCESS, now_s=1.0)

        assert (bulkhead.in_flight, bulkhead.enter()) == (1, False)


class TestRateLimit:
    def test_a_burst_passes_and_then_one_call_per_interval(self) -> None:
        limit = RateLimit(RateConfig(calls=10, period_s=1.0, burst=3))

        assert [limit.enter(0.0)[0] for _ in range(4)] == [True, True, True, False]
        assert limit.enter(0.1) == (True, 0.0)
        assert limit.enter(0.15)[1] == pytest.approx(0.05)
        assert limit.refused == 2

    def test_a_caller_who_may_wait_is_told_its_turn(self) -> None:
        limit = RateLimit(RateConfig(calls=10, period_s=1.0, burst=1, wait_s=0.25))

        turns = [limit.enter(0.0) for _ in range(4)]

        assert [admitted for admitted, _ in turns] == [True, True, True, False]
        assert [wait_s for _, wait_s in turns] == pytest.approx([0.0, 0.1, 0.2, 0.05])

    @given(gaps_s=st.lists(st.floats(0, 0.3), max_size=60))
    def test_never_more_than_burst_and_rate_allow_in_any_time(self, gaps_s: list[float]) -> None:
        limit = RateLimit(RateConfig(calls=5, period_s=1.0, burst=3))
        now_s, passed_s = 0.0, []
        for gap_s in gaps_s:
            now_s += gap_s
            if limit.enter(now_s)[0]:
                passed_s.append(now_s)

        for first, start_s in enumerate(passed_s):
            for last in range(first, len(passed_s)):
                span_s = passed_s[last] - start_s
                assert last - first + 1 <= 3 + 5 * span_s + 1e-6


class TestThrottle:
    def test_holds_nothing_back_from_a_target_that_accepts(self) -> None:
        throttle = Throttle(ThrottleConfig())
        for _ in range(100):
            assert throttle.enter(0.0, draw=0.0)
            throttle.accepted(0.0)

        assert throttle.refusal == 0.0

    def test_holds_nearly_all_back_from_a_target_that_refuses_all(self) -> None:
        throttle = Throttle(ThrottleConfig())
        for _ in range(99):
            throttle.enter(0.0, draw=1.0)

        assert throttle.refusal == 0.89
        assert not throttle.enter(0.0, draw=0.5)
        assert throttle.refused == 1

    def test_a_few_failures_at_the_start_hold_nothing_back(self) -> None:
        throttle = Throttle(ThrottleConfig())

        assert [throttle.enter(0.0, draw=0.0) for _ in range(11)] == [True] * 11

    def test_lets_twice_as_many_through_as_are_accepted(self) -> None:
        throttle = Throttle(ThrottleConfig(factor=2.0))
        for index in range(1_000):
            throttle.enter(0.0, draw=1.0)
            if index % 4 == 0:
                throttle.accepted(0.0)

        assert throttle.refusal == pytest.approx(0.5, abs=0.02)

    def test_forgets(self) -> None:
        throttle = Throttle(ThrottleConfig(window_s=10.0))
        for _ in range(99):
            throttle.enter(0.0, draw=1.0)

        throttle.enter(100.0, draw=1.0)

        assert throttle.refusal < 0.6
