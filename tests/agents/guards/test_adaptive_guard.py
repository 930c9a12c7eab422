import asyncio
from collections.abc import Iterator

import pytest
from mendel import CircuitConfig, GuardConfig, guard
from mendel.agents.guards.adaptive import AdaptiveGuard
from mendel.core.circuits.adaptive import AdaptiveConfig
from mendel.core.circuits.circuit import State
from mendel.errors import ConfigError

pytestmark = pytest.mark.virtual_time


class Broken(Exception):
    """The target failed."""


async def test_a_guard_learns_what_is_usual_and_opens_when_calls_take_much_longer() -> None:
    adaptive = guard("db", adaptive=AdaptiveConfig(), circuit=CircuitConfig(ramp_calls=0))
    assert isinstance(adaptive, AdaptiveGuard)
    work = adaptive(asyncio.sleep)
    for _ in range(300):
        await work(0.1)
    usual = adaptive.state

    for _ in range(20):
        if adaptive.state is State.CLOSED:
            await work(1.0)

    assert [usual, adaptive.state] == [State.CLOSED, State.OPEN]
    assert adaptive.adaptation.baseline.duration_s == pytest.approx(0.1)


async def test_new_settings_keep_what_was_learned() -> None:
    adaptive = guard("db", adaptive=AdaptiveConfig())
    assert isinstance(adaptive, AdaptiveGuard)
    work = adaptive(asyncio.sleep)
    for _ in range(300):
        await work(0.1)

    stricter = CircuitConfig(failure_rate=0.1)
    adaptive.reconfigure(GuardConfig(circuit=stricter, adaptive=AdaptiveConfig(slow_factor=2.0)))

    assert adaptive.circuit.config.failure_rate == 0.1
    assert adaptive.circuit.config.slow_call_s == pytest.approx(0.2)
    with pytest.raises(ConfigError, match="needs `adaptive`"):
        adaptive.reconfigure(GuardConfig())


async def test_how_long_a_generator_is_read_is_not_learned() -> None:
    adaptive = guard("db", adaptive=AdaptiveConfig(tick_calls=1, tick_s=0.01))
    assert isinstance(adaptive, AdaptiveGuard)

    @adaptive
    def rows() -> Iterator[int]:
        yield 1

    for _ in range(30):
        list(rows())
        await asyncio.sleep(1.0)

    assert adaptive.circuit.calls == 30
    assert adaptive.adaptation.baseline.ticks == 0


async def test_failures_and_blocks_are_learned_from_too() -> None:
    adaptive = guard("db", adaptive=AdaptiveConfig(tick_calls=1, tick_s=0.05))
    assert isinstance(adaptive, AdaptiveGuard)

    for number in range(30):
        with pytest.raises(Broken) if number == 15 else adaptive:
            async with adaptive:
                await asyncio.sleep(0.1)
                if number == 15:
                    raise Broken

    assert adaptive.adaptation.baseline.ticks > 10
    assert adaptive.circuit.counts.failures == 1
