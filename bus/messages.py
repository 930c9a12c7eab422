"""The vocabulary: every fact and every wish that travels between agents.

Facts have names in the past tense (``IncidentOpened``), wishes are imperatives (``RunAction``). A
message's subject follows from its type and target: ``AnomalyDetected(target="cart")`` travels as
``anomaly.detected.cart``, so ``anomaly.>`` hears every anomaly and ``*.*.cart`` all about one
component. Subjects that begin with ``system.`` take the system lane, which is never full.

A new field has a default, so that old recordings still replay. Times are loop time in seconds
unless their name ends in ``_utc``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar

from msgspec import Struct

_types: dict[str, type[Message]] = {}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Message(Struct, frozen=True, kw_only=True):
    """Base of all messages; a subclass is registered under its name as soon as it is defined.

    A plug-in defines its own messages the same way. Two classes of one name from different modules
    are refused, because a recording could not tell them apart.

    Attributes:
        topic: first tokens of the subject; derived from the class name unless given.
        system: whether the message takes the system lane, ahead of all others and never dropped.
    """

    topic: ClassVar[str] = ""
    system: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = _types.get(cls.__name__)
        if known is not None and known.__module__ != cls.__module__:
            raise TypeError(
                f"message type {cls.__name__!r} of {cls.__module__} is already defined in "
                f"{known.__module__}; give it another name"
            )
        _types[cls.__name__] = cls
        if "topic" not in cls.__dict__:
            words = _WORD.sub(".", cls.__name__).lower()
            cls.topic = f"system.{words}" if cls.system else words

    @property
    def subject(self) -> str:
        """Where the message travels: its topic, then its target if it has one."""
        target = getattr(self, "target", None)
        return f"{self.topic}.{target}" if target else self.topic


def message_types() -> dict[str, type[Message]]:
    """All known message types by name: ours and those of loaded plug-ins."""
    return dict(_types)


# --- what is seen -------------------------------------------------------------------------------


class Status(StrEnum):
    """Health of a target as the Monitor sees it."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"  # Some bad samples, not enough for an alarm.
    SICK = "sick"
    UNKNOWN = "unknown"  # No data: neither up nor down.


class Reading(Message, frozen=True, kw_only=True):
    """What one probe saw of one target at one moment.

    Attributes:
        target: what was probed.
        metrics: values by name, each with its unit as suffix (``latency_s``, ``memory_bytes``);
            booleans are 0.0 and 1.0.
        taken_s: when the probe returned.
        detail: what a person should know of it (``HTTP 503``), or empty.
        probe: name of the probe among those of its target.
    """

    target: str
    metrics: dict[str, float]
    taken_s: float
    detail: str = ""
    probe: str = ""


class Heartbeat(Message, frozen=True, kw_only=True):
    """A component, or a program on its behalf, reports itself.

    Attributes:
        target: who reports.
        metrics: any metrics that it wants watched.
    """

    target: str
    metrics: dict[str, float] = {}


class ProbeNow(Message, frozen=True, kw_only=True):
    """Probe a target at once, whatever its schedule; answered by `TargetProbed`."""

    target: str


class Symptom(Struct, frozen=True, kw_only=True):
    """One metric of a target beside what is usual for it.

    Attributes:
        metric: its name.
        value: of the newest readings, on average.
        latest: of the newest reading alone.
        usual: median of its calm past; ``None`` where too little of that is known.
        trend_per_s: how fast it has been changing for the last minute or more.
    """

    metric: str
    value: float
    latest: float
    usual: float | None = None
    trend_per_s: float = 0.0


class TargetProbed(Message, frozen=True, kw_only=True):
    """A target that somebody asked about has been looked at afresh.

    Attributes:
        target: what was probed.
        status: its health, the fresh reading included.
        since_s: start of the newest run of bad samples; equal to ``taken_s`` when there is none.
        taken_s: when the fresh reading was taken.
        symptoms: how all of its metrics stand.
    """

    target: str
    status: Status
    since_s: float
    taken_s: float
    symptoms: tuple[Symptom, ...] = ()


class HealthChanged(Message, frozen=True, kw_only=True):
    """The health of a target is another than before.

    Attributes:
        target: whose health.
        status: what it is now.
        previous: what it was.
        reason: the evidence in words.
        changed_s: when.
    """

    target: str
    status: Status
    previous: Status
    reason: str
    changed_s: float


class TargetAnnotated(Message, frozen=True, kw_only=True):
    """Something is known of a component beside what is measured.

    Attributes:
        target: which component.
        version: of the deployment that runs, as people call it; empty when nobody told.
        deployed_s: when it was deployed; ``None`` for long ago.
        maintenance: start and end of each announced stretch of work on it.
        told_s: when this became known here.
        who: the person or program that told; empty for the world itself.
    """

    target: str
    version: str = ""
    deployed_s: float | None = None
    maintenance: tuple[tuple[float, float], ...] = ()
    told_s: float
    who: str = ""


class AnomalyDetected(Message, frozen=True, kw_only=True):
    """A detector is sure that a metric is not as it should be.

    Attributes:
        target: who shows it.
        metric: name of the metric; its last word is the unit (``latency_s``).
        value: the newest value, in that unit.
        score: how far out it is: 1.0 stands for the line where the alarm begins.
        onset_s: when it began, as far as the samples tell.
        detected_s: when the detector was sure.
        reason: value, expected band and evidence in words.
        own: whether the metric speaks of the target alone (its process, its memory), so that a
            sick dependency cannot explain it.
        due_s: earliest and latest moment at which the metric will reach its limit, when that is
            only foreseen; the target is still well.
    """

    target: str
    metric: str
    value: float
    score: float
    onset_s: float
    detected_s: float
    reason: str = ""
    own: bool = False
    due_s: tuple[float, float] | None = None


class AnomalyCleared(Message, frozen=True, kw_only=True):
    """A detector is sure that a metric is as it should be again.

    Attributes:
        target: whose metric.
        metric: which one.
        cleared_s: when enough good samples in a row had been seen.
    """

    target: str
    metric: str
    cleared_s: float


class LoadChanged(Message, frozen=True, kw_only=True):
    """A component is overloaded, or is no longer.

    Attributes:
        target: which component.
        state: ``overloaded`` (more comes in than is answered in time), ``eased`` (answers are in
            time again, because load is held back) or ``calm`` (nothing has to be held back).
        busy: whether it is working as fast as it can.
        retried: whether retries are a great part of what comes in.
        demand: what comes in, in times of what is usual.
        crowded: whether it is busy because so much comes in.
        onset_s: when the overload began.
        changed_s: when the state changed.
        reason: the evidence in words.
    """

    target: str
    state: str
    busy: bool = False
    retried: bool = False
    demand: float = 1.0
    crowded: bool = False
    onset_s: float
    changed_s: float
    reason: str = ""


# --- what is done -------------------------------------------------------------------------------


class IncidentOpened(Message, frozen=True, kw_only=True):
    """Something is wrong with a target, and somebody is on it.

    Attributes:
        target: the target that shows the anomaly.
        incident: identifier, unique in the store.
        onset_s: start of its first anomaly.
        opened_s: when.
        reason: the first anomaly in words.
    """

    target: str
    incident: str
    onset_s: float
    opened_s: float
    reason: str = ""


class IncidentDiagnosed(Message, frozen=True, kw_only=True):
    """What is held to be wrong with a target has changed.

    Attributes:
        target: its target.
        incident: which incident.
        cause: class of fault (``gray_failure``); empty when nobody knows.
        where: who has it: replicas, components, edges.
        confidence: how surely, from 0 to 1.
        reason: the same in words, with what was turned down.
        diagnosed_s: when.
    """

    target: str
    incident: str
    cause: str
    where: tuple[str, ...]
    confidence: float
    reason: str
    diagnosed_s: float


class IncidentChanged(Message, frozen=True, kw_only=True):
    """An incident went on to another stage.

    Attributes:
        target: its target.
        incident: which incident.
        stage: where it stands now (see `mendel.core.casefile.Stage`).
        reason: why, in words; the lines of ``incidents explain`` are made of these.
        changed_s: when.
    """

    target: str
    incident: str
    stage: str
    reason: str
    changed_s: float


class IncidentClosed(Message, frozen=True, kw_only=True):
    """An incident is over.

    Attributes:
        target: its target.
        incident: which incident.
        outcome: ``healed`` (by an action, verified), ``cleared`` (went away without an action, or
            after every action was refuted), ``attributed`` (was a symptom of another incident,
            gone with it) or ``dismissed`` (by a person, or its target is no longer configured).
        actions: what was run for it, in order.
        onset_s: start of its first anomaly.
        opened_s: when it was opened.
        closed_s: when it was closed.
        reason: the proof in words.
    """

    target: str
    incident: str
    outcome: str
    actions: tuple[str, ...]
    onset_s: float
    opened_s: float
    closed_s: float
    reason: str = ""


class IncidentEscalated(Message, frozen=True, kw_only=True):
    """A person is needed: mendel knows of nothing more that it may do.

    Attributes:
        target: whose incident.
        incident: which incident.
        reason: what was tried, and what a person should look at.
        escalated_s: when.
    """

    target: str
    incident: str
    reason: str
    escalated_s: float


class RecoveryProposed(Message, frozen=True, kw_only=True):
    """An action is about to be run; whoever subscribes may answer with `Advice`.

    Attributes:
        target: what it would be run on.
        incident: what for.
        action: its name.
        attempt: 1 for the first try of this action.
        deadline_s: answers after this moment are not waited for.
    """

    target: str
    incident: str
    action: str
    attempt: int
    deadline_s: float


class Advice(Message, frozen=True, kw_only=True):
    """Answer to `RecoveryProposed`.

    Attributes:
        before: actions to run first, in order (``("drain",)``); each is under the same policy.
        veto: a reason not to run the action at all, or empty.
    """

    before: tuple[str, ...] = ()
    veto: str = ""


class RunAction(Message, frozen=True, kw_only=True):
    """Carry out one recovery action.

    Attributes:
        target: what it is run on; never empty.
        intent: identifier of this one execution; a second command with it is ignored.
        incident: what for.
        action: name of an action of the target's component.
        attempt: 1 for the first try of this action in this incident.
        timeout_s: after this time the action is cancelled and counts as failed.
    """

    target: str
    intent: str
    incident: str
    action: str
    attempt: int
    timeout_s: float


class ActionStarted(Message, frozen=True, kw_only=True):
    """The intent is on disk and the action has begun; it ends within ``timeout_s``."""

    target: str
    intent: str
    incident: str
    action: str
    started_s: float
    timeout_s: float


class ActionFinished(Message, frozen=True, kw_only=True):
    """An action came to its end.

    Attributes:
        target: what it was run on.
        intent: which execution.
        incident: what for.
        action: its name.
        outcome: ``succeeded``, ``failed``, ``timed_out``, ``not_run`` or ``unknown`` (mendel was
            interrupted and the world cannot tell).
        detail: what a person should know (exit code, last line of output), without secrets.
        duration_s: how long it took.
        finished_s: when.
        settle_s: how long after that its effect may take to show.
    """

    target: str
    intent: str
    incident: str
    action: str
    outcome: str
    detail: str
    duration_s: float
    finished_s: float
    settle_s: float = 0.0


class IsolateTarget(Message, frozen=True, kw_only=True):
    """Keep calls away from a target until it is released.

    Attributes:
        target: what to isolate.
        incident: what for.
        reason: why, in words.
    """

    target: str
    incident: str
    reason: str = ""


class ReleaseTarget(Message, frozen=True, kw_only=True):
    """Let calls through to a target again."""

    target: str
    incident: str
    reason: str = ""


class CircuitChanged(Message, frozen=True, kw_only=True):
    """The circuit of a target went from one state to another.

    Attributes:
        target: what it protects.
        state: ``closed``, ``open``, ``half_open``, ``forced_open``, ``disabled`` or ``shadow``.
        previous: what it was.
        reason: why, in words.
        changed_s: when.
    """

    target: str
    state: str
    previous: str
    reason: str
    changed_s: float


# --- what people say ----------------------------------------------------------------------------


class PauseTarget(Message, frozen=True, kw_only=True):
    """Hands off a target for a while: maintenance, or a person's wish.

    Attributes:
        target: component name, or ``*`` for the whole estate.
        duration_s: for how long.
        who: the person or program that asked.
        reason: why.
    """

    system: ClassVar[bool] = True

    target: str
    duration_s: float
    who: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """Not by target, for the target may be the wildcard."""
        return self.topic


class ResumeTarget(Message, frozen=True, kw_only=True):
    """End a pause, and take up again what was handed to a person."""

    system: ClassVar[bool] = True

    target: str
    who: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """Not by target, for the target may be the wildcard."""
        return self.topic


class ApprovalRequested(Message, frozen=True, kw_only=True):
    """An action waits for a person's word.

    Attributes:
        target: what it would be run on.
        incident: what for.
        approval: identifier to approve it by.
        action: what would be run.
        reason: why it is not run without asking.
        requested_s: when.
    """

    target: str
    incident: str
    approval: str
    action: str
    reason: str
    requested_s: float


class ApprovalGiven(Message, frozen=True, kw_only=True):
    """A person allows the action that waits under this identifier."""

    system: ClassVar[bool] = True

    approval: str
    who: str
    reason: str = ""


class FaultInjected(Message, frozen=True, kw_only=True):
    """Something is broken on purpose, in a drill.

    Attributes:
        target: what is broken.
        kind: how.
        who: the person or program that does it.
        injected_s: when.
    """

    target: str
    kind: str
    who: str
    injected_s: float


class FaultLifted(Message, frozen=True, kw_only=True):
    """A fault that was made on purpose, in a drill or in the demo, is over.

    Attributes:
        target: what was broken.
        kind: how.
        who: the person or program that did it.
        injected_s: when it began.
        lifted_s: when it was over: healed, or taken back.
    """

    target: str
    kind: str
    who: str
    injected_s: float
    lifted_s: float


# --- the healer itself --------------------------------------------------------------------------


class AgentStarted(Message, frozen=True, kw_only=True):
    """An agent takes messages; ``restarts`` counts how often it has been restarted."""

    agent: str
    restarts: int
    started_s: float


class AgentCrashed(Message, frozen=True, kw_only=True):
    """An agent failed and its supervisor deals with it.

    Attributes:
        agent: which agent.
        error: type and text of the error.
        verdict: what the supervisor decided (``restart in 0.2 s``, ``escalate``).
        crashed_s: when.
    """

    agent: str
    error: str
    verdict: str
    crashed_s: float


class AgentStopped(Message, frozen=True, kw_only=True):
    """An agent ended and will not be restarted; ``reason`` says why."""

    agent: str
    reason: str
    stopped_s: float


class PluginRejected(Message, frozen=True, kw_only=True):
    """A plug-in could not be loaded; the rest runs on."""

    place: str
    reason: str


class Reconfigure(Message, frozen=True, kw_only=True):
    """Take a new configuration, whole or not at all; answered by `Reconfigured`.

    Attributes:
        agent: which agent.
        settings: fields of its configuration to change, as they stand in a file.
    """

    system: ClassVar[bool] = True

    agent: str
    settings: dict[str, Any]

    @property
    def subject(self) -> str:
        """Addressed to one agent."""
        return f"{self.topic}.{self.agent}"


class Reconfigured(Message, frozen=True, kw_only=True):
    """An agent now runs with another configuration, or says why not.

    Attributes:
        agent: which agent.
        accepted: whether the configuration was taken.
        reason: why not, or empty.
    """

    agent: str
    accepted: bool
    reason: str = ""


class ConfigChanged(Message, frozen=True, kw_only=True):
    """The system heals by another configuration from now on.

    Attributes:
        changes: what is different, in words; the first hundred.
        source: where the configuration was read.
        who: the person or program that asked for it.
        reason: why, or empty.
        took_s: how long it took to put into force, once it was read and found good.
        changed_s: when.
    """

    system: ClassVar[bool] = True

    changes: tuple[str, ...]
    source: str = ""
    who: str = ""
    reason: str = ""
    took_s: float = 0.0
    changed_s: float


class ConfigRefused(Message, frozen=True, kw_only=True):
    """A configuration was not taken; the one before it holds, unchanged.

    Attributes:
        problems: everything that is wrong with it, in words; the first hundred.
        source: where it was read.
        who: the person or program that asked for it.
        refused_s: when.
    """

    system: ClassVar[bool] = True

    problems: tuple[str, ...]
    source: str = ""
    who: str = ""
    refused_s: float


class ResourcesChanged(Message, frozen=True, kw_only=True):
    """Mendel gives something up because it has too little to work with, or takes it up again.

    Attributes:
        step: how much it does without, from 0 for nothing; see `mendel.core.pressure`.
        evolves: whether configurations are bred.
        stretch: factor on the intervals of the probes of healthy targets.
        ceiling: the highest level that is carried out.
        reasons: limits that are exceeded, in words; empty when something is taken up again.
        changed_s: when.
    """

    system: ClassVar[bool] = True

    step: int
    evolves: bool
    stretch: float
    ceiling: str
    reasons: tuple[str, ...] = ()
    changed_s: float


class StoreDegraded(Message, frozen=True, kw_only=True):
    """The store cannot write; healing goes on, and its record is in memory only."""

    reason: str
    degraded_s: float


class StoreRecovered(Message, frozen=True, kw_only=True):
    """The store writes again; ``lost`` entries did not fit into memory meanwhile."""

    lost: int
    recovered_s: float


# --- evolution ------------------------------------------------------------------------------------


class GenerationBred(Message, frozen=True, kw_only=True):
    """A search has come one generation further.

    Attributes:
        search: its number.
        generation: how many are done.
        generations: how many there are to be.
        evaluations: candidates judged so far.
        hypervolume: of what was found, as a share of what could be.
        knee: genes of the best compromise so far.
        left_s: how long the rest will take at this pace.
    """

    search: int
    generation: int
    generations: int
    evaluations: float
    hypervolume: float
    knee: dict[str, Any]
    left_s: float


class SearchEnded(Message, frozen=True, kw_only=True):
    """A search is over.

    Attributes:
        search: its number.
        genome: number of what it found; 0 when it found nothing better, or failed.
        reason: in words.
        ended_s: when.
    """

    search: int
    genome: int
    reason: str
    ended_s: float


class GenomeDecided(Message, frozen=True, kw_only=True):
    """What becomes of a genome.

    Attributes:
        decision: as in `mendel.core.adoption.Told`.
        genome: which.
        reason: why, in words.
        decided_s: when.
    """

    decision: str
    genome: int
    reason: str
    decided_s: float


class ShadowDecided(Message, frozen=True, kw_only=True):
    """What a candidate that only decides would have done; nobody does it.

    Attributes:
        target: to whom.
        wish: ``alarm``, or the name of an action.
        reason: of an alarm.
    """

    target: str
    wish: str
    reason: str = ""


class SteerEvolution(Message, frozen=True, kw_only=True):
    """What a person wants of evolution; answered by `EvolutionSteered`.

    Attributes:
        wish: ``evolve``, ``promote``, ``roll_back``, ``freeze``, ``thaw``, ``approve`` or
            ``import``.
        who: the person or program that asked.
        genome: number of the genome, where it is about one.
        genes: of a genome that is brought, by name.
    """

    system: ClassVar[bool] = True

    wish: str
    who: str
    genome: int = 0
    genes: dict[str, Any] = {}


class EvolutionSteered(Message, frozen=True, kw_only=True):
    """Answer to `SteerEvolution`: whether it is done, and what there is to say about it."""

    accepted: bool
    reason: str = ""
