"""Guards for httpx: one line makes every request pass a circuit breaker of its host.

    client = httpx.AsyncClient(transport=GuardTransport())

Needs the extra: ``pip install mendel[httpx]``.
"""

from __future__ import annotations

import httpx

from .config import GuardConfig
from .guard import Guard
from .hosts import HostGuards


class GuardTransport(httpx.AsyncBaseTransport):
    """Transport with a guard for each host and port.

    A response with status 429 or 5xx counts as a failure and reaches the caller as it is.

    Args:
        config: what each guard consists of; no retry and no hedge.
        transport: what sends the requests; httpx's own unless given.
        hosts_max: guards kept.

    Raises:
        ConfigError: the guard would repeat requests.
    """

    def __init__(
        self,
        config: GuardConfig | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        hosts_max: int = 1_000,
    ) -> None:
        self._transport = transport if transport is not None else httpx.AsyncHTTPTransport()
        self._guards = HostGuards(
            config or GuardConfig(), lambda answer: answer.status_code, hosts_max
        )

    def guard_of(self, host: str) -> Guard:
        """Return the guard of ``host:port``."""
        return self._guards.guard_of(host)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request if its host may be called."""
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        host = f"{request.url.host}:{port}"
        answer: httpx.Response = await self._guards.send(
            host, self._transport.handle_async_request, request
        )
        return answer

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()
