"""How long an agent has kept the event loop busy."""

from __future__ import annotations

import asyncio
import time

import pytest
from mendel.agents.meter import Meter, metered


def spin(busy_s: float) -> None:
    end_s = time.perf_counter() + busy_s
    while time.perf_counter() < end_s:
        pass


async def test_only_what_it_does_counts_and_not_what_it_waits_for() -> None:
    meter = Meter()

    async def work() -> str:
        spin(0.02)
        await asyncio.sleep(0.1)
        spin(0.02)
        return "done"

    assert await metered(work(), meter) == "done"
    assert 0.04 <= meter.busy_s < 0.1


async def test_errors_come_out_as_they_are() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await metered(fail(), Meter())


async def test_a_cancellation_passes_through_and_can_be_tidied_up_after() -> None:
    tidied = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    task = asyncio.create_task(metered(work(), Meter()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert tidied == [True]


async def test_an_error_that_is_handled_inside_does_not_end_it() -> None:
    async def work() -> str:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        except TimeoutError:
            await asyncio.sleep(0)
            return "late"
        return "in time"

    assert await metered(work(), Meter()) == "late"


def test_one_that_is_thrown_away_is_closed() -> None:
    closed = []

    async def work() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            closed.append(True)

    async def start() -> None:
        running = metered(work(), Meter())
        running.send(None)
        running.close()

    asyncio.run(start())
    assert closed == [True]
