"""Which components there are and who needs whom; pure questions about that graph."""

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


class Topology:
    """The declared dependencies, and who is below and above whom.

    Cycles are allowed (services do call each other); a component is never its own dependency.

    Args:
        components: all of them; names are unique and every dependency is among them.
    """

    def __init__(self, components: Iterable[Component]) -> None:
        self.components: Mapping[str, Component] = {each.name: each for each in components}
        self._below = {name: self._reach(name) for name in self.components}

    def below(self, name: str) -> tuple[str, ...]:
        """Everything it needs, directly or not, nearest first; nothing for an unknown name."""
        return self._below.get(name, ())

    def above(self, name: str) -> tuple[str, ...]:
        """Everything that needs the component, directly or not, in order of declaration."""
        return tuple(other for other, below in self._below.items() if name in below)

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
