"""All incidents of an estate: the one place where what is seen becomes what is wished.

The casebook knows the topology, the health of every target and every open incident; it hands
each message to the incidents that it concerns, and is the `Desk` at which they ask about the
estate. What a replica or an edge shows is a matter of the incident of its component, so that one
trouble is never treated twice. The casebook never forgets an incident because an agent crashed: it
outlives its agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from ...bus.messages import (
    ActionFinished,
    Advice,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalGiven,
    ConfigChanged,
    HealthChanged,
    Message,
    PauseTarget,
    ReleaseTarget,
    ResumeTarget,
    Status,
    TargetAnnotated,
    TargetProbed,
)
from ..diagnosis import signs_of
from ..effects import Effect, Publish, Record
from ..notes import annotation_of
from ..policy import Pause, Policy
from ..ranking.ranking import Experience
from ..records import ExperienceRecord, IncidentRecord, IntentRecord
from ..topology import Topology, home_of, sides
from .casefile import Stage
from .estate import Estate, Past
from .incident import Incident
from .load_control import is_relief
from .relief import TIMERS as LOAD_TIMERS
from .treatment import ASIDE, Care

_GONE = "{} is not in the configuration"


# Metrics that tell that a process is not there, and how many of its falls are remembered.
_FALLS = ("alive", "reachable")
_FALLS_KEPT = 9


class Casebook(Estate):
    """Decide for the whole estate.

    Args:
        topology: components and who needs whom.
        cares: configuration of each target's healing; other targets get ``stranger``.
        policy: what may be done.
        run: number of this run of mendel, first part of every incident's name.
        left_open: newest records of the incidents that an earlier run left open.
        unsettled: intents of actions whose end nobody has seen yet.
        isolations: intents of an earlier run that keep calls away from targets.
        experience: what was learned of which action cures what; nothing yet without.
        stranger: care for targets that are in no configuration.
    """

    def __init__(
        self,
        topology: Topology,
        cares: Mapping[str, Care],
        policy: Policy,
        *,
        run: int = 1,
        left_open: Sequence[IncidentRecord] = (),
        unsettled: Sequence[IntentRecord] = (),
        isolations: Sequence[IntentRecord] = (),
        experience: Experience | None = None,
        stranger: Care | None = None,
    ) -> None:
        super().__init__(topology, cares, policy, run=run, experience=experience, stranger=stranger)
        self._left_open = tuple(left_open)
        self._unsettled = tuple(unsettled)
        self._isolations = tuple(isolations)
        self._run = run
        self._count = 0
        self._gone: set[str] = set()  # Components once; what is still said of them is old news.

    def on_message(self, message: Message, now_s: float) -> list[Effect]:
        """Take a message, and wish for what follows from it."""
        return self.load.on_message(message, now_s) + self._on_message(message, now_s)

    def _on_message(self, message: Message, now_s: float) -> list[Effect]:
        match message:
            case AnomalyDetected():
                effects = self._on_anomaly(message, now_s)
            case AnomalyCleared(target=target):
                effects = self._on_cleared(target, message.metric, now_s)
            case HealthChanged(target=target):
                effects = self._on_health(target, message.status, message.reason, now_s)
            case TargetProbed(target=target):
                self._note_look(message)
                effects = self._on_health(target, message.status, "as just seen", now_s)
                effects += self._on_looked(target, now_s)
            case ActionFinished():
                effects = self._on_finished(message, now_s)
            case TargetAnnotated():
                self._on_annotated(message)
                effects = []
            case PauseTarget() | ResumeTarget() | ApprovalGiven():
                effects = self._on_person(message, now_s)
            case ConfigChanged():
                effects = self._dismiss_gone(now_s)
            case _:
                return []  # Of no concern to any incident.
        return effects + self._tidy(now_s)

    def on_advice(
        self, target: str, advice: Sequence[Advice], now_s: float, name: str
    ) -> list[Effect]:
        """Plug-ins answered about the action proposed for a target, for the incident of a name."""
        if self.load.owns(name):
            return self.load.on_advice(name, advice, now_s)
        incident = self.incidents.get(target)
        if incident is None or incident.name != name:
            return []  # It was about an incident that is over.
        return incident.on_advice(advice, now_s) + self._tidy(now_s)

    def on_timer(self, name: str, target: str, now_s: float) -> list[Effect]:
        """A timer that an incident asked for is due."""
        if name in LOAD_TIMERS:
            return self.load.on_timer(name, target, now_s)
        incident = self.incidents.get(target)
        return incident.on_timer(name, now_s) + self._tidy(now_s) if incident else []

    def begin(self, now_s: float) -> list[Effect]:
        """Take up what an earlier run left open; the second time there is nothing left of it."""
        records, self._left_open = self._left_open, ()
        load = self.load.begin([each for each in records if is_relief(each)], now_s)
        records = tuple(each for each in records if not is_relief(each))
        running = {each.incident: each for each in self._unsettled if each.action not in ASIDE}
        effects: list[Effect] = []
        for record in records:
            target = record.target
            care = self.cares.get(target, self._stranger)
            incident = Incident(record.incident, target, now_s, now_s, care, self)
            self.incidents[target] = incident
            effects += incident.take_up(record, running.get(record.incident), now_s)
            if target not in self.topology.components:
                effects += incident.dismiss(_GONE.format(target), now_s)
        return load + effects + self._let_go() + self._tidy(now_s)

    def reconfigure(self, cares: Mapping[str, Care], topology: Topology | None = None) -> None:
        """Heal by another configuration from here on, open incidents included.

        Incidents of components that are gone are put away with `ConfigChanged`, which is to
        follow; until then nothing can be done to their targets.

        Args:
            cares: of all targets.
            topology: the components, when they have changed.
        """
        if topology is not None:
            for name in self.topology.names - topology.names:
                self.health.pop(name, None)
            gone = self.topology.components.keys() - topology.components.keys()
            self._gone = (self._gone | gone) - topology.components.keys()
            self.topology = topology
        self.cares = dict(cares)
        for target, incident in self.incidents.items():
            incident.treatment.care = self.cares.get(target, self._stranger)
        self.load.reconfigure(self.topology)

    # --- inside -------------------------------------------------------------------------------

    def _let_go(self) -> list[Effect]:
        """Release what an earlier run isolated for incidents that are over."""
        isolations, self._isolations = self._isolations, ()
        reason = "left isolated by an earlier run of mendel"
        return [
            Publish(ReleaseTarget(target=each.target, incident=each.incident, reason=reason))
            for each in isolations
            if each.target not in self.incidents
        ]

    def _on_anomaly(self, anomaly: AnomalyDetected, now_s: float) -> list[Effect]:
        target = home_of(anomaly.target)
        if target in self._gone:
            return []
        self.health[anomaly.target] = Status.SICK
        if anomaly.metric in _FALLS:
            falls = self._falls.get(anomaly.target, ())
            self._falls[anomaly.target] = (*falls[-_FALLS_KEPT:], anomaly.onset_s)
        known = self.incidents.get(target)
        if known is not None:
            return known.on_anomaly(anomaly, now_s)
        care = self.cares.get(target, self._stranger)
        past = self._past.get(target)
        relapse = past is not None and now_s - past.closed_s <= care.playbook.relapse_s
        self._count += 1
        incident = Incident(
            f"{self._run}-{self._count}",
            target,
            anomaly.onset_s,
            now_s,
            care,
            self,
            past.attempts if past and relapse else (),
        )
        self.incidents[target] = incident
        if past is None or not relapse:
            return incident.open(anomaly, now_s)
        incident.told_s = past.told_s
        return self._unlearn(past.lesson, now_s) + incident.open(anomaly, now_s)

    def _unlearn(self, lesson: ExperienceRecord | None, now_s: float) -> list[Effect]:
        """A target is ill again so soon after an action helped that it hardly did."""
        if lesson is None or lesson.verdict != "helped":
            return []
        relapsed = structs.replace(lesson, verdict="relapsed", took_s=0.0, at_s=now_s)
        self.learn(relapsed)
        return [Record(relapsed)]

    def _on_health(self, target: str, status: Status, reason: str, now_s: float) -> list[Effect]:
        self.health[target] = status
        effects: list[Effect] = []
        home = home_of(target)
        incident = self.incidents.get(home)
        if incident is not None:
            whole = self.status_of(home, incident.concerned)
            if incident.status is not whole:
                effects += incident.on_health(whole, reason, now_s)
        for name in self.topology.above(home):
            other = self.incidents.get(name)
            if other is not None:
                effects += other.look_again(now_s)
        return effects

    def _note_look(self, look: TargetProbed) -> None:
        signs = signs_of(look.symptoms)
        self._looked_s[look.target] = look.taken_s
        self._signs[look.target] = signs
        if signs.is_away:
            self._away_s[look.target] = look.taken_s

    def _on_looked(self, target: str, now_s: float) -> list[Effect]:
        """Incidents that wait for a look at the target may have all they need now."""
        home, topology = home_of(target), self.topology
        component = topology.components.get(home)
        needed = component.depends_on if component is not None else ()
        effects: list[Effect] = []
        for name in dict.fromkeys((*sides(target), *topology.above(home), *needed)):
            incident = self.incidents.get(name)
            if incident is not None and incident.care.chooses:
                effects += incident.look_again(now_s)
        return effects

    def _on_cleared(self, target: str, metric: str, now_s: float) -> list[Effect]:
        incident = self.incidents.get(home_of(target))
        return incident.on_cleared(target, metric, now_s) if incident is not None else []

    def _on_finished(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """What was run for an incident need not have been run on its own target."""
        for incident in self.incidents.values():
            if incident.name == message.incident:
                return incident.on_finished(message, now_s)
        return []

    def _on_annotated(self, message: TargetAnnotated) -> None:
        self.annotations[message.target] = annotation_of(message)
        self.policy.announce(message.target, message.maintenance)

    def _dismiss_gone(self, now_s: float) -> list[Effect]:
        return [
            effect
            for target in tuple(self.incidents)
            if target in self._gone
            for effect in self.incidents[target].dismiss(_GONE.format(target), now_s)
        ]

    def _on_person(
        self, message: PauseTarget | ResumeTarget | ApprovalGiven, now_s: float
    ) -> list[Effect]:
        match message:
            case PauseTarget():
                return self._on_pause(message, now_s)
            case ResumeTarget():
                return self._on_resume(message, now_s)
        return [
            effect
            for incident in tuple(self.incidents.values())
            for effect in incident.on_approval(message.approval, message.who, now_s)
        ]

    def _on_pause(self, message: PauseTarget, now_s: float) -> list[Effect]:
        pause = Pause(
            target=message.target,
            start_s=now_s,
            end_s=now_s + message.duration_s,
            who=message.who,
            reason=message.reason,
        )
        self.policy.pause(pause)
        return []

    def _on_resume(self, message: ResumeTarget, now_s: float) -> list[Effect]:
        self.policy.resume(message.target, now_s)
        effects: list[Effect] = []
        for incident in tuple(self.incidents.values()):
            if message.target in (incident.target, "*"):
                effects += incident.on_resume(message.who, now_s)
        return effects

    def _tidy(self, now_s: float) -> list[Effect]:
        """Put closed incidents away, and tell those that were their symptoms."""
        effects: list[Effect] = []
        closed = [each for each in self.incidents.values() if each.stage is Stage.CLOSED]
        for incident in closed:
            target = incident.target
            del self.incidents[target]
            attempts = tuple(incident.treatment.attempts)
            self._past[target] = Past(now_s, attempts, incident.told_s, incident.lesson)
            for other in self.incidents.values():
                if other.cause == target:
                    effects += other.on_cause_closed(now_s)
                else:
                    effects += other.look_again(now_s)
        return effects
