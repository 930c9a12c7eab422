"""Looks that are begun and left again."""

from __future__ import annotations

import asyncio
import gc
import time
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


async def test_whoever_acts_has_a_turn_while_there_is_more_to_see_than_there_is_time() -> None:
    class Slow(ServiceProbe):
        def read(self) -> Sample:
            end_s = time.perf_counter() + 0.002
            while time.perf_counter() < end_s:
                pass
            return Sample({"ok": 1.0})

    names = [f"s{number}" for number in range(100)]
    probes: list[Probe] = [Slow(Service(name)) for name in names]
    charts = {name: Chart(TargetWatch(name, WatchConfig(), {"http": 30.0})) for name in names}
    rounds: Rounds[Probe] = Rounds(charts)
    rounds.begin(probes, now_s=asyncio.get_running_loop().time() - 10.0)  # All are overdue.
    seen: list[str] = []
    turns: list[int] = []

    def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        raise AssertionError(name)

    eyes = Eyes(
        rounds,
        concurrent=8,
        tick_s=0.01,
        take=lambda look, _: seen.append(look.probe.target),
        spawn=spawn,
    )
    watching = asyncio.create_task(eyes.look_around())
    while len(seen) < len(names):
        await asyncio.sleep(0)
        turns.append(len(seen))
    watching.cancel()

    assert len(set(turns)) >= 50
