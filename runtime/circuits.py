"""Circuits that stay open over a restart of mendel, when the configuration asks for it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ..agents.switchboard import Switchboard
from ..bus.envelope import Envelope
from ..bus.messages import CircuitChanged
from ..core.circuits.circuit import CircuitRecord
from .system import System

_log = logging.getLogger("mendel.circuits")


@asynccontextmanager
async def kept(system: System, path: Path) -> AsyncIterator[None]:
    """Restore the circuits, and write them down whenever one changes and at the end.

    A file that cannot be read or written is logged and left: circuits then start closed, as they
    would without it.
    """
    board = system.parts.board
    board.restore(read(path))

    def on_change(_: Envelope) -> None:
        write(path, board)

    changes = system.bus.subscribe(f"{CircuitChanged.topic}.>", on_change, name="kept circuits")
    try:
        yield
    finally:
        changes.unsubscribe()
        write(path, board)


def read(path: Path) -> list[CircuitRecord]:
    """The records of a file; none when there is no file, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[CircuitRecord])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("cannot restore circuits from %s: %s", path, error)
        return []


def write(path: Path, board: Switchboard) -> None:
    """Replace the file as a whole, so that a crash leaves the old or the new one."""
    fresh = path.with_suffix(".new")  # On the same disk, so that it can take the place.
    try:
        fresh.write_bytes(msgspec.json.encode(board.records()))
        fresh.replace(path)
    except OSError as error:
        _log.warning("cannot keep circuits in %s: %s", path, error)
        with contextlib.suppress(OSError):
            fresh.unlink()
