"""Which level suits a component, and why, in words that its team can argue with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...core.levels import Level
from ...core.topology import Kind

_ORDER: tuple[Level, ...] = ("basic", "advanced", "full")

# From here on waiting for a person costs more than agents do: a request each ten milliseconds.
_BUSY_RATE = 100.0
# Who has as many dependents takes a visible part of an estate along.
_MANY_DEPENDENTS = 3
# Peers can be compared from here on: two may disagree, three can outvote one.
_PEERS = 3


class Traits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a component before it is healed.

    Attributes:
        kind: what sort of thing it is.
        criticality: what its failure means to users.
        replicas: how many there are of it.
        request_rate: requests per second.
        dependents: components that cannot do their work without it.
        keeps_state: whether it holds what exists nowhere else.
        resources: how much of the machine may be spent on healing it.
        wish: what its team wants, if anything.
    """

    kind: Kind = "service"
    criticality: Literal["low", "normal", "high"] = "normal"
    replicas: Annotated[int, Meta(ge=1)] = 1
    request_rate: Annotated[float, Meta(ge=0)] = 0.0
    dependents: Annotated[int, Meta(ge=0)] = 0
    keeps_state: bool = False
    resources: Literal["scarce", "normal", "ample"] = "normal"
    wish: Level | None = None


class Recommendation(Struct, frozen=True, kw_only=True):
    """A level, and what speaks for it.

    Attributes:
        level: which.
        reasons: in words, the weightiest first.
    """

    level: Level
    reasons: tuple[str, ...]


def recommend(traits: Traits) -> Recommendation:
    """Say which level suits a component.

    Each trait speaks for more, or for less; `basic` is where nothing speaks for more, `full` where
    two or more do. A wish of its team decides, and what speaks against it is told all the same.

    Args:
        traits: what is known of it.

    Example:
        >>> recommend(Traits(kind="worker")).level
        'basic'
    """
    more, less = tuple(_for_more(traits)), tuple(_for_less(traits))
    points = max(0, min(len(more), len(_ORDER) - 1) - len(less))
    level = _ORDER[points]
    reasons = more + less or ("nothing speaks for more than fixed lines and a fixed plan",)
    if traits.wish is None or traits.wish == level:
        wished = ("its team wants it so",) if traits.wish else ()
        return Recommendation(level=level, reasons=wished + reasons)
    against = f"its team wants {traits.wish}; by its traits it would be {level}"
    return Recommendation(level=traits.wish, reasons=(against, *reasons))


def _for_more(traits: Traits) -> Iterator[str]:
    if traits.criticality == "high":
        yield "users feel its failure at once: found early and answered by what helped before"
    if traits.dependents >= _MANY_DEPENDENTS:
        yield f"{traits.dependents} components depend on it: blame and load need a diagnosis"
    if traits.request_rate >= _BUSY_RATE:
        yield f"{traits.request_rate:g} requests/s: load control holds off what no restart cures"
    if traits.replicas >= _PEERS:
        yield f"{traits.replicas} replicas: one that is ill shows against its peers"


def _for_less(traits: Traits) -> Iterator[str]:
    if traits.kind == "external":
        yield "it is somebody else's: there is little to do but to keep calls away and to tell"
    if traits.criticality == "low":
        yield "its failure matters little: a person may look at it tomorrow"
    if traits.keeps_state and traits.replicas == 1:
        yield "it alone holds its state: what is tried on it should be fixed beforehand"
    if traits.resources == "scarce":
        yield "the machine has little to spare for healing"
