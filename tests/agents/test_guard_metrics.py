import asyncio

import pytest
from mendel import CircuitConfig, Guard, GuardConfig, guard
from mendel.agents.guard_metrics import GuardMetrics, GuardProbe, all_metrics, guard_probes
from mendel.agents.ports import Probe, Sample
from mendel.core.limits import BulkheadConfig, RateConfig, ThrottleConfig
from mendel.core.retry import HedgeConfig, RetryConfig

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


async def test_the_monitor_sees_calls_as_it_sees_any_metric() -> None:
    guard("cart")
    probe: Probe = GuardProbe(guard("db"), every_s=2.0)
    await call(guard("db"), good=6, failing=2)
    await asyncio.sleep(2.0)

    assert (probe.target, probe.name, probe.every_s, probe.timeout_s) == ("db", "calls", 2.0, 2.0)
    assert probe.read() == Sample(
        {
            "calls_per_s": 4.0,
            "calls_not_permitted_per_s": 0.0,
            "circuit_closed": 1.0,
            "failure_rate": 0.25,
            "slow_call_rate": 0.0,
        },
        detail="circuit closed",
    )


async def test_without_calls_there_are_no_rates() -> None:
    probe = GuardProbe(guard("db"))
    guard("db").force_open("test")
    assert guard("db").allow() is None
    await asyncio.sleep(1.0)

    assert probe.read().metrics == {
        "calls_per_s": 0.0,
        "calls_not_permitted_per_s": 1.0,
        "circuit_closed": 0.0,
    }


async def test_there_is_a_probe_for_each_guard() -> None:
    for target in ("db", "cart", "web"):
        guard(target)

    assert [probe.target for probe in guard_probes()] == ["cart", "db", "web"]
    assert [probe.target for probe in guard_probes(targets=["web"])] == ["web"]
