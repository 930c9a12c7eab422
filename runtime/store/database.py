"""The connection of the writer: opens the file, brings it up to date, and adds to it.

Opening has two halves. First the file is looked at without changing a byte: is it a store, of which
version, is it whole, what did the last process leave behind? Only then it is opened for writing.
So a file of a newer mendel stays as it is, and what was left behind is known even when nothing can
be written, which is when it matters most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import aiosqlite
import msgspec
from msgspec import Struct, structs

from ...agents.journal import MemoryJournal
from ...core.records import (
    AdoptionRecord,
    Breeding,
    ExperienceRecord,
    GenomeRecord,
    IncidentRecord,
    IntentRecord,
    SearchRecord,
)
from ...errors import StoreError
from . import entries as to_write
from . import schema
from .audit import ORIGIN, Link, linked
from .config import StoreConfig
from .connection import Row, all_rows, reader, version_of, write_group, writer
from .entries import Entry
from .file import FileLock, Trouble, claim, set_aside, set_asides, trouble
from .schema import Insert
from .sweep import sweep

_log = logging.getLogger("mendel.store")
# A file that is started because one was set aside begins its runs here, once per file set aside:
# identifiers of the file set aside do not come again.
_RUNS_PER_FILE = 1_000

Tables = dict[Insert, list[Row]]
Left = TypeVar("Left", bound=Struct)


class _NotWhole(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Database:
    """One file, open for writing.

    Args:
        path: where it is; it is made when there is none.
        config: how it writes and how much it keeps.
        clock: wall time in seconds, for people.
        mirror: learns what earlier processes left open; a file that has to be started afresh while
            mendel runs gets what is open in it.
        on_set_aside: called with the new path and the reason when a corrupt file is moved away.

    Attributes:
        run: number of this run of mendel; 0 until the first opening.
        written: entries of this run that are on disk.
        config_sha256: of the newest configuration kept, or empty.
    """

    def __init__(
        self,
        path: Path,
        config: StoreConfig,
        clock: Callable[[], float],
        mirror: MemoryJournal,
        on_set_aside: Callable[[Path, str], None],
    ) -> None:
        self.run = 0
        self.written = 0
        self.config_sha256 = ""
        self._path = path
        self._config = config
        self._clock = clock
        self._mirror = mirror
        self._on_set_aside = on_set_aside
        self._lock = FileLock(path)
        self._head = ORIGIN
        self._knows_the_past = False
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        """Open the file, or open it again after a failure.

        Raises:
            StoreError: a person has to change something.
            OSError, sqlite3.Error: it cannot be opened now.
        """
        await self._disconnect()
        try:
            await asyncio.to_thread(claim, self._path, self._lock)
        except OSError:
            with contextlib.suppress(OSError, sqlite3.Error):
                await self._look()
            raise
        try:
            await self._look()
            await self._connect()
        except sqlite3.Error as error:
            if trouble(error) is not Trouble.CORRUPT:
                raise
            await self._start_afresh(str(error))

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write entries in one transaction; they are on disk when this returns.

        After an error nothing of them is written, or, when the disk answered wrongly, all of them:
        `open` tells by ``written``.
        """
        tables, head = _laid_out(entries, self._head)
        through = self.written + len(entries)
        progress = (schema.PROGRESS, (through, *head, self.run))
        await write_group(self._connected(), tables, progress)
        self._head = head
        self.written = through

    async def sweep(self) -> bool:
        """Delete a bounded number of rows that are too old or too many.

        Returns:
            Whether there may be more of them.
        """
        return await sweep(self._connected(), self._config, self._clock())

    async def close(self) -> None:
        """Mark the run as ended, close the file and let go of it; never raises."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                ended = "UPDATE runs SET closed_utc = ? WHERE run = ?"
                await self._connection.execute(ended, (self._clock(), self.run))
        await self._disconnect()
        self._lock.release()

    def abandon(self) -> None:
        """Let go of a file whose disk does not answer; its thread ends when the disk does."""
        if self._connection is not None:
            self._connection.stop()
            self._connection = None
        self._lock.release()

    async def _look(self) -> None:
        """Read what is there without changing it."""
        if not self._path.exists() or not self._path.stat().st_size:
            self._knows_the_past = True
            return
        async with reader(self._path, self._config.busy_s, alone=True) as connection:
            version = await version_of(connection, self._path)
            faults = await all_rows(connection, "PRAGMA quick_check(1)")
            if faults != [("ok",)]:
                raise _NotWhole(faults[0][0])
            if version and not self._knows_the_past:
                incidents = await all_rows(connection, schema.OPEN_INCIDENTS)
                intents = await all_rows(connection, schema.UNFINISHED_INTENTS)
                isolations = await all_rows(connection, schema.ISOLATIONS)
                self._mirror.restore(_readable(incidents, IncidentRecord))
                self._mirror.restore(
                    _readable(intents, IntentRecord),
                    isolations=_readable(isolations, IntentRecord),
                )
            if version >= schema.EXPERIENCES_SINCE and not self._knows_the_past:
                self._mirror.restore((), experiences=await self._experiences(connection))
            if version >= schema.BREEDING_SINCE and not self._knows_the_past:
                self._mirror.restore((), breeding=await _breeding(connection))
        self._knows_the_past = True

    async def _experiences(self, connection: aiosqlite.Connection) -> list[ExperienceRecord]:
        """What earlier runs learned, by the loop time of this one: only its age matters."""
        now_s, now_utc = asyncio.get_running_loop().time(), self._clock()
        rows = await all_rows(connection, schema.EXPERIENCES)
        return [
            structs.replace(record, at_s=now_s - max(0.0, now_utc - utc))
            for text, utc in reversed(rows)
            for record in _readable([(text,)], ExperienceRecord)
        ]

    async def _connect(self) -> None:
        connection = writer(self._path, self._config.busy_s)
        self._connection = await connection
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("PRAGMA journal_size_limit = 16777216")
        version = await version_of(connection, self._path)
        await connection.execute("BEGIN IMMEDIATE")
        await self._migrate(connection, version)
        await self._begin_run(connection)
        if version == 0:
            await self._restate(connection)
        await connection.execute("COMMIT")

    async def _migrate(self, connection: aiosqlite.Connection, version: int) -> None:
        for number in range(version + 1, schema.VERSION + 1):
            for statement in schema.STEPS[number - 1]:
                await connection.execute(statement)
            stamp = (number, self._clock())
            await connection.execute("INSERT INTO versions VALUES (?, ?)", stamp)

    async def _begin_run(self, connection: aiosqlite.Connection) -> None:
        run = self.run or await self._next_run(connection)
        (head,) = await all_rows(connection, schema.AUDIT_HEAD) or [ORIGIN]
        await connection.execute(schema.BEGIN_RUN, (run, self._clock(), *head))
        ((written,),) = await all_rows(connection, "SELECT entries FROM runs WHERE run = ?", run)
        newest = "SELECT sha256 FROM configs ORDER BY version DESC LIMIT 1"
        ((self.config_sha256,),) = await all_rows(connection, newest) or [("",)]
        self.run, self.written, self._head = run, written, Link(*head)

    async def _next_run(self, connection: aiosqlite.Connection) -> int:
        newest = "SELECT max(run) FROM runs WHERE run < ?"
        ((run,),) = await all_rows(connection, newest, schema.RUN_WITHOUT_DATABASE)
        return 1 + (_RUNS_PER_FILE * set_asides(self._path) if run is None else int(run))

    async def _restate(self, connection: aiosqlite.Connection) -> None:
        now_utc = self._clock()
        for incident in self._mirror.open_incidents():
            insert, row = to_write.incident_row(incident, self.run, now_utc)
            await connection.execute(insert.sql(1), row)
        for intent in self._mirror.unfinished_intents():
            insert, row = to_write.intent_row(intent, now_utc)
            await connection.execute(insert.sql(1), row)

    async def _start_afresh(self, reason: str) -> None:
        await self._disconnect()
        aside = await asyncio.to_thread(set_aside, self._path, self._clock())
        self._knows_the_past = True  # As much of it as can be known.
        await self._connect()
        self._on_set_aside(aside, reason)

    def _connected(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path}: is not open")
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                await connection.close()  # Takes back what has not been committed.


def _laid_out(entries: Iterable[Entry], head: Link) -> tuple[Tables, Link]:
    """Rows of all entries by table, and the newest link of the audit trail.

    Within a transaction only the order within each table matters.
    """
    tables: Tables = {}
    for entry in entries:
        for insert, row in entry.rows:
            tables.setdefault(insert, []).append(row)
        if entry.audit is not None:
            head = linked(head, entry.audit)
            row = (head.seq, *entry.audit, head.hash)
            tables.setdefault(schema.AUDIT, []).append(row)
    return tables, head


async def _breeding(connection: aiosqlite.Connection) -> Breeding:
    genomes = _readable(await all_rows(connection, schema.GENOMES), GenomeRecord)
    searches = _readable(await all_rows(connection, schema.NEWEST_SEARCH), SearchRecord)
    adoptions = _readable(await all_rows(connection, schema.NEWEST_ADOPTION), AdoptionRecord)
    return Breeding(
        genomes=tuple(genomes)[::-1],
        search=next(iter(searches), None),
        adoption=next(iter(adoptions), None),
    )


def _readable(rows: Iterable[tuple[str]], kind: type[Left]) -> Iterable[Left]:
    for (text,) in rows:
        try:
            yield msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            _log.error("a record in the store cannot be read and is left out: %s (%s)", error, text)
