"""The one task that writes: group commit, and what happens while the disk does not take it.

It is in one of two states.

- *Well*: everything that is queued goes into one transaction; whoever committed is woken when that
  is on disk. Meanwhile the next group gathers, so the slower the disk, the larger the groups.
- *Degraded*: a write failed or did not return in time. Whoever waits is let go, because healing
  goes on; what is queued stays, in order, as far as it fits. The file is opened again, with
  exponential back-off, and what is not yet on it is written; then the writer is well again.

Entries are counted, and the count is part of each transaction, so an entry whose transaction failed
in an unclear way is written neither twice nor not at all. (Turned down: a write-ahead file of our
own beside the database for bad times; the disk that fails is the same one.)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from .config import StoreConfig
from .database import Database
from .entries import Entry
from .file import FAULTS

# An event loop that never rests takes the interpreter lock back faster than the thread that writes
# can wake up, and starves it: commits took up to 13 s. So while a write takes longer than that, the
# loop rests now and then, for several times as long as waking up takes: 23 ms at most.
_WATCH_S = 0.002
_REST_S = 0.0005

_log = logging.getLogger("mendel.store")


class StoreStats(Struct, frozen=True, kw_only=True):
    """Counters of the store since it was opened.

    Attributes:
        queued: entries that wait for the disk.
        queued_bytes: about what they take in memory.
        written: entries on disk.
        groups: transactions that it took.
        dropped: entries that did not fit into the queue; they are lost.
        reason: why nothing is written at the moment, or empty.
    """

    queued: int
    queued_bytes: int
    written: int
    groups: int
    dropped: int
    reason: str


class Writer:
    """Queue and task in front of a `Database`.

    Args:
        database: where to; it may be closed, then the writer begins degraded.
        config: how it writes and how much it keeps.
        on_degraded: called with the reason when nothing can be written any more.
        on_recovered: called with the number of entries lost since the last time, when all
            that was kept is written.
    """

    def __init__(
        self,
        database: Database,
        config: StoreConfig,
        on_degraded: Callable[[str], None],
        on_recovered: Callable[[int], None],
    ) -> None:
        self.reason = ""
        self._database = database
        self._config = config
        self._on_degraded = on_degraded
        self._on_recovered = on_recovered
        self._queue: deque[Entry] = deque()
        self._queue_bytes = 0
        self._numbered = 0  # Number of the entry at the right end of the queue.
        self._groups = 0
        self._dropped = 0
        self._dropped_told = 0
        self._retry_s = config.retry_s
        self._must_reopen = False
        self._closing = False
        self._sweep_due = True
        self._watcher: asyncio.TimerHandle
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._gathering = asyncio.Event()  # Set when the group that gathers now is on disk.
        self._written = asyncio.Event()  # The same of the group that is being written.

    @property
    def stats(self) -> StoreStats:
        """Counters so far."""
        return StoreStats(
            queued=len(self._queue),
            queued_bytes=self._queue_bytes,
            written=self._numbered - len(self._queue),
            groups=self._groups,
            dropped=self._dropped,
            reason=self.reason,
        )

    def note(self, entry: Entry) -> None:
        """Queue an entry, or drop and count it when there is no room."""
        if self._fits(entry, self._config.queue_bytes):
            self._enqueue(entry)
        else:
            self._dropped += 1

    async def commit(self, entry: Entry) -> None:
        """Queue an entry and wait until it is on disk, or until it is clear that it cannot be."""
        while not self.reason and not self._fits(entry, self._config.queue_bytes):
            self._room.clear()
            await self._room.wait()
        if not self._fits(entry, self._config.queue_bytes + self._config.reserve_bytes):
            self._dropped += 1
            return
        self._enqueue(entry)
        if not self.reason:
            await self._gathering.wait()

    def begin_degraded(self, error: BaseException) -> None:
        """The file could not be opened: begin in memory."""
        self._fail(error)

    def degrade(self, reason: str) -> None:
        """Go on without the disk, and let go of everybody who waits for it."""
        if not self.reason:
            self.reason = reason
            _log.error("the store cannot write and goes on in memory: %s", reason)
            self._on_degraded(reason)
        self.reason = reason
        self._room.set()
        self._written.set()
        self._begin_group().set()

    def end(self) -> None:
        """Write what is queued, then let `run` return; one last attempt when degraded."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write until `end` is called and the queue is empty, or cannot be emptied."""
        try:
            await self._write_on()
        except BaseException as error:
            self.degrade(f"its writer has ended: {error!r}")  # Nobody shall wait for it for ever.
            raise

    async def _write_on(self) -> None:
        while True:
            await self._pause()
            self._watch(asyncio.get_running_loop().time() + self._config.stall_s)
            try:
                if self._must_reopen:
                    await self._reopen()
                if self._queue:
                    await self._write()
                elif self._sweep_due:
                    self._sweep_due = await self._database.sweep()
            except FAULTS as error:
                self._fail(error)
                if self._closing:
                    return
            else:
                self._succeed()
                if self._closing and not self._queue:
                    return
            finally:
                self._watcher.cancel()

    def _fits(self, entry: Entry, room_bytes: int) -> bool:
        # An entry larger than all the room there is passes alone rather than never.
        return not self._queue or self._queue_bytes + entry.size_bytes <= room_bytes

    def _enqueue(self, entry: Entry) -> None:
        self._queue.append(entry)
        self._queue_bytes += entry.size_bytes
        self._numbered += 1
        if not self.reason:
            self._wake.set()

    def _begin_group(self) -> asyncio.Event:
        """Let another group gather; the event of the one before is for whom that concerns."""
        group, self._gathering = self._gathering, asyncio.Event()
        return group

    async def _pause(self) -> None:
        """Wait for something to do; when degraded, for the time of the next attempt."""
        if self._closing or (not self.reason and (self._queue or self._sweep_due)):
            return
        wait_s = self._retry_s if self.reason else self._config.sweep_s
        self._wake.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            self._sweep_due = self._sweep_due or not self.reason

    async def _reopen(self) -> None:
        await self._database.open()
        self._must_reopen = False
        on_disk = self._database.written - (self._numbered - len(self._queue))
        self._forget(max(0, on_disk))

    async def _write(self) -> None:
        """Write all that is queued in one transaction."""
        entries, self._written = tuple(self._queue), self._begin_group()
        try:
            await self._database.append(entries)
            self._groups += 1
            self._forget(len(entries))
        finally:
            self._written.set()

    def _watch(self, deadline_s: float) -> None:
        """Look after work under way: let its thread run, and let nobody wait for it for ever."""
        loop = asyncio.get_running_loop()
        if loop.time() >= deadline_s:
            self.degrade(f"the disk has not answered for {self._config.stall_s:g} s")
        self._watcher = loop.call_later(_WATCH_S, self._look_after, deadline_s)

    def _look_after(self, deadline_s: float) -> None:
        time.sleep(_REST_S)
        self._watch(deadline_s)

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._queue_bytes -= self._queue.popleft().size_bytes
        self._room.set()

    def _fail(self, error: BaseException) -> None:
        if self.reason:
            self._retry_s = min(2 * self._retry_s, self._config.retry_s_max)
        self._must_reopen = True
        self.degrade(str(error))

    def _succeed(self) -> None:
        self._retry_s = self._config.retry_s
        if self.reason:
            lost = self._dropped - self._dropped_told
            self._dropped_told, self.reason = self._dropped, ""
            _log.warning("the store writes again; %d entries were lost", lost)
            self._on_recovered(lost)
