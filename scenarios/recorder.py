"""Record what goes over a bus: readings become rows, everything else an event.

The recorder listens as a tap. It writes JSON in the tap's turn of the event loop, because that is
cheap; a thread compresses and writes to the disk twice a second, because that is not. In virtual
time there are no threads, and the loop does it.

A recorder never disturbs what it records. What the disk cannot take in time is left out, counted
and said in the recording; when the disk refuses altogether, recording ends and healing goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self

from ..bus.envelope import Envelope
from ..bus.local import LocalBus
from ..bus.messages import FaultLifted, Reading
from ..errors import RecordingError
from .recording import Annotation, Event, Fault, Record, RecordingWriter, Row, encode

_log = logging.getLogger(__name__)

# Twice a second, so that a crash costs less than one even when the disk is slow.
FLUSH_S = 0.5
# Half a second of 40,000 readings a second. What is left out beyond it bounds what recording costs.
PENDING_BYTES_MAX = 2_000_000
_PART = 1_000
# The whole program stops within two seconds; there are three waits for this.
_LAST_WRITE_S = 0.3


def record_of(envelope: Envelope) -> Record:
    """The line of a recording that a message becomes."""
    message = envelope.message
    if type(message) is Reading:
        return Row(message.taken_s, message.target, message.metrics, message.probe, message.detail)
    if type(message) is FaultLifted:  # Only now it is known how long it was true.
        return Fault(
            at_s=message.injected_s,
            target=message.target,
            kind=message.kind,
            until_s=message.lifted_s,
        )
    return Event(
        envelope.sent_s,
        type(message).__name__,
        message,
        envelope.id,
        envelope.cause,
        envelope.sender,
    )


class Recorder:
    """Writes all messages of a bus; use it as ``async with Recorder(bus, writer):``.

    Args:
        bus: what to record.
        writer: where to; it is closed at the end.
        thread: whether a thread writes; in virtual time there are none.
        pending_bytes_max: text that may wait for the disk.
        on_failure: called when the disk refuses; nothing is recorded from then on.

    Attributes:
        records: taken so far.
        dropped: messages left out because too much waited already.
        refused: messages that cannot be written as JSON.
        failure: why nothing is recorded any more, if so.
    """

    def __init__(
        self,
        bus: LocalBus,
        writer: RecordingWriter,
        *,
        thread: bool = True,
        pending_bytes_max: int = PENDING_BYTES_MAX,
        on_failure: Callable[[RecordingError], None] = lambda error: _log.error("%s", error),
    ) -> None:
        self.records = 0
        self.dropped = 0
        self.refused = 0
        self.failure: RecordingError | None = None
        self._bus = bus
        self._writer = writer
        self._pending_bytes_max = pending_bytes_max
        self._on_failure = on_failure
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="recorder") if thread else None
        self._pending = bytearray()
        self._pending_records = 0
        self._dropped_told = 0
        self._failure_told = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._tap = self._bus.tap(self._hear)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tap.close()
        if self._timer is not None:
            self._timer.cancel()
        await self._written()
        self._hand_over()
        await self._written()
        self._start(self._writer.close)
        await self._written()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    # --- in the event loop --------------------------------------------------------------------

    def _hear(self, batch: Sequence[Envelope]) -> None:
        # In parts, so that a burst within one turn cannot go far beyond the bound.
        for start in range(0, len(batch), _PART):
            part = batch[start : start + _PART]
            if len(self._pending) >= self._pending_bytes_max or self.failure is not None:
                self.dropped += len(part)
            else:
                self._keep([record_of(envelope) for envelope in part])
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._on_timer)

    def _keep(self, records: list[Record]) -> None:
        text, count, refused = encode(records)
        self._pending += text
        self._pending_records += count
        self.records += count
        self.refused += refused

    def _on_timer(self) -> None:
        self._timer = None
        if self._writing is None or self._writing.done():
            self._hand_over()
        else:  # The disk is slow; what comes meanwhile waits, up to the bound.
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._on_timer)

    def _hand_over(self) -> None:
        if self.failure is not None:
            return
        if self.dropped > self._dropped_told:
            count, self._dropped_told = self.dropped - self._dropped_told, self.dropped
            text = f"{count} messages are missing here; the disk did not keep up"
            self._keep([Annotation(at_s=self._bus.now_s, kind="gap", text=text)])
        if self._pending_records:
            text_bytes, records = bytes(self._pending), self._pending_records
            self._pending.clear()
            self._pending_records = 0
            self._start(partial(self._write, text_bytes, records))

    def _start(self, work: Callable[[], None]) -> None:
        """Have something written, by the thread if there is one."""
        if self._executor is not None:
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._executor, self._try, work)
            self._writing.add_done_callback(self._tell_failure)
        else:
            self._try(work)
            self._tell_failure()

    def _tell_failure(self, _: object = None) -> None:
        if self.failure is not None and not self._failure_told:
            self._failure_told = True
            self._on_failure(self.failure)

    async def _written(self) -> None:
        """Wait for the thread, but not for ever: a disk that hangs must not keep mendel alive."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=_LAST_WRITE_S)

    # --- in the thread ------------------------------------------------------------------------

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except RecordingError as error:
            self.failure = error

    def _write(self, text: bytes, records: int) -> None:
        self._writer.append(text, records)
        self._writer.flush()
