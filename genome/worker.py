"""The process that evolves: ``python -m mendel.genome.worker``, started by `mendel.genome.breeder`.

It reads orders from its standard input and tells reports on its standard output, each as a length
and that many bytes of MessagePack. It is nice to everybody else on the machine, keeps to its share
of one core, and ends by itself when nobody is there to order: an end of input is an order to stop.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

from ..errors import MendelError
from .task import Failed, Job, Order, Pause, Report, Resume, frame, load_task, order_of

# Behind everything that serves somebody, and behind what heals it.
_NICE = 10


class Orders:
    """Reads orders without ever waiting for them longer than asked.

    Args:
        descriptor: of the pipe that they come by.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._bytes = b""

    def next(self, wait_s: float | None) -> Order | None:
        """The next order; ``None`` when none has come in time.

        Args:
            wait_s: how long to wait; ``None`` for as long as it takes.

        Raises:
            EOFError: nobody orders any more.
        """
        while (order := self._whole()) is None:
            ready, _, _ = select.select([self._descriptor], [], [], wait_s)
            if not ready:
                return None
            piece = os.read(self._descriptor, 1 << 20)
            if not piece:
                raise EOFError("nobody orders any more")
            self._bytes += piece
        return order

    def rest(self, for_s: float) -> float:
        """Wait, and for as long as a pause lasts; returns how long that was, in seconds."""
        end_s, paused_s = time.monotonic() + for_s, 0.0
        while True:
            order = self.next(max(end_s - time.monotonic(), 0.0))
            if order is None:
                return paused_s
            if isinstance(order, Pause):
                began_s = time.monotonic()
                while not isinstance(self.next(None), Resume):
                    pass
                paused_s += time.monotonic() - began_s

    def _whole(self) -> Order | None:
        size = int.from_bytes(self._bytes[:4], "big")
        if len(self._bytes) < 4 + size or not size:
            return None
        body, self._bytes = self._bytes[4 : 4 + size], self._bytes[4 + size :]
        return order_of(body)


def work(orders: Orders, out: BinaryIO) -> None:
    """Do one job, from the order to the report.

    Raises:
        EOFError: nobody is there any more.
    """

    def tell(report: Report) -> None:
        out.write(frame(report))
        out.flush()

    job = orders.next(None)
    while not isinstance(job, Job):
        job = orders.next(None)
    try:
        tell(_done(job, orders, tell))
    except MendelError as error:
        tell(Failed(str(error), is_fault=False))
    except EOFError:
        raise
    except Exception as error:  # noqa: BLE001  A border: the other side is told, and restarts us.
        tell(Failed(f"{type(error).__name__}: {error}", is_fault=True))


def _done(job: Job, orders: Orders, tell: Callable[[Report], None]) -> Report:
    from .breed import Pace, breed  # Brings pymoo, after we have become nice.

    pace = Pace(job.cpu_share, orders.rest)
    task = load_task(job.task, job.payload)
    pace.keep()
    return breed(job, task, pace, tell)


def main() -> None:
    """Work until there is nothing more to do."""
    os.nice(_NICE)
    # What plug-ins print must not get between the reports.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        work(Orders(0), out)
    except (EOFError, BrokenPipeError):
        sys.exit(0)


if __name__ == "__main__":
    main()
