from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from mendel.runtime.web.stream import TICK_S, UNREAD_MAX, Streams, TooManyStreams, sse

pytestmark = pytest.mark.virtual_time


class Numbers:
    """A channel whose news are numbers."""

    def __init__(self) -> None:
        self.count = 0
        self.quiet = False
        self.closed = False

    def begin(self) -> bytes:
        return b"first "

    def news(self) -> bytes:
        if self.quiet:
            return b""
        self.count += 1
        return f"{self.count} ".encode()

    def close(self) -> None:
        self.closed = True


async def some(chunks: AsyncIterator[bytes], count: int) -> list[bytes]:
    return [await anext(chunks) for _ in range(count)]


async def test_a_listener_gets_the_whole_first_and_then_what_is_new() -> None:
    streams = Streams(10)
    with streams.join("n", Numbers()) as chunks:
        assert await some(chunks, 3) == [b"first ", b"1 ", b"2 "]


async def test_all_listeners_of_a_channel_get_the_same_and_it_is_made_once() -> None:
    streams, numbers = Streams(10), Numbers()
    with streams.join("n", numbers) as one, streams.join("n", Numbers()) as two:
        found = list(await asyncio.gather(some(one, 3), some(two, 3)))

    assert found == [[b"first ", b"1 ", b"2 "]] * 2
    assert numbers.count == 2


async def test_nobody_is_told_nothing() -> None:
    streams, numbers = Streams(10), Numbers()
    numbers.quiet = True
    with streams.join("n", numbers) as chunks:
        await anext(chunks)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.0):
                await anext(chunks)


async def test_what_gathers_while_a_listener_is_busy_comes_at_once() -> None:
    streams = Streams(10)
    with streams.join("n", Numbers()) as chunks:
        await anext(chunks)
        await asyncio.sleep(3.1 * TICK_S)

        assert await anext(chunks) == b"1 2 3 "


async def test_a_listener_that_does_not_keep_up_is_let_go_and_others_stay() -> None:
    streams = Streams(10)
    with streams.join("n", Numbers()) as slow, streams.join("n", Numbers()) as quick:
        heard = 0
        async for chunk in quick:
            heard += len(chunk.split())
            if heard > UNREAD_MAX + 5:
                break

        rest = [chunk async for chunk in slow]

    assert streams.dropped == 1
    assert len(rest) == 1


async def test_there_is_room_for_so_many_and_room_again_when_one_leaves() -> None:
    streams = Streams(1)
    with (
        streams.join("n", Numbers()),
        pytest.raises(TooManyStreams),
        streams.join("m", Numbers()),
    ):
        pass
    with streams.join("m", Numbers()) as chunks:
        assert await anext(chunks) == b"first "


async def test_the_channel_ends_with_its_last_listener() -> None:
    streams, numbers = Streams(10), Numbers()
    with streams.join("n", numbers), streams.join("n", Numbers()):
        assert streams.channel("n") is numbers
        closed_before = numbers.closed

    assert (closed_before, numbers.closed) == (False, True)
    assert streams.channel("n") is None
    assert len(streams) == 0


async def test_closing_ends_every_stream_and_lets_nobody_in() -> None:
    streams = Streams(10)
    with streams.join("n", Numbers()) as chunks:
        streams.close()

        assert [chunk async for chunk in chunks] == [b"first "]
        with pytest.raises(TooManyStreams), streams.join("n", Numbers()):
            pass


def test_an_event_reads_as_the_standard_has_it() -> None:
    assert sse("change", b'{"a":1}', number=7) == b'id: 7\nevent: change\ndata: {"a":1}\n\n'
