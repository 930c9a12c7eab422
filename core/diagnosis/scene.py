"""Everybody concerned by the trouble of one component: itself, its parts, those beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..topology import Annotation, Kind, Topology
from .signs import Signs

_NOTHING = Signs()


class Scene(Struct, frozen=True, kw_only=True):
    """What is known when a decision is due.

    Attributes:
        component: whose trouble it is.
        kind: of the component.
        topology: components, and what is looked at of them.
        signs: how each target stands that was looked at.
        falls: when each target was found gone in the last minutes, oldest first.
        annotation: what is known of the component beside what is measured.
        warm_s: until when it may be slow because something was done to it.
        cold: who that was done to: itself, or one of its replicas.
        is_tried: whether it was done about this very trouble, and has had its time.
        away_s: when it was last seen to do none of its work.
        is_relieved: whether load is being held back from it, or from who calls it.
        is_meant: whether it crossed a line that somebody drew, and planned for: then it matters,
            whatever its users feel.
        onset_s: when the trouble began.
        freed_s: when it was found to be no mere symptom of another one's, if that was held before.
        now_s: loop time.
    """

    component: str
    kind: Kind
    topology: Topology
    signs: Mapping[str, Signs]
    falls: Mapping[str, tuple[float, ...]] = {}
    annotation: Annotation = Annotation()
    warm_s: float = float("-inf")
    cold: str = ""
    is_tried: bool = False
    away_s: float = float("-inf")
    is_relieved: bool = False
    is_meant: bool = False
    onset_s: float
    freed_s: float = float("-inf")
    now_s: float

    def of(self, target: str) -> Signs:
        """How a target stands."""
        return self.signs.get(target, _NOTHING)

    @property
    def own(self) -> Signs:
        """How the component stands, as it is seen as a whole."""
        return self.of(self.component)

    @property
    def replicas(self) -> tuple[str, ...]:
        """Replicas of the component that anything is known of."""
        names = self.topology.replicas(self.component)
        return tuple(name for name in names if self.of(name).known)

    @property
    def units(self) -> tuple[str, ...]:
        """What may be ill by itself: replicas, or the component where none are seen."""
        return self.replicas or (self.component,)

    @property
    def edges_in(self) -> tuple[str, ...]:
        """Edges to the component that anything is known of."""
        return tuple(e for e in self.topology.edges_to(self.component) if self.of(e).known)

    @property
    def needs(self) -> tuple[str, ...]:
        """What the component calls."""
        component = self.topology.components.get(self.component)
        return component.depends_on if component is not None else ()

    def edge_out(self, callee: str) -> Signs:
        """Calls of the component to another one, as it sees them."""
        return self.of(f"{self.component}>{callee}")

    @property
    def is_only_checked_ill(self) -> bool:
        """Whether only its check says that it answers wrongly: all others say otherwise."""
        own = self.own
        fails = own.up < 1.0 and own.gone in ("", "ok") and own.served >= _SERVES
        others = (*self.replicas, *self.edges_in)
        return fails and all(self.of(each).errors <= 1.0 - _SERVES for each in others)

    @property
    def fails_by_what_it_needs(self) -> bool:
        """Whether some of what it calls fails or keeps it waiting, by its own view of the calls.

        Where calls are not looked at, the callee's own health stands in for them.
        """
        return any(self._is_let_down(name) for name in self.needs)

    def _is_let_down(self, callee: str) -> bool:
        edge = self.edge_out(callee)
        if edge.known:
            return edge.errors >= 0.1 or edge.latency >= 3.0
        seen = self.of(callee)
        return seen.known and not seen.is_well

    def is_cold(self, targets: Sequence[str]) -> bool:
        """Whether what these show may be only that they have just been started."""
        of_these = self.cold in ("", self.component) or set(targets) <= {self.cold}
        return self.now_s < self.warm_s and of_these

    @property
    def begun_s(self) -> float:
        """Since when it is looked at as a trouble of its own."""
        return max(self.onset_s, self.freed_s)

    @property
    def deploy_age_s(self) -> float:
        """Time from the last deployment to the onset; infinite when it was after, or long ago."""
        age_s = self.onset_s - self.annotation.deployed_s
        return age_s if age_s >= -_LATE_S else float("inf")


# Who answers so much of what it is asked is well, whatever its check says.
_SERVES = 0.95
# A deployment is told up to so long after its first effects.
_LATE_S = 5.0
