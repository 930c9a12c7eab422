"""Listening in: batches of what is sent, which never slow a sender down."""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable

from .envelope import Envelope
from .subjects import matches

_log = logging.getLogger("mendel.bus")

# A burst this long within one turn of the event loop comes from a program that never awaits.
TAP_CAPACITY = 65_536


class Tap:
    """One listener, called once per turn of the event loop with all that was sent in it.

    It never slows a sender down: what does not fit is dropped and counted, and when it raises, that
    is counted and logged and the next batch is tried again.

    Attributes:
        pattern: which subjects it hears ...
        without: ... and which of them it does not; empty for none.
        dropped: messages that did not fit.
        failures: batches that it raised on.
        batch: what it has heard in this turn. A sender may append to it itself while it is shorter
            than ``mark``.
        mark: length from which a message needs `put`: 0 when no turn has been asked for.
    """

    __slots__ = (
        "_callback",
        "_capacity",
        "_end",
        "_loop",
        "batch",
        "dropped",
        "failures",
        "mark",
        "pattern",
        "without",
    )

    def __init__(
        self,
        callback: Callable[[list[Envelope]], None],
        pattern: str,
        *,
        without: str,
        capacity: int,
        loop: AbstractEventLoop,
        end: Callable[[Tap], None],
    ) -> None:
        self.pattern = pattern
        self.without = without
        self.dropped = 0
        self.failures = 0
        self._callback = callback
        self._capacity = capacity
        self._loop = loop
        self._end = end
        self.batch: list[Envelope] = []
        self.mark = 0

    def wants(self, subject: str) -> bool:
        """Whether it hears a subject that its pattern stands for."""
        return not (self.without and matches(self.without, subject))

    def put(self, envelope: Envelope) -> None:
        """Hear of a message."""
        if not self.batch:
            self._loop.call_soon(self.flush)
            self.mark = self._capacity
        elif len(self.batch) >= self._capacity:
            self.dropped += 1
            return
        self.batch.append(envelope)

    def put_many(self, envelopes: list[Envelope]) -> None:
        """Hear of several messages."""
        for envelope in envelopes:
            self.put(envelope)

    def flush(self) -> None:
        """Hand over what was heard since the last time."""
        if not self.batch:
            return
        batch, self.batch = self.batch, []
        self.mark = 0
        try:
            self._callback(batch)
        except Exception:  # noqa: BLE001  # A listener's bug must not become the senders' or the bus's.
            self.failures += 1
            if self.failures.bit_count() == 1:  # The 1st, 2nd, 4th, 8th, ... is logged.
                _log.exception("tap on %r raised, %d times so far", self.pattern, self.failures)

    def close(self) -> None:
        """Hand over the rest and hear nothing more; doing it twice is no error."""
        self._end(self)
        self.flush()
