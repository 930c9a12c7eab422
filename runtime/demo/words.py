"""Messages of the bus in plain words, for people who watch the demo."""

from __future__ import annotations

from ...bus.messages import (
    ActionFinished,
    ActionStarted,
    AgentCrashed,
    AnomalyDetected,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
    Status,
)

_OUTCOMES = {
    "healed": "healed and verified",
    "cleared": "went away by itself",
    "attributed": "was only a symptom, gone with its cause",
    "dismissed": "dismissed by a person",
}


def in_words(message: Message) -> str:
    """What happened, in one line; empty for what people need not read."""
    match message:
        case AnomalyDetected():
            return f"{message.target}: {message.reason or message.metric + ' is out of bounds'}"
        case ActionStarted():
            return f"{message.target}: {message.action} begins"
        case ActionFinished():
            detail = f" ({message.detail})" if message.detail else ""
            return f"{message.target}: {message.action} {message.outcome}{detail}"
        case HealthChanged(status=Status.HEALTHY, previous=Status.SICK | Status.SUSPECT):
            return f"{message.target}: healthy again"
        case AgentCrashed():
            return f"agent {message.agent} crashed: {message.error}; {message.verdict}"
    return _incident_in_words(message)


def _incident_in_words(message: Message) -> str:
    match message:
        case IncidentOpened():
            return f"{message.target}: incident {message.incident} opened"
        case IncidentChanged(reason=reason) if reason:
            return f"{message.target}: {reason}"
        case IncidentClosed():
            what = _OUTCOMES.get(message.outcome, message.outcome)
            took_s = message.closed_s - message.onset_s
            return f"{message.target}: {what}, {took_s:.1f} s after it began"
        case IncidentEscalated():
            return f"{message.target}: a person is needed: {message.reason}"
    return ""
