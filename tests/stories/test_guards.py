"""Guarded calls of the program itself are part of the system as soon as there is a runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from estates import Estate, Watcher
from mendel import CallNotPermitted, guard, guards
from mendel.agents.guards.registry import forget
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import AnomalyDetected, CircuitChanged, IncidentClosed
from mendel.core.circuits.circuit import CircuitConfig
from mendel.runtime.config import Config
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time

# A circuit that leaves the judgement to the Coordinator.
PATIENT = CircuitConfig(failure_rate=1.0, minimum_calls=1000, window_calls=1000)


@pytest.fixture(autouse=True)
def no_guards() -> Iterator[None]:
    yield
    for target in list(guards()):
        forget(target)


async def call(target: str, *, works: bool) -> str:
    try:
        with guard(target):
            if not works:
                raise ConnectionError("refused")
            return "done"
    except CallNotPermitted:
        return "refused"
    except ConnectionError:
        return "failed"


async def test_failing_calls_are_noticed_before_any_probe_is(shop: Estate) -> None:
    guard("payment", circuit=PATIENT)
    async with System(Config(), shop, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(5)
        outcomes = []
        for _ in range(60):
            outcomes += [await call("payment", works="restart" in shop["payment"].ran)]
            await asyncio.sleep(0.1)
        await asyncio.sleep(30)

        first = seen.of(AnomalyDetected)[0]
        assert (first.target, first.metric) == ("payment", "call_failure_rate")
        assert shop.ran == {"payment": ["isolate", "restart", "release"]}
        assert "refused" in outcomes
        healed = [each.target for each in seen.of(IncidentClosed) if each.outcome == "healed"]
        assert healed == ["payment"]
        changes = [each.state for each in seen.of(CircuitChanged)]
        assert changes[:2] == ["forced_open", "half_open"]


async def test_a_guard_that_is_made_while_its_target_is_isolated_refuses_from_the_start(
    shop: Estate,
) -> None:
    async with System(Config(), shop, MemoryJournal()):
        await asyncio.sleep(5)
        shop["db"].crash()
        await asyncio.sleep(1.2)

        assert await call("db", works=True) == "refused"
        assert guards()["db"].state == "forced_open"
        await asyncio.sleep(30)

        assert await call("db", works=True) == "done"


async def test_when_the_runtime_stops_it_leaves_no_call_refused(shop: Estate) -> None:
    guard("db")
    async with System(Config(), shop, MemoryJournal()):
        await asyncio.sleep(5)
        shop["db"].crash()
        await asyncio.sleep(1.2)
        assert guards()["db"].state == "forced_open"

    assert await call("db", works=True) == "done"
