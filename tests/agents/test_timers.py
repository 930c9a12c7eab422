import asyncio

import pytest
from mendel.agents.timers import Timer, Timers
from mendel.scenarios.virtual_time import settle

pytestmark = pytest.mark.virtual_time


def some_timers() -> tuple[Timers, list[Timer]]:
    rung: list[Timer] = []
    return Timers(asyncio.get_running_loop(), rung.append), rung


async def test_a_timer_rings_once_when_it_is_due() -> None:
    timers, rung = some_timers()
    timers.start("verify", "cart", 10.0)

    await asyncio.sleep(9.5)
    assert rung == []
    await asyncio.sleep(60.0)
    assert rung == [Timer(name="verify", key="cart", due_s=10.0)]


async def test_timers_of_different_keys_are_different_timers() -> None:
    timers, rung = some_timers()
    timers.start("verify", "cart", 20.0)
    timers.start("verify", "db", 10.0)

    await asyncio.sleep(60.0)

    assert [timer.key for timer in rung] == ["db", "cart"]


async def test_a_rung_timer_is_taken_once() -> None:
    timers, rung = some_timers()
    timers.start("verify", "cart", 10.0)
    await asyncio.sleep(60.0)

    assert [timers.take(rung[0]), timers.take(rung[0])] == [True, False]
    assert len(timers) == 0


@pytest.mark.parametrize("change", ["cancel", "start", "clear"])
async def test_a_timer_that_rang_is_void_once_it_is_cancelled_or_started_anew(change: str) -> None:
    timers, rung = some_timers()
    timers.start("verify", "cart", 10.0)
    await asyncio.sleep(10.0)
    await settle()

    match change:
        case "cancel":
            timers.cancel("verify", "cart")
        case "start":
            timers.start("verify", "cart", 30.0)
        case "clear":
            timers.clear()

    assert timers.take(rung[0]) is False


async def test_a_restored_timer_does_not_replace_a_newer_one() -> None:
    timers, rung = some_timers()
    timers.start("verify", "cart", 10.0)
    await asyncio.sleep(20.0)
    timers.take(rung[0])
    timers.start("verify", "cart", 30.0)

    timers.restore(rung[0])

    assert timers.take(rung[0]) is False
    await asyncio.sleep(20.0)
    assert timers.take(rung[1]) is True


async def test_cancelling_what_was_never_started_is_no_error() -> None:
    timers, rung = some_timers()

    timers.cancel("verify", "cart")
    timers.clear()
    await asyncio.sleep(60.0)

    assert rung == []
