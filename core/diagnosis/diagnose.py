"""From a scene to what is held to be wrong, what to do about it, and whether to wait first.

Waiting is a step like any other: it costs what goes wrong meanwhile, and may show that nothing had
to be done. A network heals by itself within a minute more often than not; a lone replica that is
gone may be back before anybody could act; what nobody understands is looked at for a while.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from .remedies import Declared, Step, steps_for
from .rules import Hypothesis, hypotheses
from .scene import Scene

# How long after the onset each of these is only watched.
_HOLDS_S: Mapping[str, float] = {
    "partition": 60.0,
    "overload": 120.0,
    "retry_storm": 120.0,
    "thundering_herd": 120.0,
    "dependency_outage": 10.0,
    "check_flapping": 300.0,
}
_LOAD = ("overload", "retry_storm", "thundering_herd")
# A part of the replicas is gone: the others serve on, and it may come back by itself.
_PARTIAL_HOLD_S = 6.0
# What is only slow, or odd, and does its work, is left to a person in the end.
_SLOW = ("limplock", "noisy_neighbour", "cascade")
# Who was just started shows this too, until it is warm and its backlog is worked off.
_COLD = (*_SLOW, "gray_failure")
_MILD, _GRAVE = 0.05, 0.2
_MILD_HOLD_S = 300.0
_AFTER_WORK_S = 45.0
_UNKNOWN_HOLD_S = 20.0
# From this score on a cause is held to be known.
_KNOWN = 0.5
_TOLD = 2


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What is held to be wrong with a component.

    Attributes:
        cause: likeliest class of fault; empty when nothing speaks for any.
        confidence: 0 to 1.
        where: who has it.
        hypotheses: all that were weighed, the likeliest first.
        steps: what may be done, the best first.
        hold_s: nothing is done before this loop time.
        follows_plan: whether the target's plan is walked: nothing better is known, and much goes
            wrong, or a line was crossed that this plan was written for.
        reason: all of it in words.
    """

    cause: str
    confidence: float
    where: tuple[str, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    steps: tuple[Step, ...] = ()
    hold_s: float = float("-inf")
    follows_plan: bool = False
    reason: str = ""


def diagnose(scene: Scene, declared: Declared) -> Diagnosis:
    """Say what is wrong.

    Args:
        scene: what is known.
        declared: the actions that a target has.
    """
    found = hypotheses(scene)
    if not found:
        return Diagnosis(
            cause="",
            confidence=0.0,
            hold_s=scene.begun_s + _unknown_hold_s(scene),
            follows_plan=scene.is_meant or severity_of(scene) >= _GRAVE,
            reason="its cause is not known: nothing that is seen speaks for one",
        )
    first = found[0]
    total = sum(each.score for each in found)
    confidence = first.score * first.score / max(total, first.score)
    steps = tuple(steps_for(found, scene, declared))
    follows_plan = scene.is_meant and not steps
    return Diagnosis(
        cause=first.cause,
        confidence=confidence,
        where=first.where,
        hypotheses=tuple(found),
        steps=steps,
        hold_s=scene.begun_s + (0.0 if follows_plan else _hold_s(first, scene)),
        follows_plan=follows_plan,
        reason=_words(found, confidence),
    )


def severity_of(scene: Scene) -> float:
    """How much of its work is not done: waiting is cheap where that is little."""
    seen = [scene.own, *(scene.of(each) for each in scene.edges_in)]
    return min(max(max(each.errors, 1.0 - each.up) for each in seen), 1.0)


def _unknown_hold_s(scene: Scene) -> float:
    if scene.is_cold((scene.component,)) and not scene.is_tried:
        return scene.warm_s - scene.begun_s
    if scene.is_meant:
        return 0.0  # Whoever drew the line has said how long to look, and what to do.
    severity = severity_of(scene)
    return _UNKNOWN_HOLD_S * (1.0 - severity) if severity >= _GRAVE else _MILD_HOLD_S


def _hold_s(first: Hypothesis, scene: Scene) -> float:
    if scene.is_relieved and first.cause in _LOAD:
        return scene.now_s - scene.begun_s + _HOLDS_S[first.cause]  # As long as that goes on.
    if first.cause in _HOLDS_S:
        return _HOLDS_S[first.cause]
    ends = [end for _, end in scene.annotation.maintenance if end <= scene.now_s]
    ended_s = max(ends, default=-math.inf)
    if scene.now_s - ended_s < _AFTER_WORK_S:
        return ended_s + _AFTER_WORK_S - scene.begun_s  # Who has worked on it lets it boot.
    cold = _SLOW if scene.is_tried else _COLD
    if first.cause in cold and scene.is_cold(first.where):
        return scene.warm_s - scene.begun_s
    if first.cause in _SLOW and severity_of(scene) < _MILD and not scene.is_meant:
        return _MILD_HOLD_S
    is_partial = len(first.where) < len(scene.units)
    if first.cause == "crash" and is_partial:
        return _PARTIAL_HOLD_S
    return 0.0 if first.score >= _KNOWN else _UNKNOWN_HOLD_S / 2


def _words(found: Sequence[Hypothesis], confidence: float) -> str:
    first, others = found[0], found[1 : 1 + _TOLD]
    name = first.cause.replace("_", " ")
    sure = f"{name} ({confidence:.0%} sure): {first.reason}"
    if first.score < _KNOWN:
        sure = f"not known for sure, perhaps {sure}"
    if not others:
        return sure
    turned_down = ", ".join(f"{each.cause.replace('_', ' ')} {each.score:.2f}" for each in others)
    return f"{sure}; less likely: {turned_down}"
