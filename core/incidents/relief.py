r"""Holding load back from one component until what comes in can be answered again.

It needs no diagnosis, only `LoadChanged`: more comes in than is answered in time. The measures cost
no capacity and are tried in a fixed order, one at a time, each with time to show its effect; they
stay until the load is calm, and are then taken back, the last one first.

    TRIAGE (a caller may be relieved first) --> CONSULTING --> RECOVERING (the measure runs)
      --> VERIFYING --still overloaded--> the next measure --none left--> ESCALATED
      VERIFYING, ESCALATED --calm, and for long enough--> RECOVERING (taken back) --> CLOSED

How far a measure goes is for the action to regulate (a ``shed`` that lets in what is answered in
time, an adaptive concurrency limit, a retry budget): it is close to the requests, and a controller
behind a probe once a second would only follow. Here is decided what is switched on, where and when,
and when it has done its work. A load that comes back soon after it was let in is held twice as
long the next time, so that letting go does not flap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...bus.messages import ActionFinished, Advice, IncidentEscalated, LoadChanged
from ..diagnosis import Diagnosis
from ..effects import Effect, Publish
from ..policy import ActionFacts, Denied, NeedsApproval
from ..records import IncidentRecord
from .casefile import CaseFile, Stage
from .desk import Desk
from .treatment import Care, Treatment

# In the order in which they are tried. Retries are load that nobody asked for, so they go first;
# refusing some requests early serves the others in time; leaving out what is optional is dearer.
RETRY_BUDGET, SHED, DEGRADE = "retry_budget", "shed", "degrade"
MEASURES = (RETRY_BUDGET, SHED, DEGRADE)

LOOK, ASK, AWAIT, LET_GO = "load-look", "load-consult", "load-action", "load-release"
TIMERS = frozenset((LOOK, ASK, AWAIT, LET_GO))


# For so many times its patience nobody else acts: from a measure that works to the proof that
# nothing is ill it takes its own time, its settling, and a queue that has to be worked off. Where
# only retries are too many something else is likely to be ill as well, so others wait less.
_TIMES_PATIENT, _TIMES_DOUBTFUL = 6.0, 1.0
_TIMES_PROVEN = 4.0
# Where requests are refused, a queue has still to be worked off before anybody is served in time.
_TIMES_REFUSED = 3.0
# How sure it is that a load is of the sort that it is called.
_SURE = 0.8


def fitting(change: LoadChanged, actions: Collection[str]) -> list[str]:
    """Measures against a load that there are, in the order in which they are tried."""
    wanted = MEASURES[1:] if change.busy else ()
    if change.retried:
        wanted = (RETRY_BUDGET, *wanted)
    return [name for name in wanted if name in actions]


class Relief(CaseFile):
    """Decide how the load of one component is held back, and for how long.

    Args:
        name: identifier, unique in the store.
        change: what is known of the load.
        now_s: loop time.
        care: configuration of the target's healing.
        desk: the estate.
        relapses: how often this load has come back.

    Attributes:
        change: the newest word on the load.
        measures: what is switched on, in order.
        relapses: see above.
    """

    def __init__(
        self,
        name: str,
        change: LoadChanged,
        now_s: float,
        care: Care,
        desk: Desk,
        relapses: int = 0,
    ) -> None:
        super().__init__(name, change.onset_s, now_s, Treatment(change.target, care))
        self.change = change
        self.measures: list[str] = []
        self.relapses = relapses
        self._late_since_s = now_s
        self._is_crowd = change.crowded
        self._desk = desk
        self._spent: set[str] = set()
        self._step = ""
        self._intent = ""
        self._asks = 0
        self._approval = ""
        self._releasing = False

    @property
    def is_overloaded(self) -> bool:
        """Whether more comes in than is answered in time."""
        return self.change.state == "overloaded"

    @property
    def patience_s(self) -> float:
        """Time that a measure gets to show its effect."""
        return self.care.relief.patience_s

    def is_at_work(self, now_s: float) -> bool:
        """Whether load explains what is seen, or its measures still have time to show that."""
        if self._releasing:
            return False
        if self._is_crowd and self.measures:
            return True  # Busy is not broken, however long the crowd stays.
        if self.stage in (Stage.WAITING, Stage.ESCALATED, Stage.OBSERVED):
            return False
        times = _TIMES_PATIENT if self.change.busy else _TIMES_DOUBTFUL
        return not self.is_overloaded or now_s < self._late_since_s + times * self.patience_s

    # --- what comes in ------------------------------------------------------------------------

    def open(self, now_s: float, *, is_fed: bool) -> list[Effect]:
        """Begin.

        Args:
            now_s: loop time.
            is_fed: whether a caller of the target is overloaded too, and is relieved first.
        """
        effects = self._begin(f"overloaded: {self.change.reason}", now_s) + self._name_it(now_s)
        if is_fed and self.care.relief.follow_s:
            return [*effects, self._timer(LOOK, now_s + self.care.relief.follow_s)]
        return effects + self._next(now_s)

    def _name_it(self, now_s: float) -> list[Effect]:
        """Say what sort of load it is; that it is load needs no diagnosis."""
        if self.change.retried and not self.change.crowded:
            cause = "retry_storm"
        else:
            cause = "thundering_herd" if self._desk.was_away(self.target, now_s) else "overload"
        words = f"{cause.replace('_', ' ')}: {self.change.reason}"
        self.diagnosis = Diagnosis(
            cause=cause, confidence=_SURE, where=(self.target,), reason=words
        )
        return [self._tell_diagnosis(self.diagnosis, now_s)]

    def on_load(self, change: LoadChanged, now_s: float) -> list[Effect]:
        """The load has changed."""
        if change.state == "overloaded" and not self.is_overloaded:
            self._late_since_s = now_s
        self.change = change
        if change.state != "eased":  # What is let in then says nothing of what would come.
            self._is_crowd = change.crowded
        match change.state, self.stage:
            case "overloaded", Stage.WAITING:
                return self._next(now_s)
            case "overloaded", Stage.ESCALATED if self._possible():
                return self._next(now_s)
            case "overloaded", Stage.VERIFYING if not self._timers:
                # What has helped once is left more time: it tries by itself how far it can go.
                return [self._timer(LOOK, now_s + _TIMES_PROVEN * self.patience_s)]
            case "eased", Stage.VERIFYING:
                self.treatment.mark("helped")
                return self._go(Stage.VERIFYING, "in time while load is held back", now_s)
            case "calm", Stage.CONSULTING | Stage.RECOVERING:
                return []  # It is looked at when the action is over.
            case "calm", _:
                return self._on_calm(now_s)
        return []

    def on_advice(self, advice: Sequence[Advice], now_s: float) -> list[Effect]:
        """Plug-ins have answered; what they would run before is for disruptive actions only."""
        if self.stage is not Stage.CONSULTING:
            return []
        vetoes = [each.veto for each in advice if each.veto]
        if vetoes:
            self._spent.add(self._step)
            return self._next(now_s)
        return self._launch(self.care.actions[self._step], now_s)

    def on_finished(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """A measure was taken, or taken back."""
        if self.stage is not Stage.RECOVERING or message.intent != self._intent:
            return []
        self._desk.finished(message.intent, now_s)
        if self._releasing:
            self.measures.remove(self._step)
            return self._come_back(now_s) if self.is_overloaded else self._release(now_s)
        said = f"{message.action} {message.outcome.replace('_', ' ')}"
        if message.outcome != "succeeded":
            self.treatment.mark("failed")
            self._spent.add(self._step)
            return self._go(Stage.WAITING, said, now_s) + self._next(now_s)
        self.measures.append(self._step)
        effects = self._go(Stage.VERIFYING, said, now_s)
        patience_s = self.patience_s * (_TIMES_REFUSED if self._step == SHED else 1.0)
        return [*effects, self._timer(LOOK, now_s + message.settle_s + patience_s)]

    def on_approval(self, approval: str, who: str, now_s: float) -> list[Effect]:
        """A person said yes."""
        if self.stage is not Stage.AWAITING_APPROVAL or approval != self._approval:
            return []
        return self._launch(self.care.actions[self._step], now_s)

    def on_resume(self, now_s: float) -> list[Effect]:
        """A person wants it tried again."""
        if self.stage is not Stage.ESCALATED or not self.is_overloaded:
            return []
        self._spent.clear()
        return self._next(now_s)

    def take_up(
        self, record: IncidentRecord, measures: Sequence[str], now_s: float
    ) -> list[Effect]:
        """Go on where an earlier run of mendel stopped: what it had switched on is still on.

        Nobody knows the load of before. If it still is too great that will be told; else what is
        held back is let in when there was time to tell.

        Args:
            record: where it stood.
            measures: what is switched on.
            now_s: loop time of this run.
        """
        self.treatment.take_up(record.attempts, record.actions, "")
        self.measures = list(measures)
        reason = "taken up again after mendel was restarted"
        effects = self._go(Stage.VERIFYING, reason, now_s)
        return [*effects, self._timer(LET_GO, now_s + self.care.relief.hold_s)]

    def on_timer(self, name: str, now_s: float) -> list[Effect]:
        """A timer that was asked for is due."""
        self._timers.pop(name, None)
        match name, self.stage:
            case "load-look", Stage.TRIAGE | Stage.VERIFYING | Stage.WAITING:
                return self._look(now_s)
            case "load-consult", Stage.CONSULTING:
                return self.on_advice((), now_s)
            case "load-action", Stage.RECOVERING:
                return self._ask_for_action(now_s)
            case "load-release", _ if self.change.state == "calm":
                return self._release(now_s)
            case _:
                return []  # It has moved on.

    # --- what is done -------------------------------------------------------------------------

    def _look(self, now_s: float) -> list[Effect]:
        if self.is_overloaded:
            self.treatment.mark("no_effect")
            return self._next(now_s)
        is_let_go = LET_GO in self._timers
        return self._on_calm(now_s) if self.change.state == "calm" and not is_let_go else []

    def _next(self, now_s: float) -> list[Effect]:
        """Take the next measure that may be taken."""
        for name in self._possible():
            facts = self.care.actions[name]
            if self._desk.observes(self.target):
                return self._go(Stage.OBSERVED, f"{self.change.reason}; would run {name}", now_s)
            match self._desk.rule(self, facts, now_s):
                case Denied(reason, retry_s) if retry_s < float("inf"):
                    return self._put_off(f"{name} must wait: {reason}", retry_s, now_s)
                case Denied():
                    self._spent.add(name)
                case NeedsApproval(reason):
                    return self._ask_person(name, reason, now_s)
                case _:
                    return self._consult(name, now_s)
        return self._give_up(now_s)

    def _possible(self) -> list[str]:
        """Measures that fit the load and are not taken yet."""
        taken = self._spent.union(self.measures)
        return [name for name in fitting(self.change, self.care.actions) if name not in taken]

    def _put_off(self, reason: str, until_s: float, now_s: float) -> list[Effect]:
        timer = LOOK
        if self.stage is Stage.WAITING:
            return [self._timer(timer, until_s)]
        return [*self._go(Stage.WAITING, reason, now_s), self._timer(timer, until_s)]

    def _ask_person(self, name: str, why: str, now_s: float) -> list[Effect]:
        self._step = name
        self._approval = f"{self.name}.{len(self.treatment.ran) + 1}.{name}"
        reason = f"{name} waits for approval {self._approval}: {why}"
        request = self._request(name, self._approval, why, now_s)
        return [*self._go(Stage.AWAITING_APPROVAL, reason, now_s), request]

    def _consult(self, name: str, now_s: float) -> list[Effect]:
        self._step = name
        consult_s = self.care.incident.consult_s
        effects = self._leave(Stage.CONSULTING)
        timer = self._timer(ASK, now_s + 2.0 * consult_s)
        return [*effects, timer, self._propose(name, now_s + consult_s)]

    def _launch(self, facts: ActionFacts, now_s: float) -> list[Effect]:
        self.treatment.action = facts.name
        number = self.treatment.start({})
        return self._command_it(facts, number, f"{self.change.reason}; runs {facts.name}", now_s)

    def _command_it(
        self, facts: ActionFacts, number: int, reason: str, now_s: float
    ) -> list[Effect]:
        self._intent = f"{self.name}.{number}"
        self._asks = 0
        self._desk.started(self._intent, self.target, facts, now_s)
        effects = self._go(Stage.RECOVERING, reason, now_s)
        return [*effects, self._command(facts, self._intent), self._await(facts, now_s)]

    def _await(self, facts: ActionFacts, now_s: float) -> Effect:
        return self._timer(AWAIT, now_s + facts.timeout_s + self.care.incident.grace_s)

    def _ask_for_action(self, now_s: float) -> list[Effect]:
        """Nobody told how the measure went: ask again; the same intent never runs twice."""
        self._asks += 1
        facts = self.care.actions.get(self.treatment.ran[-1])
        if facts is None or self._asks > self.care.incident.asks:
            self._desk.finished(self._intent, now_s)
            return self._escalate(f"nobody knows how {self.treatment.ran[-1]} ended", now_s)
        return [self._command(facts, self._intent), self._await(facts, now_s)]

    def _give_up(self, now_s: float) -> list[Effect]:
        """Nothing more can be held back: whoever heals causes may go on, and a person is told."""
        on = f"while {', '.join(self.measures)} holds load back" if self.measures else "by load"
        return self._escalate(f"still overloaded {on}: {self.change.reason}", now_s)

    def _escalate(self, reason: str, now_s: float) -> list[Effect]:
        escalated = IncidentEscalated(
            target=self.target, incident=self.name, reason=reason, escalated_s=now_s
        )
        return [*self._go(Stage.ESCALATED, reason, now_s), Publish(escalated)]

    # --- letting go ---------------------------------------------------------------------------

    def _come_back(self, now_s: float) -> list[Effect]:
        """The load came back while it was let in."""
        self._releasing = False
        self.relapses += 1
        return self._next(now_s)

    def _on_calm(self, now_s: float) -> list[Effect]:
        if not self.relapses:
            return self._release(now_s)
        hold_s = self.care.relief.hold_s * 2.0 ** min(self.relapses - 1, 60)
        return [self._timer(LET_GO, now_s + min(hold_s, self.care.relief.hold_s_max))]

    def _release(self, now_s: float) -> list[Effect]:
        """Take back what can be, the last measure first."""
        self._releasing = True
        while self.measures:
            self._step = self.measures[-1]
            facts = self.care.actions.get(self._step)
            undo = self.care.actions.get(facts.undo) if facts is not None else None
            if undo is None:
                self.measures.pop()
                continue
            ruling = self._desk.rule(self, undo, now_s)
            if isinstance(ruling, Denied) and ruling.retry_s < float("inf"):
                return [self._timer(LET_GO, ruling.retry_s)]
            number = self.treatment.count(undo.name)
            return self._command_it(undo, number, f"the load is calm; runs {undo.name}", now_s)
        return self._close("the load is calm, and nothing is held back", now_s)
