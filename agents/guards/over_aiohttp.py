"""Guards for aiohttp's client: one line makes every request pass a circuit breaker of its host.

    session = aiohttp.ClientSession(middlewares=(GuardMiddleware(),))

Needs aiohttp 3.12 or newer, which introduced client middlewares.
"""

from __future__ import annotations

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from .config import GuardConfig
from .guard import Guard
from .hosts import HostGuards


class GuardMiddleware:
    """Client middleware: a guard for each host and port.

    A response with status 429 or 5xx counts as a failure and reaches the caller as it is.

    Args:
        config: what each guard consists of; no retry and no hedge.
        hosts_max: guards kept.

    Raises:
        ConfigError: the guard would repeat requests.
    """

    def __init__(self, config: GuardConfig | None = None, *, hosts_max: int = 1_000) -> None:
        self._guards = HostGuards(config or GuardConfig(), lambda answer: answer.status, hosts_max)

    def guard_of(self, host: str) -> Guard:
        """Return the guard of ``host:port``."""
        return self._guards.guard_of(host)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send the request if its host may be called."""
        host = f"{request.url.host}:{request.url.port}"
        answer: ClientResponse = await self._guards.send(host, handler, request)
        return answer
