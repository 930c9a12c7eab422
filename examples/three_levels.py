"""A child process is killed, and kept alive, on each level by the same lines of code.

    python examples/three_levels.py

`basic` and `advanced` run nothing beside the program; at `full` agents do.
"""

from __future__ import annotations

import asyncio
import sys

import mendel
from mendel.core.levels import LEVELS, Level


class Worker:
    """A child process that somebody kills."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        self.process = await asyncio.create_subprocess_exec("sleep", "1000")

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def metrics(self) -> dict[str, float]:
        is_alive = self.process is not None and self.process.returncode is None
        return {"alive": float(is_alive)}


async def keep_alive(level: Level, worker: Worker, kills: int) -> list[str]:
    """Kill the worker so often, and tell how each time it was healed."""
    outcomes: list[str] = []
    healer = mendel.create(level)
    healer.watch("worker", {"restart": worker.start}, kind="worker", settle_s=1.0)
    async with healer:
        while len(outcomes) < kills:
            detection = await healer.detect_anomaly("worker", worker.metrics())
            await healer.apply_response(await healer.select_response("worker"))
            recovery = await healer.verify_recovery("worker")
            if recovery.outcome and detection.status == "healthy":
                outcomes.append(recovery.outcome)
            if detection.status == "healthy" and len(outcomes) < kills:
                await worker.kill()
            await asyncio.sleep(0.1)
    return outcomes


async def main() -> None:
    for level in LEVELS:
        worker = Worker()
        await worker.start()
        outcomes = await keep_alive(level, worker, kills=2)
        print(f"{level:<9} started {worker.starts} times, {', '.join(outcomes)}")
        await worker.kill()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
