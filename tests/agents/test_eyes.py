"""Looks that are begun and left again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest
from estates import Service, ServiceProbe
from mendel.agents.eyes import Eyes
from mendel.agents.meter import Meters
from mendel.agents.ports import Probe, Sample
from mendel.core.watching.rounds import Chart, Look, Rounds
from mendel.core.watching.watch import TargetWatch, WatchConfig
from mendel.scenarios.virtual_time import run


@pytest.mark.parametrize("meters", [None, Meters()])
def test_a_look_that_is_cancelled_before_its_first_step_leaves_nothing_behind(
    meters: Meters | None,
) -> None:
    async def story() -> list[asyncio.Task[None]]:
        tasks: list[asyncio.Task[None]] = []

        def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            tasks.append(asyncio.get_running_loop().create_task(work, name=name))
            tasks[-1].cancel()
            return tasks[-1]

        async def take(look: Look[Probe], sample: Sample | None) -> None:
            raise AssertionError(sample)

        probe = ServiceProbe(Service("cart"), takes_s=1.0)
        watch = TargetWatch("cart", WatchConfig(confirm_s=1.0), {"http": 30.0})
        rounds: Rounds[Probe] = Rounds({"cart": Chart(watch)})
        rounds.begin([probe], now_s=0.0)
        eyes = Eyes(rounds, 8, 0.1, take, spawn, meters)
        watching = asyncio.create_task(eyes.look_around())
        await asyncio.sleep(0.5)
        watching.cancel()
        await asyncio.wait([watching, *tasks])
        return tasks

    tasks = run(story())
    gc.collect()  # A coroutine that nobody awaited would complain here.

    assert tasks
    assert all(task.cancelled() for task in tasks)
