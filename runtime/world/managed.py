"""A component's own process: started, restarted, stopped, and found again after a crash of mendel.

At most one process group per component runs at a time. Before a new one is started, what is left of
the former one (workers whose master died) is ended, because it may hold the port that the new one
needs. A former mendel's process is found by the ledger and either taken over or ended, as the
configuration says.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from ...errors import EnvironmentProblem
from ..specs import ProcessSpec
from .child import Child, spawn
from .command import describe_status
from .identity import Identity, is_alive, marked, members
from .ledger import MARKER, Entry, Ledger
from .logfile import LogFile
from .secrets import resolve_all

# Together half a second, in the rare case that mendel was killed just when it started a process.
SEARCHES = 20
SEARCH_S = 0.025


class ManagedProcess:
    """The process that a component is.

    Args:
        name: the component.
        spec: how it is run.
        base: folder of the configuration, where relative paths start.
        ledger: where it is written down.

    Attributes:
        log: where its output goes.
        starts: how often it was started by this mendel.
    """

    def __init__(self, name: str, spec: ProcessSpec, *, base: Path, ledger: Ledger) -> None:
        self.name = name
        self.spec = spec
        self.log = LogFile(ledger.path.parent / "logs" / f"{name}.log", spec.log_bytes)
        self.starts = 0
        self._base = base
        self._ledger = ledger
        self._child: Child | None = None
        self._problem = "not started yet"
        self._changing = asyncio.Lock()
        self._is_leaving = False

    @property
    def identity(self) -> Identity | None:
        """The process that runs (or is stopped), or None."""
        child = self._child
        return child.leader if child is not None and child.is_alive else None

    @property
    def detail(self) -> str:
        """Why it does not run, in words; empty while it runs."""
        if self._problem or self._child is None:
            return self._problem
        if self._child.ended.done():
            return _describe_end(self._child)
        return "" if self._child.is_alive else "has just ended"

    def reconfigure(self, spec: ProcessSpec) -> None:
        """Run it so from its next start on; the one that runs goes on."""
        self.spec = spec
        self.log.limit_bytes = spec.log_bytes

    async def take_over_or_start(self) -> None:
        """Find the process of a former mendel, or start one.

        Raises:
            EnvironmentProblem: it cannot be started.
        """
        async with self._changing:
            entry = self._ledger.entries.get(self.name)
            self._child = await self._find(entry) if entry else None
            found = self.identity
            if entry and found and self.spec.adopt and entry.command == self.spec.exec:
                self._problem = ""
                self._ledger.put(self.name, replace(entry, pid=found.pid, born=found.born))
            else:
                await self._end(self.spec.stop_s)
                self._launch()

    async def start(self) -> str:
        """Start it unless it runs; says what was done.

        Raises:
            EnvironmentProblem: it cannot be started.
        """
        async with self._changing:
            running = self.identity
            if running is not None:
                return f"already runs as process {running.pid}"
            await self._end(self.spec.stop_s)
            return f"started process {self._launch().pid}"

    async def restart(self) -> str:
        """End it if it runs, and start it; says what was done.

        Raises:
            EnvironmentProblem: it cannot be started, or the old one did not end.
        """
        async with self._changing:
            running = self.identity
            await self._end(self.spec.stop_s)
            former = f"process {running.pid}" if running else self.detail
            return f"started process {self._launch().pid} (before: {former})"

    async def stop(self) -> str:
        """End it if it runs; says what was done.

        Raises:
            EnvironmentProblem: it did not end.
        """
        async with self._changing:
            running = self.identity
            await self._end(self.spec.stop_s)
            self._ledger.remove(self.name)
            self._problem = "stopped by an action"
            return f"stopped process {running.pid}" if running else "was not running"

    async def leave(self, patience_s: float) -> None:
        """Part with it because mendel stops: end it, or let it go on if it is detached.

        Args:
            patience_s: upper bound of the time between SIGTERM and SIGKILL.
        """
        self._is_leaving = True
        if self._child is None or self.spec.detach:
            self.leave_at_once()
            return
        await self._child.end(min(self.spec.stop_s, patience_s))
        self._ledger.remove(self.name)

    def leave_at_once(self) -> None:
        """Do the same without waiting: kill it, or let it go on if it is detached."""
        self._is_leaving = True
        if self._child is None:
            return
        if not self.spec.detach:
            self._child.signal(signal.SIGKILL)
        self._child.let_go()

    async def _find(self, entry: Entry) -> Child | None:
        """Find what a former mendel started: the process, or what is left of its group."""
        recorded = Identity(entry.pid, entry.born)
        if is_alive(recorded):
            return Child(recorded) if _leads(recorded) else None
        if entry.pid == 0:
            return await _find_by_marker(entry.marker)
        group = set(members(entry.pid))
        left = [each for each in marked(MARKER, entry.marker) if each in group]
        return Child(recorded, others=left)

    def _launch(self) -> Identity:
        """Start it and write it down; as nothing is awaited, no cancellation leaves it half done.

        Raises:
            EnvironmentProblem: it cannot be started.
        """
        if self._is_leaving:
            raise EnvironmentProblem(f"{self.name!r} is not started: mendel stops")
        marker = uuid.uuid4().hex
        self._note_start(marker, None)
        try:
            self._child = self._spawn(marker)
        except EnvironmentProblem as problem:
            self._problem = str(problem).partition("\n")[0]
            self._ledger.remove(self.name)
            raise
        self._problem = ""
        self.starts += 1
        self._note_start(marker, self._child.leader)
        return self._child.leader

    async def _end(self, patience_s: float) -> None:
        if self._child is None:
            return
        if not await self._child.end(patience_s):
            raise EnvironmentProblem(
                f"process group {self._child.leader.pid} of {self.name!r} did not end, not even by "
                "SIGKILL; it hangs in a system call"
            )

    def _spawn(self, marker: str) -> Child:
        extra = resolve_all(self.spec.env, self._base)
        output = self.log.open()
        try:
            return spawn(
                self.spec.exec,
                cwd=self._base / self.spec.cwd,
                env={**os.environ, **extra, MARKER: marker},
                output=output,
            )
        finally:
            os.close(output)

    def _note_start(self, marker: str, identity: Identity | None) -> None:
        entry = Entry(
            marker=marker,
            command=self.spec.exec,
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            pid=identity.pid if identity else 0,
            born=identity.born if identity else "",
        )
        self._ledger.put(self.name, entry)


async def _find_by_marker(marker: str) -> Child | None:
    """Find what a former mendel has started, but did not live to write down the number of.

    Between fork and the start of its program a process does not carry the marker yet; that takes
    a millisecond, or some more on a busy machine, so the search is repeated for a while.
    """
    for _ in range(SEARCHES):
        for each in marked(MARKER, marker):
            if _leads(each):
                return Child(each)
        await asyncio.sleep(SEARCH_S)
    return None


def _leads(identity: Identity) -> bool:
    """Whether a process leads its own group, as all that mendel starts do."""
    try:
        return os.getpgid(identity.pid) == identity.pid != os.getpgrp()
    except OSError:
        return False


def _describe_end(child: Child) -> str:
    if not child.is_ours:
        return "ended; with what status only the mendel that started it could tell"
    status = child.ended.result()
    assert status is not None, "our own child is reaped with its status"
    return f"{describe_status(status)} after {child.ended_s - child.started_s:.3g} s"
