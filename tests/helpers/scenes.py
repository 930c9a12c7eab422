"""Scenes for tests of diagnoses: a shop whose cart has replicas, callers and a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mendel.core.diagnosis import Scene, Signs
from mendel.core.policy import ActionFacts
from mendel.core.topology import Component, Kind, Topology

WELL = Signs(known=True, busy=0.5)
DEAD = Signs(known=True, gone="alive", up=0.0)
ALL = ("cart", "cart/1", "cart/2", "cart/3", "web>cart", "app>cart", "cart>db", "db")

RESTARTS = ("restart", "replace")
CARES: Mapping[str, tuple[str, ...]] = {
    "cart": ("restart", "rolling_restart", "replace", "roll_back", "clean_up", "quarantine"),
    "web": ("restart", "rolling_restart"),
    "app": ("restart",),
    "cart/1": RESTARTS,
    "cart/2": RESTARTS,
    "cart/3": RESTARTS,
}


def a_scene(
    signs: Mapping[str, Signs] | None = None,
    *,
    kind: Kind = "service",
    seen: tuple[str, ...] = ALL,
    **fields: Any,
) -> Scene:
    """Trouble of the cart since 100 s; whoever is not in ``signs`` is well, if it is looked at."""
    components = (
        Component(name="web", depends_on=("cart",)),
        Component(name="app", depends_on=("cart",)),
        Component(name="cart", kind=kind, depends_on=("db",)),
        Component(name="db", kind="database"),
    )
    return Scene(
        component="cart",
        kind=kind,
        topology=Topology(components, seen),
        signs=dict.fromkeys(seen, WELL) | dict(signs or {}),
        **{"onset_s": 100.0, "now_s": 110.0} | fields,
    )


def declared(target: str) -> Mapping[str, ActionFacts]:
    """What the shop declares: little on edges, restarts and replacements on replicas."""
    return {name: ActionFacts(name=name) for name in CARES.get(target, ())}
