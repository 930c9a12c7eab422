"""What can be asked of a running system: the verbs, their arguments, and who answers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from ..core.levels import Level
from .leases import Lease, LeaseOutcome
from .lineage import LineageView
from .replays import ReplayView, ScenarioView
from .telemetry.success import Success
from .usage import ResourcesView
from .views import (
    AgentView,
    AuditView,
    ComponentDetail,
    EventView,
    IncidentDetail,
    IncidentView,
    ReloadView,
    SteeredView,
    SystemView,
)

Wished = Literal["evolve", "promote", "roll_back", "freeze", "thaw", "approve", "import"]


class Controls(Protocol):
    """What can be asked of a running system.

    A wish that cannot be granted raises a `MendelError`; its text is the answer.
    """

    async def status(self) -> SystemView:
        """How everything is."""
        ...

    async def agents(self) -> Sequence[AgentView]:
        """How the agents are."""
        ...

    async def incidents(self, *, limit: int) -> Sequence[IncidentView]:
        """The newest incidents, newest first."""
        ...

    async def incident(self, *, incident: str) -> IncidentDetail:
        """One incident with its story, its signals and what was done."""
        ...

    async def component(self, *, target: str) -> ComponentDetail:
        """One component with its newest signals."""
        ...

    async def audit(self, *, limit: int) -> AuditView:
        """The newest rows of the audit trail, newest first, and whether the trail is whole."""
        ...

    async def genomes(self, *, limit: int) -> LineageView:
        """The newest genomes, what is in force, and the newest search."""
        ...

    async def success(self, *, period_s: float) -> Success:
        """How well healing went over the last so many seconds."""
        ...

    async def scenarios(self) -> Sequence[ScenarioView]:
        """The scenarios that ship."""
        ...

    async def replays(self) -> Sequence[ReplayView]:
        """The newest replays that were asked for here, newest first."""
        ...

    async def replay(self, *, scenario: str, levels: tuple[Level, ...], seed: int) -> ReplayView:
        """Replay a scenario that ships, on several levels side by side."""
        ...

    async def acquire(self, *, target: str, lease_s: float) -> Lease:
        """Ask the guard of a target whether a call may be made."""
        ...

    async def release(self, *, lease: str, outcome: LeaseOutcome, duration_s: float) -> None:
        """Tell how a call went that was let pass."""
        ...

    async def pause(self, *, target: str, for_s: float, who: str, reason: str) -> None:
        """Keep hands off a component, or off everything (``*``)."""
        ...

    async def resume(self, *, target: str, who: str, reason: str) -> None:
        """End a pause, and take up again what was handed to a person."""
        ...

    async def approve(self, *, approval: str, who: str, reason: str) -> None:
        """Let an action run that waits for it."""
        ...

    async def heartbeat(self, *, target: str, metrics: dict[str, float]) -> None:
        """A component reports itself."""
        ...

    async def annotate(self, *, target: str, version: str, age_s: float, who: str) -> None:
        """A component was deployed ``age_s`` ago."""
        ...

    async def resources(self) -> ResourcesView:
        """What mendel itself uses, and what it does without."""
        ...

    async def reload(self, *, who: str, reason: str) -> ReloadView:
        """Put into force what the configuration file says now."""
        ...

    async def rollback(self, *, version: int, who: str, reason: str) -> ReloadView:
        """Put an earlier version of the configuration into force; the file stays as it is."""
        ...

    async def change_level(self, *, target: str, level: Level, who: str, reason: str) -> None:
        """Heal a component on another level from now on, its open incident included."""
        ...

    async def evolution(
        self, *, wish: Wished, genome: int, genes: dict[str, Any], who: str
    ) -> SteeredView:
        """Breed, promote, roll back, freeze, thaw, approve or import."""
        ...

    async def stop(self, *, who: str) -> None:
        """Begin to stop; returns before it is done."""
        ...

    def recent_events(self, *, pattern: str, limit: int) -> Sequence[EventView]:
        """The newest events of subjects that match, oldest first."""
        ...

    def follow_events(
        self, *, pattern: str, callback: Callable[[Sequence[EventView]], None]
    ) -> Callable[[], None]:
        """Hand over events as they come; returns what ends that."""
        ...


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line from a client."""

    verb: str
    id: int | str | None = None
    args: dict[str, Any] = {}


_Named = Annotated[str, Meta(min_length=1)]
_Limit = Annotated[int, Meta(ge=0, le=1000)]


class _Nothing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Incidents(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: _Limit = 50


class _Incident(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    incident: _Named


class _Component(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named


class _Audit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: _Limit = 100


class _Genomes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: _Limit = 100


class _Success(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    period_s: Annotated[float, Meta(gt=0)] = 7 * 86_400.0


class _Replay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scenario: _Named
    levels: tuple[Level, ...] = ()
    seed: Annotated[int, Meta(ge=0)] = 1


class _Acquire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named
    lease_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0


class _Release(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lease: _Named
    outcome: LeaseOutcome
    duration_s: Annotated[float, Meta(ge=0)] = 0.0


class _Pause(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named
    for_s: Annotated[float, Meta(gt=0)]
    reason: str = ""


class _Resume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named
    reason: str = ""


class _Approve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    approval: _Named
    reason: str = ""


class _Heartbeat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named
    metrics: dict[str, float] = {}


class _Annotate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named
    version: _Named
    age_s: Annotated[float, Meta(ge=0)] = 0.0


class _Reload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: str = ""


class _Rollback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1)]
    reason: str = ""


class _Level(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: _Named
    level: Level
    reason: str = ""


class _Evolution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wish: Wished
    genome: Annotated[int, Meta(ge=0)] = 0
    genes: dict[str, Any] = {}


class _Events(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pattern: str = ">"
    limit: _Limit = 20
    follow: bool = False


VERBS: dict[str, type[Struct]] = {
    "status": _Nothing,
    "agents": _Nothing,
    "incidents": _Incidents,
    "incident": _Incident,
    "component": _Component,
    "audit": _Audit,
    "genomes": _Genomes,
    "success": _Success,
    "scenarios": _Nothing,
    "replays": _Nothing,
    "replay": _Replay,
    "acquire": _Acquire,
    "release": _Release,
    "pause": _Pause,
    "resume": _Resume,
    "approve": _Approve,
    "heartbeat": _Heartbeat,
    "annotate": _Annotate,
    "resources": _Nothing,
    "change_level": _Level,
    "reload": _Reload,
    "rollback": _Rollback,
    "evolution": _Evolution,
    "stop": _Nothing,
    "events": _Events,
}
SIGNED = frozenset(
    {
        *("pause", "resume", "approve", "annotate", "change_level", "stop", "reload", "rollback"),
        "evolution",
    }
)  # Who asked goes on record.
