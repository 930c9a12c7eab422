"""Which components there are and who needs whom; pure questions about that graph.

Whatever can be looked at, blamed or acted on is a *target*: a component (``cart``), one of its
replicas (``cart/2``), or an edge as its caller sees it (``web>cart``). Replicas and edges are parts
of a component, their home: what is wrong with them is a matter of its incident. A component that
has none of them is its own only replica.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

Kind = Literal[
    "service", "api", "ui", "worker", "pipeline", "external", "database", "cache", "queue"
]


class Component(Struct, frozen=True, kw_only=True):
    """One thing that is watched and may be healed.

    Attributes:
        name: token of letters, digits, ``_`` and ``-``; it is part of subjects.
        kind: what sort of thing it is; it decides the defaults of its playbook.
        depends_on: names of the components it cannot do its work without.
        group: label shared by components that do the same work; empty for one of a kind.
    """

    name: str
    kind: Kind = "service"
    depends_on: tuple[str, ...] = ()
    group: str = ""


class Annotation(Struct, frozen=True, kw_only=True):
    """What is known of a component beside what is measured.

    Attributes:
        version: of the deployment that runs, as people call it; empty when nobody told.
        deployed_s: loop time at which it was deployed; minus infinity for long ago.
        maintenance: start and end of each announced stretch of work, loop times.
    """

    version: str = ""
    deployed_s: float = float("-inf")
    maintenance: tuple[tuple[float, float], ...] = ()


def sides(target: str) -> tuple[str, ...]:
    """The components that a target touches: its own, or caller and callee of an edge.

    Example:
        >>> sides("cart/2"), sides("web>cart")
        (('cart',), ('web', 'cart'))
    """
    return tuple(side.partition("/")[0] for side in target.split(">"))


def home_of(target: str) -> str:
    """The component that a target is a part of; of an edge the called one.

    Example:
        >>> home_of("cart/2"), home_of("web>cart"), home_of("cart")
        ('cart', 'cart', 'cart')
    """
    return sides(target)[-1]


class Topology:
    """The declared dependencies, and who is below and above whom.

    Cycles are allowed (services do call each other); a component is never its own dependency.

    Args:
        components: all of them; names are unique and every dependency is among them.
        targets: what is looked at beside them: replicas and edges.

    Attributes:
        components: by name.
        names: of all that can be healthy or not: components and targets.
    """

    def __init__(self, components: Iterable[Component], targets: Iterable[str] = ()) -> None:
        self.components: Mapping[str, Component] = {each.name: each for each in components}
        self._below = {name: self._reach(name) for name in self.components}
        above: dict[str, list[str]] = {}
        for other, below in self._below.items():
            for name in below:
                above.setdefault(name, []).append(other)
        self._above = {name: tuple(others) for name, others in above.items()}
        self._parts: dict[str, dict[str, None]] = {}
        self._edges_from: dict[str, dict[str, None]] = {}
        targets = tuple(targets)
        self.names: frozenset[str] = frozenset((*self.components, *targets))
        for target in targets:
            home = home_of(target)
            if target != home:
                self._parts.setdefault(home, {})[target] = None
            if ">" in target:
                self._edges_from.setdefault(sides(target)[0], {})[target] = None

    def below(self, name: str) -> tuple[str, ...]:
        """Everything it needs, directly or not, nearest first; nothing for an unknown name."""
        return self._below.get(name, ())

    def above(self, name: str) -> tuple[str, ...]:
        """Everything that needs the component, directly or not, in order of declaration."""
        return self._above.get(name, ())

    def parts(self, name: str) -> tuple[str, ...]:
        """Replicas of a component and edges to it, as far as they are looked at."""
        return tuple(self._parts.get(name, ()))

    def replicas(self, name: str) -> tuple[str, ...]:
        """Replicas of a component, as far as they are looked at."""
        return tuple(each for each in self.parts(name) if ">" not in each)

    def edges_to(self, name: str) -> tuple[str, ...]:
        """Edges to a component as its callers see them, as far as they are looked at."""
        return tuple(each for each in self.parts(name) if ">" in each)

    def edges_from(self, name: str) -> tuple[str, ...]:
        """Edges from a component, as far as they are looked at."""
        return tuple(self._edges_from.get(name, ()))

    def callers(self, name: str) -> tuple[str, ...]:
        """Components that need it directly, in order of declaration."""
        return tuple(other.name for other in self.components.values() if name in other.depends_on)

    def doors(self, name: str) -> tuple[str, ...]:
        """Where users come in whose requests may need the component: itself or those above it."""
        return tuple(each for each in (name, *self.above(name)) if not self.above(each))

    def _reach(self, start: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        layer: tuple[str, ...] = (start,)
        while layer:
            fresh: dict[str, None] = {}
            for name in layer:
                for needed in self.components[name].depends_on:
                    if needed != start and needed not in found:
                        fresh[needed] = None
            found |= fresh
            layer = tuple(fresh)
        return tuple(found)
