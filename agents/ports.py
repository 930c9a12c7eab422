"""What the outside must offer: a world to watch and act on, and a journal to remember in.

The real world is put together from a configuration (`mendel.runtime.world`), a simulated one is a
few lines of a user's own. Agents cannot tell which one they are in; the event loop is their clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from ..core.records import Breeding, ExperienceRecord, IncidentRecord, IntentRecord, Record
from ..core.topology import Annotation, Component


class Sample(Struct, frozen=True):
    """What a probe saw; the Monitor adds target and time.

    Attributes:
        metrics: values by name with the unit as suffix; 0.0 and 1.0 for no and yes.
        detail: what a person should know (``HTTP 503``), or empty.
    """

    metrics: dict[str, float]
    detail: str = ""


class Probe(Protocol):
    """Looks at one target.

    Attributes:
        target: what it looks at: a component (``cart``), one of its replicas (``cart/2``) or an
            edge as its caller sees it (``web>cart``).
        name: unique among the probes of its target (``http``).
        every_s: seconds between two looks.
        timeout_s: how long one look may take; the probe itself ends it in time and then tells
            what that means (``answered = 0.0``).
    """

    @property
    def target(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def every_s(self) -> float: ...
    @property
    def timeout_s(self) -> float: ...

    def read(self) -> Sample | Awaitable[Sample]:
        """Look once. What fails to answer is a sample; raising means *no data*."""
        ...


class ActionResult(Struct, frozen=True):
    """How an action went.

    Attributes:
        succeeded: whether it did what it is for; that it also *helped* is verified apart.
        detail: what a person should know, without secrets.
    """

    succeeded: bool
    detail: str = ""


class IntentStatus(StrEnum):
    """What became of an action that mendel did not see the end of."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


class Action(Protocol):
    """Something that can be done to a target.

    Attributes:
        name: unique among the actions of its target (``restart``).
        disruptive: whether it costs capacity, so that only one runs per component at a time.
        timeout_s: how long it may take before it is cancelled; cancelling leaves no orphan.
        settle_s: how long after its end its effect may take to show (boot and warm-up).
        undo: name of the action that takes it back, or empty.
    """

    @property
    def name(self) -> str: ...
    @property
    def disruptive(self) -> bool: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def settle_s(self) -> float: ...
    @property
    def undo(self) -> str: ...

    def before(self) -> dict[str, Any]:
        """Facts that will tell later whether the action took place (pid and start of a process)."""
        ...

    async def run(self, intent: IntentRecord) -> ActionResult:
        """Do it. A failure is a result; raising is a bug of the action and counts as failed."""
        ...

    async def status(self, intent: IntentRecord) -> IntentStatus:
        """Tell whether an execution that was interrupted took place."""
        ...


class World(Protocol):
    """Everything outside: components, probes that look at them, actions on them.

    Used as ``async with world:`` while agents run; leaving it releases what it holds.
    """

    @property
    def components(self) -> Sequence[Component]: ...
    @property
    def probes(self) -> Sequence[Probe]: ...

    def actions(self, target: str) -> Mapping[str, Action]:
        """Actions of a target by name; ``isolate`` and ``release`` are the Breaker's.

        Asked for components, replicas and edges; a target without any has an empty mapping.
        """
        ...

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """A component reports itself; what it says is what its heartbeat probe will read."""
        ...

    async def __aenter__(self) -> World: ...
    async def __aexit__(self, *_: object) -> None: ...


@runtime_checkable
class AnnotatedWorld(Protocol):
    """What a `World` may offer beside: what is known of components and not measured."""

    def annotation(self, target: str) -> Annotation:
        """Version, time of deployment and announced work of a component, as known now."""
        ...


class Calls(Protocol):
    """Counts of guarded calls, and what has been added to them since the last look."""

    @property
    def next_s(self) -> float:
        """Loop time of a look that is wanted in particular; infinite when none is."""
        ...

    def read(self) -> Iterable[tuple[str, dict[str, float] | None]]:
        """A target, and what its calls have shown; ``None`` when there were too few to tell."""
        ...


@runtime_checkable
class CalledWorld(Protocol):
    """What a `World` may offer beside: calls to its components that were guarded elsewhere.

    Of any other world, the guards of this program tell.
    """

    @property
    def guarded_calls(self) -> Calls:
        """What they have shown."""
        ...


class Journal(Protocol):
    """Memory that outlives a crash of agents, and, when it is a database, of the process."""

    def note(self, record: Record) -> None:
        """Write soon; never blocks."""
        ...

    async def commit(self, record: Record) -> None:
        """Write now; on disk when this returns.

        A store that cannot write keeps the record in memory, says so loudly (`StoreDegraded`) and
        returns: healing goes on.
        """
        ...

    def unfinished_intents(self) -> Sequence[IntentRecord]:
        """Intents without an outcome, oldest first."""
        ...

    def open_incidents(self) -> Sequence[IncidentRecord]:
        """Newest record of every incident that has not ended, oldest first."""
        ...

    def isolations(self) -> Sequence[IntentRecord]:
        """Newest ``isolate`` or ``release`` of every target that was not surely let go."""
        ...

    def experiences(self) -> Sequence[ExperienceRecord]:
        """What actions led to, oldest first; only so many of the newest."""
        ...

    def breeding(self) -> Breeding:
        """Genomes, the newest search and the newest adoption."""
        ...
