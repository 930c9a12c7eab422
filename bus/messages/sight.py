"""What is seen: readings, health, anomalies, load."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from .base import Message


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


# All of them, for taps that can do without: they are hundred times as many as all other messages.
READINGS = f"{Reading.topic}.>"


class Heartbeat(Message, frozen=True, kw_only=True):
    """A component, or a program on its behalf, reports itself.

    Attributes:
        target: who reports.
        metrics: any metrics that it wants watched.
    """

    target: str
    metrics: dict[str, float] = field(default_factory=dict)


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
