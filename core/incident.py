r"""The life of one incident: from the first anomaly to the proof that it is over.

    TRIAGE ----------> ATTRIBUTED (a symptom of another one; waits until that is over, then again)
      |  the cause
      v
    next action? --none left--> ESCALATED (a person; nothing more is done)
      |   \--not now--> WAITING --later--> next action?
      |   \--a person must say yes--> AWAITING_APPROVAL
      |   \--mode is observe--> OBSERVED (what would have been done is on record)
      v
    CONSULTING (plug-ins may advise) --> RECOVERING (the action runs) --> VERIFYING
      VERIFYING --healthy--> CLOSED       VERIFYING --no effect--> WAITING --> next action?
      VERIFYING --worse--> RECOVERING (takes it back, if it can be) --> ESCALATED

From every stage in which nothing is being done, good health closes the incident. Time comes in
as ``now_s``, wishes go out as effects, and what concerns the whole estate is asked of a `Desk`.
A thread of control per incident was turned down: it cannot be stored, restored or replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from ..bus.messages import (
    ActionFinished,
    Advice,
    AnomalyDetected,
    ApprovalRequested,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    ProbeNow,
    RecoveryProposed,
    ReleaseTarget,
    RunAction,
    Status,
)
from .effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from .playbook import Attempt
from .policy import ActionFacts, Ruling
from .records import IncidentRecord
from .treatment import (
    NOTIFY,
    AskPerson,
    AskPlugins,
    Care,
    GiveUp,
    Hold,
    OnlyWatch,
    Run,
    Treatment,
)
from .triage import Attribute, Blame, Treat


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


# In these something is being done, so that good health proves nothing yet.
_BUSY = (Stage.CONSULTING, Stage.RECOVERING)
_OWN = "the evidence speaks of it alone"


class Desk(Protocol):
    """What an incident asks of the estate that it is part of."""

    def below(self, target: str) -> Sequence[str]:
        """All that the target needs, nearest first."""
        ...

    def blame(self, incident: Incident, *, waited: bool) -> Blame:
        """Whether the target is the cause of its trouble."""
        ...

    def rule(self, incident: Incident, action: ActionFacts, now_s: float) -> Ruling:
        """Whether the action may run."""
        ...

    def started(self, intent: str, target: str, action: ActionFacts, now_s: float) -> None:
        """The action begins."""
        ...

    def finished(self, intent: str) -> None:
        """The action is over."""
        ...

    def is_open(self, target: str) -> bool:
        """Whether the target has an incident."""
        ...

    def may_isolate(self, target: str, now_s: float) -> bool:
        """Whether calls may be kept away from the target."""
        ...

    def observes(self, target: str) -> bool:
        """Whether nothing may be done to the target, only watched."""
        ...


class Incident:
    """Decide what the incident of one target needs next.

    Same inputs, same effects, always.

    Args:
        name: identifier, unique in the store.
        target: whose incident.
        onset_s: start of its first anomaly.
        opened_s: now.
        care: configuration.
        desk: the estate.
        past: attempts of an incident that this one is a relapse of.

    Attributes:
        stage: where it stands.
        status: health of the target as far as it is known here.
        scores: of the metrics that are in alarm.
        asked_s: when the present triage began; evidence must be newer.
        treatment: what was and will be done to the target.
        cause: the target that is treated instead of this one, or empty.
    """

    def __init__(
        self,
        name: str,
        target: str,
        onset_s: float,
        opened_s: float,
        care: Care,
        desk: Desk,
        past: Sequence[Attempt] = (),
    ) -> None:
        self.name = name
        self.target = target
        self.onset_s = onset_s
        self.opened_s = opened_s
        self.desk = desk
        self.stage = Stage.TRIAGE
        self.status = Status.SICK
        self.scores: dict[str, float] = {}
        self.asked_s = opened_s
        self.treatment = Treatment(target, care, past)
        self.cause = ""
        self._reason = ""
        self._approval = ""
        self._intent = ""
        self._asks = 0
        self._held_since_s: float | None = None
        self._waits_for = ""
        self._isolated = False
        self._timers: dict[str, None] = {}

    @property
    def care(self) -> Care:
        """The configuration it is healed by."""
        return self.treatment.care

    # --- what comes in ------------------------------------------------------------------------

    def open(self, anomaly: AnomalyDetected, now_s: float) -> list[Effect]:
        """Begin with the first anomaly."""
        self.scores[anomaly.metric] = anomaly.score
        opened = IncidentOpened(
            target=self.target,
            incident=self.name,
            onset_s=self.onset_s,
            opened_s=now_s,
            reason=anomaly.reason,
        )
        first: list[Effect] = [self._record(anomaly.reason, now_s), Publish(opened)]
        return first + (self._treat(_OWN, now_s) if anomaly.own else self._triage(now_s))

    def take_up(
        self, stage: Stage, actions: Sequence[str], running: str, now_s: float
    ) -> list[Effect]:
        """Go on with an incident that an earlier run of mendel left open.

        Args:
            stage: where it stood.
            actions: what had been run for it.
            running: intent of an action whose end nobody saw, or empty; its outcome will come.
            now_s: loop time of this run.
        """
        reason = "taken up again after mendel was restarted"
        self.treatment.ran = list(actions)
        self.status = Status.UNKNOWN
        # What an earlier run isolated is not known here: it is released in the end in any case.
        self._isolated = self.treatment.was_applied
        if running:
            self._intent, self.treatment.action = running, actions[-1]
            return self._go(Stage.RECOVERING, reason, now_s) + self._await_action(now_s)
        if stage is Stage.ESCALATED:
            return self._go(Stage.ESCALATED, reason, now_s)
        return self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s)

    def on_anomaly(self, anomaly: AnomalyDetected, now_s: float) -> list[Effect]:
        """One more metric left its band, or went further from it."""
        self.scores[anomaly.metric] = anomaly.score
        self.onset_s = min(self.onset_s, anomaly.onset_s)
        self.status = Status.SICK
        if self.stage in (Stage.TRIAGE, Stage.ATTRIBUTED) and anomaly.own:
            return self._treat(_OWN, now_s)
        return self.look_again(now_s)

    def on_cleared(self, metric: str) -> None:
        """A metric is back in its band."""
        self.scores.pop(metric, None)

    def on_health(self, status: Status, reason: str, now_s: float) -> list[Effect]:
        """The health of the target changed."""
        self.status = status
        if status is not Status.HEALTHY or self.stage in _BUSY:
            return []
        return self._close(reason, now_s)

    def on_advice(self, advice: Sequence[Advice], now_s: float) -> list[Effect]:
        """Plug-ins have answered, or had their time."""
        if self.stage is not Stage.CONSULTING:
            return []
        action = self.treatment.action
        veto = self.treatment.hear(advice)
        return self._next(f"{action} was vetoed: {veto}" if veto else self._reason, now_s)

    def on_finished(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """The action came to its end."""
        if self.stage is not Stage.RECOVERING or message.intent != self._intent:
            return []  # Old news, or another's.
        self.desk.finished(message.intent)
        effects = self._stop("action")
        what = f"{message.action} {message.outcome.replace('_', ' ')}"
        reason = f"{what}: {message.detail}" if message.detail else what
        if message.outcome == "unknown":
            return effects + self._escalate(f"cannot tell whether {message.action} ran", now_s)
        if self.treatment.is_undoing:
            return effects + self._escalate(f"took back what made it worse; {reason}", now_s)
        if self.treatment.is_preparing:
            return effects + self._next(reason, now_s)
        if message.outcome == "succeeded":
            due_s = now_s + message.settle_s + self.care.verify.window_s
            effects += self._go(Stage.VERIFYING, reason, now_s)
            return [*effects, self._timer("verify", due_s)]
        self.treatment.mark("failed")
        return effects + self._try_again(reason, now_s)

    def on_approval(self, approval: str, who: str, now_s: float) -> list[Effect]:
        """A person said yes."""
        if self.stage is not Stage.AWAITING_APPROVAL or approval != self._approval:
            return []
        self.treatment.approve()
        return self._next(f"approved by {who}", now_s)

    def on_resume(self, who: str, now_s: float) -> list[Effect]:
        """A person wants it tried again, from the start of the plan."""
        if self.stage not in (Stage.ESCALATED, Stage.WAITING, Stage.OBSERVED):
            return []
        self.treatment.start_over()
        self._held_since_s = None
        return self._go(Stage.TRIAGE, f"resumed by {who}", now_s) + self._triage(now_s)

    def on_cause_closed(self, now_s: float) -> list[Effect]:
        """What this one was a symptom of is over; it gets time to follow."""
        if self.stage is not Stage.ATTRIBUTED:
            return []
        return [self._timer("settle", now_s + self.care.triage.settle_s)]

    def on_timer(self, name: str, now_s: float) -> list[Effect]:
        """A timer that was asked for is due."""
        self._timers.pop(name, None)
        match name, self.stage:
            case "triage", Stage.TRIAGE:
                return self.look_again(now_s, waited=True)
            case "settle", Stage.ATTRIBUTED:
                reason = f"still sick {self.care.triage.settle_s:g} s after {self.cause} recovered"
                self.cause = ""
                return self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s)
            case "retry", Stage.WAITING:
                return self._next("the wait is over", now_s)
            case "consult", Stage.CONSULTING:
                return self.on_advice((), now_s)
            case "action", Stage.RECOVERING:
                return self._ask_for_action(now_s)
            case "verify", Stage.VERIFYING:
                return self._judge(now_s)
            case _:
                return []  # The incident has moved on.

    # --- whose fault it is --------------------------------------------------------------------

    def look_again(self, now_s: float, *, waited: bool = False) -> list[Effect]:
        """Evidence about what the target needs has come in, or time is up."""
        if self.stage is not Stage.TRIAGE:
            return []
        if not self.scores:  # Taken up again, and nothing is known to be wrong yet.
            return self._triage(now_s) if waited else []
        match self.desk.blame(self, waited=waited):
            case Treat(reason):
                return self._treat(reason, now_s)
            case Attribute(cause, reason):
                return self._attribute(cause, reason, now_s)
            case _:
                return []

    def _triage(self, now_s: float) -> list[Effect]:
        self.asked_s = now_s
        decided = self.look_again(now_s)
        if decided:
            return decided
        looks = [Publish(ProbeNow(target=name)) for name in self.desk.below(self.target)]
        return [*looks, self._timer("triage", now_s + self.care.triage.hold_s)]

    def _attribute(self, cause: str, reason: str, now_s: float) -> list[Effect]:
        self.cause = cause
        effects = [*self._stop("triage"), *self._go(Stage.ATTRIBUTED, reason, now_s)]
        return effects if self.desk.is_open(cause) else effects + self.on_cause_closed(now_s)

    def _treat(self, reason: str, now_s: float) -> list[Effect]:
        self.cause = ""
        return self._stop("triage", "settle") + self._next(reason, now_s)

    # --- what is done about it ----------------------------------------------------------------

    def _next(self, reason: str, now_s: float) -> list[Effect]:
        self._reason = reason
        move = self.treatment.next_move(
            lambda action: self.desk.rule(self, action, now_s),
            observes=self.desk.observes(self.target),
        )
        match move:
            case Run(action):
                return self._launch(action, now_s)
            case AskPlugins(action):
                return self._consult(action, now_s)
            case AskPerson(action, why):
                return self._request_approval(action, why, now_s)
            case Hold(action, why, retry_s):
                return self._hold(action, why, retry_s, now_s)
            case OnlyWatch(action):
                return self._go(Stage.OBSERVED, f"{reason}; would run {action}", now_s)
            case GiveUp(why):
                return self._escalate(f"{reason}; {why}", now_s)

    def _hold(self, action: ActionFacts, why: str, retry_s: float, now_s: float) -> list[Effect]:
        if self._held_since_s is None:
            self._held_since_s = now_s
        held_s = now_s - self._held_since_s
        if held_s >= self.care.incident.held_s:
            return self._escalate(f"held back for {held_s:.0f} s: {why}", now_s)
        retry = self._timer("retry", retry_s)
        if self.stage is Stage.WAITING and self._waits_for == why:
            return [retry]  # Still the same wait: a line per second would be noise.
        self._waits_for = why
        return [*self._go(Stage.WAITING, f"{action.name} must wait: {why}", now_s), retry]

    def _request_approval(self, action: ActionFacts, why: str, now_s: float) -> list[Effect]:
        self._approval = f"{self.name}.{len(self.treatment.ran) + 1}"
        request = ApprovalRequested(
            target=self.target,
            incident=self.name,
            approval=self._approval,
            action=action.name,
            reason=why,
            requested_s=now_s,
        )
        reason = f"{action.name} waits for approval {self._approval}: {why}"
        return [*self._go(Stage.AWAITING_APPROVAL, reason, now_s), Publish(request)]

    def _consult(self, action: ActionFacts, now_s: float) -> list[Effect]:
        self.stage = Stage.CONSULTING  # Too short a stage to be worth a record.
        due_s = now_s + self.care.incident.consult_s
        proposal = RecoveryProposed(
            target=self.target,
            incident=self.name,
            action=action.name,
            attempt=self.treatment.ran.count(action.name) + 1,
            deadline_s=due_s,
        )
        return [self._timer("consult", due_s), Consult(proposal)]

    def _launch(self, action: ActionFacts, now_s: float) -> list[Effect]:
        self._intent = f"{self.name}.{self.treatment.start(self.scores)}"
        self._asks = 0
        self._held_since_s = None
        self.desk.started(self._intent, self.target, action, now_s)
        return [
            *self._stop("consult"),
            *self._go(Stage.RECOVERING, f"{self._reason}; runs {action.name}", now_s),
            *self._isolate(now_s),
            self._command(action, self._intent),
            *self._await_action(now_s),
        ]

    def _command(self, action: ActionFacts, intent: str) -> Publish:
        command = RunAction(
            target=self.target,
            intent=intent,
            incident=self.name,
            action=action.name,
            attempt=self.treatment.ran.count(action.name),
            timeout_s=action.timeout_s,
        )
        return Publish(command)

    def _await_action(self, now_s: float) -> list[Effect]:
        action = self.care.actions.get(self.treatment.action)
        timeout_s = action.timeout_s if action is not None else 0.0
        due_s = now_s + timeout_s + self.care.incident.grace_s
        return [self._timer("action", due_s)]

    def _ask_for_action(self, now_s: float) -> list[Effect]:
        """Nobody told how the action went: ask again; the same intent never runs twice."""
        self._asks += 1
        action = self.care.actions.get(self.treatment.action)
        if action is None or self._asks > self.care.incident.asks:
            self.desk.finished(self._intent)
            return self._escalate(f"nobody knows how {self.treatment.action} ended", now_s)
        return [self._command(action, self._intent), *self._await_action(now_s)]

    # --- whether it helped --------------------------------------------------------------------

    def _judge(self, now_s: float) -> list[Effect]:
        action = self.treatment.action
        conclusion = self.treatment.conclude(self.status, self.scores)
        if conclusion == "helped":
            return self._close("all metrics within bounds", now_s)
        if conclusion == "no_effect":
            return self._try_again(f"{action} did not help", now_s)
        self._reason = f"{action} made it worse"
        undo = self.treatment.take_back()
        if undo is not None:
            return self._launch(undo, now_s)
        return self._escalate(f"{self._reason} and cannot be taken back", now_s)

    def _try_again(self, reason: str, now_s: float) -> list[Effect]:
        wait_s = self.treatment.pause_s()
        retry = self._timer("retry", now_s + wait_s)
        return [*self._go(Stage.WAITING, f"{reason}; goes on in {wait_s:g} s", now_s), retry]

    def _escalate(self, reason: str, now_s: float) -> list[Effect]:
        escalated = IncidentEscalated(
            target=self.target, incident=self.name, reason=reason, escalated_s=now_s
        )
        effects: list[Effect] = [
            *self._stop(*self._timers),
            *self._go(Stage.ESCALATED, reason, now_s),
            *self._isolate(now_s),
            Publish(escalated),
        ]
        tell = self.care.actions.get(NOTIFY)
        if tell is not None:
            effects.append(self._command(tell, f"{self.name}.{self.treatment.count(NOTIFY)}"))
        return effects

    def _isolate(self, now_s: float) -> list[Effect]:
        if self._isolated or not self.desk.may_isolate(self.target, now_s):
            return []
        self._isolated = True
        wish = IsolateTarget(target=self.target, incident=self.name, reason=self._reason)
        return [Publish(wish)]

    def _close(self, reason: str, now_s: float) -> list[Effect]:
        self.treatment.mark("helped")
        outcome = "attributed" if self.stage is Stage.ATTRIBUTED else "cleared"
        if self.treatment.was_applied:
            outcome = "healed"
        self.stage = Stage.CLOSED
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
        release = ReleaseTarget(target=self.target, incident=self.name, reason=reason)
        return [
            *self._stop(*self._timers),
            self._record(reason, now_s, outcome),
            *([Publish(release)] if self._isolated else []),
            Publish(closed),
        ]

    def _timer(self, name: str, due_s: float) -> StartTimer:
        self._timers[name] = None
        return StartTimer(name, self.target, due_s)

    def _stop(self, *names: str) -> list[Effect]:
        running = [name for name in names if name in self._timers]
        for name in running:
            del self._timers[name]
        return [CancelTimer(name, self.target) for name in running]

    def _go(self, stage: Stage, reason: str, now_s: float) -> list[Effect]:
        self.stage = stage
        changed = IncidentChanged(
            target=self.target,
            incident=self.name,
            stage=stage,
            reason=reason,
            changed_s=now_s,
        )
        return [self._record(reason, now_s), Publish(changed)]

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
        )
        return Record(record)
