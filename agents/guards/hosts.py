"""One guard per host, for HTTP clients that talk to many of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from ...errors import ConfigError
from .adaptive import make_guard
from .config import GuardConfig
from .guard import Guard
from .rules import Rules

Send = Callable[[Callable[[Any], Awaitable[Any]], Any], Awaitable[Any]]

# What says that the server, not the request, is at fault; 429 asks for fewer requests.
OVERLOADED = frozenset({429, *range(500, 600)})


class HostGuards:
    """Guards by host; beyond a bound the one that was used longest ago is dropped.

    Args:
        config: what each guard consists of.
        status_of: reads the status of a response.
        hosts_max: guards kept.

    Raises:
        ConfigError: the guard would repeat requests; only the caller knows which ones may be.
    """

    def __init__(
        self, config: GuardConfig, status_of: Callable[[Any], int], hosts_max: int = 1_000
    ) -> None:
        if config.retry is not None or config.hedge is not None:
            raise ConfigError(
                "an HTTP client's guard cannot retry or hedge, as not every request may be sent "
                "twice; guard the function that makes the request instead"
            )
        self._config = config
        self._rules = Rules(is_failed_result=lambda answer: status_of(answer) in OVERLOADED)
        self._hosts_max = hosts_max
        self._hosts: OrderedDict[str, tuple[Guard, Send]] = OrderedDict()

    def guard_of(self, host: str) -> Guard:
        """Return the guard of a host."""
        return self._entry(host)[0]

    async def send(self, host: str, handler: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        """Send a request under the guard of its host.

        Raises:
            CallNotPermitted: the host is kept from, so the request was not sent.
        """
        return await self._entry(host)[1](handler, request)

    def _entry(self, host: str) -> tuple[Guard, Send]:
        entry = self._hosts.get(host)
        if entry is None:
            guard = make_guard(host, self._config, rules=self._rules)
            entry = self._hosts[host] = (guard, guard(_send))
            if len(self._hosts) > self._hosts_max:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(host)
        return entry


async def _send(handler: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
    return await handler(request)
