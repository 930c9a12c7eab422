"""mendel inside other programs: the examples, run as a reader would run them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    deadline_s = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s"
        time.sleep(0.05)  # Bounded polling of another process: there is no event to wait for.
    return answer


class Program:
    """One of the shops, on ports of its own."""

    def __init__(self, folder: Path, command: Callable[[int], list[str]]) -> None:
        for name in ("shop.toml", "payment.py", "orders.py", "fastapi_shop.py", "aiohttp_shop.py"):
            shutil.copy(EXAMPLES / name, folder)
        self.port, payment = free_port(), free_port()
        pay = [sys.executable, "payment.py", str(payment)]
        health = f"http://127.0.0.1:{payment}/health"
        env = {
            **os.environ,
            "PAYMENT_URL": f"http://127.0.0.1:{payment}",
            "MENDEL_COMPONENTS__PAYMENT__PROCESS__EXEC": json.dumps(pay),
            "MENDEL_COMPONENTS__PAYMENT__PROBES__0__HTTP": health,
        }
        self.process = subprocess.Popen(
            command(self.port),
            cwd=folder,
            env=env,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        wait_for(self.is_healthy)

    def get(self, path: str) -> tuple[int, Any]:
        """Status and content of a page; 0 when nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, {name.lower(): value for name, value in refused.headers.items()}
        except OSError:
            return 0, None

    def is_healthy(self) -> bool:
        assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        status, health = self.get("/health")
        return status == 200 and health["status"] == "healthy"

    def end(self) -> int:
        """Exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=15)
        return self.process.returncode


def fastapi(port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "--port", str(port), "fastapi_shop:app"]


def aiohttp(port: int) -> list[str]:
    return [sys.executable, "aiohttp_shop.py", str(port)]


@pytest.fixture(params=[fastapi, aiohttp], ids=["fastapi", "aiohttp"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    found = Program(tmp_path, request.param)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.end()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_service_that_is_killed_is_healed_by_the_program_that_needs_it(program: Program) -> None:
    status, order = program.get("/orders/1")
    assert (status, order["order"]) == (200, 1)
    killed = order["paid_by"]

    os.kill(killed, signal.SIGKILL)

    answers = []

    def paid_by_another() -> int:
        status, order = program.get("/orders/2")
        answers.append((status, order))
        return int(order["paid_by"]) if status == 200 and order["paid_by"] != killed else 0

    healer = wait_for(paid_by_another)
    wait_for(program.is_healthy)
    refused = [headers for status, headers in answers if status == 503]
    assert all(int(each["retry-after"]) >= 1 for each in refused)

    # The signal is the program's: it ends as it always does, and mendel with it.
    assert program.end() in (0, -signal.SIGTERM)
    assert not lives(healer)


def test_the_program_reports_its_own_parts(program: Program) -> None:
    health = program.get("/health")[1]

    assert health["components"] == {"payment": "healthy", "orders": "healthy"}
