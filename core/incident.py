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

from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

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
    Message,
    ProbeNow,
    RecoveryProposed,
    ReleaseTarget,
    RunAction,
    Status,
)
from .effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from .playbook import Attempt, PlaybookConfig, backoff_s, next_action
from .policy import ActionFacts, Denied, NeedsApproval, Ruling
from .records import IncidentRecord
from .triage import Attribute, Blame, Treat, TriageConfig
from .verify import Condition, VerifyConfig, conclude, condition_of


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
BUSY = (Stage.CONSULTING, Stage.RECOVERING)
_TIMERS = ("triage", "settle", "retry", "consult", "action", "verify")


class IncidentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How patient an incident is with the healer itself.

    Attributes:
        consult_s: how long plug-ins may think about a proposed action.
        grace_s: so long after its own timeout an action may stay unanswered before it is asked
            for again; longer than it takes to restart an agent.
        asks: how often that is done before a person is asked.
        held_s: an incident that policy has kept from acting for so long goes to a person.
    """

    consult_s: Annotated[float, Meta(gt=0)] = 1.0
    grace_s: Annotated[float, Meta(gt=0)] = 5.0
    asks: Annotated[int, Meta(ge=0)] = 3
    held_s: Annotated[float, Meta(gt=0)] = 300.0


class Care(Struct, frozen=True, kw_only=True):
    """All that configures the healing of one target.

    Attributes:
        plan: names of the actions to try, in order.
        actions: what is known of each action that the target has.
        incident: patience with the healer.
        triage: how long to look before blaming.
        playbook: attempts, back-off, relapses.
        verify: how an action is judged.
    """

    plan: tuple[str, ...]
    actions: Mapping[str, ActionFacts]
    incident: IncidentConfig = IncidentConfig()
    triage: TriageConfig = TriageConfig()
    playbook: PlaybookConfig = PlaybookConfig()
    verify: VerifyConfig = VerifyConfig()


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
        asked_s: when the present triage began; evidence must be newer.
        attempts: what was tried, the present action included.
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
        self.care = care
        self.desk = desk
        self.stage = Stage.TRIAGE
        self.status = Status.SICK
        self.asked_s = opened_s
        self.attempts: list[Attempt] = list(past)
        self.cause = ""
        self.scores: dict[str, float] = {}
        self._run: list[str] = []
        self._steps: deque[str] = deque()
        self._action = ""
        self._intent = ""
        self._asks = 0
        self._before = Condition()
        self._held_since_s: float | None = None
        self._reason = ""
        self._due = ""
        self._consulted = False
        self._approval = ""
        self._approved: set[str] = set()
        self._preparing = False
        self._undoing = False
        self._isolated = False

    @property
    def was_treated(self) -> bool:
        """Whether anything was done to the target, beyond telling a person."""
        return any(name != "notify" for name in self._run)

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
        return [
            self._record(anomaly.reason, now_s),
            Publish(opened),
            *self._triage(now_s, own=anomaly.own),
        ]

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
        self._run = list(actions)
        if running:
            self._intent, self._action = running, actions[-1] if actions else ""
            return [*self._go(Stage.RECOVERING, reason, now_s), *self._await_action(now_s)]
        if stage is Stage.ESCALATED:
            return self._go(Stage.ESCALATED, reason, now_s)
        self.status = Status.UNKNOWN
        return [*self._go(Stage.TRIAGE, reason, now_s), *self._triage(now_s, own=False)]

    def on_anomaly(self, anomaly: AnomalyDetected, now_s: float) -> list[Effect]:
        """One more metric left its band, or went further from it."""
        self.scores[anomaly.metric] = anomaly.score
        self.onset_s = min(self.onset_s, anomaly.onset_s)
        self.status = Status.SICK
        match self.stage:
            case Stage.TRIAGE | Stage.ATTRIBUTED if anomaly.own:
                return self._treat(f"{anomaly.metric} speaks of {self.target} alone", now_s)
            case Stage.TRIAGE:
                return self.look_again(now_s)
            case _:
                return []

    def on_cleared(self, metric: str) -> None:
        """A metric is back in its band."""
        self.scores.pop(metric, None)

    def on_health(self, status: Status, reason: str, now_s: float) -> list[Effect]:
        """The health of the target changed."""
        self.status = status
        if status is not Status.HEALTHY or self.stage in BUSY:
            return []
        return self._close(reason, now_s)

    def on_advice(self, advice: Sequence[Advice], now_s: float) -> list[Effect]:
        """Plug-ins have answered, or had their time."""
        if self.stage is not Stage.CONSULTING:
            return []
        vetoes = [each.veto for each in advice if each.veto]
        if vetoes:
            self._refuse(self._due)
            return self._next(f"{self._action} was vetoed: {'; '.join(vetoes)}", now_s)
        self._consulted = True
        before = [name for each in advice for name in each.before if name != self._due]
        self._steps = deque(dict.fromkeys(before))
        return self._next(self._reason, now_s)

    def on_finished(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """The action came to its end."""
        if self.stage is not Stage.RECOVERING or message.intent != self._intent:
            return []  # Old news, or another's.
        self.desk.finished(message.intent)
        effects: list[Effect] = [CancelTimer("action", self.target)]
        what = f"{message.action} {message.outcome}"
        reason = f"{what}: {message.detail}" if message.detail else what
        if message.outcome == "unknown":
            return effects + self._escalate(f"cannot tell whether {reason}", now_s)
        if self._undoing:
            return effects + self._escalate(f"took back what made it worse: {reason}", now_s)
        if self._preparing:
            return effects + self._next(reason, now_s)
        if message.outcome == "succeeded":
            due_s = now_s + message.settle_s + self.care.verify.window_s
            effects += self._go(Stage.VERIFYING, reason, now_s)
            return [*effects, StartTimer("verify", self.target, due_s)]
        return effects + self._refuted("failed", reason, now_s)

    def on_approval(self, approval: str, who: str, now_s: float) -> list[Effect]:
        """A person said yes."""
        if self.stage is not Stage.AWAITING_APPROVAL or approval != self._approval:
            return []
        self._approved.add(self._action)
        return self._next(f"approved by {who}", now_s)

    def on_resume(self, who: str, now_s: float) -> list[Effect]:
        """A person wants it tried again, from the start of the plan."""
        if self.stage not in (Stage.ESCALATED, Stage.WAITING, Stage.OBSERVED):
            return []
        self.attempts = []
        self._held_since_s = None
        return self._go(Stage.TRIAGE, f"resumed by {who}", now_s) + self._triage(now_s, own=False)

    def on_cause_closed(self, now_s: float) -> list[Effect]:
        """What this one was a symptom of is over; it gets time to follow."""
        if self.stage is not Stage.ATTRIBUTED:
            return []
        return [StartTimer("settle", self.target, now_s + self.care.triage.settle_s)]

    def look_again(self, now_s: float, *, waited: bool = False) -> list[Effect]:
        """Fresh evidence about what the target needs has come in, or time is up."""
        if self.stage is not Stage.TRIAGE:
            return []
        if not self.scores:  # Taken up again, and nothing is known to be wrong yet.
            return self._ask(now_s) if waited else []
        match self.desk.blame(self, waited=waited):
            case Treat(reason):
                return self._treat(reason, now_s)
            case Attribute(cause, reason):
                return self._attribute(cause, reason, now_s)
            case _:
                return []

    def on_timer(self, name: str, now_s: float) -> list[Effect]:
        """A timer that was asked for is due."""
        match name, self.stage:
            case "triage", Stage.TRIAGE:
                return self.look_again(now_s, waited=True)
            case "settle", Stage.ATTRIBUTED:
                reason = f"still sick {self.care.triage.settle_s:g} s after {self.cause} recovered"
                self.cause = ""
                return self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s, own=False)
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

    # --- what is decided ----------------------------------------------------------------------

    def _triage(self, now_s: float, *, own: bool) -> list[Effect]:
        if own:
            return self._treat("the evidence speaks of it alone", now_s)
        return self._ask(now_s) + self.look_again(now_s)

    def _ask(self, now_s: float) -> list[Effect]:
        self.asked_s = now_s
        looks = [Publish(ProbeNow(target=name)) for name in self.desk.below(self.target)]
        return [*looks, StartTimer("triage", self.target, now_s + self.care.triage.hold_s)]

    def _attribute(self, cause: str, reason: str, now_s: float) -> list[Effect]:
        self.cause = cause
        effects = self._go(Stage.ATTRIBUTED, reason, now_s)
        if not self.desk.is_open(cause):
            effects += self.on_cause_closed(now_s)
        return [CancelTimer("triage", self.target), *effects]

    def _treat(self, reason: str, now_s: float) -> list[Effect]:
        self.cause = ""
        return [
            CancelTimer("triage", self.target),
            CancelTimer("settle", self.target),
            *self._next(reason, now_s),
        ]

    def _next(self, reason: str, now_s: float) -> list[Effect]:
        """Find the next step that may be taken, and take it."""
        config = self.care.playbook
        if sum(each.verdict == "helped" for each in self.attempts) > config.relapses:
            often = f"healed {config.relapses} times, and ill again each time"
            return self._escalate(f"{often} within {config.relapse_s:g} s", now_s)
        while True:
            step = self._next_step()
            if step is None:
                return self._escalate(f"{reason}; nothing is left to try", now_s)
            facts = self.care.actions.get(step)
            ruling = (
                Denied(f"{self.target} has no action {step}")
                if facts is None
                else self.desk.rule(self, facts, now_s)
            )
            if facts is None or (isinstance(ruling, Denied) and ruling.retry_s == float("inf")):
                if self.desk.observes(self.target):
                    return self._go(Stage.OBSERVED, f"{reason}; would run {step}", now_s)
                self._refuse(step)
                continue
            return self._proceed(facts, ruling, reason, now_s)

    def _next_step(self) -> str | None:
        self._preparing = bool(self._steps)
        if self._steps:
            return self._steps[0]
        if not self._due:
            self._due = next_action(self.care.plan, self.attempts, self.care.playbook) or ""
        return self._due or None

    def _refuse(self, step: str) -> None:
        if self._steps:
            self._steps.popleft()
        else:
            self.attempts.append(Attempt(step, "refused"))
            self._forget_step()

    def _forget_step(self) -> None:
        self._due = ""
        self._consulted = False
        self._approved.clear()

    def _proceed(
        self, facts: ActionFacts, ruling: Ruling, reason: str, now_s: float
    ) -> list[Effect]:
        self._action = facts.name
        match ruling:
            case Denied(why, retry_s):
                return self._hold(why, retry_s, now_s)
            case NeedsApproval(why) if facts.name not in self._approved:
                return self._request_approval(facts, why, now_s)
        if self._consulted:
            return self._start(facts, reason, now_s)
        return self._consult(facts, reason, now_s)

    def _hold(self, why: str, retry_s: float, now_s: float) -> list[Effect]:
        if self._held_since_s is None:
            self._held_since_s = now_s
        if now_s - self._held_since_s >= self.care.incident.held_s:
            return self._escalate(f"held back for {now_s - self._held_since_s:.0f} s: {why}", now_s)
        retry = StartTimer("retry", self.target, retry_s)
        if self.stage is Stage.WAITING:
            return [retry]  # Still the same wait; a line per second would be noise.
        return [*self._go(Stage.WAITING, f"{self._action} must wait: {why}", now_s), retry]

    def _request_approval(self, facts: ActionFacts, why: str, now_s: float) -> list[Effect]:
        self._approval = f"{self.name}.{len(self.attempts) + 1}"
        request = ApprovalRequested(
            target=self.target,
            incident=self.name,
            approval=self._approval,
            action=facts.name,
            reason=why,
            requested_s=now_s,
        )
        reason = f"{facts.name} waits for approval {self._approval}: {why}"
        return [*self._go(Stage.AWAITING_APPROVAL, reason, now_s), Publish(request)]

    def _consult(self, facts: ActionFacts, reason: str, now_s: float) -> list[Effect]:
        self.stage = Stage.CONSULTING  # Too short a stage to be worth a record.
        due_s = now_s + self.care.incident.consult_s
        tries = sum(each.action == facts.name for each in self.attempts)
        proposal = RecoveryProposed(
            target=self.target,
            incident=self.name,
            action=facts.name,
            attempt=tries + 1,
            deadline_s=due_s,
        )
        self._reason = reason
        return [StartTimer("consult", self.target, due_s), Consult(proposal)]

    def _start(self, facts: ActionFacts, reason: str, now_s: float) -> list[Effect]:
        if self._preparing:
            self._steps.popleft()
        else:
            self._before = condition_of(self.scores)
            self.attempts.append(Attempt(facts.name))
            self._forget_step()
        self._held_since_s = None
        return self._launch(facts, reason, now_s)

    def _launch(self, facts: ActionFacts, reason: str, now_s: float) -> list[Effect]:
        self._run.append(facts.name)
        self._action = facts.name
        self._intent = f"{self.name}.{len(self._run)}"
        self._asks = 0
        self.desk.started(self._intent, self.target, facts, now_s)
        return [
            CancelTimer("consult", self.target),
            *self._go(Stage.RECOVERING, f"{reason}; runs {facts.name}", now_s),
            *self._isolate(reason),
            Publish(self._command()),
            *self._await_action(now_s),
        ]

    def _command(self) -> RunAction:
        facts = self.care.actions[self._action]
        return RunAction(
            target=self.target,
            intent=self._intent,
            incident=self.name,
            action=facts.name,
            attempt=max(1, sum(each.action == facts.name for each in self.attempts)),
            timeout_s=facts.timeout_s,
        )

    def _await_action(self, now_s: float) -> list[Effect]:
        facts = self.care.actions.get(self._action, ActionFacts(name=self._action))
        due_s = now_s + facts.timeout_s + self.care.incident.grace_s
        return [StartTimer("action", self.target, due_s)]

    def _ask_for_action(self, now_s: float) -> list[Effect]:
        """Nobody told how the action went: ask again; the same intent never runs twice."""
        self._asks += 1
        if self._asks > self.care.incident.asks or self._action not in self.care.actions:
            self.desk.finished(self._intent)
            return self._escalate(f"nobody knows how {self._action} ended", now_s)
        return [Publish(self._command()), *self._await_action(now_s)]

    def _judge(self, now_s: float) -> list[Effect]:
        after = condition_of(self.scores)
        conclusion = conclude(self.status, self._before, after, self.care.verify)
        if conclusion == "helped":
            return self._close("all metrics within bounds", now_s)
        if conclusion == "no_effect":
            return self._refuted("no_effect", f"{self._action} did not help", now_s)
        self._mark("worse")
        undo = self.care.actions[self._action].undo if self._action in self.care.actions else ""
        if undo in self.care.actions:
            self._undoing = True
            reason = f"{self._action} made it worse"
            return self._launch(self.care.actions[undo], reason, now_s)
        return self._escalate(f"{self._action} made it worse and cannot be taken back", now_s)

    def _refuted(self, verdict: str, reason: str, now_s: float) -> list[Effect]:
        self._mark(verdict)
        wait_s = backoff_s(self.attempts, self.care.playbook)
        if next_action(self.care.plan, self.attempts, self.care.playbook) is None:
            return self._escalate(f"{reason}; nothing is left to try", now_s)
        retry = StartTimer("retry", self.target, now_s + wait_s)
        return [*self._go(Stage.WAITING, f"{reason}; next try in {wait_s:g} s", now_s), retry]

    def _mark(self, verdict: str) -> None:
        if self.attempts and not self.attempts[-1].verdict:
            self.attempts[-1] = Attempt(self.attempts[-1].action, verdict)

    def _escalate(self, reason: str, now_s: float) -> list[Effect]:
        escalated = IncidentEscalated(
            target=self.target, incident=self.name, reason=reason, escalated_s=now_s
        )
        effects = [
            *(CancelTimer(name, self.target) for name in _TIMERS),
            *self._go(Stage.ESCALATED, reason, now_s),
            *self._isolate(reason),
            Publish(escalated),
        ]
        notify = self.care.actions.get("notify")
        if notify is not None:
            self._run.append("notify")
            tell = RunAction(
                target=self.target,
                intent=f"{self.name}.{len(self._run)}",
                incident=self.name,
                action="notify",
                attempt=1,
                timeout_s=notify.timeout_s,
            )
            effects.append(Publish(tell))
        return effects

    def _isolate(self, reason: str) -> list[Effect]:
        if self._isolated or self.desk.observes(self.target):
            return []
        self._isolated = True
        wish = IsolateTarget(target=self.target, incident=self.name, reason=reason)
        return [Publish(wish)]

    def _close(self, reason: str, now_s: float) -> list[Effect]:
        self._mark("helped")
        treated = any(name != "notify" for name in self._run)
        outcome = (
            "healed" if treated else "attributed" if self.stage is Stage.ATTRIBUTED else "cleared"
        )
        closed = IncidentClosed(
            target=self.target,
            incident=self.name,
            outcome=outcome,
            actions=tuple(self._run),
            onset_s=self.onset_s,
            opened_s=self.opened_s,
            closed_s=now_s,
            reason=reason,
        )
        self.stage = Stage.CLOSED
        effects: list[Effect] = [CancelTimer(name, self.target) for name in _TIMERS]
        effects.append(self._record(reason, now_s, outcome))
        if self._isolated:
            release: Message = ReleaseTarget(target=self.target, incident=self.name, reason=reason)
            effects.append(Publish(release))
        return [*effects, Publish(closed)]

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
            actions=tuple(self._run),
        )
        return Record(record)
