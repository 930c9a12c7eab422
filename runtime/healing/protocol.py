"""The unified interface: six verbs that every level of healing keeps, ours and anybody's.

    detect_anomaly -> select_response -> apply_response -> verify_recovery -> learn_from_incident
                               get_health_status, at any time

A program feeds what it measures and carries on with what it is told; each verb may be called at
any time, again, and for many targets at once. `mendel.scenarios.compliance` checks that an
implementation keeps its promises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from ...bus.messages import ActionFinished, AnomalyDetected, Status
from ...core.health import Overall
from ...core.levels import Level
from ...core.records import ExperienceRecord


class Detection(Struct, frozen=True, kw_only=True):
    """What is known of a target after a sample.

    Attributes:
        target: whose sample it was.
        status: its health; `suspect` while good samples are still owed.
        anomalies: those that this sample has raised.
        incident: name of its open incident, or empty.
        at_s: loop time of the sample.
    """

    target: str
    status: Status
    anomalies: tuple[AnomalyDetected, ...]
    incident: str
    at_s: float

    @property
    def is_anomalous(self) -> bool:
        """Whether a metric is in alarm."""
        return self.status is Status.SICK


class Response(Struct, frozen=True, kw_only=True):
    """What is to be done about a target now.

    Attributes:
        target: what to act on; of the incident of a component it may be a replica or an edge.
        action: name of the action; empty when there is nothing to carry out now.
        incident: what for, or empty.
        intent: identifier of this one execution, or empty.
        reason: why this, or why nothing.
        timeout_s: how long the action may take; 0.0 without one.
    """

    target: str
    action: str = ""
    incident: str = ""
    intent: str = ""
    reason: str = ""
    timeout_s: float = 0.0


class RecoveryStatus(Struct, frozen=True, kw_only=True):
    """How far the recovery of a target has come.

    Attributes:
        target: which.
        status: its health.
        incident: its open incident, else its last one, else empty.
        stage: of the incident (`mendel.core.incidents.casefile.Stage`); empty when there never was
            one.
        outcome: how it ended (``healed``, ``cleared``, ``attributed``, ``dismissed``), or empty.
        reason: why it is where it is, in words.
        experience: what was tried in it and what that led to, once it is over.
    """

    target: str
    status: Status
    incident: str = ""
    stage: str = ""
    outcome: str = ""
    reason: str = ""
    experience: tuple[ExperienceRecord, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing is open any more."""
        return self.stage in ("", "closed")

    @property
    def is_escalated(self) -> bool:
        """Whether it is up to a person now."""
        return self.stage == "escalated"


class Lesson(Struct, frozen=True, kw_only=True):
    """What was learned.

    Attributes:
        learned: how many of the records have changed what is known.
        reason: why the others have not; empty when all have.
    """

    learned: int
    reason: str = ""


class HealthStatus(Struct, frozen=True, kw_only=True):
    """How everything is.

    Attributes:
        status: of the whole.
        components: health of each.
        levels: the level of each.
        incidents: open ones, by component.
        at_s: loop time.
    """

    status: Overall
    components: Mapping[str, Status]
    levels: Mapping[str, Level]
    incidents: Mapping[str, str]
    at_s: float


class SelfHealing(Protocol):
    """Heals what is watched, verb by verb.

    ``now_s`` is loop time; ``None`` stands for now. A time before the last one counts as the last
    one; what is no time at all is refused. Bad input raises `ConfigError` and changes nothing.
    """

    async def detect_anomaly(
        self,
        target: str,
        metrics: Mapping[str, float],
        *,
        detail: str = "",
        now_s: float | None = None,
    ) -> Detection:
        """Take a sample, and tell what is known by now.

        Args:
            target: whose sample.
            metrics: values by name, units as suffixes (``latency_s``); 0.0 and 1.0 for no and yes.
            detail: what a person should know of it.
            now_s: when it was taken.
        """
        ...

    async def select_response(self, target: str, *, now_s: float | None = None) -> Response:
        """Tell what is to be done now; the same answer until that is done or overtaken."""
        ...

    async def apply_response(self, response: Response) -> ActionFinished:
        """See to it that a response is carried out, and tell how that went.

        However often it is applied, in turn or at once, and whoever is cancelled: its action runs
        once. A response that was overtaken, or that has no action, is ``not_run``.
        """
        ...

    async def verify_recovery(self, target: str, *, now_s: float | None = None) -> RecoveryStatus:
        """Tell whether the target is proven well again; a finished action alone is no proof."""
        ...

    async def learn_from_incident(self, experience: Sequence[ExperienceRecord]) -> Lesson:
        """Learn from an incident that was seen elsewhere; own ones have been learned from.

        A record that is known teaches nothing the second time.
        """
        ...

    async def get_health_status(self, *, now_s: float | None = None) -> HealthStatus:
        """Tell how everything is."""
        ...


class LevelledHealing(SelfHealing, Protocol):
    """One whose components can change their level while it runs."""

    async def change_level(self, component: str, level: Level, *, reason: str = "") -> None:
        """Heal a component on another level from now on, its open incident included.

        Open incidents, circuits, pauses, limits and what was learned stay.

        Raises:
            ConfigError: there is no such component or level.
        """
        ...
