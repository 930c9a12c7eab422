"""One HTTP client for all probes, webhooks and notices: bounded in time and in size.

Each request makes a connection of its own and follows no redirect: whether a connection can be
made is itself what a probe asks, and a kept one would break whenever a service is restarted.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from ...errors import ConfigError, NoData
from .shortage import OUR_ERRORS

if TYPE_CHECKING:
    import aiohttp

# A health page has a few hundred bytes; what lies beyond this is not read.
BODY_BYTES = 65_536


class Answer(Struct, frozen=True, kw_only=True):
    """What became of a request.

    Attributes:
        status: HTTP status code; 0 when no whole answer came.
        reachable: whether a connection was made; None when it was not made in time, which leaves
            open whether it would have been.
        latency_s: from the start until the answer (or its first `BODY_BYTES`) was there.
        body: the answer, at most `BODY_BYTES` of it.
        is_cut: whether the answer has more than that.
        detail: why there is no answer, or ``HTTP`` and the status code.
    """

    status: int = 0
    reachable: bool | None
    latency_s: float
    body: bytes = b""
    is_cut: bool = False
    detail: str


class HttpClient:
    """Sends requests while it is open.

    Args:
        requests: how many may be under way at once; each probe and action has one at most.
    """

    def __init__(self, requests: int = 0) -> None:
        self._requests = requests
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []

    def allow(self, requests: int) -> None:
        """Let so many requests be under way at once; none needs no session at all.

        A session cannot grow, so the one that has become too small finishes what it has begun.
        Each is at least twice as large as the one before it, so they stay few.
        """
        if not requests or (self._session is not None and requests <= self._requests):
            return
        if self._session is not None:
            self._retired.append(self._session)
            requests = max(requests, 2 * self._requests)
        self._requests = requests
        self.open()

    def open(self) -> None:
        """Load aiohttp, which takes a quarter of a second, and make the session."""
        import aiohttp

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_note_connection)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._requests, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[trace],
            auto_decompress=False,  # A small answer could unpack to a huge one.
            headers={"User-Agent": "mendel", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """End all connections."""
        sessions, self._retired = [*self._retired, self._session], []
        self._session = None
        for session in sessions:
            if session is not None:
                await session.close()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request; every way to fail is an answer that says so, except our own shortage.

        Args:
            method: of HTTP.
            url: where to.
            timeout_s: how long connecting, sending and receiving may take together.
            headers: sent along.
            body: sent along.

        Raises:
            NoData: nothing could be sent because something has run short on our own side.
        """
        assert self._session is not None, "the client is open while its world is"
        loop = asyncio.get_running_loop()
        began_s, trip = loop.time(), SimpleNamespace(is_connected=False, has_begun=False)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method,
                    url,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    trace_request_ctx=trip,
                ) as response,
            ):
                trip.has_begun = True
                content = await _read(response.content)
                return Answer(
                    status=response.status,
                    reachable=True,
                    latency_s=loop.time() - began_s,
                    body=content[:BODY_BYTES],
                    is_cut=len(content) > BODY_BYTES,
                    detail=f"HTTP {response.status}",
                )
        except TimeoutError:
            reachable, detail = _describe_timeout(trip, timeout_s)
        except Exception as error:  # noqa: BLE001  # Border: whatever a foreign server provokes.
            if isinstance(error, OSError) and error.errno in OUR_ERRORS:
                raise NoData(f"no request can be sent: {os_words(error)}") from None
            reachable, detail = explain(error)
        return Answer(reachable=reachable, latency_s=loop.time() - began_s, detail=detail)


def check_url(url: str, place: str) -> str:
    """Return the URL if a request can be sent to it.

    Raises:
        ConfigError: it cannot; the message does not show the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{place}: not a URL that begins with http://HOST or https://HOST")
    return url


def explain(error: Exception) -> tuple[bool | None, str]:
    """Whether the server was reachable and what went wrong, in words without the URL."""
    import aiohttp

    match error:
        case aiohttp.ClientConnectorDNSError():
            return False, "DNS: the name of the host does not resolve"
        case aiohttp.ClientConnectorCertificateError():
            return True, f"TLS: {_reason(error.certificate_error)}"
        case aiohttp.ClientSSLError():
            return True, f"TLS: {_reason(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return False, os_words(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return True, "connection closed before an answer"
        case aiohttp.ClientPayloadError():
            return True, "the answer broke off"
        case aiohttp.ClientResponseError():
            return True, "the answer is not HTTP"
        case OSError():
            return True, os_words(error)
    return None, f"the request could not be sent ({type(error).__name__})"


async def _note_connection(_: object, trip: SimpleNamespace, __: object) -> None:
    trip.trace_request_ctx.is_connected = True


async def _read(stream: aiohttp.StreamReader) -> bytes:
    """At most one byte more than `BODY_BYTES`."""
    body = bytearray()
    while len(body) <= BODY_BYTES:
        chunk = await stream.read(BODY_BYTES + 1 - len(body))
        if not chunk:
            break
        body += chunk
    return bytes(body)


def _describe_timeout(trip: SimpleNamespace, timeout_s: float) -> tuple[bool | None, str]:
    if trip.has_begun:
        return True, f"answer not complete within {timeout_s:.3g} s"
    if trip.is_connected:
        return True, f"no answer within {timeout_s:.3g} s"
    return None, f"no connection within {timeout_s:.3g} s"


def _reason(error: Exception) -> str:
    """Find what OpenSSL gives as the reason: the plainest of what an error of it has."""
    reasons = (getattr(error, name, None) for name in ("verify_message", "reason"))
    return next((str(each) for each in reasons if each), "the handshake failed")


def os_words(error: OSError) -> str:
    """Say a system error in words, without addresses: ``connection refused``."""
    words = os.strerror(error.errno) if error.errno else str(error)
    # A name with several addresses fails once for each, and the number of the error is lost.
    if f"[Errno {errno.ECONNREFUSED}]" in words:
        words = os.strerror(errno.ECONNREFUSED)
    return words[:1].lower() + words[1:]
