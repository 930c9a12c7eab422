"""Hundreds of troubles at once: independent ones are healed beside each other, chains in order."""

from __future__ import annotations

import asyncio

import pytest
from estates import Estate, Service, Watcher
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import ActionStarted
from mendel.core.policy import PolicyConfig
from mendel.runtime.config import Config
from mendel.runtime.layers import DefaultsConfig
from mendel.runtime.system import System

MANY = 300
# Limits are for estates in which most is well; here every component is ill for its own reason.
UNLIMITED = PolicyConfig(
    estate_actions=10 * MANY,
    concurrent_actions=10 * MANY,
    blast_share=1.0,
    panic_share=1.0,
)


@pytest.mark.virtual_time
async def test_hundreds_of_independent_incidents_are_healed_beside_each_other() -> None:
    services = [Service(f"s{number}") for number in range(MANY)]
    config = Config(policy=UNLIMITED, defaults=DefaultsConfig(level="advanced"))
    closed: list[str] = []
    async with System(config, Estate(services), MemoryJournal()) as system:
        system.bus.tap(
            lambda batch: closed.extend(each.message.outcome for each in batch),  # type: ignore[attr-defined]
            "incident.closed.>",
        )
        await asyncio.sleep(30.0)
        for service in services:
            service.fault = "hang"
        await asyncio.sleep(60.0)  # One after the other would take an hour.

    assert closed == ["healed"] * MANY
    treated = [each.ran.count("restart") for each in services]
    assert treated == [1] * MANY


@pytest.mark.virtual_time
async def test_in_chains_only_the_deepest_are_treated() -> None:
    deep = [Service(f"db{number}") for number in range(20)]
    high = [Service(f"web{number}", needs=[db]) for number, db in enumerate(deep)]
    config = Config(policy=UNLIMITED, defaults=DefaultsConfig(level="advanced"))
    async with System(config, Estate([*high, *deep]), MemoryJournal()) as system:
        watcher = Watcher(system)
        await asyncio.sleep(30.0)
        for service in deep:
            service.fault = "hang"
        await asyncio.sleep(60.0)

    treated = {each.target for each in watcher.of(ActionStarted) if each.action == "restart"}
    assert treated == {service.name for service in deep}
