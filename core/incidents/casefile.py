"""What an incident knows and tells: evidence, stage, timers, its record and its messages.

Where these are put together is kept apart from `Incident`, which decides what comes next.
"""

from __future__ import annotations

import math
from enum import StrEnum

from ...bus.messages import (
    AnomalyDetected,
    ApprovalRequested,
    IncidentChanged,
    IncidentClosed,
    IncidentDiagnosed,
    IncidentOpened,
    IsolateTarget,
    RecoveryProposed,
    ReleaseTarget,
    RunAction,
    Status,
)
from ..diagnosis import Diagnosis
from ..effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from ..policy import ActionFacts
from ..records import Ailment, ExperienceRecord, IncidentRecord
from .treatment import Care, Treatment


class Stage(StrEnum):
    """Where an incident stands."""

    TRIAGE = "triage"
    ATTRIBUTED = "attributed"
    WAITING = "waiting"
    AWAITING_APPROVAL = "awaiting_approval"
    OBSERVED = "observed"
    CONSULTING = "consulting"
    RECOVERING = "recovering"
    VERIFYING = "verifying"
    ESCALATED = "escalated"
    CLOSED = "closed"


class CaseFile:
    """All but the decisions of one incident.

    Args:
        name: identifier, unique in the store.
        onset_s: start of its first anomaly.
        opened_s: now.
        treatment: what was and will be done to its target.

    Attributes:
        target: whose incident.
        stage: where it stands.
        cause: the target that is treated instead of this one, or empty.
        status: health of the target as far as it is known here.
        scores: of the metrics that are in alarm; those of a replica or an edge of the target go
            by ``cart/2: alive``.
        concerned: the target, and those of its replicas and edges that were in alarm.
        asked_s: when the present triage began; evidence must be newer.
        diagnosis: what is held to be wrong; ``None`` where nobody asked for that.
        told_s: when a person was told of it, or of the incident that it is a relapse of.
        lesson: what its last action taught, if anything.
        freed_s: when it was last found to be no mere symptom; minus infinity for never one.
        settled_s: until when it was last given time to follow a cause that is over.
    """

    def __init__(self, name: str, onset_s: float, opened_s: float, treatment: Treatment) -> None:
        self.name = name
        self.target = treatment.target
        self.onset_s = onset_s
        self.opened_s = opened_s
        self.treatment = treatment
        self.stage = Stage.TRIAGE
        self.cause = ""
        self.status = Status.SICK
        self.scores: dict[str, float] = {}
        self.concerned: dict[str, None] = {treatment.target: None}
        self.asked_s = opened_s
        self.settled_s = -math.inf
        self.freed_s = -math.inf
        self._own: set[str] = set()  # Metrics in alarm that no dependency explains.
        self._held_since_s: float | None = None  # Since when nothing could be done.
        self._waits_for = ""
        self.told_s = -math.inf
        self._isolated = False
        self.lesson: ExperienceRecord | None = None
        self._ailment: Ailment | None = None  # What the last action was chosen against.
        self._launched_s = opened_s
        self.diagnosis: Diagnosis | None = None
        self._timers: dict[str, None] = {}

    @property
    def is_drawn(self) -> bool:
        """Whether it crossed a line that somebody drew."""
        metrics = {name.rpartition(": ")[2] for name in self.scores}
        return not metrics.isdisjoint(self.care.drawn)

    @property
    def is_meant(self) -> bool:
        """Whether it crossed a line that somebody drew, and there is a plan, his or of its kind."""
        return bool(self.care.plan) and self.is_drawn

    @property
    def is_isolated(self) -> bool:
        """Whether calls are kept away from the target for its sake."""
        return self._isolated

    @property
    def care(self) -> Care:
        """The configuration it is healed by."""
        return self.treatment.care

    # --- evidence -----------------------------------------------------------------------------

    def _forget(self, target: str, metric: str) -> None:
        """A metric is back in its band."""
        name = self._name(target, metric)
        self.scores.pop(name, None)
        self._own.discard(name)

    def _take_in(self, anomaly: AnomalyDetected) -> None:
        name = self._name(anomaly.target, anomaly.metric)
        self.scores[name] = anomaly.score
        self.concerned[anomaly.target] = None
        if anomaly.own:
            self._own.add(name)

    def _name(self, target: str, metric: str) -> str:
        return metric if target == self.target else f"{target}: {metric}"

    # --- stages and timers --------------------------------------------------------------------

    def _timer(self, name: str, due_s: float) -> StartTimer:
        self._timers[name] = None
        return StartTimer(name, self.target, due_s)

    def _leave(self, stage: Stage) -> list[Effect]:
        """Change the stage; the timers of the old one end with it."""
        if stage not in (Stage.WAITING, Stage.CONSULTING):
            self._held_since_s = None
        self.stage, self._waits_for = stage, ""
        stopped = [CancelTimer(name, self.target) for name in self._timers]
        self._timers.clear()
        return [*stopped]

    def _go(self, stage: Stage, reason: str, now_s: float) -> list[Effect]:
        stopped = self._leave(stage)
        changed = IncidentChanged(
            target=self.target,
            incident=self.name,
            stage=stage,
            reason=reason,
            changed_s=now_s,
        )
        return [*stopped, self._record(reason, now_s), Publish(changed)]

    # --- what is told -------------------------------------------------------------------------

    def _begin(self, reason: str, now_s: float) -> list[Effect]:
        opened = IncidentOpened(
            target=self.target,
            incident=self.name,
            onset_s=self.onset_s,
            opened_s=now_s,
            reason=reason,
        )
        return [self._record(reason, now_s), Publish(opened)]

    def _tell_diagnosis(self, diagnosis: Diagnosis, now_s: float) -> Publish:
        found = IncidentDiagnosed(
            target=self.target,
            incident=self.name,
            cause=diagnosis.cause,
            where=diagnosis.where,
            confidence=round(diagnosis.confidence, 3),
            reason=diagnosis.reason,
            diagnosed_s=now_s,
        )
        return Publish(found)

    def _propose(self, action: str, deadline_s: float) -> Consult:
        proposal = RecoveryProposed(
            target=self.target,
            incident=self.name,
            action=action,
            attempt=self.treatment.ran.count(action) + 1,
            deadline_s=deadline_s,
        )
        return Consult(proposal)

    def _request(self, action: str, approval: str, reason: str, now_s: float) -> Publish:
        request = ApprovalRequested(
            target=self.target,
            incident=self.name,
            approval=approval,
            action=action,
            reason=reason,
            requested_s=now_s,
        )
        return Publish(request)

    def _command(self, action: ActionFacts, intent: str) -> Publish:
        command = RunAction(
            target=action.target or self.target,
            intent=intent,
            incident=self.name,
            action=action.name,
            attempt=max(1, self.treatment.ran.count(self.treatment.action)),
            timeout_s=action.timeout_s,
        )
        return Publish(command)

    def _isolate(self, reason: str) -> list[Effect]:
        """Keep calls away from the target until the incident is over."""
        self._isolated = True
        wish = IsolateTarget(target=self.target, incident=self.name, reason=reason)
        return [Publish(wish)]

    def _release_calls(self, reason: str) -> list[Effect]:
        """Let calls through to the target again."""
        self._isolated = False
        wish = ReleaseTarget(target=self.target, incident=self.name, reason=reason)
        return [Publish(wish)]

    def _close(self, reason: str, now_s: float, outcome: str = "") -> list[Effect]:
        """Put it away, and let calls through to the target again."""
        outcome = outcome or self._outcome()
        stopped = self._leave(Stage.CLOSED)
        closed = IncidentClosed(
            target=self.target,
            incident=self.name,
            outcome=outcome,
            actions=tuple(self.treatment.ran),
            onset_s=self.onset_s,
            opened_s=self.opened_s,
            closed_s=now_s,
            reason=reason,
        )
        return [
            *stopped,
            self._record(reason, now_s, outcome),
            *(self._release_calls(reason) if self._isolated else []),
            Publish(closed),
        ]

    def _experience(self, verdict: str, now_s: float) -> ExperienceRecord | None:
        """What the last attempt teaches, now that it has its verdict.

        Nothing when it has had one already, nor after a restart of mendel: nobody knows then what
        the action was chosen against.
        """
        if not self.treatment.mark(verdict) or self._ailment is None:
            return None
        self.lesson = ExperienceRecord(
            incident=self.name,
            target=self.target,
            action=self.treatment.refuted,
            ailment=self._ailment,
            verdict=verdict,
            took_s=now_s - self._launched_s,
            at_s=now_s,
        )
        return self.lesson

    def _outcome(self) -> str:
        match self.stage:
            case Stage.ATTRIBUTED:
                return "attributed"
            case Stage.ESCALATED:
                return "cleared"  # By whoever did it: what mendel did had been refuted.
        return "healed" if self.treatment.was_applied else "cleared"

    def _record(self, reason: str, now_s: float, outcome: str = "") -> Record:
        record = IncidentRecord(
            incident=self.name,
            target=self.target,
            stage=self.stage,
            reason=reason,
            at_s=now_s,
            onset_s=self.onset_s,
            outcome=outcome,
            blamed=self.cause,
            actions=tuple(self.treatment.ran),
            attempts=tuple(self.treatment.attempts),
            isolated=self._isolated,
            cause=self.diagnosis.cause if self.diagnosis is not None else "",
            confidence=round(self.diagnosis.confidence, 3) if self.diagnosis is not None else 0.0,
            diagnosis=self.diagnosis.reason if self.diagnosis is not None else "",
            choice=self.treatment.choice if self.stage is Stage.RECOVERING else "",
        )
        return Record(record)
