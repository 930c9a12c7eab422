"""What the store writes for each fact: rows for its tables, and a line for the audit trail.

Everything that could make a row unwritable is dealt with here, in the frame of whoever hands the
fact in, because one bad row in a group would hold up all others: numbers live inside of JSON, where
they have no size, and text that is not Unicode (a process may print anything) is made so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ...bus.messages import (
    AgentCrashed,
    AgentStarted,
    AgentStopped,
    ApprovalGiven,
    ApprovalRequested,
    ConfigRefused,
    FaultInjected,
    FaultLifted,
    IncidentEscalated,
    LevelsChanged,
    Message,
    PauseTarget,
    Reconfigured,
    ResumeTarget,
)
from ...core.records import (
    AdoptionRecord,
    ExperienceRecord,
    GenomeRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    Record,
    SearchRecord,
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
        case GenomeRecord():
            return _entry(text, (schema.GENOME, (record.genome, utc, text)))
        case SearchRecord():
            return _entry(text, (schema.SEARCH, (record.search, utc, text)))
        case AdoptionRecord():
            fact = AuditFact(utc, f"genome_{record.decision}", MENDEL, str(record.genome), text)
            adoption = (utc, record.genome, _text(record.decision), text)
            return _entry(text, (schema.ADOPTION, adoption), audit=fact)
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


# Messages that are lines of the audit trail: the kind of line, the field that tells who did it
# (mendel itself where there is none), and the field that tells to what (several things where there
# is none).
_FACTS: Mapping[type[Message], tuple[str, str, str]] = {
    PauseTarget: ("target_paused", "who", "target"),
    ResumeTarget: ("target_resumed", "who", "target"),
    ApprovalRequested: ("approval_requested", "", "target"),
    ApprovalGiven: ("approval_given", "who", "approval"),
    IncidentEscalated: ("incident_escalated", "", "target"),
    FaultInjected: ("fault_injected", "who", "target"),
    FaultLifted: ("fault_lifted", "who", "target"),
    Reconfigured: ("agent_reconfigured", "", "agent"),
    ConfigRefused: ("config_refused", "who", "source"),
    LevelsChanged: ("levels_changed", "who", ""),
}
# What `of_message` makes an entry of.
OBSERVED: tuple[type[Message], ...] = (AgentStarted, AgentCrashed, AgentStopped, *_FACTS)


def of_message(message: Message, utc: float) -> Entry | None:
    """What a message writes: the life of agents, and what people did; nothing for all others."""
    if isinstance(message, AgentStarted | AgentCrashed | AgentStopped):
        text = _json(message)
        row = (utc, _text(message.agent), message.topic.rpartition(".")[2], text)
        return _entry(text, (schema.AGENT_EVENT, row))
    if type(message) not in _FACTS:
        return None
    kind, who, target = _FACTS[type(message)]
    doer = getattr(message, who) if who else MENDEL
    return of_fact(kind, doer, getattr(message, target) if target else "*", message, utc)


def of_fact(kind: str, who: str, target: str, detail: object, utc: float) -> Entry:
    """A line of the audit trail alone; ``detail`` is anything that JSON can hold."""
    text = _json(detail)
    return _entry(text, audit=AuditFact(utc, _text(kind), _text(who), _text(target), text))


def config_sha256(text: str) -> str:
    """Tells whether two configurations are the same text."""
    return hashlib.sha256(_text(text).encode()).hexdigest()


def of_config(text: str, source: str, who: str, why: str, utc: float) -> Entry:
    """A version of the configuration that is now in force."""
    text, sha256 = _text(text), config_sha256(text)
    detail = _json({"sha256": sha256} | ({"why": why} if why else {}))
    fact = AuditFact(utc, "config_taken", _text(who), _text(source), detail)
    row = (utc, sha256, _text(source), text, _text(who), _text(why))
    return _entry(text, (schema.CONFIG, row), audit=fact)


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
