"""Memory that a process group takes for nothing, on command.

    python ballast.py FIFO -- COMMAND...

becomes the command, after starting a child that waits for orders at the named pipe: the command
leads its process group as ever, and what the child takes counts as memory of the component. An
order is a line: ``leak BYTES_PER_S BYTES_MAX``, or ``free``. The child ends with the command.

It is run as a file and imports nothing of mendel, so that it takes no time to start.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

TICK_S = 0.1
_PR_SET_PDEATHSIG = 1  # From <linux/prctl.h>.
_ORDER_BYTES = 4_096


def wrapped(command: Sequence[str], fifo: Path) -> tuple[str, ...]:
    """The command with ballast beside it."""
    return (sys.executable, "-IS", str(Path(__file__).resolve()), str(fifo), "--", *command)


def order(fifo: Path, text: str) -> bool:
    """Give an order; returns whether anybody hears it.

    Args:
        fifo: the named pipe.
        text: ``leak BYTES_PER_S BYTES_MAX`` or ``free``.
    """
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # Nobody waits at it, or it is not there.
        return False
    try:
        os.write(descriptor, f"{text}\n".encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


class Ballast:
    """Takes memory at a rate, up to a bound, and gives it back.

    Attributes:
        held_bytes: how much it has.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._step_bytes = 0
        self._bytes_max = 0
        self.held_bytes = 0

    def obey(self, line: str) -> None:
        """Follow an order; one that is not understood is none."""
        words = line.split()
        if words == ["free"]:
            self._held.clear()
            self.held_bytes = self._step_bytes = 0
        elif len(words) == 3 and words[0] == "leak" and all(map(str.isdecimal, words[1:])):
            self._step_bytes, self._bytes_max = int(int(words[1]) * TICK_S), int(words[2])

    def tick(self) -> None:
        """Take what is due in `TICK_S`."""
        size = min(self._step_bytes, self._bytes_max - self.held_bytes)
        if size > 0:
            self._held.append(b"\x01" * size)  # Not zeros: those pages would never be touched.
            self.held_bytes += size


def wait_for_orders(fifo: str, parent: int) -> None:
    """Obey until the parent is gone."""
    # Opened for writing as well, or the end of each order would look like the end of all.
    descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    ballast = Ballast()
    while os.getppid() == parent:
        if select.select([descriptor], [], [], TICK_S)[0]:
            for line in os.read(descriptor, _ORDER_BYTES).decode(errors="replace").splitlines():
                ballast.obey(line)
        ballast.tick()


def main(arguments: Sequence[str]) -> int:
    """Start the child, then become the command."""
    fifo, dashes, *command = arguments
    if dashes != "--" or not command:
        sys.stderr.write("usage: ballast FIFO -- COMMAND...\n")
        return 2
    parent = os.getpid()
    if os.fork() == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if sys.platform == "linux":
            # Asked of the kernel too: a child that is stopped with its group cannot look around.
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            wait_for_orders(fifo, parent)
        finally:
            os._exit(0)
    try:
        os.execvp(command[0], command)  # noqa: S606  # The user's own command, as configured.
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
