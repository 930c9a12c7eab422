"""Connections to the file: one kind that only reads, one that writes a group in one call."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiosqlite

from ...errors import StoreError
from . import schema
from .file import is_read_only
from .schema import Insert

Row = tuple[Any, ...]
Statement = tuple[str, Row]

_BEGIN: Statement = ("BEGIN IMMEDIATE", ())
_COMMIT: Statement = ("COMMIT", ())
# Few sizes, so that the statements stay prepared; at most 800 values, which every SQLite takes.
_BULKS = (100, 10, 1)
_GROUP = "a group of statements"


class _GroupConnection(sqlite3.Connection):
    """Runs a whole transaction in one call of its thread.

    Each call, and each row of an ``executemany``, gives the interpreter lock away and has to wait
    for it again, up to 5 ms a time beside a busy event loop: a commit of one intent in six calls
    took 78 ms there. Hence one call per group, and few statements with many rows in it.
    """

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Run ``(statement, values)`` pairs when asked for a group, else what it always does."""
        if sql is not _GROUP:
            return super().executemany(sql, parameters)
        cursor = self.cursor()
        for statement, values in parameters:
            cursor.execute(statement, values)
        return cursor


def reader(path: Path, busy_s: float, *, alone: bool = False) -> aiosqlite.Connection:
    """A connection, yet to be opened, that cannot change the file.

    Args:
        path: the database.
        busy_s: how long a lock of another program is waited for.
        alone: nobody writes the file meanwhile, because the caller holds its lock.
    """
    # A reader shares files with writers, which on a full or read-only disk cannot be made. Without
    # a log there is nothing in them, and without a writer nothing comes.
    alone = alone or is_read_only(path)
    has_log = path.with_name(f"{path.name}-wal").exists()
    mode = "immutable=1" if alone and not has_log else "mode=ro"
    uri = f"file:{quote(str(path.absolute()))}?{mode}"
    return aiosqlite.connect(uri, uri=True, isolation_level=None, timeout=busy_s)


def writer(path: Path, busy_s: float) -> aiosqlite.Connection:
    """A connection, yet to be opened, that makes the file if need be and takes groups."""
    return aiosqlite.connect(path, isolation_level=None, timeout=busy_s, factory=_GroupConnection)


async def version_of(connection: aiosqlite.Connection, path: Path) -> int:
    """Version of the tables in a file; 0 when there are none.

    Raises:
        StoreError: it is a database of something else, or of a newer mendel.
    """
    names = {name for (name,) in await all_rows(connection, "SELECT name FROM sqlite_master")}
    if not names:
        return 0
    if "versions" not in names or "incidents" not in names:
        raise StoreError(f"{path}: is a database, but not a store of mendel; give another path")
    ((version,),) = await all_rows(connection, "SELECT max(version) FROM versions")
    if version > schema.VERSION:
        raise StoreError(
            f"{path}: is of version {version}, and this mendel knows versions up to "
            f"{schema.VERSION}; use the newer mendel that wrote it, or another state folder"
        )
    return int(version)


async def write_group(
    connection: aiosqlite.Connection, tables: Mapping[Insert, Sequence[Row]], *last: Statement
) -> None:
    """Write rows, then the last statements, in one transaction and one call.

    Args:
        connection: one that `writer` made.
        tables: rows to add, by the statement that adds them.
        last: statements to end the transaction with.
    """
    await connection.executemany(_GROUP, (_BEGIN, *_in_bulk(tables), *last, _COMMIT))


async def all_rows(connection: aiosqlite.Connection, query: str, *parameters: object) -> list[Row]:
    """Every row that a query finds."""
    return [tuple(row) for row in await connection.execute_fetchall(query, parameters)]


def _in_bulk(tables: Mapping[Insert, Sequence[Row]]) -> Iterable[Statement]:
    for insert, rows in tables.items():
        done = 0
        for size in _BULKS:
            while len(rows) - done >= size:
                values = itertools.chain.from_iterable(rows[done : done + size])
                yield insert.sql(size), tuple(values)
                done += size
