"""How a service falls ill, and gets well by itself."""

import asyncio

import pytest
from mendel.runtime.demo.illness import WELL, FaultOrder, Illness

pytestmark = pytest.mark.virtual_time


async def test_it_is_well_again_when_the_time_is_over() -> None:
    illness = Illness()
    illness.begin(FaultOrder(symptom="slow", for_s=5.0, latency_s=0.8))
    assert illness.latency_s == 0.8
    illness.changed.clear()

    await illness.changed.wait()

    assert asyncio.get_running_loop().time() == 5.0
    assert (illness.order, illness.latency_s) == (WELL, 0.0)


async def test_a_new_order_replaces_the_old_one_and_its_end() -> None:
    illness = Illness()
    illness.begin(FaultOrder(symptom="slow", for_s=5.0))
    illness.begin(FaultOrder(symptom="failing", for_s=60.0, failure_rate=1.0))

    illness.changed.clear()
    await illness.changed.wait()

    assert asyncio.get_running_loop().time() == 60.0


async def test_the_same_seed_fails_the_same_requests() -> None:
    def draws(seed: int) -> list[bool]:
        illness = Illness()
        illness.begin(FaultOrder(symptom="failing", failure_rate=0.8, seed=seed))
        return [illness.fails_now() for _ in range(1000)]

    assert draws(1) == draws(1) != draws(2)
    assert 760 < sum(draws(1)) < 840


async def test_who_is_well_neither_waits_nor_fails() -> None:
    illness = Illness()

    assert illness.latency_s == 0.0
    assert not any(illness.fails_now() for _ in range(100))


async def test_a_leak_grows_at_its_rate_up_to_its_limit_and_is_given_back() -> None:
    illness = Illness()
    loop = asyncio.get_running_loop()
    sizes: list[int] = []
    for at_s in (0.05, 0.95, 5.0, 7.0):
        loop.call_at(at_s, lambda: sizes.append(illness.leaked_bytes))

    illness.begin(FaultOrder(symptom="leak", for_s=6.0, leak_bytes_per_s=1000, leak_bytes_max=1500))
    over = asyncio.Event()
    loop.call_at(8.0, over.set)
    await over.wait()

    assert sizes == [100, 1000, 1500, 0]


async def test_a_leak_that_is_cured_does_not_go_on() -> None:
    illness = Illness()
    illness.begin(FaultOrder(symptom="leak", leak_bytes_per_s=1000))

    illness.begin(WELL)
    over = asyncio.Event()
    asyncio.get_running_loop().call_at(2.0, over.set)
    await over.wait()

    assert illness.leaked_bytes == 0
