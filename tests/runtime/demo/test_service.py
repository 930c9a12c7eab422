"""The services as real processes: they work together, degrade, fall ill and end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from mendel.runtime.demo.service import Service
from mendel.runtime.demo.wire import HttpServer, Reply, Request, call

if TYPE_CHECKING:
    from .conftest import Driver


GET = Request("GET", "/", {}, b"")


def post(path: str, **order: object) -> Request:
    return Request("POST", path, {"x-demo-token": "open sesame"}, msgspec.json.encode(order))


def a_failure(failed: dict[str, str]) -> Reply:
    return Reply(503, {"service": "cart", "degraded": [], "failed": failed})


async def becomes(condition: Callable[[], bool]) -> None:
    """Look again and again, for five seconds at most."""
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.005)


ALL = ("web", "cart", "db", "payment", "catalog")


class TestTogether:
    async def test_all_five_are_healthy_and_web_answers(self, driver: Driver) -> None:
        await driver.start(*ALL)

        reply = await driver.ask("web", "/")

        assert reply == Reply(200, {"service": "web", "degraded": [], "failed": {}})

    async def test_callers_of_a_dead_service_look_sick_until_it_is_isolated(
        self, driver: Driver
    ) -> None:
        await driver.start(*ALL)

        driver.processes["db"].kill()
        sick = await driver.until("web", lambda reply: reply.status == 503)
        cart = await driver.ask("cart")
        await driver.order("cart", "/circuit", {"dependency": "db", "state": "open"})
        isolated = await driver.ask("web")
        await driver.order("cart", "/circuit", {"dependency": "db", "state": "closed"})
        released = await driver.ask("web")

        assert sick.body["failed"] == {"cart": "HTTP 503"}
        assert cart.body["failed"] == {"db": "connection refused"}
        assert isolated == Reply(200, {"service": "web", "degraded": ["db"], "failed": {}})
        assert released.status == 503

    async def test_a_service_imports_nothing_heavy(self) -> None:
        code = "import sys, mendel.runtime.demo.service; print(*sys.modules)"

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=subprocess.PIPE
        )
        modules = (await process.communicate())[0].decode().split()

        assert "mendel.runtime.demo.service" in modules
        assert not {"aiohttp", "anyio", "numpy", "rich", "cyclopts", "psutil"} & set(modules)


class TestWork:
    """One service in this process, so that each step can be waited for."""

    async def test_what_fails_below_is_named_with_the_reason(self) -> None:
        async def broken(request: Request) -> Reply:
            return Reply(500)

        payment = HttpServer(broken)
        await payment.open()
        port = payment.port
        cart = Service("cart", {"payment": f"http://127.0.0.1:{port}"}, "")

        error = await cart.answer(GET)
        payment.close()
        refused = await cart.answer(GET)

        assert error == a_failure({"payment": "HTTP 500"})
        assert refused == a_failure({"payment": "connection refused"})

    async def test_what_hangs_below_is_given_up(self) -> None:
        never = socket.create_server(("127.0.0.1", 0))  # Accepts in the kernel, never answers.
        cart = Service("cart", {"db": f"http://127.0.0.1:{never.getsockname()[1]}"}, "")

        reply = await cart.answer(GET)

        assert reply == a_failure({"db": "no answer within 0.6 s"})
        never.close()

    async def test_an_isolated_service_is_not_called_until_it_is_released(self) -> None:
        calls = 0

        async def count(request: Request) -> Reply:
            nonlocal calls
            calls += 1
            return Reply(200, {"degraded": ["disk"]})

        db = HttpServer(count)
        await db.open()
        cart = Service("cart", {"db": f"http://127.0.0.1:{db.port}"}, "open sesame")

        isolated = await cart.answer(post("/circuit", dependency="db", state="open"))
        without = await cart.answer(GET)
        calls_while_isolated = calls
        released = await cart.answer(post("/circuit", dependency="db", state="closed"))
        complete = await cart.answer(GET)

        assert (isolated, released) == (
            Reply(200, {"isolated": ["db"]}),
            Reply(200, {"isolated": []}),
        )
        assert without.body["degraded"] == ["db"]
        assert calls_while_isolated == 0
        assert complete.body["degraded"] == ["disk"]
        db.close()

    async def test_who_is_told_to_fail_blames_itself(self) -> None:
        db = Service("db", {}, "open sesame")

        await db.answer(post("/fault", symptom="failing", failure_rate=1.0))

        assert await db.answer(GET) == Reply(
            500, {"service": "db", "failed": {"db": "internal error"}}
        )

    async def test_it_stops_listening_when_told_to_be_down_and_comes_back(self) -> None:
        db = Service("db", {}, "open sesame")
        work = asyncio.create_task(db.run())
        await becomes(lambda: db.server.is_open)
        await db.answer(post("/fault", symptom="down", for_s=0.05))
        await becomes(lambda: not db.server.is_open)
        await becomes(lambda: db.server.is_open)
        reply = await call(f"http://127.0.0.1:{db.server.port}/", timeout_s=2.0)
        work.cancel()

        assert reply.status == 200
        db.server.close()


class TestOrders:
    @pytest.mark.parametrize("path", ["/fault", "/circuit"])
    async def test_orders_without_the_token_are_refused(self, driver: Driver, path: str) -> None:
        await driver.start("db")

        reply = await driver.order("db", path, {"symptom": "slow"}, token="guess")

        assert reply == Reply(403, {"error": "the header x-demo-token is missing or wrong"})

    async def test_a_service_without_a_token_takes_no_orders(self) -> None:
        service = Service("db", {}, token="")

        reply = await service.answer(Request("POST", "/fault", {}, b'{"symptom": "none"}'))

        assert reply.status == 403

    @pytest.mark.parametrize(
        ("path", "body", "error"),
        [
            ("/fault", {"symptom": "tired"}, "Invalid enum value 'tired' - at `$.symptom`"),
            (
                "/fault",
                {"symptom": "slow", "for_s": 0},
                "Expected `float` > 0.0 - at `$.for_s`",
            ),
            (
                "/circuit",
                {"dependency": "payment", "state": "open"},
                "cart calls db, not 'payment'",
            ),
        ],
    )
    async def test_orders_that_make_no_sense_say_why(
        self, path: str, body: dict[str, object], error: str
    ) -> None:
        service = Service("cart", {"db": "http://127.0.0.1:9"}, token="open sesame")

        reply = await service.answer(post(path, **body))

        assert reply == Reply(400, {"error": error})

    async def test_other_paths_are_unknown(self) -> None:
        reply = await Service("db", {}, "").answer(Request("GET", "/admin", {}, b""))

        assert reply == Reply(404, {"error": "there is no GET /admin here"})


class TestEnd:
    async def test_its_port_being_taken_is_one_clear_line(self) -> None:
        async def nothing(request: Request) -> Reply:
            return Reply(204)

        holder = HttpServer(nothing)
        await holder.open()

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mendel.runtime.demo.service"),
            *("--name", "db", "--port", str(holder.port)),
            stderr=subprocess.PIPE,
        )
        words = (await process.communicate())[1].decode()

        assert process.returncode == 4
        assert f"db: cannot listen on 127.0.0.1:{holder.port}: " in words
        assert "Traceback" not in words
        holder.close()

    @pytest.mark.parametrize("stopped", [False, True])
    async def test_it_does_not_outlive_a_parent_that_is_killed(self, stopped: bool) -> None:
        parent = await _parent_of_a_service()
        assert parent.stdout is not None
        child = int(await parent.stdout.readline())
        assert parent.stderr is not None
        assert b"ready" in await parent.stderr.readline()
        end = os.pidfd_open(child)
        if stopped:
            os.kill(child, signal.SIGSTOP)

        parent.kill()
        await parent.wait()

        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, gone.set)
        await asyncio.wait_for(gone.wait(), 5.0)
        asyncio.get_running_loop().remove_reader(end)
        os.close(end)


async def _parent_of_a_service() -> asyncio.subprocess.Process:
    code = """
import os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-m", "mendel.runtime.demo.service", "--name", "db", "--port", "0",
     "--parent", str(os.getpid())],
    start_new_session=True,
)
print(child.pid, flush=True)
child.wait()
"""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
