"""Which of the sick is the cause: blame before acting.

A component that fails because what it needs fails must not be treated: restarting the callers of
a dead database cures nothing and adds a reconnect storm. So the anomaly of a component with
dependencies is held until each of them has been looked at afresh, and the deepest sick one is
treated. Evidence that speaks of the component alone (its process is gone) needs no such question.

What was turned down: blaming whoever alarms first. Callers are probed as often as what they call,
so half of the time they alarm first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from ...bus.messages import Status
from ..gene import Gene


class TriageConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to look before blaming.

    Attributes:
        hold_s: longest wait for fresh evidence about dependencies.
        settle_s: so long after a dependency recovered, its callers' troubles are still put down
            to it.
    """

    hold_s: Annotated[float, Meta(gt=0), Gene(low=0.5, high=30, scale="log", unit="s")] = 3.0
    settle_s: Annotated[float, Meta(ge=0), Gene(low=1, high=60, scale="log", unit="s")] = 5.0


class Standing(Struct, frozen=True, kw_only=True):
    """What is known of one dependency at the moment of a decision.

    Attributes:
        status: its health.
        fresh: whether it was looked at after the anomaly in question was detected.
        treated_as: who is treated for its trouble: itself when it is the cause, the cause at
            the end of the chain when it is a symptom; empty before that is decided.
        undecided: it has an incident whose cause is still sought.
        mutual: it needs the target in turn.
        onset_s: start of its trouble, when it has an incident.
        recovered_s: when its last incident was over; minus infinity for never, and when the
            asking one has already had its time to follow.
    """

    status: Status = Status.UNKNOWN
    fresh: bool = False
    treated_as: str = ""
    undecided: bool = False
    mutual: bool = False
    onset_s: float = 0.0
    recovered_s: float = float("-inf")


class Treat(Struct, frozen=True):
    """The target is the cause: treat it."""

    reason: str


class Attribute(Struct, frozen=True):
    """The target only shows the trouble of another one: leave it alone while that is treated."""

    cause: str
    reason: str


class Wait(Struct, frozen=True):
    """Not enough is known yet."""

    reason: str


Blame = Treat | Attribute | Wait


def blame(
    target: str,
    onset_s: float,
    below: Sequence[str],
    standings: Mapping[str, Standing],
    config: TriageConfig,
    *,
    waited: bool,
) -> Blame:
    """Decide whether a target is the cause of its own anomaly.

    Args:
        target: whose anomaly it is, one that a dependency could explain.
        onset_s: when it began.
        below: all that the target needs, nearest first.
        standings: what is known of each of them.
        config: how long the past explains the present.
        waited: whether ``hold_s`` is over, so that a decision is due with what is known.
    """
    deepest_first = [(name, standings[name]) for name in reversed(below)]
    for name, standing in deepest_first:
        if standing.treated_as and standing.treated_as != target:
            return Attribute(standing.treated_as, f"{name} is sick and {target} needs it")
    for name, standing in deepest_first:
        circular = standing.treated_as == target
        if not circular and onset_s <= standing.recovered_s + config.settle_s:
            return Attribute(name, f"began before {name} had recovered for {config.settle_s:g} s")
    open_questions = [name for name, each in deepest_first if each.undecided or _is_doubtful(each)]
    if open_questions and not waited:
        return Wait(f"looking at {', '.join(open_questions)} first")
    for name, standing in deepest_first:
        # Two that need each other and wait for each other: the one that fell ill first is it.
        first = not standing.mutual or (standing.onset_s, name) < (onset_s, target)
        if standing.undecided and first:
            return Attribute(name, f"{name} is ill as well and {target} needs it")
    if not below:
        return Treat("it depends on nothing that is watched")
    return Treat(
        f"all that it needs is well: {', '.join(below)}"
        if not open_questions
        else f"nothing that it needs was found sick in time: {', '.join(open_questions)}"
    )


def _is_doubtful(standing: Standing) -> bool:
    return not standing.fresh or standing.status is not Status.HEALTHY
