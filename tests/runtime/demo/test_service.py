"""The services as real processes: they work together, degrade, fall ill and end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from mendel.runtime.demo.service import Service
from mendel.runtime.demo.wire import HttpServer, Reply, Request

if TYPE_CHECKING:
    from .conftest import Driver


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
        headers = {"x-demo-token": "open sesame"}

        reply = await service.answer(Request("POST", path, headers, msgspec.json.encode(body)))

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
