"""Which processes mendel has started, on disk, so that the next mendel finds them.

It is written before a process is started (with a marker that the process will carry in its
environment) and again when its number is known. Whenever mendel is killed, the file leads to the
process: by its number and birth, or, in the moment between, by its marker. It survives a crash of
mendel, not of the machine, which takes the processes along; so nothing waits for the disk.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from ...errors import EnvironmentProblem

logger = logging.getLogger(__name__)


class Entry(Struct, frozen=True, kw_only=True):
    """One process that was started.

    Attributes:
        marker: value of the variable `MARKER` in its environment.
        command: program and arguments, as they stand in the configuration.
        started_utc: when, for people (ISO 8601).
        pid: its number; 0 while it is being started.
        born: its birth, see `mendel.runtime.world.identity.Identity`; empty while it is started.
    """

    marker: str
    command: tuple[str, ...]
    started_utc: str
    pid: int = 0
    born: str = ""


MARKER = "MANAGED_BY_MENDEL"
# Together a quarter of a second; a fork is done with its parent's files in a few milliseconds.
TRIES = 10
TRY_S = 0.025


class Ledger:
    """The file ``processes.json`` of a state folder; one mendel at a time has it.

    A disk that cannot be written does not keep services from being started: the ledger is then
    kept in memory, and said to be so once.

    Args:
        state: the state folder; it is made if there is none.

    Attributes:
        failures: how often it could not be written.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / "processes.json"
        self.failures = 0
        self._entries: dict[str, Entry] = {}
        self._lock = -1

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All entries by the name of their component."""
        return self._entries

    async def open(self) -> None:
        """Take the state folder, and read what an earlier mendel has left.

        A child that a mendel was just starting when it was killed has the lock for a moment more,
        so a folder that is taken is tried again for a while.

        Raises:
            EnvironmentProblem: the folder cannot be used, or another mendel uses it.
        """
        self._open_lock()
        for _ in range(TRIES):
            if self._take():
                break
            await asyncio.sleep(TRY_S)
        else:
            self.close()
            raise EnvironmentProblem(
                f"another mendel manages the processes of state folder {str(self.path.parent)!r}",
                "stop it first, or name another state folder",
            )
        try:
            self._entries = msgspec.json.decode(self.path.read_bytes(), type=dict[str, Entry])
        except FileNotFoundError:
            self._entries = {}
        except (OSError, msgspec.DecodeError) as error:
            self._set_aside(error)

    def close(self) -> None:
        """Let another mendel have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def put(self, name: str, entry: Entry) -> None:
        """Write that a process is being started or has been."""
        self._entries[name] = entry
        self._save()

    def remove(self, name: str) -> None:
        """Write that the process of a component was stopped on purpose."""
        if self._entries.pop(name, None) is not None:
            self._save()

    def _open_lock(self) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "processes.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EnvironmentProblem(
                f"state folder {str(folder)!r} cannot be used: {error.strerror}",
                "make it writable for the user that runs mendel, or name another one",
            ) from None

    def _take(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _save(self) -> None:
        draft = self.path.with_suffix(".draft")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(self._entries)))
            draft.replace(self.path)
        except OSError as error:
            if not self.failures:
                logger.error("%s cannot be written: %s", self.path, error.strerror)
            self.failures += 1

    def _set_aside(self, error: Exception) -> None:
        kept = self.path.with_suffix(".unreadable")
        logger.error("%s cannot be read (%s); set aside as %s", self.path, error, kept.name)
        try:
            self.path.replace(kept)
        except OSError as failure:
            logger.error("%s cannot be set aside: %s", self.path, failure.strerror)
        self._entries = {}
