"""What is logged: lines for people or for programs, each with the incident that it belongs to.

Everything goes through the `logging` of Python, so a program that embeds mendel decides by its own
means where it ends up. What happens on the bus is logged as ``mendel.events``. A line that names a
target belongs to the incident that the target has at the time, whoever logs it; what was seen
before an incident was opened has the same ``trace`` as its opening.

Values of secrets are replaced on the way out, wherever they come from: the output of a command or
the words of a server may repeat what they were given.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from ...bus.envelope import Envelope
from ...bus.local import LocalBus
from ...bus.messages import (
    READINGS,
    AgentCrashed,
    ConfigRefused,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
    PluginRejected,
    StoreDegraded,
)
from ...bus.taps import Tap
from ...documents.redact import redact
from ..words import in_words
from ..world.secrets import hide

EVENTS = "mendel.events"

# By these a reader filters; what else a message holds is in the store and in recordings.
FIELDS = ("event", "target", "incident", "trace", "intent", "action", "outcome", "stage", "agent")
_OF_MESSAGE = FIELDS[1:]

_GRAVE = (AgentCrashed, ConfigRefused, IncidentEscalated, PluginRejected, StoreDegraded)

_log = logging.getLogger(EVENTS)

# Open incidents by target, of the system that the present task belongs to.
_open: ContextVar[Mapping[str, str]] = ContextVar("open", default=MappingProxyType({}))


class Narrator:
    """Logs what happens on a bus, and knows the incidents of all that is logged meanwhile.

    Used as ``with Narrator() as narrator:``. Tasks that are started inside know its incidents, and
    nobody else: two systems of one process may have components of one name.
    """

    def __init__(self) -> None:
        self._incidents: dict[str, str] = {}
        self._tap: Tap | None = None

    def __enter__(self) -> Narrator:
        _open.set(self._incidents)
        return self

    def __exit__(self, *_: object) -> None:
        if self._tap is not None:
            self._tap.close()
        self._incidents.clear()

    def listen(self, bus: LocalBus) -> None:
        """Tell from now on what happens on this bus."""
        self._tap = bus.tap(self._hear, without=READINGS)

    def _hear(self, batch: Iterable[Envelope]) -> None:
        for envelope in batch:
            _narrate(envelope, self._incidents)


def _narrate(envelope: Envelope, incidents: dict[str, str]) -> None:
    message = envelope.message
    if isinstance(message, IncidentOpened):
        incidents[message.target] = message.incident
    level = logging.WARNING if isinstance(message, _GRAVE) else logging.INFO
    if _log.isEnabledFor(level) and (words := in_words(message)):
        _log.log(level, "%s", words, extra=_fields(message, envelope.trace, incidents))
    if isinstance(message, IncidentClosed):
        incidents.pop(message.target, None)


def _fields(message: Message, trace: int, incidents: Mapping[str, str]) -> dict[str, Any]:
    found = {name: getattr(message, name, None) for name in _OF_MESSAGE}
    found["incident"] = found["incident"] or _incident_of(found["target"], incidents)
    return {"event": type(message).__name__, **found, "trace": str(trace)}


def _incident_of(target: object, incidents: Mapping[str, str]) -> str:
    """That of a replica or an edge is the one of its component, if it has none of its own."""
    name = str(target or "")
    return incidents.get(name) or incidents.get(name.replace(">", "/").partition("/")[0], "")


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """What a line of the log is about, for programs; only what is known of it."""
    found = {name: str(value) for name in FIELDS if (value := getattr(record, name, None))}
    if "target" in found and "incident" not in found:
        incident = _incident_of(found["target"], _open.get())
        found |= {"incident": incident} if incident else {}
    return found


def text_of(record: logging.LogRecord) -> str:
    """What a line of the log says, without secrets."""
    return hide(redact(record.getMessage()))


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``text`` and what is in `FIELDS`.

    ``time`` is UTC as in RFC 3339, ``error`` the traceback if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": text_of(record),
            **fields_of(record),
        }
        if record.exc_info:
            line["error"] = hide(redact(self.formatException(record.exc_info)))
        return msgspec.json.encode(line).decode()


class TextLines(logging.Formatter):
    """Lines for people; what happens has the time before it and no more."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.name == EVENTS:
            moment = time.strftime("%H:%M:%S", time.localtime(record.created))
            return f"{moment}  {text_of(record)}"
        return hide(redact(super().format(record)))
