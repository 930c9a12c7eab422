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
      VERIFYING --worse--> next action: the one that takes it back --> ESCALATED

Good health closes the incident from every stage but RECOVERING. Whenever some time has passed
before a step, what is known by then is weighed again: nothing in alarm is no reason to act, and
one that turned out to be a symptom is ATTRIBUTED. Each stage owns its timers; leaving it ends them.
It is driven from outside, by messages and timers that bring the time with them, and asks a `Desk`
about the whole estate.
A thread of control per incident was turned down: it cannot be stored, restored or replayed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...bus.messages import (
    ActionFinished,
    Advice,
    AnomalyDetected,
    IncidentEscalated,
    ProbeNow,
    Status,
)
from ..effects import Effect, Publish, Record
from ..playbook import Attempt
from ..policy import ActionFacts, Denied
from ..records import IncidentRecord, IntentRecord
from .casefile import CaseFile, Stage
from .desk import Desk
from .treatment import (
    NOTIFY,
    AskPerson,
    AskPlugins,
    Care,
    Hold,
    OnlyWatch,
    Run,
    Treatment,
)
from .triage import Attribute, Blame, Treat, Wait
from .verify import GRAVEST, Conclusion, condition_of, tells_of_answers

_OWN = "the evidence speaks of it alone"
# They take the replicas in turn, or put new ones beside them first: the rest goes on serving.
_GENTLE = ("rolling_restart", "replace", "roll_back")
# While an incident is only watched, everybody is looked at anew this often.
_LOOK_AGAIN_S = 5.0
_UNPROVEN = "it is not seen to be sick, but not proven well either"


class Incident(CaseFile):
    """One target's trouble: what to do about it, and when it is over.

    Args:
        name: identifier, unique in the store.
        target: whose incident.
        onset_s: start of its first anomaly.
        opened_s: now.
        care: configuration.
        desk: the estate.
        past: attempts of an incident that this one is a relapse of.

    Attributes:
        desk: the estate.
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
        super().__init__(name, onset_s, opened_s, Treatment(target, care, past))
        self.desk = desk
        self._reason = ""
        self._given_up = GRAVEST  # How ill it was when a person was asked.
        self._approval = ""
        self._intent = ""
        self._asks = 0
        self._looks_anew = False  # Whether evidence is gathered again at the end of a wait.

    # --- what comes in ------------------------------------------------------------------------

    def open(self, anomaly: AnomalyDetected, now_s: float) -> list[Effect]:
        """Begin with the first anomaly."""
        self._take_in(anomaly)
        return self._begin(anomaly.reason, now_s) + self._triage(now_s)

    def take_up(
        self, record: IncidentRecord, running: IntentRecord | None, now_s: float
    ) -> list[Effect]:
        """Go on with an incident that an earlier run of mendel left open.

        Args:
            record: where it stood.
            running: an action whose end nobody saw; its outcome will come.
            now_s: loop time of this run.
        """
        reason = "taken up again after mendel was restarted"
        stage = Stage(record.stage)
        self.treatment.take_up(record.attempts, record.actions, running.action if running else "")
        self.status = Status.UNKNOWN
        # Guards of this process know nothing of the isolation yet.
        still = record.isolated and self.desk.may_isolate(self.target, now_s)
        isolate = self._isolate(reason) if still else []
        self._isolated = record.isolated
        if stage is Stage.ESCALATED:
            return isolate + self._go(stage, reason, now_s)
        if running is not None:
            return isolate + self._take_up_action(running, reason, now_s)
        if stage in (Stage.RECOVERING, Stage.VERIFYING):
            # Its last action has ended, or never began; either way the target may still boot.
            return isolate + self._verify(self._facts().settle_s, reason, now_s)
        return isolate + self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s)

    def dismiss(self, reason: str, now_s: float) -> list[Effect]:
        """Put it away without a proof: nobody is to care for its target any more."""
        return self._close(reason, now_s, outcome="dismissed")

    def on_anomaly(self, anomaly: AnomalyDetected, now_s: float) -> list[Effect]:
        """One more metric left its band, or went further from it."""
        self._take_in(anomaly)
        self.onset_s = min(self.onset_s, anomaly.onset_s)
        self.status = Status.SICK
        if self.stage is Stage.ATTRIBUTED and anomaly.own:
            self.freed_s = now_s
            return self._treat(_OWN, now_s)
        if self.stage is Stage.ESCALATED and self._is_graver:
            reason = "worse than when a person was asked"
            return self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s)
        return self.look_again(now_s)

    @property
    def _is_graver(self) -> bool:
        """Whether more is known to be wrong than when nothing was left to try."""
        graver = condition_of(self.scores).gravity > self._given_up.gravity
        return graver and self.care.abilities.diagnoses

    def on_health(self, status: Status, reason: str, now_s: float) -> list[Effect]:
        """The health of the target changed."""
        self.status = status
        if status is not Status.HEALTHY or self.stage is Stage.RECOVERING:
            return []  # While an action runs, good health proves nothing yet.
        learned = self._learn("helped", now_s) if self.stage is Stage.VERIFYING else []
        return learned + self._close(reason, now_s)

    def on_cleared(self, target: str, metric: str, now_s: float) -> list[Effect]:
        """A metric is back in its band."""
        self._forget(target, metric)
        return self._let_in(now_s) if tells_of_answers(metric) else []

    def on_advice(self, advice: Sequence[Advice], now_s: float) -> list[Effect]:
        """Plug-ins have answered, or had their time."""
        if self.stage is not Stage.CONSULTING:
            return []
        self._asks = 0
        action = self.treatment.action
        veto = self.treatment.hear(advice)
        return self._go_on(f"{action} was vetoed: {veto}" if veto else self._reason, now_s)

    def on_finished(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """The action came to its end."""
        if self.stage is not Stage.RECOVERING or message.intent != self._intent:
            return []  # Old news, or another's.
        self.desk.finished(message.intent, now_s, succeeded=message.outcome == "succeeded")
        if message.outcome == "not_run":
            self.treatment.was_not_run()
        what = f"{message.action} {message.outcome.replace('_', ' ')}"
        reason = f"{what}: {message.detail}" if message.detail else what
        if message.outcome == "unknown":
            return self._escalate(f"cannot tell whether {message.action} ran", now_s)
        if self.treatment.is_undoing:
            return self._escalate(f"{self.treatment.refuted} made it worse; {reason}", now_s)
        if self.treatment.is_preparing:
            return self._next(reason, now_s)
        if message.outcome == "succeeded":
            return self._verify(message.settle_s, reason, now_s)
        if message.outcome == "not_run":  # What nobody did teaches nothing.
            self.treatment.mark("failed")
        learned = self._learn("failed", now_s)
        if self.status is Status.HEALTHY:
            why = f"{reason}; all metrics within bounds all the same"
            return learned + self._close(why, now_s)
        return learned + self._try_again(reason, now_s)

    def on_approval(self, approval: str, who: str, now_s: float) -> list[Effect]:
        """A person said yes."""
        if self.stage is not Stage.AWAITING_APPROVAL or approval != self._approval:
            return []
        self.treatment.approve()
        return self._go_on(f"approved by {who}", now_s)

    def on_resume(self, who: str, now_s: float) -> list[Effect]:
        """A person wants it tried again; what a person was asked about, from the start."""
        if self.stage not in (Stage.ESCALATED, Stage.WAITING, Stage.OBSERVED):
            return []
        if self.stage is Stage.ESCALATED:
            self.treatment.start_over()
        return self._go(Stage.TRIAGE, f"resumed by {who}", now_s) + self._triage(now_s)

    def on_cause_closed(self, now_s: float) -> list[Effect]:
        """What this one was a symptom of is over; it gets time to follow."""
        assert self.stage is Stage.ATTRIBUTED, f"{self.name} is {self.stage}, so it has no cause"
        return [self._timer("settle", now_s + self.care.triage.settle_s)]

    def on_timer(self, name: str, now_s: float) -> list[Effect]:
        """A timer that was asked for is due."""
        self._timers.pop(name, None)
        match name, self.stage:
            case "triage", Stage.TRIAGE:
                return self.look_again(now_s, waited=True)
            case "settle", Stage.ATTRIBUTED:
                reason = f"still sick {self.care.triage.settle_s:g} s after {self.cause} recovered"
                self.cause, self.settled_s, self.freed_s = "", now_s, now_s
                return self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s)
            case "retry", Stage.WAITING if self._looks_anew:
                return self._look_anew(now_s)
            case "retry", Stage.WAITING:
                return self._go_on("the wait is over", now_s)
            case "consult", Stage.CONSULTING:
                return self._consult_again(now_s)
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
        if not self.scores:  # Nothing is in alarm any more, or it is not known again yet.
            return (self._too_long(_UNPROVEN, now_s) or self._triage(now_s)) if waited else []
        match self._blame(waited=waited):
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
        looks = [Publish(ProbeNow(target=name)) for name in self.desk.witnesses(self)]
        return [*looks, self._timer("triage", now_s + self.care.triage.hold_s)]

    def _look_anew(self, now_s: float) -> list[Effect]:
        """Gather evidence again; too short a triage to be worth a record."""
        waits_for = self._waits_for
        stopped = self._leave(Stage.TRIAGE)
        self._waits_for = waits_for
        return [*stopped, *self._triage(now_s)]

    def _blame(self, *, waited: bool) -> Blame:
        if self.care.chooses and not waited and not self.desk.has_looked(self):
            return Wait("looking at its replicas, its calls and its callers first")
        return Treat(_OWN) if self._own else self.desk.blame(self, waited=waited)

    def _attribute(self, cause: str, reason: str, now_s: float) -> list[Effect]:
        self.cause = cause
        effects = self._go(Stage.ATTRIBUTED, reason, now_s)
        return effects if self.desk.is_open(cause) else effects + self.on_cause_closed(now_s)

    def _treat(self, reason: str, now_s: float) -> list[Effect]:
        self.cause = ""
        return self._next(reason, now_s)

    # --- what is done about it ----------------------------------------------------------------

    def _go_on(self, reason: str, now_s: float) -> list[Effect]:
        """Some time has passed: take the next step unless what is known by now objects."""
        return self._object(now_s) or self._next(reason, now_s)

    def _object(self, now_s: float) -> list[Effect]:
        """What is to be done instead of a next step; nothing when the step is right."""
        if not self.scores or self.status is not Status.SICK:
            return self._await_proof(now_s)
        match self._blame(waited=True):
            case Attribute(cause, reason):
                return self._attribute(cause, reason, now_s)
        return []

    def _await_proof(self, now_s: float) -> list[Effect]:
        """Neither sick as far as one sees nor proven well: no reason to act, and none to close."""
        if escalated := self._too_long(_UNPROVEN, now_s):
            return escalated
        later_s = now_s + self.care.verify.window_s
        if self.stage is Stage.VERIFYING:
            return [self._timer("verify", later_s)]
        return self._wait(_UNPROVEN, later_s, now_s)

    def _next(self, reason: str, now_s: float) -> list[Effect]:
        self._reason = reason
        if self.care.chooses and not self.treatment.is_undoing:
            told, hold = self._diagnose(now_s)
            if hold is not None:
                return [*told, *hold]
            return [*told, *self._move(self._reason, now_s)]
        return self._move(reason, now_s)

    def _diagnose(self, now_s: float) -> tuple[list[Effect], list[Effect] | None]:
        """Find out what is wrong; what is told of it, and the wait when nothing is to be done."""
        diagnosis = self.desk.diagnose(self, now_s)
        is_news = self.diagnosis is None or diagnosis.cause != self.diagnosis.cause
        self.diagnosis = diagnosis
        told: list[Effect] = [self._tell_diagnosis(diagnosis, now_s)] if is_news else []
        if self.stage is Stage.CONSULTING or self.treatment.has_begun:
            return told, None  # It is being prepared, on the same evidence.
        self._reason = diagnosis.reason
        if diagnosis.hold_s > now_s:
            words = f"{diagnosis.reason}; watched for now"
            until_s = min(diagnosis.hold_s, now_s + _LOOK_AGAIN_S)
            return told, self._wait(words, until_s, now_s, anew=True)
        if diagnosis.follows_plan:
            self.treatment.follow_plan()
        else:
            self.treatment.prescribe(diagnosis.steps)
        return told, None

    def _move(self, reason: str, now_s: float) -> list[Effect]:
        move = self.treatment.next_move(
            lambda action: self.desk.rule(self, action, now_s),
            observes=self.desk.observes(self.target),
            rank=lambda names: self.desk.rank(self, names, now_s),
        )
        match move:
            case Run(action):
                return self._launch(action, now_s)
            case AskPlugins(action):
                return self._consult(action, now_s)
            case AskPerson(action, why):
                return self._request_approval(action, why, now_s)
            case Hold(action, denied):
                return self._hold(action, denied, now_s)
            case OnlyWatch(action):
                return self._go(Stage.OBSERVED, f"{reason}; would run {action}", now_s)
        return self._escalate(f"{reason}; {move.reason}", now_s)

    def _hold(self, action: ActionFacts, denied: Denied, now_s: float) -> list[Effect]:
        reason = f"{action.name} must wait: {denied.reason}"
        if denied.wanted:
            self._held_since_s = None
            return self._wait(reason, denied.retry_s, now_s)
        retry_s = min(denied.retry_s, self._patient_until_s(now_s))
        return self._too_long(reason, now_s) or self._wait(reason, retry_s, now_s)

    def _too_long(self, why: str, now_s: float) -> list[Effect]:
        """Hand over to a person when nothing could be done for too long; else nothing."""
        if now_s < self._patient_until_s(now_s):
            return []
        return self._escalate(f"held back for {self.care.incident.held_s:.0f} s: {why}", now_s)

    def _patient_until_s(self, now_s: float) -> float:
        if self._held_since_s is None:
            self._held_since_s = now_s
        return self._held_since_s + self.care.incident.held_s

    def _wait(
        self, reason: str, until_s: float, now_s: float, *, anew: bool = False
    ) -> list[Effect]:
        self._looks_anew = anew
        if self._waits_for == reason:  # Still the same wait: a line per second would be noise.
            stopped = self._leave(Stage.WAITING)
            self._waits_for = reason
            return [*stopped, self._timer("retry", until_s)]
        effects = self._go(Stage.WAITING, reason, now_s)
        self._waits_for = reason
        return [*effects, self._timer("retry", until_s)]

    def _request_approval(self, action: ActionFacts, why: str, now_s: float) -> list[Effect]:
        # The action is part of it: saying yes twice must not allow whatever comes after it.
        self._approval = f"{self.name}.{len(self.treatment.ran) + 1}.{action.name}"
        reason = f"{action.name} waits for approval {self._approval}: {why}"
        request = self._request(action.name, self._approval, why, now_s)
        return [*self._go(Stage.AWAITING_APPROVAL, reason, now_s), request]

    def _consult(self, action: ActionFacts, now_s: float) -> list[Effect]:
        effects = self._leave(Stage.CONSULTING)  # Too short a stage to be worth a record.
        consult_s = self.care.incident.consult_s
        due_s = now_s + consult_s
        # The timer is for the case that whoever asks them does not live to hear the answers.
        timer = self._timer("consult", due_s + consult_s)
        return [*effects, timer, self._propose(action.name, due_s)]

    def _consult_again(self, now_s: float) -> list[Effect]:
        """Nobody told what the plug-ins said, and it may have been a veto: ask them again."""
        self._asks += 1
        if self._asks > self.care.incident.asks:
            return self.on_advice((), now_s)
        return self._consult(self._facts(), now_s)

    def _launch(self, action: ActionFacts, now_s: float) -> list[Effect]:
        self._intent = f"{self.name}.{self.treatment.start(self.scores)}"
        self._asks = 0
        self._ailment, self._launched_s = self.desk.ailment(self), now_s
        self.desk.started(self._intent, action.target or self.target, action, now_s)
        isolate = self._isolate(self._reason) if self._may_isolate(action, now_s) else []
        return [
            *self._go(Stage.RECOVERING, f"{self._reason}; runs {self.treatment.action}", now_s),
            *isolate,
            self._command(action, self._intent),
            *self._await_action(now_s),
        ]

    def _await_action(self, now_s: float) -> list[Effect]:
        due_s = now_s + self._facts().timeout_s + self.care.incident.grace_s
        return [self._timer("action", due_s)]

    @property
    def _is_plain(self) -> bool:
        """Whether it is acted on plain signs only."""
        return self.care.chooses and not self.care.abilities.diagnoses

    def _facts(self) -> ActionFacts:
        """What is known of the last action; the usual, if it has left the configuration."""
        name = self.treatment.action
        return self.treatment.facts_of(name) or ActionFacts(name=name)

    def _may_isolate(self, action: ActionFacts | None, now_s: float) -> bool:
        """Whether to keep calls away: not from who answers, unless an action is to stop it."""
        condition = condition_of(self.scores)
        # Who only waits for an answer may be busy; that takes a diagnosis to tell.
        is_silent = condition.is_gone if self._is_plain else not condition.answers
        is_down = is_silent and not self.desk.serves(self, action)
        is_whole = action is not None and not action.target and action.name not in _GENTLE
        stops = is_whole and action is not None and action.disruptive
        wanted = (is_down or stops) and not self._isolated
        return wanted and self.desk.may_isolate(self.target, now_s)

    def _take_up_action(self, running: IntentRecord, reason: str, now_s: float) -> list[Effect]:
        self._intent = running.intent
        self.desk.started(running.intent, running.target, self._facts(), now_s)
        return self._go(Stage.RECOVERING, reason, now_s) + self._await_action(now_s)

    def _ask_for_action(self, now_s: float) -> list[Effect]:
        """Nobody told how the action went: ask again; the same intent never runs twice."""
        self._asks += 1
        action = self.treatment.facts_of(self.treatment.action)
        if action is None or self._asks > self.care.incident.asks:
            self.desk.finished(self._intent, now_s)
            return self._escalate(f"nobody knows how {self.treatment.action} ended", now_s)
        return [self._command(action, self._intent), *self._await_action(now_s)]

    # --- whether it helped --------------------------------------------------------------------

    def _verify(self, settle_s: float, reason: str, now_s: float) -> list[Effect]:
        due_s = now_s + settle_s + self.care.verify.window_s
        return [*self._go(Stage.VERIFYING, reason, now_s), self._timer("verify", due_s)]

    def _let_in(self, now_s: float) -> list[Effect]:
        """Who answers again, and rightly, after an action gets calls again.

        That it is well is proven later; until then callers would only miss what it can do already.
        A process that has begun to live tells nothing of that yet.
        """
        works = self._isolated and condition_of(self.scores).works
        if not works or self.stage is not Stage.VERIFYING:
            return []
        reason = "it answers again"
        released = self._release_calls(reason)
        return [self._record(reason, now_s), *released]

    def _judge(self, now_s: float) -> list[Effect]:
        action = self.treatment.action
        if self.status is not Status.HEALTHY and (objection := self._object(now_s)):
            return objection
        conclusion = self._conclude()
        learned = self._learn(conclusion, now_s)
        if conclusion == "helped" and self.status is Status.HEALTHY:
            return learned + self._close("all metrics within bounds", now_s)
        if conclusion == "helped":
            reason = f"{action} helped, but {self.target} is not well yet"
            return learned + self._go(Stage.TRIAGE, reason, now_s) + self._triage(now_s)
        if conclusion == "no_effect":
            return learned + self._try_again(f"{action} did not help", now_s)
        if self.treatment.take_back():
            return learned + self._next(f"{action} made it worse", now_s)
        why = f"{action} made it worse and cannot be taken back"
        if self.care.chooses:  # The next best, unless policy stops the line.
            return learned + self._try_again(why, now_s)
        return learned + self._escalate(why, now_s)

    def _conclude(self) -> Conclusion:
        """Judge by what the action was to change: of a part only that part's symptoms."""
        part = self._facts().target
        if part and self.treatment.was_ill(part) and not self._is_ill(part):
            return "helped"
        return self.treatment.conclude(self.status, self.scores)

    def _is_ill(self, part: str) -> bool:
        return any(name.startswith(f"{part}: ") for name in self.scores)

    def _learn(self, verdict: str, now_s: float) -> list[Effect]:
        """The last attempt has its verdict: what it teaches goes on record."""
        record = self._experience(verdict, now_s)
        if record is None:
            return []
        self.desk.learn(record)
        return [Record(record)]

    def _try_again(self, reason: str, now_s: float) -> list[Effect]:
        self._held_since_s = None
        wait_s = self.treatment.pause_s()
        self._looks_anew = self.care.chooses
        effects = self._go(Stage.WAITING, f"{reason}; goes on in {wait_s:g} s", now_s)
        return [*effects, self._timer("retry", now_s + wait_s)]

    def _escalate(self, reason: str, now_s: float) -> list[Effect]:
        escalated = IncidentEscalated(
            target=self.target, incident=self.name, reason=reason, escalated_s=now_s
        )
        # Who flaps is not reported at each dip, nor cut off and let in again with it.
        is_news = now_s - self.told_s > self.care.playbook.relapse_s
        tell = self.care.actions.get(NOTIFY) if is_news else None
        # Counted before the record, so that a later run of mendel gives no intent this name again.
        told = f"{self.name}.{self.treatment.count(NOTIFY)}" if tell is not None else ""
        isolate = self._isolate(self._reason) if is_news and self._may_isolate(None, now_s) else []
        self.told_s = now_s if is_news else self.told_s
        self._given_up = condition_of(self.scores)
        return [
            *self._go(Stage.ESCALATED, reason, now_s),
            *isolate,
            Publish(escalated),
            *([self._command(tell, told)] if tell is not None else []),
        ]
