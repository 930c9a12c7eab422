"""What is done about it: incidents, actions, isolation."""

from __future__ import annotations

from .base import Message


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
        stage: where it stands now (see `mendel.core.incidents.casefile.Stage`).
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
