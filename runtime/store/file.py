"""The file of the store from outside: who owns it, what is wrong with it, putting it aside."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from ...errors import StoreError

# Beside the database, because SQLite's own locks on it are lost as soon as anything else in this
# process opens and closes the file.
LOCK_SUFFIX = ".lock"
_COMPANIONS = ("-wal", "-shm")


class Trouble(Enum):
    """What an error means for the store."""

    CORRUPT = "corrupt"  # What is in the file is no longer a database.
    PASSING = "passing"  # Full, locked, not answering: it may be over in a moment.
    LASTING = "lasting"  # A person has to change something.


_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LASTING = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_LASTING_ERRNO = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
}

# What may go wrong with a database while it is opened, read or written.
FAULTS = (sqlite3.Error, OSError, StoreError)


def trouble(error: BaseException) -> Trouble:
    """Tell what an error of the file or the database means."""
    match error:
        case sqlite3.Error():
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _CORRUPT:
                return Trouble.CORRUPT
            return Trouble.LASTING if code in _LASTING else Trouble.PASSING
        case OSError():
            return Trouble.LASTING if error.errno in _LASTING_ERRNO else Trouble.PASSING
        case _:
            return Trouble.LASTING


class FileLock:
    """Makes sure that one process writes a store; the kernel lets go when the process dies.

    Args:
        path: the database; the lock is a file beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + LOCK_SUFFIX)
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock; taking it again does nothing.

        Raises:
            StoreError: another process, or another store of this one, has it.
            OSError: the lock file cannot be written.
        """
        if self._descriptor >= 0:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreError(
                f"{self._path}: process {owner or 'unknown'} already writes this store; "
                f"stop it, or give this one another state folder"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let go; the file stays, because removing it would race with the next owner."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def claim(path: Path, lock: FileLock) -> None:
    """Make the folder if need be, take the lock, and see that the file can be written.

    Raises:
        StoreError: a person has to change something; the text says what.
        OSError: it cannot be written now.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        if trouble(error) is Trouble.PASSING:
            raise
        raise StoreError(f"{path}: cannot be made or opened here: {error.strerror}") from error
    if path.exists() and not path.is_file():
        raise StoreError(f"{path}: is not a file; move it away, or give another state folder")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        if is_read_only(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        raise StoreError(f"{path}: no permission to read and write it; make it yours (chown)")


def is_read_only(path: Path) -> bool:
    """Whether the file system that holds the path takes no writes at all."""
    return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)


def set_aside(path: Path, now_utc: float) -> Path:
    """Move a corrupt database away with its companions, under a name that is free.

    Nothing is deleted: SQLite's ``.recover`` may still get most of it back.

    Returns:
        Where it is now.
    """
    stamp = datetime.fromtimestamp(now_utc, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    again = 1
    while aside.exists():
        again += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{again}")
    path.rename(aside)
    for suffix in _COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside


def set_asides(path: Path) -> int:
    """How many databases have been set aside here."""
    aside = path.parent.glob(f"{path.name}.corrupt-*")
    return sum(not each.name.endswith(_COMPANIONS) for each in aside)
