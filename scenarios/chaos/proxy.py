"""A TCP proxy that stands before a service and lets its connections suffer as it is told.

    callers --> proxy --> service

What it is told is a `Weather`, which may change while connections are open. Bytes are never lost: a
way that is cut holds them back, as TCP does until a partition is over, and reads no more meanwhile,
so that nothing piles up here. A connection that was accepted and stays silent is the half-open one
that callers without a timeout wait for for ever.

Errors are injected per piece that a caller sends, which is one request of HTTP for most callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from random import Random
from typing import Any, Literal

from msgspec import Struct

Way = Literal["up", "down"]
"""From the caller to the service, or back."""

PIECE_BYTES = 65_536
# A piece is sent in parts that take at most this long, so that a change of weather is soon felt.
PART_S = 0.1
CONNECT_S = 5.0
# More than a service on one machine usually has; one more is reset and counted.
CONNECTIONS_MAX = 1_024

ERROR_500 = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST instead of FIN.


class Weather(Struct, frozen=True, kw_only=True):
    """What connections suffer; the default is nothing.

    Attributes:
        latency_s: every answer comes so much later.
        jitter_s: up to so much more, drawn for each piece.
        bytes_per_s: how fast a connection is, each way; 0 for as fast as it can be.
        error_rate: share of the requests that are answered with ``error`` instead.
        error: that answer; the connection is closed behind it.
        reset_rate: share of the requests at which the connection is reset.
        cut: the ways on which nothing gets through: a partition, one way or both.
        refuses: whether nobody listens at all; open connections are reset.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    error_rate: float = 0.0
    error: bytes = ERROR_500
    reset_rate: float = 0.0
    cut: tuple[Way, ...] = ()
    refuses: bool = False


FAIR = Weather()


class FaultProxy:
    """Stands before one service.

    Args:
        listen: host and port that callers use; port 0 lets the kernel choose.
        service: host and port of the service.
        rng: draws which requests suffer, and jitter.
        connections_max: how many may be open at once; one more is reset.

    Attributes:
        weather: what connections suffer now.
        accepted: connections so far.
        refused: connections that were reset because there were too many.
        unreachable: connections that the service did not take.
        hurt: requests that were answered with an error, or reset.
    """

    def __init__(
        self,
        listen: tuple[str, int],
        service: tuple[str, int],
        rng: Random,
        *,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.weather = FAIR
        self.accepted = self.refused = self.unreachable = self.hurt = 0
        self._listen = listen
        self._service = service
        self._rng = rng
        self._connections_max = connections_max
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """Where callers connect; the one that the kernel chose once it is open."""
        return self._listen[1]

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    async def __aenter__(self) -> FaultProxy:
        await self._listen_now()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and end all connections."""
        self._stop_listening()
        await self._end_connections()

    async def set(self, weather: Weather) -> None:
        """Let connections suffer otherwise, the open ones too.

        Raises:
            OSError: it listened no more, and somebody else has taken the port.
        """
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()
        if weather.refuses:
            self._stop_listening()
            await self._end_connections()
        else:
            await self._listen_now()

    # --- connections --------------------------------------------------------------------------

    async def _listen_now(self) -> None:
        if self._server is None:
            host, port = self._listen
            self._server = await asyncio.start_server(self._accept, host, port, limit=PIECE_BYTES)
            self._listen = host, self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end_connections(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._connections_max:
            self.refused += 1
            _reset(writer)
            return
        self.accepted += 1
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a caller with the service until either has enough."""
        try:
            async with asyncio.timeout(CONNECT_S):
                back, forth = await asyncio.open_connection(*self._service, limit=PIECE_BYTES)
        except (OSError, TimeoutError):
            self.unreachable += 1
            _reset(writer)
            return
        except asyncio.CancelledError:
            _reset(writer)
            raise
        try:
            await _both(self._up(reader, forth, writer), self._down(back, writer))
        except (OSError, _Reset):
            _reset(writer)
        except asyncio.CancelledError:
            _reset(writer)
            raise
        finally:
            forth.transport.abort()
            await _close(writer)

    async def _up(
        self,
        reader: asyncio.StreamReader,
        service: asyncio.StreamWriter,
        caller: asyncio.StreamWriter,
    ) -> None:
        """What the caller says."""
        while piece := await reader.read(PIECE_BYTES):
            await self._until_through("up")
            self._reset_by_chance()
            if self._rng.random() < self.weather.error_rate:
                self.hurt += 1
                caller.write(self.weather.error)
                raise _Answered
            await self._send(piece, service)
        await self._until_through("up")
        service.write_eof()

    async def _down(self, service: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
        """What the service answers."""
        while piece := await service.read(PIECE_BYTES):
            weather = self.weather
            if weather.latency_s or weather.jitter_s:
                await asyncio.sleep(weather.latency_s + weather.jitter_s * self._rng.random())
            await self._until_through("down")
            await self._send(piece, caller)
        await self._until_through("down")
        raise _Answered

    async def _until_through(self, way: Way) -> None:
        while way in self.weather.cut:
            await self._changed.wait()

    def _reset_by_chance(self) -> None:
        if self._rng.random() < self.weather.reset_rate:
            self.hurt += 1
            raise _Reset

    async def _send(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        while piece:
            rate = self.weather.bytes_per_s
            size = max(int(rate * PART_S), 1) if rate else len(piece)
            part, piece = piece[:size], piece[size:]
            if rate:
                await asyncio.sleep(len(part) / rate)
            writer.write(part)
            await writer.drain()


class _Reset(Exception):
    """The connection is to be reset."""


class _Answered(Exception):
    """All has been said to the caller; what it still has to say concerns nobody."""


async def _both(*ways: Coroutine[Any, Any, None]) -> None:
    """Run both ways until they are done or one of them ends the connection; raises its error."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        with contextlib.suppress(_Answered):
            task.result()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what is still to be sent, and close; a caller that does not read is not waited for."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a machine does that knows nothing of it."""
    own = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
