"""What a program does with the system that lives in it."""

from __future__ import annotations

import asyncio

import mendel
import pytest
from estates import Estate, HeartbeatProbe, Service
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import Status
from mendel.core.detection.detect import Threshold
from mendel.core.watching.watch import WatchConfig
from mendel.errors import ConfigError
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


async def test_a_part_of_the_program_reports_itself_and_is_judged_by_that() -> None:
    estate = Estate([Service("orders")])
    estate.probes[:] = [HeartbeatProbe("orders")]
    line = Threshold(above=100.0, samples=2, of=2)
    config = Config(defaults=DefaultsConfig(watch=WatchConfig(thresholds={"queue": line})))
    async with System(config, estate, MemoryJournal()) as system:
        statuses = []
        for queue in (3.0, 3.0, 120.0, 130.0, 140.0):
            system.report("orders", {"queue": queue})
            await asyncio.sleep(1)
            statuses.append(system.statuses()["orders"])

    assert statuses[1] is Status.HEALTHY
    assert statuses[-1] is Status.SICK


async def test_a_report_of_nobody_says_whose_name_was_meant() -> None:
    async with System(Config(), Estate([Service("orders")]), MemoryJournal()) as system:
        with pytest.raises(ConfigError, match=r"no component 'order'; did you mean `orders`\?"):
            system.report("order", {})


async def test_the_guard_of_a_system_is_the_one_of_the_program() -> None:
    async with System(Config(), Estate([Service("orders")]), MemoryJournal()) as system:
        assert system.guard("orders") is mendel.guard("orders")
