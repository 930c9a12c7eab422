"""What a drill has done and not yet taken back, on disk, so that it is taken back whatever happens.

It is written before a fault is made. A drill that is killed leaves the file behind; the next start
of mendel in that state folder, a drill or a run, takes back what it tells of.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from ..errors import EnvironmentProblem
from ..scenarios.chaos import ballast
from .world.identity import Identity, is_alive

FILE = "drill.json"

_log = logging.getLogger("mendel.drill")


class Undo(Struct, frozen=True, kw_only=True):
    """One thing to take back.

    Attributes:
        target: what it was done to.
        kind: of the fault.
        stopped: the process that was stopped by a signal, to be continued.
        fifo: where ballast waits for the order to give its memory back; empty for none.
    """

    target: str
    kind: str
    stopped: Identity | None = None
    fifo: str = ""

    def take_back(self) -> bool:
        """Do it; returns whether there was anything to do. Twice is as well as once."""
        done = False
        if self.stopped is not None and is_alive(self.stopped):
            os.killpg(self.stopped.pid, signal.SIGCONT)
            done = True
        if self.fifo:
            done = ballast.order(Path(self.fifo), "free") or done
        return done


def write(state: Path, undos: Sequence[Undo]) -> None:
    """Put on disk what is to be taken back; nothing removes the file.

    Raises:
        EnvironmentProblem: it cannot be written, so nothing may be broken.
    """
    path = state / FILE
    if not undos:
        path.unlink(missing_ok=True)
        return
    draft = path.with_suffix(".draft")
    try:
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(list(undos)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} cannot be written ({error.strerror}), so nothing is broken"
        ) from None


def take_back_left_over(state: Path) -> list[str]:
    """Take back what an earlier drill that was killed has left.

    Args:
        state: the state folder.

    Returns:
        what was found there, in words.
    """
    path = state / FILE
    try:
        left = msgspec.json.decode(path.read_bytes(), type=list[Undo])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        _log.error("%s cannot be read (%s); a drill may have left something broken", path, error)
        return []
    for each in left:
        try:
            each.take_back()
        except (OSError, EnvironmentProblem) as error:
            _log.error("%s of %s is not taken back: %s", each.kind, each.target, error)
    path.unlink(missing_ok=True)
    return [f"{each.kind} of {each.target}, left by an earlier drill, is over" for each in left]
