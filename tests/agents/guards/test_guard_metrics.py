import asyncio

import pytest
from mendel import CircuitConfig, Guard, GuardConfig, guard
from mendel.agents.guards.metrics import GuardMetrics, all_metrics
from mendel.core.circuits.limits import BulkheadConfig, RateConfig, ThrottleConfig
from mendel.core.circuits.retry import HedgeConfig, RetryConfig

pytestmark = pytest.mark.virtual_time


class Broken(Exception):
    """The target failed."""


async def fail() -> None:
    raise Broken


async def call(of: Guard, failing: int, good: int) -> None:
    for _ in range(good):
        await of(asyncio.sleep)(0)
    for _ in range(failing):
        with pytest.raises(Broken):
            await of(fail)()


async def test_the_counts_have_the_names_that_the_field_gives_them() -> None:
    circuit = CircuitConfig(minimum_calls=4)
    config = GuardConfig(circuit=circuit, bulkhead=BulkheadConfig(max_calls=7), timeout_s=9.0)
    guard("db", config)
    await call(guard("db"), good=3, failing=1)

    assert all_metrics() == [
        GuardMetrics(
            target="db",
            state="closed",
            calls_successful=3,
            calls_failed=1,
            calls_slow=0,
            calls_ignored=0,
            calls_late=0,
            calls_not_permitted=0,
            failure_rate=0.25,
            slow_call_rate=0.0,
            limit=7,
        )
    ]


async def test_all_parts_are_counted() -> None:
    config = GuardConfig(
        retry=RetryConfig(attempts=2),
        hedge=HedgeConfig(delay_s=1.0),
        rate=RateConfig(calls=1, burst=2),
        throttle=ThrottleConfig(),
    )
    guard("db", config, fallback="nothing")

    answers = [await guard("db")(fail)() for _ in range(2)]  # type: ignore[func-returns-value]

    assert answers == ["nothing"] * 2
    counted = all_metrics()[0]
    assert (counted.retries, counted.fallbacks, counted.calls_failed) == (1, 2, 2)
    assert (counted.calls_limited, counted.retries_refused, counted.limit) == (1, 0, 0)
