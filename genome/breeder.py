"""The live side of the process that evolves: starts it, hears it, pauses it, ends it.

A worker owns nothing: whatever it finds is told after each generation, as rows to go on from. So it
may be killed at any time, by anybody, and at most the generation in flight is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping

import msgspec

from ..errors import WorkerLost
from .task import FRAME_BYTES_MAX, Advanced, Job, Order, Pause, Report, Resume, frame, report_of

# Numeric libraries start a thread per core unless told otherwise; a share of one core is one.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# How long a process that is done may take to end.
_FAREWELL_S = 2.0


class Worker:
    """One process with one job; use it as ``async with Worker(job) as worker:``.

    Args:
        job: what it is to do.
        environ: variables for it, beside those of this process.

    Attributes:
        is_paused: whether it was told to rest.
    """

    def __init__(self, job: Job, environ: Mapping[str, str] | None = None) -> None:
        self._job = job
        self._environ = dict(os.environ) | _ONE_THREAD | dict(environ or {})
        self.is_paused = False
        self._is_over = False

    async def __aenter__(self) -> Worker:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mendel.genome.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environ,
            start_new_session=True,  # Ctrl-C in a terminal is for us alone; we end it in order.
        )
        self._send(self._job)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_over:  # It ends by itself; whoever has something to close may.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _FAREWELL_S)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # It owns nothing that a kill could break.
        assert self._process.stdin is not None, "it was given a pipe"
        self._process.stdin.close()
        await self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def report(self) -> Report:
        """The next thing that it tells.

        Raises:
            WorkerLost: there will be none.
        """
        assert self._process.stdout is not None, "it was given a pipe"
        try:
            size = int.from_bytes(await self._process.stdout.readexactly(4), "big")
            if size > FRAME_BYTES_MAX:
                raise WorkerLost(f"the process that evolves tells {size} bytes at once")
            report = report_of(await self._process.stdout.readexactly(size))
            self._is_over = not isinstance(report, Advanced)
            return report
        except asyncio.IncompleteReadError:
            code = await self._process.wait()
            raise WorkerLost(f"the process that evolves has ended (exit code {code})") from None
        except msgspec.MsgspecError as error:
            raise WorkerLost(f"the process that evolves tells nonsense: {error}") from error

    def pause(self) -> None:
        """Let it rest as soon as the lot in hand is judged."""
        if not self.is_paused:
            self.is_paused = True
            self._send(Pause())

    def resume(self) -> None:
        """Let it go on."""
        if self.is_paused:
            self.is_paused = False
            self._send(Resume())

    def _send(self, order: Order) -> None:
        assert self._process.stdin is not None, "it was given a pipe"
        if not self._process.stdin.is_closing():
            self._process.stdin.write(frame(order))
