"""What was taken and not handled: kept for a look, counted by reason, logged at a bounded rate."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from enum import StrEnum

from msgspec import Struct

from .envelope import Envelope

_log = logging.getLogger("mendel.bus")

# A flood of one kind tells a person nothing that its first line and its count do not.
LOG_EVERY_S = 1.0


class DeadReason(StrEnum):
    """Why a message was not handled."""

    MAILBOX_FULL = "mailbox_full"  # Policy drop newest, or nothing of its own to drop instead.
    PARKED_FULL = "parked_full"  # Policy block, and too many messages wait for room already.
    DROPPED_OLDEST = "dropped_oldest"  # Made room for a newer one.
    SUPERSEDED = "superseded"  # Replaced by a newer one of its key; counted, not kept.
    EXPIRED = "expired"  # A request nobody waits for any more.
    HANDLER_FAILED = "handler_failed"  # The handler of a plain subscription raised.
    POISON = "poison"  # Crashed an agent twice.
    NO_HANDLER = "no_handler"  # Its agent subscribed to the subject but handles no such type.
    CLOSED = "closed"  # Still waiting when its subscription or the bus was closed.


class DeadLetter(Struct, frozen=True):
    """A message that was taken and not handled.

    Attributes:
        envelope: the message.
        reason: why, for programs.
        mailbox: name of the mailbox that it was meant for.
        detail: why, for people; may be empty.
        died_s: loop time.
    """

    envelope: Envelope
    reason: DeadReason
    mailbox: str
    detail: str
    died_s: float


class DeadLetters:
    """The newest dead letters, oldest first, and a count of all.

    They are not published, because a dead letter about a dead letter has no end; listeners are
    called at once and must not raise.

    Attributes:
        counts: how many there have been, by reason.
    """

    def __init__(self, capacity: int) -> None:
        self.counts: Counter[DeadReason] = Counter()
        self._ring: deque[DeadLetter] = deque(maxlen=capacity)
        self._listeners: list[Callable[[DeadLetter], None]] = []
        self._logged_s: dict[DeadReason, float] = {}
        self._suppressed: Counter[DeadReason] = Counter()

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(tuple(self._ring))

    def __len__(self) -> int:
        return len(self._ring)

    def listen(self, listener: Callable[[DeadLetter], None]) -> Callable[[], None]:
        """Call a listener for each dead letter to come; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def add(self, letter: DeadLetter) -> None:
        """Count a dead letter; keep it, tell and log it unless it was merely superseded."""
        self.counts[letter.reason] += 1
        if letter.reason is DeadReason.SUPERSEDED:
            return
        self._ring.append(letter)
        for listener in tuple(self._listeners):
            listener(letter)
        self._log_at_most_once_per_second(letter)

    def _log_at_most_once_per_second(self, letter: DeadLetter) -> None:
        reason = letter.reason
        logged_s = self._logged_s.get(reason)
        if logged_s is not None and letter.died_s - logged_s < LOG_EVERY_S:
            self._suppressed[reason] += 1
            return
        self._logged_s[reason] = letter.died_s
        _log.warning(
            "dead letter (%s) at %s: %s on %s%s; %d more of this kind not logged before it",
            reason,
            letter.mailbox,
            type(letter.envelope.message).__name__,
            letter.envelope.subject,
            f": {letter.detail}" if letter.detail else "",
            self._suppressed.pop(reason, 0),
        )
