"""What callers feel of a proxy between them and a service; both ends are real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from mendel.scenarios.chaos.proxy import FAIR, FaultProxy, Weather

pytestmark = pytest.mark.virtual_time

HOST = "127.0.0.1"
Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A service that says everything again; it knows what it was told."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            self.heard += piece
            writer.write(piece)
            await writer.drain()
        self.ended += 1
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    service = Echo()
    server = await asyncio.start_server(service.serve, HOST, 0)
    yield service, server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo: tuple[Echo, int]) -> AsyncIterator[FaultProxy]:
    async with FaultProxy((HOST, 0), (HOST, echo[1]), Random(1)) as proxy:
        yield proxy


@asynccontextmanager
async def talking(proxy: FaultProxy) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def say(talk: Talk, text: bytes) -> bytes:
    """Say something, and hear as much."""
    talk[1].write(text)
    return await talk[0].readexactly(len(text))


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.01)


async def test_in_fair_weather_nothing_is_changed(proxy: FaultProxy) -> None:
    text = bytes(range(256)) * 4_000

    async with talking(proxy) as talk:
        assert await say(talk, text) == text

    assert (proxy.accepted, proxy.refused, proxy.hurt) == (1, 0, 0)


async def test_the_end_of_what_a_caller_says_is_passed_on_and_its_answer_still_comes(
    proxy: FaultProxy, echo: tuple[Echo, int]
) -> None:
    async with talking(proxy) as (reader, writer):
        writer.write(b"last words")
        writer.write_eof()

        assert await reader.read() == b"last words"
        assert echo[0].ended == 1


async def test_answers_are_late_by_the_latency(proxy: FaultProxy) -> None:
    await proxy.set(Weather(latency_s=0.8))

    async with talking(proxy) as talk:
        began_s = now_s()
        await say(talk, b"hello")

        assert now_s() - began_s == pytest.approx(0.8, abs=0.01)


async def test_jitter_lies_between_nothing_and_its_most(proxy: FaultProxy) -> None:
    await proxy.set(Weather(latency_s=1.0, jitter_s=0.5))
    took_s = []

    async with talking(proxy) as talk:
        for _ in range(20):
            began_s = now_s()
            await say(talk, b"hello")
            took_s.append(now_s() - began_s)

    assert 1.0 <= min(took_s) < 1.2
    assert 1.3 < max(took_s) <= 1.51


async def test_a_narrow_connection_takes_its_time(proxy: FaultProxy) -> None:
    await proxy.set(Weather(bytes_per_s=1_000.0))

    async with talking(proxy) as talk:
        began_s = now_s()
        await say(talk, b"x" * 5_000)

        # Both ways are narrow, and the second begins as soon as something has got through.
        assert 5.0 <= now_s() - began_s < 11.0


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_cut_way_holds_back_until_it_is_over_and_loses_nothing(
    proxy: FaultProxy, echo: tuple[Echo, int], way: str
) -> None:
    async with talking(proxy) as talk:
        await say(talk, b"before ")
        await proxy.set(Weather(cut=(way,)))  # type: ignore[arg-type]  # One of two words.
        talk[1].write(b"during")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk[0].readexactly(1), 60.0)
        assert bytes(echo[0].heard) == (b"before " if way == "up" else b"before during")

        await proxy.set(FAIR)
        assert await talk[0].readexactly(6) == b"during"


async def test_a_partition_takes_connections_and_lets_them_wait(proxy: FaultProxy) -> None:
    await proxy.set(Weather(cut=("up", "down")))

    async with talking(proxy) as (reader, writer):
        writer.write(b"anybody?")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 3600.0)


async def test_errors_are_answered_in_place_of_the_service(
    proxy: FaultProxy, echo: tuple[Echo, int]
) -> None:
    await proxy.set(Weather(error_rate=1.0))

    async with talking(proxy) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")

        assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
        assert (bytes(echo[0].heard), proxy.hurt) == (b"", 1)


async def test_as_many_requests_fail_as_were_ordered(proxy: FaultProxy) -> None:
    await proxy.set(Weather(error_rate=0.8))

    for _ in range(100):
        async with talking(proxy) as (reader, writer):
            writer.write(b"hello")
            await reader.read(5)

    assert 70 <= proxy.hurt <= 90


async def test_a_reset_is_one(proxy: FaultProxy) -> None:
    await proxy.set(Weather(reset_rate=1.0))

    async with talking(proxy) as (reader, writer):
        writer.write(b"hello")
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_nobody_listens_while_it_refuses_and_open_connections_are_reset(
    proxy: FaultProxy,
) -> None:
    port = proxy.port
    async with talking(proxy) as talk:
        await say(talk, b"hello")
        await proxy.set(Weather(refuses=True))

        with pytest.raises(ConnectionResetError):
            await talk[0].readexactly(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, port)

    await proxy.set(FAIR)
    assert proxy.port == port
    async with talking(proxy) as talk:
        assert await say(talk, b"again") == b"again"


async def test_a_service_that_is_gone_is_felt_as_gone(echo: tuple[Echo, int]) -> None:
    silent = await asyncio.start_server(Echo().serve, HOST, 0)
    gone = silent.sockets[0].getsockname()[1]
    silent.close()

    async with FaultProxy((HOST, 0), (HOST, gone), Random(1)) as proxy, talking(proxy) as talk:
        with pytest.raises(ConnectionResetError):
            await talk[0].readexactly(1)

    assert proxy.unreachable == 1


async def test_more_connections_than_it_may_have_are_reset_and_counted(
    echo: tuple[Echo, int],
) -> None:
    async with FaultProxy((HOST, 0), (HOST, echo[1]), Random(1), connections_max=1) as proxy:
        async with talking(proxy) as first:
            await say(first, b"mine")
            async with talking(proxy) as second:
                with pytest.raises(ConnectionResetError):
                    await second[0].readexactly(1)
        await until(lambda: proxy.connections == 0)
        async with talking(proxy) as third:
            assert await say(third, b"free again") == b"free again"

    assert (proxy.accepted, proxy.refused) == (2, 1)


async def test_nothing_is_left_when_it_stops(echo: tuple[Echo, int]) -> None:
    async with FaultProxy((HOST, 0), (HOST, echo[1]), Random(1)) as proxy, talking(proxy) as talk:
        await say(talk, b"hello")
        await proxy.set(Weather(cut=("up", "down")))
        talk[1].write(b"held back")

    assert proxy.connections == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, proxy.port)
