import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mendel.bus.alarms import Alarms
from mendel.scenarios.virtual_time import run

pytestmark = pytest.mark.virtual_time


def ringing() -> tuple[Alarms[str], list[tuple[float, str]]]:
    loop = asyncio.get_running_loop()
    rung: list[tuple[float, str]] = []
    return Alarms(loop, lambda key: rung.append((loop.time(), key))), rung


async def test_alarms_ring_at_their_time_and_in_its_order() -> None:
    alarms, rung = ringing()
    alarms.set("late", 30.0)
    alarms.set("early", 10.0)
    alarms.set("between", 20.0)

    await asyncio.sleep(60.0)

    assert rung == [(10.0, "early"), (20.0, "between"), (30.0, "late")]


async def test_a_cancelled_alarm_does_not_ring() -> None:
    alarms, rung = ringing()
    alarms.set("a", 10.0)
    alarms.set("b", 20.0)

    assert alarms.cancel("a") is True
    assert alarms.cancel("never set") is False
    await asyncio.sleep(60.0)

    assert rung == [(20.0, "b")]


async def test_setting_an_alarm_again_replaces_it() -> None:
    alarms, rung = ringing()
    alarms.set("a", 10.0)
    alarms.set("a", 20.0)
    alarms.set("b", 40.0)
    alarms.set("b", 30.0)

    await asyncio.sleep(60.0)

    assert rung == [(20.0, "a"), (30.0, "b")]


async def test_an_alarm_may_be_set_from_an_alarm() -> None:
    loop = asyncio.get_running_loop()
    rung: list[float] = []

    def ring(key: str) -> None:
        rung.append(loop.time())
        if len(rung) < 3:
            alarms.set(key, loop.time() + 5.0)

    alarms = Alarms(loop, ring)
    alarms.set("a", 10.0)
    await asyncio.sleep(60.0)

    assert rung == [10.0, 15.0, 20.0]


async def test_cleared_alarms_do_not_ring() -> None:
    alarms, rung = ringing()
    alarms.set("a", 10.0)
    alarms.clear()

    await asyncio.sleep(60.0)

    assert (rung, len(alarms)) == ([], 0)


async def test_cancelled_deadlines_do_not_pile_up() -> None:
    alarms, rung = ringing()
    for number in range(10_000):
        alarms.set(str(number), 1000.0 + number)
        alarms.cancel(str(number))
    assert len(alarms) == 0

    for number in range(1_000):
        alarms.set(f"old {number}", 3000.0)
    alarms.set("first", 1.0)
    await asyncio.sleep(2.0)  # By now all of them are in the heap.
    for number in range(1_000):
        alarms.cancel(f"old {number}")
    alarms.set("second", 3.0)
    await asyncio.sleep(2.0)

    assert len(alarms._heap) <= 65
    assert rung == [(1.0, "first"), (3.0, "second")]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 50)), min_size=1, max_size=30
    )
)
def test_what_rings_is_what_was_set_last_and_not_cancelled(
    wishes: list[tuple[str, int | None]],
) -> None:
    async def ring_all() -> list[tuple[float, str]]:
        alarms, rung = ringing()
        for key, due_s in wishes:
            if due_s is None:
                alarms.cancel(key)
            else:
                alarms.set(key, float(due_s))
        await asyncio.sleep(100.0)
        return rung

    expected = dict(wishes)
    assert sorted(run(ring_all())) == sorted(
        (float(due_s), key) for key, due_s in expected.items() if due_s is not None
    )
