"""What a core may wish for; its agent carries the wishes out, in order.

A core never acts: it returns effects. That is what lets the same decision run live, in a replay
and a million times in evolution.
"""

from __future__ import annotations

from msgspec import Struct

from ..bus.messages import Message, RecoveryProposed
from .records import Record as JournalRecord


class Publish(Struct, frozen=True):
    """Send a message to whoever listens to its subject."""

    message: Message


class Record(Struct, frozen=True):
    """Write a fact into the journal.

    It does not wait for the disk: what must be on disk before an action starts is written by the
    one who starts the action.
    """

    record: JournalRecord


class Consult(Struct, frozen=True):
    """Ask plug-ins about an action before it is run; nobody listening is an answer, at once."""

    proposal: RecoveryProposed


class StartTimer(Struct, frozen=True):
    """Call back at ``due_s``; a timer of the same name and key is replaced.

    Attributes:
        name: which of the core's timers.
        key: whose timer it is.
        due_s: loop time.
    """

    name: str
    key: str
    due_s: float


class CancelTimer(Struct, frozen=True):
    """Forget a timer; one that does not exist is no error."""

    name: str
    key: str


Effect = Publish | Record | Consult | StartTimer | CancelTimer
