"""The integrations against a real server on the loopback interface."""

from collections.abc import AsyncIterator

import aiohttp
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from mendel import CallNotPermitted, CircuitConfig, GuardConfig
from mendel.agents.guards.hosts import HostGuards
from mendel.agents.guards.over_aiohttp import GuardMiddleware
from mendel.agents.guards.over_httpx import GuardTransport
from mendel.core.circuits.retry import RetryConfig
from mendel.errors import ConfigError

STRICT = GuardConfig(circuit=CircuitConfig(minimum_calls=3, window_calls=3))


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Answers with the status in its path."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text="body")

    app = web.Application()
    app.router.add_get("/{status}", answer)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def test_aiohttp_responses_reach_the_caller_until_the_circuit_opens(
    server: TestServer,
) -> None:
    middleware = GuardMiddleware(STRICT)
    async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
        statuses = []
        for status in (404, 503, 429):
            async with session.get(server.make_url(f"/{status}")) as answer:
                statuses.append((answer.status, await answer.text()))
        with pytest.raises(CallNotPermitted) as caught:
            await session.get(server.make_url("/200"))

    assert statuses == [(404, "body"), (503, "body"), (429, "body")]
    assert caught.value.target == f"127.0.0.1:{server.port}"
    assert middleware.guard_of(caught.value.target).circuit.counts.failures == 2


async def test_aiohttp_connections_that_are_refused_count_as_failures() -> None:
    middleware = GuardMiddleware()
    server = TestServer(web.Application())
    await server.start_server()
    url = server.make_url("/")
    await server.close()

    async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)

    assert middleware.guard_of(f"127.0.0.1:{url.port}").circuit.counts.failures == 1


async def test_httpx_responses_reach_the_caller_until_the_circuit_opens(
    server: TestServer,
) -> None:
    transport = GuardTransport(STRICT)
    async with httpx.AsyncClient(transport=transport) as client:
        answers = [
            await client.get(str(server.make_url(f"/{status}"))) for status in (200, 500, 503)
        ]
        with pytest.raises(CallNotPermitted):
            await client.get(str(server.make_url("/200")))

    assert [(answer.status_code, answer.text) for answer in answers] == [
        (200, "body"),
        (500, "body"),
        (503, "body"),
    ]
    assert transport.guard_of(f"127.0.0.1:{server.port}").state == "open"


async def test_httpx_hosts_without_a_port_have_the_one_of_their_scheme() -> None:
    inner = httpx.MockTransport(lambda request: httpx.Response(204))
    transport = GuardTransport(transport=inner)
    async with httpx.AsyncClient(transport=transport) as client:
        for url in ("http://db.example/", "https://db.example/"):
            await client.get(url)

    assert [transport.guard_of(f"db.example:{port}").circuit.calls for port in (80, 443)] == [1, 1]


def test_requests_are_never_repeated_behind_the_callers_back() -> None:
    with pytest.raises(ConfigError, match="not every request may be sent twice"):
        GuardMiddleware(GuardConfig(retry=RetryConfig()))


def test_hosts_that_were_not_called_for_long_are_forgotten() -> None:
    hosts = HostGuards(GuardConfig(), lambda answer: 200, hosts_max=2)
    a, b = hosts.guard_of("a"), hosts.guard_of("b")
    hosts.guard_of("a")
    hosts.guard_of("c")

    assert hosts.guard_of("a") is a
    assert hosts.guard_of("b") is not b
