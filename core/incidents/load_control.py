"""Which components of an estate have their load held back, and what must not happen meanwhile.

It follows the bottleneck: load is refused where it comes in, so of a chain of overloaded components
the caller is relieved first, and what it calls only when that did not help. While a measure has
time to show its effect nobody restarts what is merely busy: that would cost the capacity that is
missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from ...bus.messages import (
    ActionFinished,
    Advice,
    ApprovalGiven,
    LoadChanged,
    Message,
    ResumeTarget,
)
from ..effects import Effect
from ..policy import ActionFacts, Denied
from ..records import IncidentRecord
from ..topology import Topology
from .casefile import CaseFile, Stage
from .desk import Desk
from .relief import MEASURES, Relief, fitting
from .treatment import Care

# Of this many components the end of the last relief is remembered; the oldest are forgotten, and
# their load, should it come back, counts as a new one.
_REMEMBERED = 1000
_GONE, _REFUSES = "alive", "reachable"


class _Past(Struct, frozen=True):
    closed_s: float
    relapses: int


class LoadControl:
    """Decide for the whole estate where load is held back.

    Args:
        topology: who calls whom.
        care_of: how a component is healed.
        desk: the estate.
        run: number of this run of mendel, part of every name.

    Attributes:
        reliefs: the open ones, by component.
    """

    def __init__(
        self, topology: Topology, care_of: Callable[[str], Care], desk: Desk, *, run: int
    ) -> None:
        self.reliefs: dict[str, Relief] = {}
        self._topology = topology
        self._care_of = care_of
        self._desk = desk
        self._run = run
        self._count = 0
        self._overloaded: set[str] = set()
        self._past: dict[str, _Past] = {}

    def on_message(self, message: Message, now_s: float) -> list[Effect]:
        """Take a message; most are of no concern."""
        match message:
            case LoadChanged():
                return self.on_load(message, now_s)
            case ActionFinished() if self.owns(message.incident):
                return self.on_finished(message, now_s)
            case ApprovalGiven(approval=approval, who=who):
                return self.on_approval(approval, who, now_s)
            case ResumeTarget(target=target):
                return self.on_resume(target, now_s)
            case _:
                return []

    def owns(self, incident: str) -> bool:
        """Whether a name is that of an open relief."""
        return self._named(incident) is not None

    def reconfigure(self, topology: Topology) -> None:
        """Go on by another configuration, open reliefs included."""
        self._topology = topology
        for target, relief in self.reliefs.items():
            relief.treatment.care = self._care_of(target)

    def on_load(self, change: LoadChanged, now_s: float) -> list[Effect]:
        """The load of a component has changed."""
        target = change.target
        is_overloaded = change.state == "overloaded"
        (self._overloaded.add if is_overloaded else self._overloaded.discard)(target)
        relief = self.reliefs.get(target)
        if relief is not None:
            return self._tidied(relief.on_load(change, now_s), now_s)
        care = self._care_of(target)
        able = is_overloaded and care.abilities.controls_load
        if not (able and fitting(change, care.actions)):
            return []
        self._count += 1
        relief = self._make(f"{self._run}-L{self._count}", change, now_s)
        self.reliefs[target] = relief
        return self._tidied(relief.open(now_s, is_fed=self._is_fed(target)), now_s)

    def on_finished(self, message: ActionFinished, now_s: float) -> list[Effect]:
        """An action came to its end; it need not be one of ours."""
        relief = self._named(message.incident)
        return self._tidied(relief.on_finished(message, now_s), now_s) if relief else []

    def on_advice(self, incident: str, advice: Sequence[Advice], now_s: float) -> list[Effect]:
        """Plug-ins answered about a measure."""
        relief = self._named(incident)
        return self._tidied(relief.on_advice(advice, now_s), now_s) if relief else []

    def on_approval(self, approval: str, who: str, now_s: float) -> list[Effect]:
        """A person said yes to something."""
        reliefs = tuple(self.reliefs.values())
        return [effect for each in reliefs for effect in each.on_approval(approval, who, now_s)]

    def on_resume(self, target: str, now_s: float) -> list[Effect]:
        """A person wants it tried again, for one component or (``*``) for all."""
        chosen = [each for name, each in self.reliefs.items() if target in (name, "*")]
        return [effect for each in chosen for effect in each.on_resume(now_s)]

    def on_timer(self, name: str, target: str, now_s: float) -> list[Effect]:
        """A timer that a relief asked for is due."""
        relief = self.reliefs.get(target)
        return self._tidied(relief.on_timer(name, now_s), now_s) if relief else []

    def begin(self, records: Sequence[IncidentRecord], now_s: float) -> list[Effect]:
        """Take up what an earlier run left open: what it switched on is switched off in time.

        Args:
            records: newest ones of its reliefs.
            now_s: loop time of this run.
        """
        effects: list[Effect] = []
        for record in records:
            change = LoadChanged(target=record.target, state="calm", onset_s=now_s, changed_s=now_s)
            relief = self._make(record.incident, change, now_s)
            self.reliefs[record.target] = relief
            effects += relief.take_up(record, _switched_on(record, relief.care), now_s)
        return effects

    def objection(self, incident: CaseFile, action: ActionFacts, now_s: float) -> Denied | None:
        """Why a disruptive action has to wait for load control; ``None`` when it need not."""
        if not action.disruptive:
            return None
        for target, relief in self.reliefs.items():
            if not relief.is_at_work(now_s) or not self._is_related(incident, target):
                continue
            reason = f"the load of {target} is being held back, and {action.name} costs capacity"
            return Denied(reason, now_s + relief.patience_s)
        return None

    # --- inside -------------------------------------------------------------------------------

    def _make(self, name: str, change: LoadChanged, now_s: float) -> Relief:
        care = self._care_of(change.target)
        past = self._past.get(change.target)
        came_back = past is not None and now_s - past.closed_s <= care.relief.relapse_s
        relapses = past.relapses + 1 if past is not None and came_back else 0
        return Relief(name, change, now_s, care, self._desk, relapses)

    def _is_fed(self, target: str) -> bool:
        """Whether a caller is overloaded as well, and can be relieved."""
        above = self._topology.above(target)
        below = self._topology.below(target)
        return any(
            name in self._overloaded and name in self.reliefs and name not in below
            for name in above
        )

    def _is_related(self, incident: CaseFile, target: str) -> bool:
        """Whether an overload of the target may be all that an incident shows.

        Being late is; being gone is not, and neither is refusing connections for who only calls
        the overloaded one, or is called by it.
        """
        other = incident.target
        if other == target:
            return _GONE not in incident.scores
        linked = other in self._topology.below(target) or target in self._topology.below(other)
        return linked and not {_GONE, _REFUSES}.intersection(incident.scores)

    def _named(self, incident: str) -> Relief | None:
        return next((each for each in self.reliefs.values() if each.name == incident), None)

    def _tidied(self, effects: list[Effect], now_s: float) -> list[Effect]:
        """The same effects, with closed reliefs put away."""
        for target, relief in tuple(self.reliefs.items()):
            if relief.stage is Stage.CLOSED:
                del self.reliefs[target]
                self._past.pop(target, None)
                self._past[target] = _Past(now_s, relief.relapses)
        while len(self._past) > _REMEMBERED:
            del self._past[next(iter(self._past))]
        return effects


def is_relief(record: IncidentRecord) -> bool:
    """Whether a record is of a relief; its name says so, in every run."""
    return record.incident.partition("-")[2].startswith("L")


def _switched_on(record: IncidentRecord, care: Care) -> tuple[str, ...]:
    """Measures that were taken and not taken back, as far as the record tells."""
    on: dict[str, None] = {}
    for name in record.actions:
        if name in MEASURES:
            on[name] = None
        for measure in tuple(on):
            facts = care.actions.get(measure)
            if facts is not None and facts.undo == name:
                del on[measure]
    return tuple(on)
