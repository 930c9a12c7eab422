"""What a running system tells people and programs that ask: plain data, the same on every door.

Durations are relative to the moment of the answer, because loop time means nothing outside of the
process; ``_utc`` is wall time in seconds since the epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from .outlook import ForecastsView, ReliefView

if TYPE_CHECKING:
    from ..errors import Problem
    from .store.archive import IncidentSummary


class ComponentView(Struct, frozen=True, kw_only=True):
    """One component at the moment.

    Attributes:
        name: which one.
        kind: what sort of thing it is.
        status: its health (`mendel.bus.messages.Status`).
        reason: the evidence for that in words, or empty.
        for_s: how long it has been so.
        circuit: state of its circuit, or empty when it has none.
        mode: what may be done to it: ``observe``, ``recommend`` or ``act``.
        level: how much of what mendel can do is on for it.
        paused_s: how long hands are still kept off it; 0.0 when they are not.
        incident: its open incident, or empty.
        stage: where that incident stands, or empty.
        depends_on: what it cannot do its work without.
        parts: status of those of its replicas and of edges to it that are not well.
    """

    name: str
    kind: str
    status: str
    reason: str = ""
    for_s: float = 0.0
    circuit: str = ""
    mode: str = "act"
    level: str = "basic"
    paused_s: float = 0.0
    incident: str = ""
    stage: str = ""
    depends_on: tuple[str, ...] = ()
    parts: dict[str, str] = {}


class ApprovalView(Struct, frozen=True, kw_only=True):
    """An action that waits for a person's word.

    Attributes:
        approval: identifier to approve it by.
        target: what it would be run on.
        action: what would be run.
        incident: what for.
        reason: why it is not run without asking.
        for_s: how long it has been waiting.
    """

    approval: str
    target: str
    action: str
    incident: str
    reason: str
    for_s: float = 0.0


class SystemView(Struct, frozen=True, kw_only=True):
    """A whole runtime at the moment.

    Attributes:
        pid: its process.
        version: of mendel.
        config: path of its configuration file.
        mode: of the estate.
        status: the worst health of any component.
        uptime_s: how long it has been running.
        components: in the order of the configuration.
        approvals: actions that wait for a person, oldest first.
        warnings: what is wrong with the healer itself (store degraded, plug-in rejected).
        forecasts: what became of what was foreseen.
        reliefs: components whose load is held back.
        counters: totals since it was started, by name.
        url: where its page is, or empty.
    """

    pid: int
    version: str
    config: str
    mode: str
    status: str
    uptime_s: float
    components: tuple[ComponentView, ...] = ()
    approvals: tuple[ApprovalView, ...] = ()
    warnings: tuple[str, ...] = ()
    forecasts: ForecastsView = ForecastsView()
    reliefs: tuple[ReliefView, ...] = ()
    counters: dict[str, float] = {}
    url: str = ""


class AgentView(Struct, frozen=True, kw_only=True):
    """One agent at the moment.

    Attributes:
        name: which one.
        kind: its class, as ``package:Class``.
        state: ``running``, ``restarting`` or ``stopped``.
        restarts: how often it has been restarted.
        depth: messages that wait in its mailbox.
        age_s: how long the oldest of them has been waiting.
        handled: messages it has handled.
        dropped: messages its mailbox had no room for.
        error: of its last crash, or empty.
        cpu_s: how long it has kept the event loop busy, through all its lives.
    """

    name: str
    kind: str
    state: str
    restarts: int = 0
    depth: int = 0
    age_s: float = 0.0
    handled: int = 0
    dropped: int = 0
    error: str = ""
    cpu_s: float = 0.0


class IncidentView(Struct, frozen=True, kw_only=True):
    """An incident as a line in a list.

    Attributes:
        incident: identifier.
        target: whose incident.
        stage: where it stands.
        outcome: how it ended; empty while it is open.
        blamed: the target that is treated instead, or empty.
        actions: what was run for it, in order.
        reason: why it stands where it does, in words.
        opened_utc: when it was opened.
        changed_utc: when it last changed.
    """

    incident: str
    target: str
    stage: str
    outcome: str = ""
    blamed: str = ""
    actions: tuple[str, ...] = ()
    reason: str = ""
    opened_utc: float
    changed_utc: float


class SignalsView(Struct, frozen=True, kw_only=True):
    """What was measured of a target over a stretch of time.

    Attributes:
        times_utc: wall time of each row, oldest first, n values.
        metrics: for each metric n values; ``None`` where a row had none.
        bands: for each metric that is judged, the lowest and the highest value that is fine;
            ``None`` where there is no such bound.
    """

    times_utc: tuple[float, ...] = ()
    metrics: dict[str, tuple[float | None, ...]] = {}
    bands: dict[str, tuple[float | None, float | None]] = {}


class ComponentDetail(Struct, frozen=True, kw_only=True):
    """One component closely.

    Attributes:
        component: how it is at the moment.
        plan: names of the actions that are tried, in order.
        actions: names of all actions that it has.
        signals: what was measured of it lately.
    """

    component: ComponentView
    plan: tuple[str, ...]
    actions: tuple[str, ...]
    signals: SignalsView


class StageView(Struct, frozen=True, kw_only=True):
    """A stage that an incident went to, when, and why in words."""

    utc: float
    stage: str
    reason: str


class ActionView(Struct, frozen=True, kw_only=True):
    """An action that was run, or is.

    Attributes:
        action: its name.
        target: what it was run on.
        attempt: its number in the incident.
        started_utc: when it was begun.
        finished_utc: when it was over; ``None`` when that is not known.
        outcome: how it ended; empty when that is not known.
        detail: what a person should know of that.
    """

    action: str
    target: str
    attempt: int
    started_utc: float
    finished_utc: float | None = None
    outcome: str = ""
    detail: str = ""


class IncidentDetail(Struct, frozen=True, kw_only=True):
    """One incident closely, each part oldest first.

    Attributes:
        incident: as in a list.
        headline: all of it in one sentence.
        seen: the evidence, in words.
        blamed: what was held to be the cause, and why.
        done: what was run, or why nothing was.
        verified: what showed whether it helped.
        stages: where it stood when.
        actions: what was run for it.
        signals: what was measured of its target around it.
    """

    incident: IncidentView
    headline: str
    seen: tuple[str, ...]
    blamed: tuple[str, ...]
    done: tuple[str, ...]
    verified: tuple[str, ...]
    stages: tuple[StageView, ...]
    actions: tuple[ActionView, ...]
    signals: SignalsView


class AuditLine(Struct, frozen=True, kw_only=True):
    """One line of the audit trail; fields as in `mendel.runtime.store.audit.AuditRow`."""

    seq: int
    utc: float
    kind: str
    who: str
    target: str
    detail: dict[str, Any]


class AuditView(Struct, frozen=True, kw_only=True):
    """The newest lines of the audit trail.

    Attributes:
        lines: newest first.
        whole: whether no row of the trail was changed, dropped or put in.
        problem: what is wrong with it otherwise.
    """

    lines: tuple[AuditLine, ...]
    whole: bool
    problem: str = ""


def incident_view(summary: IncidentSummary) -> IncidentView:
    """A line about an incident in the store."""
    record = summary.record
    return IncidentView(
        incident=record.incident,
        target=record.target,
        stage=record.stage,
        outcome=record.outcome,
        blamed=record.blamed,
        actions=record.actions,
        reason=record.reason,
        opened_utc=summary.opened_utc,
        changed_utc=summary.changed_utc,
    )


class ProblemView(Struct, frozen=True):
    """A problem as data; see `mendel.errors.Problem`."""

    code: str
    message: str
    place: str
    source: str
    line: int
    excerpt: str
    suggestion: str


class ReloadView(Struct, frozen=True, kw_only=True):
    """What became of a wish for another configuration.

    Attributes:
        taken: whether it is in force.
        source: where it was read.
        changes: what is different, in words; empty when nothing is.
        took_s: how long it took to put into force, once it was read and found good.
        reason: why it was not taken, or empty.
        problems: everything that is wrong with it.
    """

    taken: bool
    source: str = ""
    changes: tuple[str, ...] = ()
    took_s: float = 0.0
    reason: str = ""
    problems: tuple[ProblemView, ...] = ()


class SteeredView(Struct, frozen=True):
    """What became of a wish about evolution, in words."""

    done: str


def problem_view(problem: Problem) -> ProblemView:
    """A problem as data."""
    fields = {name: getattr(problem, name) for name in ProblemView.__struct_fields__}
    return ProblemView(**fields)


class EventView(Struct, frozen=True, kw_only=True):
    """A message that went over the bus.

    Attributes:
        id: of its envelope; grows with every message.
        utc: when it was sent.
        subject: where to.
        type: name of its class.
        message: its fields.
        text: what it means, in words; empty for what people need not read.
    """

    id: int
    utc: float
    subject: str
    type: str
    message: dict[str, Any]
    text: str = ""
