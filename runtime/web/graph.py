"""Where each component stands in the picture: layers by dependency, few crossings.

Layers come from the longest way down, so that whatever is needed stands to the right of whoever
needs it; the order within a layer from the mean place of the neighbours, a few rounds of that.

Source:
    Sugiyama, Tagawa & Toda, IEEE Trans. Syst. Man Cybern. 11 (1981) 109-125: layers, then
    barycentres; here without dummy nodes, since edges may pass behind a card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ...core.topology import Component

_SWEEPS = 4  # Further ones hardly change the order of graphs that people draw.


class Place(Struct, frozen=True, kw_only=True):
    """Where a component stands: column from the left, row from the top, both from 0."""

    name: str
    column: int
    row: int


def places(components: Sequence[Component]) -> list[Place]:
    """A place for each component, in the order given.

    Args:
        components: with what they depend on; circles are allowed.
    """
    needs = {each.name: each.depends_on for each in components}
    columns = _columns(needs)
    layers: dict[int, list[str]] = {}
    for name in needs:
        layers.setdefault(columns[name], []).append(name)
    _order(layers, needs)
    rows = {name: row for layer in layers.values() for row, name in enumerate(layer)}
    return [Place(name=name, column=columns[name], row=rows[name]) for name in needs]


def _columns(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    columns = dict.fromkeys(needs, 0)
    # As many rounds as the longest way has steps; in a circle the bound ends it.
    for _ in range(len(needs)):
        moved = False
        for name, below in needs.items():
            for other in below:
                if columns[other] <= columns[name] < len(needs) - 1:
                    columns[other], moved = columns[name] + 1, True
        if not moved:
            break
    used = sorted(set(columns.values()))
    return {name: used.index(column) for name, column in columns.items()}


def _order(layers: dict[int, list[str]], needs: Mapping[str, Sequence[str]]) -> None:
    near: dict[str, list[str]] = {name: list(below) for name, below in needs.items()}
    for name, below in needs.items():
        for other in below:
            near[other].append(name)
    for sweep in range(_SWEEPS):
        for column in sorted(layers, reverse=bool(sweep % 2)):
            place = {name: row for layer in layers.values() for row, name in enumerate(layer)}
            layers[column].sort(key=lambda name: _mean(name, near, place))


def _mean(name: str, near: Mapping[str, Sequence[str]], place: Mapping[str, int]) -> float:
    others = near[name]
    return sum(place[each] for each in others) / len(others) if others else place[name]
