"""The durable journal of a runtime: what mendel must still know after its own crash.

Records are encoded where they are handed in, queued, and written by one task (`writer`); the
questions of the running system are answered from a mirror in memory, those of people from the file
(`archive`). Wall time is stamped here, and no decision uses it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ...agents.journal import MemoryJournal
from ...bus.messages import Message
from ...core.records import Breeding, ExperienceRecord, IncidentRecord, IntentRecord, Record
from ...errors import StoreError
from . import entries, schema
from .config import StoreConfig
from .database import Database
from .entries import Entry
from .file import FAULTS, Trouble, trouble
from .writer import StoreStats, Writer

_log = logging.getLogger("mendel.store")


# What a close that is cancelled may still take: a close is a matter of milliseconds.
_HURRY_S = 0.2

Heard = TypeVar("Heard")


def _say_nothing(_: object) -> None:
    """Listen to nothing: the log has it already."""


class Store:
    """A `Journal` on disk; use it as ``async with Store(path) as store:``.

    Entering it fails when a person has to change something: the file is of a newer mendel or of
    another program, another mendel writes it, a folder or permission is missing. Everything that
    may pass by itself (disk full, file locked or read-only, disk not answering) is survived: the
    store then keeps what fits in memory, says so, and writes it when it can. A corrupt file is
    moved aside and a new one begun.

    Args:
        path: the database; made, with its folder, when there is none.
        config: how it writes and how much it keeps.
        clock: wall time in seconds, for people only.
        on_degraded: called with the reason when nothing can be written any more.
        on_recovered: called with the number of entries lost when the store writes again.
        on_set_aside: called with its new path when a corrupt file was moved aside.

    Raises:
        StoreError: on entering, as said above.
    """

    def __init__(
        self,
        path: Path,
        config: StoreConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
        on_degraded: Callable[[str], None] = _say_nothing,
        on_recovered: Callable[[int], None] = _say_nothing,
        on_set_aside: Callable[[Path], None] = _say_nothing,
    ) -> None:
        config = config or StoreConfig()
        self.path = path
        self._clock = clock
        self._mirror = MemoryJournal()
        self._on_degraded = on_degraded
        self._on_recovered = on_recovered
        self._on_set_aside = on_set_aside
        self._database = Database(path, config, clock, self._mirror, self._set_aside)
        self._writer = Writer(self._database, config, self._degraded, self._recovered)
        self._task: asyncio.Task[None] | None = None

    @property
    def run(self) -> int:
        """Number of this run of mendel: one more than that of the run before, never used twice.

        A run that could not reach its database when it started takes the wall time in seconds
        instead, which no counted run will ever reach.
        """
        return self._database.run

    @property
    def stats(self) -> StoreStats:
        """Counters since the store was opened."""
        return self._writer.stats

    def note(self, record: Record) -> None:
        """Write a record soon; dropped and counted when the queue is full."""
        entry = entries.of_record(record, self.run, self._clock())
        self._note(entry)
        self._mirror.note(record)

    async def commit(self, record: Record) -> None:
        """Write a record now: on disk when this returns, or else the store has said it degrades."""
        entry = entries.of_record(record, self.run, self._clock())
        self._check_open()
        self._mirror.note(record)
        await self._writer.commit(entry)

    def observe(self, message: Message) -> None:
        """Note what a message says of agents and people; all other messages are none of ours."""
        entry = entries.of_message(message, self._clock())
        if entry is not None:
            self._note(entry)

    def note_fact(self, kind: str, *, who: str, target: str, detail: object = None) -> None:
        """Add a line to the audit trail.

        Args:
            kind: what happened, in the past tense (``action_run_by_hand``).
            who: the person or program that did it.
            target: what it was done to.
            detail: anything that JSON can hold, without secrets.
        """
        self._note(entries.of_fact(kind, who, target, detail, self._clock()))

    def note_config(
        self, text: str, *, source: str, who: str = entries.MENDEL, why: str = ""
    ) -> None:
        """Keep the configuration that is now in force, if it is another than the newest one kept.

        Args:
            text: as it stands in its file, so without the secrets that it only refers to.
            source: where it came from.
            who: the person or program that brought it.
            why: the reason, if one was given.
        """
        sha256 = entries.config_sha256(text)
        if sha256 != self._database.config_sha256:
            self._note(entries.of_config(text, source, who, why, self._clock()))
            self._database.config_sha256 = sha256

    def unfinished_intents(self) -> Sequence[IntentRecord]:
        """Intents without an outcome, of this run and of those before, oldest first."""
        return self._mirror.unfinished_intents()

    def open_incidents(self) -> Sequence[IncidentRecord]:
        """Newest record of every incident that has not ended, oldest first."""
        return self._mirror.open_incidents()

    def isolations(self) -> Sequence[IntentRecord]:
        """Newest ``isolate`` or ``release`` of every target that was not surely let go."""
        return self._mirror.isolations()

    def experiences(self) -> Sequence[ExperienceRecord]:
        """What actions led to, in this run and in those before, oldest first."""
        return self._mirror.experiences()

    def breeding(self) -> Breeding:
        """Genomes, the newest search and the newest adoption, of this run and of those before."""
        return self._mirror.breeding()

    async def __aenter__(self) -> Store:
        try:
            await self._database.open()
        except FAULTS as error:
            if trouble(error) is Trouble.LASTING:
                await self._database.close()
                raise self._as_store_error(error) from error
            self._database.run = max(int(self._clock()), schema.RUN_WITHOUT_DATABASE)
            self._writer.begin_degraded(error)
        except BaseException:
            await self._database.close()
            raise
        self._task = asyncio.create_task(self._writer.run(), name="mendel-store-writer")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, timeout_s: float = 1.0) -> None:
        """Write what is queued and let go of the file; closing twice does nothing.

        Args:
            timeout_s: how long the disk may take for it; what is not written then is lost, and the
                log says how much that is.
        """
        task, self._task = self._task, None
        if task is None:
            return
        self._writer.end()
        closing = asyncio.create_task(self._write_rest(task, timeout_s))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            # A moment more, or the database's thread would answer to a loop that is gone.
            await asyncio.wait({closing}, timeout=_HURRY_S)
            raise
        finally:
            # Whoever cannot wait is not held up either: a thread that is left behind would keep
            # the whole program from ending.
            self._database.abandon()
        if left := self._writer.stats.queued:
            _log.error("the store closes with %d entries that could not be written", left)

    async def _write_rest(self, task: asyncio.Task[None], timeout_s: float) -> None:
        await asyncio.wait({task}, timeout=timeout_s)
        if task.done():
            await self._database.close()
            task.result()  # A bug of the writer shall not end in silence.
        else:
            task.cancel()
            await asyncio.wait({task})

    def _note(self, entry: Entry) -> None:
        self._check_open()
        self._writer.note(entry)

    def _check_open(self) -> None:
        if self._task is None:
            raise StoreError(f"{self.path}: the store is closed; nothing can be written any more")

    def _as_store_error(self, error: BaseException) -> StoreError:
        return error if isinstance(error, StoreError) else StoreError(f"{self.path}: {error}")

    def _degraded(self, reason: str) -> None:
        _tell(self._on_degraded, reason)

    def _set_aside(self, aside: Path, reason: str) -> None:
        _log.error(
            "%s was corrupt (%s); it is kept as %s, a new one begins", self.path, reason, aside
        )
        self._account("store_set_aside", {"aside": str(aside), "reason": reason})
        _tell(self._on_set_aside, aside)

    def _recovered(self, lost: int) -> None:
        self._account("store_recovered", {"lost": lost})
        _tell(self._on_recovered, lost)

    def _account(self, kind: str, detail: object) -> None:
        fact = entries.of_fact(kind, entries.MENDEL, str(self.path), detail, self._clock())
        self._writer.note(fact)


def _tell(listener: Callable[[Heard], None], what: Heard) -> None:
    try:
        listener(what)
    except Exception:  # noqa: BLE001  A border: whose code this is, is not known here.
        _log.exception("a listener of the store failed; the store goes on")
