"""A casebook with a clock, timers and people, for tests that tell a story to it.

Everything is answered at once unless a test says otherwise: a look by the health the test gave the
target, a proposal by the given advice. What it wishes for is kept in plain lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mendel.bus.messages import (
    ActionFinished,
    Advice,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalGiven,
    ApprovalRequested,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    Message,
    PauseTarget,
    ProbeNow,
    ReleaseTarget,
    ResumeTarget,
    RunAction,
    Status,
    Symptom,
    TargetProbed,
)
from mendel.core.effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from mendel.core.incidents.casebook import Casebook
from mendel.core.incidents.relief import TIMERS as LOAD_TIMERS
from mendel.core.incidents.treatment import Care
from mendel.core.policy import ActionFacts, Mode, Policy, PolicyConfig
from mendel.core.records import IncidentRecord, IntentRecord
from mendel.core.topology import Component, Topology

ACTIONS = ("restart", "replace", "drain", "roll_forward", "roll_back", "notify")

# Timers that may run in each stage: one that is not owned by its stage was forgotten.
TIMERS: dict[str, tuple[set[str], ...]] = {
    "triage": ({"triage"},),
    "attributed": (set(), {"settle"}),
    "waiting": ({"retry"},),
    "awaiting_approval": (set(),),
    "observed": (set(),),
    "consulting": ({"consult"},),
    "recovering": ({"action"},),
    "verifying": ({"verify"},),
    "escalated": (set(),),
}


def a_care(*plan: str, undo: str = "", **configs: Any) -> Care:
    """Care whose actions take up to 30 s, settle 10 s, and are judged 5 s after that."""
    actions = {
        name: ActionFacts(
            name=name,
            disruptive=name != "notify",
            timeout_s=30.0,
            settle_s=10.0,
            undo=undo if name == "roll_forward" else "",
        )
        for name in ACTIONS
    }
    return Care(plan=plan or ("restart", "replace"), actions=actions, **configs)


def an_anomaly(target: str = "cart", metric: str = "ok", **fields: Any) -> AnomalyDetected:
    """Wrong answers since 10 s, noticed at 10 s."""
    values = {"value": 0.0, "score": 2.0, "onset_s": 10.0, "detected_s": 10.0, **fields}
    return AnomalyDetected(target=target, metric=metric, **values)


class Clinic:
    """Drive a casebook.

    Args:
        needs: for each component what it depends on.
        targets: replicas and edges that are looked at.
        care: how each is healed, or all by ``a_care()``.
        policy: limits.
        groups: group of the components that have one.
        advice: what plug-ins answer to every proposal; ``None`` for never answering.
    """

    def __init__(
        self,
        needs: dict[str, tuple[str, ...]] | None = None,
        *,
        targets: Sequence[str] = (),
        care: Care | dict[str, Care] | None = None,
        policy: PolicyConfig | None = None,
        modes: dict[str, Mode] | None = None,
        groups: dict[str, str] | None = None,
        advice: Sequence[Advice] | None = (),
        run: int = 1,
        left_open: Sequence[IncidentRecord] = (),
        unsettled: Sequence[IntentRecord] = (),
    ) -> None:
        needs = needs or {"cart": ()}
        cares = care if isinstance(care, dict) else dict.fromkeys(needs, care or a_care())
        components = [
            Component(name=name, depends_on=below, group=(groups or {}).get(name, ""))
            for name, below in needs.items()
        ]
        # The second one hears the same and must wish for the same: decisions are deterministic.
        self.book, self.twin = (
            Casebook(
                Topology(components, targets),
                cares,
                Policy(policy or PolicyConfig(), modes),
                run=run,
                left_open=left_open,
                unsettled=unsettled,
            )
            for _ in range(2)
        )
        self.policy = self.book.policy
        self.run = run
        self.is_blind = False  # No look comes back.
        self.on_step: Callable[[], None] = lambda: None
        self.now_s = 10.0
        self.advice = advice
        self.health = dict.fromkeys((*needs, *targets), Status.HEALTHY)
        self.alarms: dict[str, list[str]] = {name: [] for name in self.health}
        self.timers: dict[tuple[str, str], float] = {}
        self.running: dict[str, RunAction] = {}
        self.effects: list[Effect] = []
        self.reasons: list[str] = []
        self.commands: list[tuple[float, str, str]] = []
        self.sent: list[RunAction] = []
        self.opened: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.closed: list[tuple[str, str]] = []
        self.escalated: list[tuple[str, str]] = []
        self.approvals: list[ApprovalRequested] = []
        self.isolated: list[str] = []
        self.kept_away: list[str] = []
        self.records: dict[str, IncidentRecord] = {}

    # --- what happens -------------------------------------------------------------------------

    def begin(self) -> None:
        """Mendel starts."""
        self._call("begin")

    def tell(self, message: Message) -> None:
        self._call("on_message", message)

    def sick(self, target: str = "cart", metric: str = "ok", **fields: Any) -> None:
        """A metric is in alarm from now on."""
        times = {"onset_s": self.now_s, "detected_s": self.now_s}
        self.health[target] = Status.SICK
        if metric not in self.alarms[target]:
            self.alarms[target].append(metric)
        self.tell(an_anomaly(target, metric, **(times | fields)))
        self._tell_health(target)

    def crash(self, target: str = "cart") -> None:
        """The process of the target is gone."""
        self.sick(target, "alive", own=True)

    def clear(self, target: str = "cart", status: Status = Status.SUSPECT) -> None:
        """No metric of the target is in alarm any more; it may owe good samples."""
        self.health[target] = status
        for metric in self.alarms[target]:
            self.tell(AnomalyCleared(target=target, metric=metric, cleared_s=self.now_s))
        self.alarms[target] = []
        self._tell_health(target)

    def well(self, target: str = "cart") -> None:
        """All metrics of the target are proven good."""
        self.clear(target, Status.HEALTHY)

    def finish(self, target: str = "cart", outcome: str = "succeeded", detail: str = "") -> None:
        """The action that runs on the target ends."""
        command = self.running.pop(target)
        finished = ActionFinished(
            target=target,
            intent=command.intent,
            incident=command.incident,
            action=command.action,
            outcome=outcome,
            detail=detail,
            duration_s=0.5,
            finished_s=self.now_s,
            settle_s=10.0,
        )
        self.tell(finished)

    def approve(self, approval: str) -> None:
        self.tell(ApprovalGiven(approval=approval, who="ada"))

    def pause(self, duration_s: float, target: str = "*") -> None:
        self.tell(PauseTarget(target=target, duration_s=duration_s, who="ada", reason="upgrade"))

    def reconfigure(self, cares: dict[str, Care], components: Sequence[str] = ()) -> None:
        """Heal by other cares, and other components if they are named."""
        others = Topology([Component(name=name) for name in components]) if components else None
        for book in (self.book, self.twin):
            book.reconfigure(cares, others)

    def resume(self, target: str = "*") -> None:
        self.tell(ResumeTarget(target=target, who="ada"))

    def wait(self, seconds: float) -> None:
        """Let time pass; every timer that is due meanwhile fires, in order."""
        until_s = self.now_s + seconds
        for _ in range(10_000):
            due = min(self.timers.items(), key=lambda item: item[1], default=None)
            if due is None or due[1] > until_s:
                self.now_s = until_s
                return
            (name, target), due_s = due
            del self.timers[name, target]
            self.now_s = max(self.now_s, due_s)
            self._call("on_timer", name, target)
        raise AssertionError(f"timers never rest: {self.timers}")

    def restart_mendel(self, *intents: IntentRecord) -> Clinic:
        """Mendel is killed, and its next run takes up what is on record."""
        after = self.successor(*intents)
        after.begin()
        return after

    def successor(self, *intents: IntentRecord) -> Clinic:
        """The next run of mendel in the same world, not begun yet."""
        needs = {name: each.depends_on for name, each in self.book.topology.components.items()}
        left = [each for each in self.records.values() if not each.outcome]
        after = Clinic(
            needs,
            care=self.book.cares,
            policy=self.policy.config,
            modes=self.policy.modes,
            advice=self.advice,
            run=self.run + 1,
            left_open=left,
            unsettled=intents,
        )
        # The world went on, and so did what is on record of it.
        after.health, after.alarms = self.health, self.alarms
        after.records, after.isolated = self.records, self.isolated
        unsettled = {each.intent for each in intents}
        after.running = {
            target: command
            for target, command in self.running.items()
            if command.intent in unsettled
        }
        return after

    def intent_of(self, target: str = "cart") -> IntentRecord:
        """What is on record of the action that runs on the target."""
        command = self.running[target]
        return IntentRecord(
            intent=command.intent,
            incident=command.incident,
            target=target,
            action=command.action,
            attempt=command.attempt,
            timeout_s=command.timeout_s,
            at_s=self.now_s,
        )

    def symptoms_of(self, target: str) -> tuple[Symptom, ...]:
        """What a look at a target shows beside its health."""
        return ()

    # --- how it stands ------------------------------------------------------------------------

    def stage(self, target: str = "cart") -> str:
        incident = self.book.incidents.get(target)
        return str(incident.stage) if incident else ""

    @property
    def intents(self) -> list[str]:
        """Identifiers of all commands, those that were repeated included."""
        return [each.intent for each in self.sent]

    @property
    def actions(self) -> list[str]:
        """``target: action`` of everything that was run, without the times."""
        return [f"{target}: {action}" for _, target, action in self.commands]

    # --- inside -------------------------------------------------------------------------------

    def _tell_health(self, target: str) -> None:
        known = self.book.health.get(target, Status.UNKNOWN)
        self.tell(
            HealthChanged(
                target=target,
                status=self.health[target],
                previous=known,
                reason="all metrics within bounds",
                changed_s=self.now_s,
            )
        )

    def _call(self, method: str, *arguments: Any, **named: Any) -> None:
        effects, same = (
            getattr(book, method)(*arguments, self.now_s, **named)
            for book in (self.book, self.twin)
        )
        assert effects == same
        self._perform(effects)

    def _perform(self, effects: Sequence[Effect]) -> None:
        self.effects += effects
        for effect in effects:
            match effect:
                case StartTimer(name, key, due_s):
                    self.timers[name, key] = due_s
                case CancelTimer(name, key):
                    assert (name, key) in self.timers, f"{name} of {key} does not run"
                    del self.timers[name, key]
                case Record(IncidentRecord() as record):
                    self.records[record.incident] = record
                case Publish(message):
                    self._hear(message)
        self._check_timers()
        self.on_step()
        for effect in effects:
            self._answer(effect)

    def _check_timers(self) -> None:
        timers = [each for each in self.timers if each[0] not in LOAD_TIMERS]
        for target, incident in self.book.incidents.items():
            names = {name for name, key in timers if key == target}
            assert names in TIMERS[incident.stage], f"{target} is {incident.stage} with {names}"
        assert all(key in self.book.incidents for _, key in timers), self.timers
        held = self.book.load.reliefs
        assert all(key in held for name, key in self.timers if name in LOAD_TIMERS), self.timers

    def _hear(self, message: Message) -> None:
        match message:
            case RunAction(target=target):
                self.commands.append((self.now_s, target, message.action))
                self.sent.append(message)
                if message.action != "notify":
                    running = self.running.setdefault(target, message)
                    assert running == message, f"{message} while {running}"
            case IncidentOpened():
                self.opened.append((message.target, message.incident))
            case IncidentChanged():
                self.reasons.append(f"{message.target} {message.stage}: {message.reason}")
            case IncidentClosed():
                self.ended.append(message.incident)
                self.closed.append((message.target, message.outcome))
            case IncidentEscalated():
                self.running.pop(message.target, None)  # Whatever it is, a person deals with it.
                self.escalated.append((message.target, message.reason))
            case ApprovalRequested():
                self.approvals.append(message)
            case IsolateTarget():
                self._keep_away(message.target)
            case ReleaseTarget():
                self.isolated.remove(message.target)
                self.kept_away = [each for each in self.kept_away if each != message.target]

    def _keep_away(self, target: str) -> None:
        # Once a run: the guards of a new process know nothing of the isolation that stands.
        assert target not in self.kept_away
        self.kept_away.append(target)
        self.isolated = list(dict.fromkeys([*self.isolated, target]))

    def _answer(self, effect: Effect) -> None:
        match effect:
            case Consult(proposal) if self.advice is not None:
                self._call("on_advice", proposal.target, self.advice, name=proposal.incident)
            case Publish(ProbeNow(target=target)):
                status = self.health[target]
                look = TargetProbed(
                    target=target,
                    status=status,
                    since_s=self.now_s,
                    taken_s=self.now_s,
                    symptoms=self.symptoms_of(target),
                )
                if not self.is_blind:
                    self.tell(look)
