"""An estate as it is known now, and what incidents ask of it.

Who is how, what was seen of each target, what was learned and what may be done: kept in one place,
and asked by incidents through the `Desk`. What happens to incidents is the casebook's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, structs

from ...bus.messages import Status
from ..detection.shapes import signature_of
from ..diagnosis import LADDER, Diagnosis, Scene, Signs, Steady, diagnose, plainly
from ..diagnosis.remedies import meaning_of
from ..diagnosis.rules import HERD_S
from ..health import of_component
from ..levels import Level
from ..playbook import Attempt
from ..policy import ActionFacts, Denied, EstateView, Policy, Ruling
from ..ranking.likeness import Likeness
from ..ranking.ranking import INSISTENCE, Estimate, Experience
from ..records import Ailment, ExperienceRecord
from ..topology import Annotation, Topology, home_of
from .casefile import CaseFile, Stage
from .incident import Incident
from .load_control import LoadControl
from .relief import MEASURES
from .treatment import Care
from .triage import Blame, Standing, blame
from .verify import condition_of

# Caches and compilers take this much longer than what a world says of booting.
_WARM_S = 15.0
# What somebody else is at work on is asked about again this soon.
_HANDS_S = 5.0
# What load control would object to while it is at work.
_DISRUPTION = ActionFacts(name="restart")


class Past(Struct, frozen=True):
    """What is kept of the last incident of a target.

    Attributes:
        closed_s: when it was closed.
        attempts: what was tried.
        told_s: when a person was told of it; minus infinity for never.
        lesson: what its last action taught, if anything.
    """

    closed_s: float
    attempts: tuple[Attempt, ...]
    told_s: float
    lesson: ExperienceRecord | None = None


class _Hands(Struct, frozen=True):
    """Who is or was last at work on a component.

    Attributes:
        incident: for which it was done.
        until_s: when it has shown its effect.
        intent, action: what was done.
    """

    incident: str
    until_s: float
    intent: str
    action: ActionFacts


_NOBODY = _Hands("", -math.inf, "", ActionFacts(name=""))


class Estate:
    """What is known of an estate, and the `Desk` at which its incidents ask.

    Args:
        topology: components and who needs whom.
        cares: configuration of each target's healing; other targets get ``stranger``.
        policy: what may be done.
        run: number of this run of mendel, first part of every incident's name.
        experience: what was learned of which action cures what; nothing yet without.
        stranger: care for targets that are in no configuration.

    Attributes:
        incidents: the open ones, by component; at most one each.
        health: status of each target that has been heard of.
        experience: what was learned of which action cures what.
        annotations: what was told of components beside what is measured.
        load: holds load back from components that are overloaded, whatever the cause.
    """

    def __init__(
        self,
        topology: Topology,
        cares: Mapping[str, Care],
        policy: Policy,
        *,
        run: int = 1,
        experience: Experience | None = None,
        stranger: Care | None = None,
    ) -> None:
        self.topology = topology
        self.cares = dict(cares)
        self.policy = policy
        self.incidents: dict[str, Incident] = {}
        self.health: dict[str, Status] = dict.fromkeys(topology.components, Status.UNKNOWN)
        self.experience = experience or Experience()
        self.annotations: dict[str, Annotation] = {}
        self._stranger = stranger or Care(plan=(), actions={})
        self._signs: dict[str, Signs] = {}
        self._falls: dict[str, tuple[float, ...]] = {}
        self._looked_s: dict[str, float] = {}
        self._away_s: dict[str, float] = {}
        self._hands_on: dict[str, _Hands] = {}
        self._rolled_back_s: dict[str, float] = {}
        self._past: dict[str, Past] = {}
        self._steady = Steady()
        self.load = LoadControl(topology, self._care_of, self, run=run)

    @property
    def levels(self) -> dict[str, Level]:
        """The level that each component is healed on."""
        return {name: care.level for name, care in self.cares.items()}

    def status_of(self, component: str, concerned: Collection[str] = ()) -> Status:
        """Health of a component with all that is looked at of it.

        Args:
            component: which.
            concerned: parts of it that have to be proven good, not only not sick.
        """
        incident = self.incidents.get(component)
        cut_off = incident is not None and incident.is_isolated  # So calls to it fail.
        names = self.topology.replicas(component) if cut_off else self.topology.parts(component)
        parts = {name: self._known(name) for name in names}
        return of_component(self._known(component), parts, concerned)

    # --- the desk -----------------------------------------------------------------------------

    def blame(self, incident: CaseFile, *, waited: bool) -> Blame:
        """Whether the target is the cause of its trouble."""
        below = self.topology.below(incident.target)
        standings = {name: self._standing(name, incident) for name in below}
        return blame(
            incident.target,
            incident.onset_s,
            below,
            standings,
            incident.care.triage,
            waited=waited,
        )

    def witnesses(self, incident: CaseFile) -> Sequence[str]:
        """All that the target needs; where diagnoses are made also its parts, calls, callers."""
        below = self.topology.below(incident.target)
        if not incident.care.chooses:
            return below
        name, topology = incident.target, self.topology
        mine = (name, *topology.parts(name), *topology.edges_from(name))
        who = (*mine, *below, *topology.callers(name))
        doors = () if incident.care.abilities.diagnoses else topology.doors(name)
        return tuple(dict.fromkeys((*who, *doors)))

    def has_looked(self, incident: CaseFile) -> bool:
        """Whether all of them were looked at since the present triage began."""
        return all(self._is_fresh(each, incident) for each in self.witnesses(incident))

    def diagnose(self, incident: CaseFile, now_s: float) -> Diagnosis:
        """What is held to be wrong with the target."""
        name = incident.target
        component = self.topology.components.get(name)
        hands = self._hands_on.get(name, _NOBODY)
        scene = Scene(
            component=name,
            kind=component.kind if component is not None else "service",
            topology=self.topology,
            signs=self._signs | self._alarming(incident),
            falls=self._falls,
            annotation=self._annotation(name),
            warm_s=hands.until_s + _WARM_S,
            cold=hands.action.target,
            is_tried=hands.incident == incident.name,
            away_s=self._away_s.get(name, -math.inf),
            is_relieved=self.load.objection(incident, _DISRUPTION, now_s) is not None,
            is_meant=incident.is_meant,
            onset_s=incident.onset_s,
            freed_s=incident.freed_s,
            now_s=now_s,
        )
        found = diagnose(scene, self._declared)
        if incident.care.abilities.diagnoses:
            return self._recognised(incident, found, now_s)
        return plainly(
            found,
            scene,
            self._declared,
            since_s=self._steady.since_s(name, found.cause, now_s),
            is_drawn=incident.is_drawn,
        )

    def _recognised(self, incident: CaseFile, found: Diagnosis, now_s: float) -> Diagnosis:
        """A diagnosis, with what healed what looked like this before."""
        ailment = structs.replace(self.ailment(incident), cause=found.cause)
        known = self._like(incident, ailment, now_s)
        return structs.replace(found, reason=f"{found.reason}; {known.words}") if known else found

    def _like(self, incident: CaseFile, ailment: Ailment, now_s: float) -> Likeness | None:
        recognises = incident.care.abilities.recognises
        return self.experience.recognise(ailment, now_s) if recognises else None

    def _annotation(self, name: str) -> Annotation:
        """What is known of a component; a deployment that was rolled back is none any more."""
        known = self.annotations.get(name, Annotation())
        if self._rolled_back_s.get(name, -math.inf) < known.deployed_s:
            return known
        return structs.replace(known, deployed_s=-math.inf)

    def _alarming(self, incident: CaseFile) -> dict[str, Signs]:
        """Who is gone by an alarm, where that says more than what was just seen, or all there is.

        Of a component whose replicas are looked at, a failed look speaks of one of them only.
        """
        found = {}
        for target in incident.concerned:
            seen = self._signs.get(target, Signs())
            prefix = "" if target == incident.target else f"{target}: "
            rung = next((name for name in LADDER if f"{prefix}{name}" in incident.scores), "")
            is_unit = not self.topology.replicas(target) and ">" not in target
            if rung and is_unit and not seen.gone:
                wrong = 1.0 if rung == "ok" else seen.errors
                found[target] = structs.replace(seen, known=True, gone=rung, up=0.0, errors=wrong)
        return found

    def _declared(self, target: str) -> Mapping[str, ActionFacts]:
        home = home_of(target)
        care = self.cares.get(home, self._stranger)
        return care.actions if target == home else care.parts.get(target, {})

    def rule(self, incident: CaseFile, action: ActionFacts, now_s: float) -> Ruling:
        """Whether the action may run."""
        if objection := self.load.objection(incident, action, now_s):
            return objection
        if self._stops_more_than_is_ill(incident, action):
            return Denied(f"{action.name} would stop what serves on; it was taken in turn before")
        target = action.target or incident.target
        if objection := self._in_other_hands(incident, action, target, now_s):
            return objection
        return self.policy.rule(target, action, self._view(incident), now_s)

    def _stops_more_than_is_ill(self, incident: CaseFile, action: ActionFacts) -> bool:
        """Where replicas can be taken in turn, a plan does not stop all while some still serve."""
        care = incident.care
        if care.abilities.diagnoses or action.name != "restart" or action.target:
            return False
        answers = condition_of(incident.scores).answers or self.serves(incident, action)
        return "rolling_restart" in care.plan and answers

    def _in_other_hands(
        self, incident: CaseFile, action: ActionFacts, target: str, now_s: float
    ) -> Denied | None:
        """What another incident has just done to a component has to show its effect first."""
        hands = self._hands_on.get(home_of(target), _NOBODY)
        if hands.incident == incident.name or hands.until_s <= now_s or action.name in MEASURES:
            return None
        if not self._is_open_by_name(hands.incident):
            return None
        reason = f"{home_of(target)} is being treated for incident {hands.incident}"
        return Denied(reason, min(hands.until_s, now_s + _HANDS_S))

    def _is_open_by_name(self, name: str) -> bool:
        return any(each.name == name for each in self.incidents.values())

    def ailment(self, incident: CaseFile) -> Ailment:
        """What the target suffers from, as far as it is known now."""
        component = self.topology.components.get(incident.target)
        worst: dict[str, float] = {}
        for name, score in incident.scores.items():
            metric = name.rpartition(": ")[2]  # What a replica or an edge shows is a symptom too.
            worst[metric] = max(score, worst.get(metric, score))
        return Ailment(
            kind=component.kind if component else "service",
            cause=incident.diagnosis.cause if incident.diagnosis is not None else "",
            signature=signature_of(worst),
        )

    def rank(self, incident: CaseFile, names: Sequence[str], now_s: float) -> Sequence[Estimate]:
        """Actions in the order in which experience would try them."""
        ailment = self.ailment(incident)
        remedies = incident.treatment.remedies(names, ailment)
        if known := self._like(incident, ailment, now_s):  # Its experience is that of this one.
            ailment = structs.replace(ailment, signature=known.signature)
        insistence = INSISTENCE if incident.care.playbook.plan else 1.0
        return self.experience.rank(ailment, remedies, now_s, insistence=insistence)

    def learn(self, record: ExperienceRecord) -> None:
        """Take in what an action led to."""
        self.experience.learn(record)
        if record.verdict == "worse":
            self.policy.made_worse(record.at_s)

    def started(self, intent: str, target: str, action: ActionFacts, now_s: float) -> None:
        """The action begins."""
        until_s = now_s + action.timeout_s + action.settle_s
        name = intent.rpartition(".")[0]
        self._hands_on[home_of(target)] = _Hands(name, until_s, intent, action)
        self.policy.started(intent, target, action, now_s)

    def finished(self, intent: str, now_s: float, *, succeeded: bool = False) -> None:
        """The action is over; what it did has still to settle."""
        self.policy.finished(intent)
        for target, hands in self._hands_on.items():
            if hands.intent == intent:
                until_s = now_s + hands.action.settle_s
                self._hands_on[target] = structs.replace(hands, until_s=until_s)
                if succeeded and meaning_of(hands.action.name) == "roll_back":
                    self._rolled_back_s[target] = now_s

    def is_open(self, target: str) -> bool:
        """Whether the target has an incident."""
        return target in self.incidents

    def may_isolate(self, target: str, now_s: float) -> bool:
        """Whether calls may be kept away from the target."""
        return self.policy.may_isolate(target, now_s)

    def serves(self, incident: CaseFile, action: ActionFacts | None) -> bool:
        """Whether the target does some of its work still, so that calls should reach it."""
        replicas = self.topology.replicas(incident.target)
        if any(self._known(each) is Status.HEALTHY for each in replicas):
            return True
        return incident.care.abilities.diagnoses and self._seen(incident.target).serves

    def was_away(self, target: str, now_s: float) -> bool:
        """Whether the target did none of its work a short while ago."""
        return now_s - self._away_s.get(target, -math.inf) <= HERD_S

    def observes(self, target: str) -> bool:
        """Whether nothing may be done to the target, only watched."""
        return self.policy.mode_of(target) == "observe"

    # --- inside -------------------------------------------------------------------------------

    def _seen(self, target: str) -> Signs:
        return self._signs.get(target, Signs())

    def _care_of(self, target: str) -> Care:
        return self.cares.get(target, self._stranger)

    def _standing(self, name: str, asking: CaseFile) -> Standing:
        incident = self.incidents.get(name)
        past = self._past.get(name)
        # It has had its time to follow a cause that was over before its last triage.
        recovered = past is not None and past.closed_s > asking.settled_s
        return Standing(
            status=self.status_of(name),
            fresh=self._is_fresh(name, asking),
            treated_as=self._treated_as(name),
            undecided=incident is not None and incident.stage is Stage.TRIAGE,
            mutual=asking.target in self.topology.below(name),
            onset_s=incident.onset_s if incident is not None else 0.0,
            recovered_s=past.closed_s if past is not None and recovered else float("-inf"),
        )

    def _treated_as(self, name: str) -> str:
        """Who is treated for the trouble of a target; nobody before that is decided."""
        root, incident = name, self.incidents.get(name)
        while incident is not None and incident.stage is Stage.ATTRIBUTED:
            root = incident.cause
            incident = self.incidents.get(root)
        undecided = incident is None or incident.stage is Stage.TRIAGE
        return "" if root == name and undecided else root

    def _view(self, incident: CaseFile) -> EstateView:
        by_themselves = [
            each
            for each in self.incidents.values()
            if each.stage not in (Stage.TRIAGE, Stage.ATTRIBUTED)
            and each.status in (Status.SICK, Status.UNKNOWN)
            and not self._is_told_apart(each)
        ]
        return EstateView(
            components=len(self.topology.components),
            blamed=len(by_themselves),
            group_healthy=self._group_healthy(incident),
        )

    def _is_told_apart(self, incident: CaseFile) -> bool:
        """Whether some of its replicas are seen well and some ill: who sees that is not blind."""
        seen = {self._known(each) for each in self.topology.replicas(incident.target)}
        return {Status.HEALTHY, Status.SICK} <= seen

    def _group_healthy(self, incident: CaseFile) -> int | None:
        component = self.topology.components.get(incident.target)
        if component is None or not component.group or not condition_of(incident.scores).answers:
            return None
        others = [
            other.name
            for other in self.topology.components.values()
            if other.group == component.group and other.name != component.name
        ]
        healthy = sum(self.status_of(name) is Status.HEALTHY for name in others)
        return healthy if others else None

    def _is_fresh(self, target: str, asking: CaseFile) -> bool:
        return self._looked_s.get(target, float("-inf")) >= asking.asked_s

    def _known(self, target: str) -> Status:
        return self.health.get(target, Status.UNKNOWN)
