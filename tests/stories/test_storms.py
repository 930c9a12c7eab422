"""Many components in trouble at once: nobody's healing waits for that of others."""

from __future__ import annotations

import asyncio

import pytest
from estates import Estate, Service
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import Sample
from mendel.bus.messages import IncidentClosed, Reading
from mendel.runtime.config import Config
from mendel.runtime.system import System

pytestmark = pytest.mark.virtual_time


class Flapping(Service):
    """Fails for four seconds of every twenty, each at another time, whatever is done to it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"f{number}")
        self._phase_s = number * 0.618 % 1.0 * 20.0

    def sample(self, now_s: float) -> Sample:
        ok = (now_s + self._phase_s) % 20.0 >= 4.0
        return Sample({"alive": 1.0, "answered": 1.0, "ok": float(ok)}, "" if ok else "HTTP 503")


async def healed_in_s(flapping: int) -> float:
    """How long it takes to heal a crash that happens in the middle of a storm."""
    estate = Estate([Service("db"), *(Flapping(number) for number in range(flapping))])
    async with System(Config(), estate, MemoryJournal()) as system:
        closed = asyncio.get_running_loop().create_future()
        system.bus.subscribe(
            f"{IncidentClosed.topic}.db", lambda envelope: closed.set_result(envelope.message)
        )
        await asyncio.sleep(40)
        await looked_at(system, "db")  # So that no storm decides how soon the next look is due.
        estate["db"].crash()
        crashed_s = asyncio.get_running_loop().time()
        async with asyncio.timeout(120):
            news = await closed
        return float(news.closed_s) - crashed_s


async def looked_at(system: System, target: str) -> None:
    look = asyncio.Event()
    taken = system.bus.subscribe(f"{Reading.topic}.{target}", lambda _: look.set())
    await look.wait()
    taken.unsubscribe()


async def test_a_thousand_that_flap_do_not_delay_the_healing_of_one() -> None:
    alone_s = await healed_in_s(0)
    assert await healed_in_s(1000) <= 1.2 * alone_s, alone_s
