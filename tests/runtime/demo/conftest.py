"""Real processes for the tests of the demo, all gone when a test ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from mendel.runtime.demo.estate import Estate, build_estate
from mendel.runtime.demo.service import TOKEN_VARIABLE
from mendel.runtime.demo.wire import Reply, call


class Driver:
    """Starts the services of an estate as child processes, and asks them."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, *names: str) -> None:
        for spec in self.estate.specs:
            if spec.name in names and spec.process is not None:
                self.processes[spec.name] = await asyncio.create_subprocess_exec(
                    *spec.process.exec,
                    cwd=spec.process.cwd,
                    env={**os.environ, TOKEN_VARIABLE: self.estate.token},
                    stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
        for name in names:
            await self.until(name, lambda reply: reply.status != 0)

    async def ask(self, name: str, path: str = "/health") -> Reply:
        return await call(self.estate.urls[name] + path, timeout_s=2.0)

    async def order(self, name: str, path: str, body: dict[str, object], token: str = "") -> Reply:
        headers = {"x-demo-token": token or self.estate.token}
        url = self.estate.urls[name] + path
        return await call(url, method="POST", body=body, headers=headers, timeout_s=2.0)

    async def until(self, name: str, condition: Callable[[Reply], bool]) -> Reply:
        """Ask again and again, for ten seconds at most."""
        async with asyncio.timeout(10.0):
            while not condition(reply := await self.ask(name)):
                await asyncio.sleep(0.02)
            return reply

    async def eventually(self, condition: Callable[[], bool]) -> None:
        """Look again and again, for ten seconds at most."""
        async with asyncio.timeout(10.0):
            while not condition():
                await asyncio.sleep(0.02)

    def pid_of(self, name: str) -> int | None:
        process = self.processes.get(name)
        return process.pid if process is not None and process.returncode is None else None

    async def stop(self) -> None:
        for process in self.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    driver = Driver(build_estate(tmp_path, parent=os.getpid(), boot_s=0.0))
    yield driver
    await driver.stop()
