"""Vocabulary and delivery: typed messages, subjects, mailboxes and the in-process bus."""

from .dead_letters import DeadLetter, DeadReason
from .envelope import Envelope, decode, encode
from .hub import BusStats
from .local import LocalBus
from .mailbox import Mailbox, MailboxStats, Overflow
from .messages import Message, message_types
from .routes import Subscription
from .subjects import check_pattern, check_subject, matches
from .taps import Tap

__all__ = [
    "BusStats",
    "DeadLetter",
    "DeadReason",
    "Envelope",
    "LocalBus",
    "Mailbox",
    "MailboxStats",
    "Message",
    "Overflow",
    "Subscription",
    "Tap",
    "check_pattern",
    "check_subject",
    "decode",
    "encode",
    "matches",
    "message_types",
]
