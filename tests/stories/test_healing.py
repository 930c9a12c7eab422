"""What happens from a fault to its proof of recovery, through all agents, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mendel.agents.journal import MemoryJournal
from mendel.bus.messages import (
    IncidentClosed,
    Message,
)
from mendel.runtime.config import Config
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


class Watcher:
    """Everything that went over the bus."""

    def __init__(self, system: System) -> None:
        self.messages: list[Message] = []
        system.bus.tap(lambda batch: self.messages.extend(each.message for each in batch))

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.messages if isinstance(each, kind)]


async def test_a_crash_is_restarted_and_proven_healed(world: Any) -> None:
    async with System(Config(), world, MemoryJournal()) as system:
        seen = Watcher(system)
        await asyncio.sleep(10)
        world.db.crash()
        await asyncio.sleep(30)

        assert world.ran == {"db": ["isolate", "restart", "release"]}
        assert [each.outcome for each in seen.of(IncidentClosed) if each.target == "db"] == [
            "healed"
        ]
        assert system.health() == "healthy"
