"""What was heard of an estate, as far as the six verbs tell of it."""

from __future__ import annotations

from collections import deque

from ...bus.messages import (
    ActionFinished,
    AnomalyDetected,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    Message,
    RunAction,
    Status,
)
from ...core.incidents.casefile import Stage
from ...core.incidents.incident import Incident
from ...core.incidents.treatment import NOTIFY
from ...core.records import ExperienceRecord
from ...core.topology import home_of
from ..factory import Parts
from .protocol import Detection, RecoveryStatus, Response

# Beyond this the oldest goes; a target has one action under way, and tells a person at its end.
_COMMANDS = 4
_ANOMALIES = 64


class Notes:
    """Listens, and answers from what it has heard and from what the cores know.

    Args:
        parts: the cores.
        runs_itself: whether commands are carried out without being applied; then a response is
            told until somebody has asked how it went, and not only until it is carried out.
    """

    def __init__(self, parts: Parts, *, runs_itself: bool) -> None:
        self._parts = parts
        self._runs_itself = runs_itself
        self._commands: dict[str, deque[RunAction]] = {}
        self._anomalies: dict[str, deque[AnomalyDetected]] = {}
        self._reasons: dict[str, str] = {}
        self._closed: dict[str, IncidentClosed] = {}
        self._tried: dict[str, list[ExperienceRecord]] = {}
        self._by_intent: dict[str, RunAction] = {}
        self._finished: set[str] = set()

    def hear(self, message: Message) -> None:
        """Take in a message."""
        match message:
            case AnomalyDetected():
                self._anomalies.setdefault(message.target, deque(maxlen=_ANOMALIES)).append(message)
            case RunAction():
                self._command(message)
            case ActionFinished(intent=intent) if not self._runs_itself:
                self.applied(intent)
            case IncidentOpened(target=target):
                self._reasons[target] = message.reason
                self._tried.pop(target, None)
            case IncidentChanged(target=target):
                self._reasons[target] = message.reason
            case IncidentClosed(target=target):
                self._closed[target] = message
                self._reasons[target] = message.reason

    def applied(self, intent: str) -> None:
        """A response was applied to its end."""
        if intent in self._by_intent:
            self._finished.add(intent)

    def note(self, record: ExperienceRecord) -> None:
        """Take in what an action of an incident led to."""
        self._tried.setdefault(home_of(record.target), []).append(record)

    # --- what the verbs tell ------------------------------------------------------------------

    def detection(self, target: str, now_s: float) -> Detection:
        """What is known of a target; anomalies are told once."""
        incident = self._incident(target)
        return Detection(
            target=target,
            status=self._parts.charts[target].watch.status,
            anomalies=tuple(self._anomalies.pop(target, ())),
            incident=incident.name if incident is not None else "",
            at_s=now_s,
        )

    def response(self, target: str) -> Response:
        """What is to be done about a target now."""
        home = home_of(target)
        incident = self._incident(target)
        if incident is None:
            return Response(target=target, reason="nothing is open")
        for command in self._commands.get(home, ()):
            if self.is_wanted(command):
                return Response(
                    target=command.target,
                    action=command.action,
                    incident=command.incident,
                    intent=command.intent,
                    reason=self._reasons.get(home, ""),
                    timeout_s=command.timeout_s,
                )
        reason = self._reasons.get(home, "")
        return Response(target=target, incident=incident.name, reason=reason)

    def command(self, intent: str) -> RunAction | None:
        """The command of a response; nothing when it is too long ago, or never was."""
        return self._by_intent.get(intent)

    def is_wanted(self, command: RunAction) -> bool:
        """Whether a command has neither been carried out nor overtaken."""
        incident = self._incident(command.target)
        if incident is None or incident.name != command.incident:
            return False
        if command.intent in self._finished:
            return False
        is_due = command.action == NOTIFY or incident.stage is Stage.RECOVERING
        return self._runs_itself or is_due

    def idle(self, target: str) -> list[RunAction]:
        """Commands that are still wanted although the component is well."""
        if not self._by_intent:
            return []  # For every healthy sample the rest would be felt.
        home = home_of(target)
        commands = self._commands.get(home, ())
        if not commands or self._parts.casebook.status_of(home) is not Status.HEALTHY:
            return []
        return [each for each in commands if each.action != NOTIFY and self.is_wanted(each)]

    def recovery(self, target: str) -> RecoveryStatus:
        """How far the recovery of a target has come."""
        home = home_of(target)
        status = self._parts.charts[target].watch.status
        incident, closed = self._incident(target), self._closed.get(home)
        if incident is not None:
            return RecoveryStatus(
                target=target,
                status=status,
                incident=incident.name,
                stage=incident.stage,
                reason=self._reasons.get(home, ""),
            )
        if closed is None:
            return RecoveryStatus(target=target, status=status)
        return RecoveryStatus(
            target=target,
            status=status,
            incident=closed.incident,
            stage=Stage.CLOSED,
            outcome=closed.outcome,
            reason=closed.reason,
            experience=tuple(self._tried.get(home, ())),
        )

    def _incident(self, target: str) -> Incident | None:
        return self._parts.casebook.incidents.get(home_of(target))

    def _command(self, command: RunAction) -> None:
        if command.intent in self._by_intent:
            return  # Nobody told how it went, so it is asked for again.
        known = self._commands.setdefault(home_of(command.target), deque())
        known.append(command)
        self._by_intent[command.intent] = command
        if len(known) > _COMMANDS:
            oldest = known.popleft()
            del self._by_intent[oldest.intent]
            self._finished.discard(oldest.intent)
