"""What the store writes for each fact: rows for its tables, and a line for the audit trail.

Everything that could make a row unwritable is dealt with here, in the frame of whoever hands the
fact in, because one bad row in a group would hold up all others: numbers live inside of JSON, where
they have no size, and text that is not Unicode (a process may print anything) is made so.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from ...bus.messages import (
    AgentCrashed,
    AgentStarted,
    AgentStopped,
    ApprovalGiven,
    ApprovalRequested,
    FaultInjected,
    FaultLifted,
    IncidentEscalated,
    Message,
    PauseTarget,
    Reconfigured,
    ResumeTarget,
)
from ...core.records import (
    ExperienceRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    Record,
    WindowRecord,
)
from . import schema
from .audit import AuditFact
from .schema import Insert

# Whoever acts when no person does.
MENDEL = "mendel"
# A row costs this much beyond its text: keys, tuple, place in the queue (measured, rounded up).
ROW_BYTES = 512

Row = tuple[Insert, tuple[Any, ...]]


class Entry(NamedTuple):
    """One fact on its way to the disk; it is written whole or not at all.

    Attributes:
        rows: where to, and the values.
        audit: its line in the audit trail, if it has one.
        size_bytes: about what it takes in memory while it waits.
    """

    rows: tuple[Row, ...]
    audit: AuditFact | None
    size_bytes: int


def of_record(record: Record, run: int, utc: float) -> Entry:
    """What a record of the journal writes.

    Args:
        record: the record.
        run: number of this run of mendel.
        utc: wall time in seconds.
    """
    text = _json(record)
    match record:
        case IncidentRecord():
            transition = (_text(record.incident), utc, text)
            return _entry(text, incident_row(record, run, utc), (schema.TRANSITION, transition))
        case WindowRecord():
            return _entry(text, (schema.WINDOW, (_text(record.incident), utc, text)))
        case ExperienceRecord():
            return _entry(text, (schema.EXPERIENCE, (_text(record.incident), utc, text)))
        case IntentRecord():
            fact = AuditFact(utc, "action_intended", MENDEL, _text(record.target), text)
            return _entry(text, intent_row(record, utc), audit=fact)
        case OutcomeRecord():
            fact = AuditFact(utc, "action_finished", MENDEL, _text(record.intent), text)
            row = (_text(record.intent), _text(record.outcome), utc, text)
            return _entry(text, (schema.OUTCOME, row), audit=fact)


def incident_row(record: IncidentRecord, run: int, utc: float) -> Row:
    """The newest state of an incident, without the transition that led to it."""
    names = (_text(record.incident), run, _text(record.target), _text(record.stage))
    return schema.INCIDENT, (*names, _text(record.outcome), utc, utc, _json(record))


def intent_row(record: IntentRecord, utc: float) -> Row:
    """An intent, without its line in the audit trail."""
    names = (_text(each) for each in (record.intent, record.incident, record.target, record.action))
    return schema.INTENT, (*names, utc, _json(record))


# What `of_message` makes an entry of.
OBSERVED: tuple[type[Message], ...] = (
    AgentStarted,
    AgentCrashed,
    AgentStopped,
    PauseTarget,
    ResumeTarget,
    ApprovalRequested,
    ApprovalGiven,
    IncidentEscalated,
    FaultInjected,
    FaultLifted,
    Reconfigured,
)


def of_message(message: Message, utc: float) -> Entry | None:
    """What a message writes: the life of agents, and what people did; nothing for all others."""
    match message:
        case AgentStarted() | AgentCrashed() | AgentStopped():
            text = _json(message)
            row = (utc, _text(message.agent), message.topic.rpartition(".")[2], text)
            return _entry(text, (schema.AGENT_EVENT, row))
        case PauseTarget():
            return of_fact("target_paused", message.who, message.target, message, utc)
        case ResumeTarget():
            return of_fact("target_resumed", message.who, message.target, message, utc)
        case ApprovalRequested():
            return of_fact("approval_requested", MENDEL, message.target, message, utc)
        case ApprovalGiven():
            return of_fact("approval_given", message.who, message.approval, message, utc)
        case IncidentEscalated():
            return of_fact("incident_escalated", MENDEL, message.target, message, utc)
        case FaultInjected():
            return of_fact("fault_injected", message.who, message.target, message, utc)
        case FaultLifted():
            return of_fact("fault_lifted", message.who, message.target, message, utc)
        case Reconfigured():
            return of_fact("agent_reconfigured", MENDEL, message.agent, message, utc)
        case _:
            return None


def of_fact(kind: str, who: str, target: str, detail: object, utc: float) -> Entry:
    """A line of the audit trail alone; ``detail`` is anything that JSON can hold."""
    text = _json(detail)
    return _entry(text, audit=AuditFact(utc, _text(kind), _text(who), _text(target), text))


def config_sha256(text: str) -> str:
    """Tells whether two configurations are the same text."""
    return hashlib.sha256(_text(text).encode()).hexdigest()


def of_config(text: str, source: str, who: str, utc: float) -> Entry:
    """A version of the configuration that is now in force."""
    text, sha256 = _text(text), config_sha256(text)
    fact = AuditFact(utc, "config_taken", _text(who), _text(source), _json({"sha256": sha256}))
    return _entry(text, (schema.CONFIG, (utc, sha256, _text(source), text)), audit=fact)


def _entry(text: str, *rows: Row, audit: AuditFact | None = None) -> Entry:
    tables = len(rows) + (audit is not None)
    return Entry(rows, audit, tables * (ROW_BYTES + len(text)))


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value, order="deterministic").decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_unicode(msgspec.to_builtins(value))).decode()


def _unicode(value: Any) -> Any:
    """The same value with every string in it made Unicode."""
    match value:
        case str():
            return _text(value)
        case dict():
            return {_text(str(key)): _unicode(each) for key, each in value.items()}
        case list() | tuple():
            return [_unicode(each) for each in value]
        case _:
            return value
