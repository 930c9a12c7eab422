"""What is found without a line that anybody drew, through all agents, in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import Sample
from mendel.bus.messages import AnomalyDetected, IncidentClosed, Message
from mendel.core.detection.detect_adaptive import AdaptiveDetection
from mendel.core.watching.watch import WatchConfig
from mendel.runtime.config import Config, DefaultsConfig
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time

HOUR_S, DAY_S = 3600.0, 86_400.0


class LatencyProbe:
    """Tells how long the answers of a service take; slowly where it is ill."""

    name = "latency"
    timeout_s = 0.5

    def __init__(self, service: Any, every_s: float, daily: float = 0.0) -> None:
        self.target = service.name
        self.every_s = every_s
        self._service = service
        self._daily = daily
        self._draw = random.Random(7)

    def read(self) -> Sample:
        now_s = asyncio.get_running_loop().time()
        usual_s = 0.1 * (1.0 + self._daily * math.sin(now_s / DAY_S * 2 * math.pi))
        slow_s = 0.3 if self._service.fault else 0.0
        noise = 1.0 + 0.1 * self._draw.gauss(0, 1)
        return Sample({"latency_s": usual_s * noise + slow_s}, "")


def a_config() -> Config:
    adaptive = {"latency_s": AdaptiveDetection(direction="up", low=0.0)}
    defaults = DefaultsConfig(watch=WatchConfig(adaptive=adaptive, silent_s=DAY_S))
    return Config(defaults=defaults, agent={"monitor": {"sweep_s": HOUR_S}})


def listen(system: System) -> list[Message]:
    messages: list[Message] = []
    system.bus.tap(lambda batch: messages.extend(each.message for each in batch), "anomaly.>")
    system.bus.tap(lambda batch: messages.extend(each.message for each in batch), "incident.>")
    return messages


async def test_a_latency_step_is_found_and_healed_without_a_line(shop: Any) -> None:
    shop.probes = [LatencyProbe(shop["db"], every_s=2.0)]
    async with System(a_config(), shop, MemoryJournal()) as system:
        messages = listen(system)
        await asyncio.sleep(HOUR_S)
        assert messages == []

        shop["db"].fault = "slow disk"
        await asyncio.sleep(120)

        found = next(each for each in messages if isinstance(each, AnomalyDetected))
        closed = [each for each in messages if isinstance(each, IncidentClosed)]
        assert (found.target, found.metric) == ("db", "latency_s")
        assert found.detected_s - HOUR_S < 10.0
        assert ", expected 0." in found.reason
        assert "restart" in shop["db"].ran
        assert [each.outcome for each in closed] == ["healed"]


async def test_a_day_that_goes_up_and_down_is_no_alarm_all_week(shop: Any) -> None:
    shop.probes = [LatencyProbe(shop["web"], every_s=300.0, daily=0.6)]
    async with System(a_config(), shop, MemoryJournal()) as system:
        messages = listen(system)

        await asyncio.sleep(7 * DAY_S)

        assert messages == []
        assert shop["web"].ran == []
