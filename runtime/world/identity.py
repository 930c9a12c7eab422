"""Which process is meant: a number alone does not tell, because numbers are used again."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from msgspec import Struct

from ...errors import EnvironmentProblem

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"


class Identity(Struct, frozen=True):
    """One process, told apart from a later one of the same number.

    Attributes:
        pid: its number.
        born: when it was started, as text that is only compared. On Linux the boot and the clock
            ticks since then: a wall clock that is set (at boot, after a pause of the machine) does
            not change it, so a process is known again after a crash of mendel.
    """

    pid: int
    born: str


class Look(Struct, frozen=True):
    """What the system says of one process number.

    Attributes:
        identity: which process has the number now.
        group: its process group.
        is_over: whether it has ended and only waits for its parent to notice (a zombie).
    """

    identity: Identity
    group: int
    is_over: bool


def look(pid: int) -> Look | None:
    """Tell which process has a number, or None when no process has it.

    Raises:
        EnvironmentProblem: the system does not let us look, for instance because mendel has no
            descriptors left. It says nothing of the process: to take it for dead would be to
            restart what runs.
    """
    return _look_at_proc(pid) if _BOOT_ID else look_portably(pid)


def look_portably(pid: int) -> Look | None:
    """Do the same through psutil, for systems without ``/proc``."""
    try:
        process = psutil.Process(pid)
        over = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return Look(Identity(pid, repr(process.create_time())), os.getpgid(pid), over)
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None


def identify(pid: int) -> Identity | None:
    """Identity of the living process that has a number."""
    seen = look(pid)
    return seen.identity if seen is not None and not seen.is_over else None


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs (or is stopped); a zombie does not."""
    return identify(identity.pid) == identity


def members(group: int) -> list[Identity]:
    """Living processes of a group."""
    found = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) != group:
                continue
        except OSError:
            continue
        identity = identify(pid)
        if identity is not None:
            found.append(identity)
    return found


def marked(variable: str, value: str) -> list[Identity]:
    """Living processes that were started with an environment variable, oldest first.

    It finds what mendel started and did not live to write down. A process that overwrites its own
    environment (to show a title) is not found, and neither is one of another user.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value:
                found.append((process.create_time(), process.pid))
        except (psutil.Error, OSError):
            continue
    identities = (identify(pid) for _, pid in sorted(found))
    return [identity for identity in identities if identity is not None]


def _look_at_proc(pid: int) -> Look | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as error:
        raise EnvironmentProblem(f"process {pid} cannot be looked at: {error.strerror}") from None
    # The second field is the name of the program in brackets, which may itself hold any of them.
    fields = stat.rpartition(b") ")[2].split()
    state, group, ticks = fields[0], int(fields[2]), fields[19].decode()
    return Look(Identity(pid, f"{_BOOT_ID}/{ticks}"), group, state in (b"Z", b"X"))


def _read_boot_id() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


_BOOT_ID = _read_boot_id()
