"""What holds for every course of events, tried on generated ones."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from mendel.bus import Envelope, LocalBus, Message, Overflow
from mendel.scenarios.virtual_time import run


class Item(Message, frozen=True, kw_only=True):
    sender: int
    n: int
    key: int = 0


def item(envelope: Envelope) -> Item:
    assert isinstance(envelope.message, Item)
    return envelope.message


DELAYS_S = st.sampled_from([0.0, 0.0, 0.01, 0.5, 2.0])


@settings(deadline=None)
@given(
    senders=st.lists(st.lists(DELAYS_S, min_size=1, max_size=15), min_size=1, max_size=4),
    capacity=st.integers(1, 4),
    handling_s=DELAYS_S,
    cancelled=st.sets(st.integers(0, 3)),
    cancel_after_s=st.floats(0.0, 3.0),
)
def test_blocking_loses_nothing_and_keeps_the_order_of_each_sender(
    senders: list[list[float]],
    capacity: int,
    handling_s: float,
    cancelled: set[int],
    cancel_after_s: float,
) -> None:
    sent: list[tuple[int, int]] = []
    heard: list[tuple[int, int]] = []

    async def send(bus: LocalBus, sender: int, pauses_s: list[float]) -> None:
        for n, pause_s in enumerate(pauses_s):
            room = bus.publish(Item(sender=sender, n=n))
            sent.append((sender, n))
            await room
            await asyncio.sleep(pause_s)

    async def hear(envelope: Envelope) -> None:
        await asyncio.sleep(handling_s)
        heard.append((item(envelope).sender, item(envelope).n))

    async def main() -> dict[str, int]:
        async with LocalBus() as bus:
            bus.subscribe("item", hear, capacity=capacity)
            tasks = [asyncio.create_task(send(bus, i, p)) for i, p in enumerate(senders)]
            await asyncio.sleep(cancel_after_s)
            for number in cancelled:
                if number < len(tasks):
                    tasks[number].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert await bus.drain(1000.0)
            return bus.stats().dead

    assert run(main()) == {}
    assert heard == sent


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 5), DELAYS_S), max_size=40),
    overflow=st.sampled_from(Overflow),
    capacity=st.integers(1, 4),
    handling_s=DELAYS_S,
    unsubscribe_after=st.none() | st.integers(0, 40),
)
def test_each_message_is_either_handled_once_or_dead_once(
    steps: list[tuple[int, float]],
    overflow: Overflow,
    capacity: int,
    handling_s: float,
    unsubscribe_after: int | None,
) -> None:
    handled: list[int] = []
    dead: list[int] = []

    async def hear(envelope: Envelope) -> None:
        await asyncio.sleep(handling_s)
        handled.append(item(envelope).n)

    async def main() -> int:
        async with LocalBus() as bus:
            bus.dead_letters.listen(lambda letter: dead.append(item(letter.envelope).n))
            subscription = bus.subscribe(
                "item",
                hear,
                capacity=capacity,
                overflow=overflow,
                key=lambda envelope: item(envelope).key,
            )
            for n, (key, pause_s) in enumerate(steps):
                if n == unsubscribe_after:
                    subscription.unsubscribe()
                bus.publish(Item(sender=0, n=n, key=key))
                await asyncio.sleep(pause_s)
            assert await bus.drain(1000.0)
            return bus.stats().dead.get("superseded", 0) + bus.stats().unheard

    uncounted = run(main())
    assert len(handled) + len(dead) + uncounted == len(steps)
    assert max(Counter(handled + dead).values(), default=0) <= 1
    if overflow is not Overflow.LATEST:  # A newer message takes the place of an older one.
        assert handled == sorted(handled)


@settings(deadline=None)
@given(
    groups=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    capacities=st.lists(st.integers(1, 3), min_size=12, max_size=12),
    slow=st.lists(DELAYS_S, min_size=12, max_size=12),
    count=st.integers(0, 30),
)
def test_exactly_one_member_of_each_queue_group_gets_each_message(
    groups: list[int], capacities: list[int], slow: list[float], count: int
) -> None:
    heard: dict[int, list[int]] = {number: [] for number in range(len(groups))}

    async def main() -> dict[str, int]:
        async with LocalBus() as bus:
            for group, members in enumerate(groups):
                for member in range(members):
                    listen(bus, group, 4 * group + member)
            for n in range(count):
                await bus.publish(Item(sender=0, n=n))
            assert await bus.drain(1000.0)
            return bus.stats().dead

    def listen(bus: LocalBus, group: int, number: int) -> None:
        async def hear(envelope: Envelope) -> None:
            await asyncio.sleep(slow[number])
            heard[group].append(item(envelope).n)

        bus.subscribe("item", hear, queue=f"group {group}", capacity=capacities[number])

    assert run(main()) == {}
    assert [sorted(numbers) for numbers in heard.values()] == [list(range(count))] * len(groups)


@settings(deadline=None)
@given(
    asks=st.lists(st.tuples(st.floats(0.1, 5.0), st.floats(0.0, 5.0)), max_size=20),
    closed_after_s=st.floats(0.0, 10.0),
)
def test_every_request_ends_and_none_is_left_behind(
    asks: list[tuple[float, float]], closed_after_s: float
) -> None:
    async def answer(envelope: Envelope) -> Message | None:
        await asyncio.sleep(asks[item(envelope).n][1])
        return envelope.message

    async def main() -> int:
        bus = LocalBus()
        bus.subscribe("item", answer, capacity=3)
        waiting = [
            asyncio.ensure_future(bus.request(Item(sender=0, n=n), timeout_s=timeout_s))
            for n, (timeout_s, _) in enumerate(asks)
        ]
        await asyncio.sleep(closed_after_s)
        await bus.close(1.0)
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert bus.stats().asks == 0
        return len(ended)

    assert run(main()) == len(asks)
