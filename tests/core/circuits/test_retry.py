import pytest
from mendel.core.circuits.retry import HedgeConfig, Hedges, Retries, RetryConfig
from mendel.errors import ConfigError


def waits_of(retries: Retries, draw: float = 1.0, calls: int = 0) -> list[float | None]:
    return [
        retries.wait_s(attempt, calls=calls, now_s=0.0, draw=draw)
        for attempt in range(1, retries.config.attempts + 1)
    ]


class TestRetries:
    def test_waits_grow_exponentially_up_to_their_cap_and_end_with_the_attempts(self) -> None:
        config = RetryConfig(attempts=5, backoff_s=0.1, backoff_s_max=0.3, budget_per_s=9.0)

        assert waits_of(Retries(config)) == [0.1, 0.2, 0.3, 0.3, None]

    def test_the_jitter_is_full(self) -> None:
        config = RetryConfig(attempts=2, backoff_s=0.5)

        assert waits_of(Retries(config), draw=0.0)[0] == 0.0
        assert waits_of(Retries(config), draw=0.5)[0] == 0.25

    def test_what_the_target_asked_for_is_the_least(self) -> None:
        retries = Retries(RetryConfig(backoff_s=0.1))

        wait_s = retries.wait_s(1, calls=0, now_s=0.0, draw=0.5, retry_after_s=3.0)

        assert wait_s == 3.05

    def test_a_target_that_asks_for_more_patience_than_there_is_is_not_tried_again(self) -> None:
        retries = Retries(RetryConfig(backoff_s_max=10.0))

        assert retries.wait_s(1, calls=0, now_s=0.0, draw=0.5, retry_after_s=11.0) is None
        assert retries.retried == 0

    def test_a_storm_gets_a_fifth_more_calls_and_not_three_times_as_many(self) -> None:
        retries = Retries(RetryConfig(attempts=3, budget=0.2, budget_per_s=0.0, budget_max=10.0))
        calls = 0
        for _ in range(1_000):
            calls += 1
            if retries.wait_s(1, calls=calls, now_s=0.0, draw=0.0) is not None:
                calls += 1

        assert retries.retried == pytest.approx(200, abs=1)
        assert retries.refused == 1_000 - retries.retried

    def test_retries_that_wait_have_been_paid_for(self) -> None:
        retries = Retries(RetryConfig(budget=0.1, budget_per_s=0.0, budget_max=10.0))

        granted = [retries.wait_s(1, calls=50, now_s=0.0, draw=1.0) for _ in range(20)]

        assert sum(each is not None for each in granted) == 5

    def test_a_target_that_is_seldom_called_earns_retries_by_time(self) -> None:
        retries = Retries(RetryConfig(budget=0.0, budget_per_s=0.5))
        retries.wait_s(1, calls=0, now_s=0.0, draw=0.0)

        assert retries.wait_s(1, calls=1, now_s=1.0, draw=0.0) is not None
        assert retries.wait_s(1, calls=2, now_s=2.0, draw=0.0) is None
        assert retries.wait_s(1, calls=2, now_s=4.0, draw=0.0) is not None

    def test_an_impossible_back_off_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="backoff_s=20 exceeds backoff_s_max=10"):
            RetryConfig(backoff_s=20.0)


class TestHedges:
    def test_extra_calls_are_a_small_share_of_all(self) -> None:
        hedges = Hedges(HedgeConfig(delay_s=0.1, budget=0.05, budget_max=1.0))

        granted = sum(hedges.grant(calls) for calls in range(1_000))

        assert granted == pytest.approx(50, abs=1)
        assert hedges.hedged == granted
