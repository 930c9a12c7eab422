"""Just enough HTTP/1.1 for the services of the demo and for those who call them.

A service must be up at once after a restart, so it is built on asyncio streams and imports no web
framework. Bodies are JSON objects, and each request has a connection of its own: after a restart
nobody holds a stale one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

HOST = "127.0.0.1"
HEAD_BYTES_MAX = 8192
BODY_BYTES_MAX = 65536
READ_S = 5.0  # A client that has not sent its request by then is dropped.
CONNECTIONS_MAX = 256  # 20 requests/s that all wait 0.8 s are 16 at once; the rest is room.


class Request(NamedTuple):
    """A request that has been read whole; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Reply(Struct, frozen=True):
    """An answer, or why there is none.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        body: the JSON object of the answer.
        detail: why there was no answer, in words; else empty.
    """

    status: int
    body: dict[str, Any] = {}
    detail: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the answer is a 2xx."""
        return 200 <= self.status < 300


Handler = Callable[[Request], Awaitable[Reply]]


class HttpServer:
    """Answers requests on one loopback port, and can stop listening and listen again.

    Args:
        handler: makes the reply; one that raises is answered with 500 and counted in ``failures``.
        port: where to listen; 0 lets the kernel choose.
        connections_max: how many may be open at once; one more is cut.

    Attributes:
        refused: connections that were cut because there were too many.
        failures: replies that the handler could not make.
    """

    def __init__(
        self, handler: Handler, port: int = 0, *, connections_max: int = CONNECTIONS_MAX
    ) -> None:
        self._handler = handler
        self._port = port
        self._connections_max = connections_max
        self._server: asyncio.Server | None = None
        self._connections = 0
        self.refused = 0
        self.failures = 0

    @property
    def port(self) -> int:
        """The port; the one that the kernel chose once it listens."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def open(self) -> None:
        """Start to listen; nothing happens when it does already.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, HOST, self._port, limit=HEAD_BYTES_MAX
            )
            self._port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening: new connections are refused, requests at work are still answered."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= self._connections_max:
            self.refused += 1
            writer.transport.abort()
            return
        self._connections += 1
        try:
            writer.write(_encoded(await self._reply_to(reader)))
            await writer.drain()
        except (OSError, EOFError):
            pass  # The client is gone or never spoke; there is nobody to tell.
        finally:
            self._connections -= 1
            writer.close()

    async def _reply_to(self, reader: asyncio.StreamReader) -> Reply:
        try:
            async with asyncio.timeout(READ_S):
                request = await _read_request(reader)
        except (ValueError, asyncio.LimitOverrunError) as error:
            return Reply(400, {"error": f"not a request that is understood here: {error}"})
        try:
            return await self._handler(request)
        except Exception as error:  # noqa: BLE001 - border: one bad request must not end a service
            self.failures += 1
            return Reply(500, {"error": f"{type(error).__name__}: {error}"})


async def call(
    url: str,
    *,
    method: str = "GET",
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
) -> Reply:
    """Send one request to ``http://host:port/path``; a failure is a `Reply` with status 0."""
    place = urlsplit(url)
    message = _message(
        f"{method} {place.path or '/'} HTTP/1.1",
        {"Host": place.netloc, **(headers or {})},
        b"" if body is None else msgspec.json.encode(body),
    )
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(place.hostname or HOST, place.port or 80, message)
    except TimeoutError:
        return Reply(0, detail=f"no answer within {timeout_s:.3g} s")
    except ConnectionRefusedError:
        return Reply(0, detail="connection refused")
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        return Reply(0, detail=f"no usable answer: {error!r}")


async def _exchange(host: str, port: int, message: bytes) -> Reply:
    reader, writer = await asyncio.open_connection(host, port, limit=HEAD_BYTES_MAX)
    try:
        writer.write(message)
        first, headers = await _read_head(reader)
        body = await _read_body(reader, headers)
        return Reply(int(first.split(" ", 2)[1]), msgspec.json.decode(body or b"{}", type=dict))
    except IndexError:
        raise ValueError(f"{first!r} is no status line") from None
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    first, headers = await _read_head(reader)
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise ValueError(f"{first!r} is no request line")
    return Request(words[0], words[1], headers, await _read_body(reader, headers))


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return lines[0], {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    size_bytes = int(headers.get("content-length", "0"))
    if not 0 <= size_bytes <= BODY_BYTES_MAX:
        raise ValueError(f"a body of {size_bytes} bytes; 0 to {BODY_BYTES_MAX} are taken")
    return await reader.readexactly(size_bytes)


def _encoded(reply: Reply) -> bytes:
    phrase = HTTPStatus(reply.status).phrase
    return _message(f"HTTP/1.1 {reply.status} {phrase}", {}, msgspec.json.encode(reply.body))


def _message(first: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
