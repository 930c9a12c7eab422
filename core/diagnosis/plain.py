"""What is plain: one cause that hardly anything speaks against, and a remedy known to cure it.

The level that does not weigh causes acts on nothing else. To restart what is only busy, or the
callers of what is ill, does more harm than to wait, so what is not plain is watched, and in the end
a person's. Where most of the work is not done and nothing speaks for a cause that no step takes
away, there is little left to lose, and after a while the first step of its plan is taken.

What was turned down: rules of its own for the simplest level. Two sets of rules about the same
signs contradict each other sooner or later.
"""

from __future__ import annotations

from msgspec import structs

from .diagnose import Diagnosis, severity_of
from .remedies import Declared, steps_for
from .rules import Hypothesis
from .scene import Scene

# What one step on the ill part takes away, and how long it has to look the same before: what is
# gone, or stands still, is that at the first look. What is slow or short of something for a reason
# outside itself (load, others' services) is not among them.
_STEADY_S = 10.0
_CURABLE_AFTER_S = {
    "crash": 0.0,
    "hang": 0.0,
    "correlated_loss": 0.0,
    "flapping": 0.0,
    "poison_message": 0.0,
    "bad_deploy": 0.0,
    "disk_fill": 0.0,
    "memory_leak": _STEADY_S,
    "pool_exhaustion": _STEADY_S,
    "stale_pool": _STEADY_S,
    "gray_failure": _STEADY_S,
    "limplock": _STEADY_S,
    "noisy_neighbour": _STEADY_S,
}
_SCORE, _BESIDE = 0.7, 0.5
# What is told by the same signs, and cured alike, does not speak against each other: processes
# that are gone; a replica that does worse than its peers.
_LOSSES = ("crash", "correlated_loss", "flapping", "poison_message", "memory_leak")
_LAGGARDS = ("limplock", "gray_failure", "noisy_neighbour", "hang")
# What users do not feel is repaired only where a process is gone or stands still: spare ones are
# there to be used up by the next.
_FELT_BY_NOBODY = ("crash", "hang", "correlated_loss", "disk_fill", "poison_message")
_BEHIND_QUEUES = ("worker", "pipeline", "queue")
# A network heals by itself within a minute; calls that fail for longer between two who are well
# go over dead connections.
_NETWORK_S = 60.0
# With this share of its work undone for so long there is little to lose.
_LOST, _LOST_S = 0.5, 20.0
# What comes back as soon as this was never away.
_SAME_S = 60.0
# What is not plain by then is handed to a person.
_WATCHED_S = 100.0


class Steady:
    """Since when each component looks as it does, incidents that came and went included."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, float, float]] = {}  # Cause, since when, last seen.

    def since_s(self, component: str, cause: str, now_s: float) -> float:
        """Take what a component looks like now; tells since when it does."""
        known, since_s, seen_s = self._known.get(component, (cause, now_s, now_s))
        if known != cause or now_s - seen_s > _SAME_S:
            since_s = now_s
        self._known[component] = (cause, since_s, now_s)
        return since_s


def plainly(
    found: Diagnosis, scene: Scene, declared: Declared, *, since_s: float, is_drawn: bool
) -> Diagnosis:
    """Of a diagnosis, what may be acted on without weighing anything.

    Args:
        found: the diagnosis.
        scene: what it was made of.
        declared: the actions that a target has.
        since_s: since when it has been the same.
        is_drawn: whether a line was crossed that somebody drew himself, which asks for the plan.
    """
    first = _in_the_end(found, scene)
    if first is not None and (first.cause in _FELT_BY_NOBODY or _is_felt(scene)):
        return _treated(first, found, scene, declared, since_s)
    if is_drawn:
        return _blindly(found, since_s)
    is_curable = not scene.is_tried and (not found.cause or found.cause in _CURABLE_AFTER_S)
    if first is None and is_curable and severity_of(scene) >= _LOST and _is_felt(scene):
        return _blindly(found, max(found.hold_s, since_s + _LOST_S))
    until_s = max(since_s, scene.begun_s) + _WATCHED_S
    return structs.replace(found, steps=(), follows_plan=False, hold_s=until_s)


def _treated(
    first: Hypothesis, found: Diagnosis, scene: Scene, declared: Declared, since_s: float
) -> Diagnosis:
    # What killed them is gone after that; they are not back for it.
    gone = (each for each in found.hypotheses if each.cause == "crash")
    steps = {
        step.key: step
        for each in dict.fromkeys((first, *gone))
        for step in steps_for((each,), scene, declared)
    }
    until_s = max(found.hold_s, since_s + _CURABLE_AFTER_S[first.cause])
    return structs.replace(found, where=first.where, steps=tuple(steps.values()), hold_s=until_s)


def _blindly(found: Diagnosis, until_s: float) -> Diagnosis:
    return structs.replace(found, steps=(), follows_plan=True, hold_s=until_s)


def _in_the_end(found: Diagnosis, scene: Scene) -> Hypothesis | None:
    """The one hypothesis, if it is plain and curable."""
    if not found.hypotheses:
        return None
    first, *others = found.hypotheses
    against = (each for each in others if not _are_alike(first, each))
    if first.score < _SCORE or any(each.score > _BESIDE for each in against):
        return None
    if first.cause == "partition" and scene.now_s - scene.begun_s >= _NETWORK_S:
        callers = tuple(dict.fromkeys(each.partition(">")[0] for each in first.where))
        return structs.replace(first, cause="stale_pool", where=callers)
    return first if first.cause in _CURABLE_AFTER_S else None


def _are_alike(one: Hypothesis, other: Hypothesis) -> bool:
    causes = {one.cause, other.cause}
    return causes <= {*_LOSSES} or (causes <= {*_LAGGARDS} and one.where == other.where)


def _is_felt(scene: Scene) -> bool:
    """Whether users feel anything, where they come in; work that queues is missed later."""
    if scene.kind in _BEHIND_QUEUES:
        return True
    doors = scene.topology.doors(scene.component)
    return not doors or any(not scene.of(name).is_well for name in doors)
