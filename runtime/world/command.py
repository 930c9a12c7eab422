"""A command that is run to its end: bounded output, bounded time, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from ...errors import EnvironmentProblem
from .child import Child, spawn

# What a probe prints as values, or an action as its last words; it fits a pipe of Linux.
OUTPUT_BYTES = 65_536
# At the end the pipe is read until it is empty; a background process that goes on writing into it
# would make that endless.
LAST_READS = 16


class Finished(Struct, frozen=True):
    """How a command ended.

    Attributes:
        status: exit status, negative for a signal; None when it was killed for taking too long.
        output: the last of what it printed, normal output and errors together.
        duration_s: how long it ran; what it was given when it was killed for taking too long.
    """

    status: int | None
    output: str
    duration_s: float

    @property
    def detail(self) -> str:
        """How it ended and its last line, for a person."""
        ending = f"no end within {self.duration_s:.3g} s"
        if self.status is not None:
            ending = describe_status(self.status)
        line = last_line(self.output)
        return f"{ending}: {line}" if line else ending


async def run_command(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    keep_background: bool = False,
) -> Finished:
    """Run a command without a shell and wait for its end.

    When it takes too long, or whoever waits is cancelled, its whole process group is killed.

    Args:
        command: program and arguments.
        cwd: folder that it runs in.
        env: its whole environment.
        timeout_s: how long it may take.
        keep_background: leave running what the command left in the background when it ended by
            itself, which is how many start scripts work.

    Raises:
        EnvironmentProblem: it cannot be started.
    """
    with _Tail(asyncio.get_running_loop()) as tail:
        child = tail.spawn(command, cwd, env)
        try:
            status = await _wait(child, timeout_s)
            if status is None or not keep_background:
                await child.end(patience_s=0)
        except asyncio.CancelledError:
            child.signal(signal.SIGKILL)
            raise
        duration_s = timeout_s if status is None else child.ended_s - child.started_s
        return Finished(status, tail.text(), duration_s)


def describe_status(status: int) -> str:
    """Say an exit status in words: ``exited with status 1``, ``killed by SIGKILL``."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def last_line(text: str) -> str:
    """Find the last line that says anything, cut to what fits a report."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


async def _wait(child: Child, timeout_s: float) -> int | None:
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(child.ended)
    except TimeoutError:
        return None


class _Tail:
    """Reads a pipe in the event loop and keeps the last `OUTPUT_BYTES` of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept = bytearray()
        self._is_cut = False
        self._source = -1

    def __enter__(self) -> _Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def spawn(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Child:
        """Start the command whose output is read."""
        try:
            self._source, sink = os.pipe()
        except OSError as error:
            reason = f"command {command[0]!r} cannot be started: {error.strerror}"
            raise EnvironmentProblem(reason) from None
        os.set_blocking(self._source, False)
        self._loop.add_reader(self._source, self._read)
        try:
            return spawn(command, cwd=cwd, env=env, output=sink)
        finally:
            os.close(sink)

    def text(self) -> str:
        """All that has been printed so far, as far as it is kept; whole lines if it was cut."""
        for _ in range(LAST_READS):
            if not self._read():
                break
        kept = bytes(self._kept)
        if self._is_cut:
            kept = kept.partition(b"\n")[2]
        return kept.decode(errors="replace")

    def _close(self) -> None:
        """Stop reading; a background process that still writes is told so by the system."""
        if self._source >= 0:
            self._loop.remove_reader(self._source)
            os.close(self._source)
            self._source = -1

    def _read(self) -> bool:
        """Take what is there; False when there was nothing."""
        if self._source < 0:
            return False
        try:
            chunk = os.read(self._source, OUTPUT_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._close()
            return False
        self._kept += chunk
        if len(self._kept) > OUTPUT_BYTES:
            del self._kept[:-OUTPUT_BYTES]
            self._is_cut = True
        return True
