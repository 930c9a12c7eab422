"""One rule for each class of fault: what in a scene speaks for it, and how much.

The classes, their signals and their right answers are those that operators of large systems report
(gray failure: Huang et al., HotOS 2017; fail-slow hardware: Gunawi et al., FAST 2018; metastable
failures: Bronson et al., HotOS 2021). A score is a judgement between 0 and 1, not a frequency; what
experience says of cures is weighed later (`mendel.core.ranking.ranking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from msgspec import Struct

from ..topology import home_of
from .scene import Scene
from .signs import Signs

# Losses this close together have one cause; machines take some seconds to be found dead.
_TOGETHER_S = 10.0
_TOGETHER_LEAST = 3
# What falls again within this time comes and goes.
_AGAIN_S = 120.0
# Trouble that begins within this time of a deployment is put down to it.
_DEPLOY_S = 180.0
_SLOW = 3.0
_BESIDE = 2.0  # A replica that is so many times as slow as its peers is slow.
_ERRORS = 0.08
_TOTAL = 0.9
_FULL = 0.8
_SWOLLEN = 1.5
_BUSY = 0.85
_DEMAND = 1.3
_RETRIES = 0.3
# What waited for one that was away has come back by so long after.
HERD_S = 120.0


class Hypothesis(Struct, frozen=True, kw_only=True):
    """Something that may be wrong.

    Attributes:
        cause: class of fault (``crash``, ``gray_failure``, ...).
        where: who has it: replicas, the component, an edge, or the callers.
        score: how much speaks for it, 0 to 1.
        reason: what, in words.
    """

    cause: str
    where: tuple[str, ...]
    score: float
    reason: str


Rule = Callable[[Scene], Iterator[Hypothesis]]


def hypotheses(scene: Scene) -> list[Hypothesis]:
    """All that anything speaks for, the likeliest first."""
    found = [each for rule in RULES for each in rule(scene)]
    return sorted(found, key=lambda each: -each.score)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- what is gone ---------------------------------------------------------------------------------


def _losses(scene: Scene) -> Iterator[Hypothesis]:
    """Processes that are not there: crashed, on a lost machine, flapping, killed by a message."""
    dead = tuple(each for each in scene.units if scene.of(each).is_dead)
    fallen = dead or tuple(each for each in scene.units if _fell(scene, each))
    if not dead and not scene.replicas:
        yield from _some_gone(scene, is_fallen=bool(fallen))
    if _is_unseen(scene) and _is_cut_off(scene):
        reason = "nothing is heard of it, and all calls to it fail"
        yield _hypothesis("crash", (scene.component,), 0.6, reason)
    if not fallen:
        return
    who = _listed(fallen)
    beside = _fell_together(scene)
    again = tuple(each for each in fallen if len(_falls(scene, each)) >= 2)
    if len(beside) >= _TOGETHER_LEAST:
        reason = f"{_listed(beside)} lost processes in the same moment"
        yield _hypothesis("correlated_loss", fallen, 0.9, reason)
    if _eats_messages(scene) and _in_turn(scene):
        reason = f"one after the other dies of what it takes from the queue: {who}"
        yield _hypothesis("poison_message", (scene.component,), 0.92, reason)
    if not dead and not again and _came_back(scene):
        reason = f"{who} fell and came back by itself"
        yield _hypothesis("flapping", fallen, 0.45, reason)
    if again:
        score = 0.9 if len(again) < len(scene.units) or not dead else 0.8
        yield _hypothesis("flapping", again, score, f"{_listed(again)} fell again and again")
    if dead:
        if max(scene.own.memory, *(scene.of(each).memory for each in scene.units)) >= _SWOLLEN:
            yield _hypothesis("memory_leak", (scene.component,), 0.6, f"{who} died full of memory")
        yield _hypothesis("crash", dead, 0.75, f"processes are gone: {who}")


def _some_gone(scene: Scene, *, is_fallen: bool) -> Iterator[Hypothesis]:
    """Where nobody looks at its replicas, a component that serves on may have lost some of them."""
    if scene.own.living < 1.0:
        reason = f"only {scene.own.living:.0%} of its processes are there"
        yield _hypothesis("crash", (scene.component,), 0.75, reason)
    elif is_fallen and scene.own.up < 1.0:
        yield _hypothesis("crash", (scene.component,), 0.5, "some of its processes are gone")


def _is_unseen(scene: Scene) -> bool:
    """Whether nothing is seen of it but by those who call it."""
    return not scene.own.known and not scene.replicas


def _is_cut_off(scene: Scene) -> bool:
    """Whether all who call it get no answer, at once: over a lost network they would wait."""
    edges = [scene.of(each) for each in scene.edges_in]
    return bool(edges) and all(e.errors >= _TOTAL and e.latency < _SLOW for e in edges)


def _falls(scene: Scene, target: str) -> list[float]:
    return [each for each in scene.falls.get(target, ()) if scene.now_s - each <= _AGAIN_S]


def _fell(scene: Scene, target: str) -> bool:
    return any(each >= scene.onset_s - _TOGETHER_S for each in _falls(scene, target))


def _came_back(scene: Scene) -> bool:
    """Whether replicas that fell are there again, and nobody did that."""
    return bool(scene.replicas) and scene.warm_s < scene.onset_s


def _fell_together(scene: Scene) -> list[str]:
    """Components that lost something at the onset of this trouble."""
    near = (
        home_of(target)
        for target, times_s in scene.falls.items()
        if ">" not in target and any(abs(at_s - scene.onset_s) <= _TOGETHER_S for at_s in times_s)
    )
    return list(dict.fromkeys(near))


def _eats_messages(scene: Scene) -> bool:
    return scene.kind in ("worker", "pipeline")


def _in_turn(scene: Scene) -> bool:
    """Whether its units fell one after the other, not at once."""
    firsts = sorted(at_s for each in scene.units for at_s in _falls(scene, each))
    return len(firsts) >= 2 and firsts[-1] - firsts[0] > 3.0


# --- what is slow or stuck ------------------------------------------------------------------------


def _stuck(scene: Scene) -> Iterator[Hypothesis]:
    """Alive and reachable, and without an answer, or far slower than its peers."""
    alive = [each for each in scene.units if not scene.of(each).is_dead]
    # Who fell and is there again is cold, not stuck.
    ill = tuple(each for each in alive if _is_slow(scene, each, alive) and not _fell(scene, each))
    if not ill or (len(ill) == len(scene.units) and _is_excused(scene)):
        return
    if max(scene.of(each).memory for each in ill) >= _SWOLLEN:
        return  # It collects garbage more than it works.
    who = _listed(ill)
    some = len(ill) < len(scene.units)
    for cause, score in _speeds([scene.of(each) for each in ill], some=some):
        words = {
            "hang": f"{who} takes requests, does no work and answers none",
            "limplock": f"{who} is far slower than usual while its processor idles",
            "noisy_neighbour": f"{who} is slow, and busier than its work explains",
            "cascade": f"{who} is far slower than usual, and nothing it needs is",
        }
        yield _hypothesis(cause, ill, score, words[cause])


def _is_slow(scene: Scene, target: str, units: Sequence[str]) -> bool:
    seen = scene.of(target)
    if seen.gone == "answered":
        return True
    others = [scene.of(each).latency for each in units if each != target]
    usual = median(others) if others else 1.0
    beside = max(_BESIDE, _BESIDE * usual)
    return seen.latency >= beside if others and usual < _SLOW else seen.latency >= _SLOW


def _is_excused(scene: Scene) -> bool:
    """All of it is slow because of what it needs, or of what it is asked for."""
    return scene.fails_by_what_it_needs or _is_overloaded(scene) or _is_crowded(scene)


def _speeds(ill: Sequence[Signs], *, some: bool) -> list[tuple[str, float]]:
    known = [each for each in ill if each.busy >= 0.0]
    if not known:
        stuck = all(each.gone == "answered" for each in ill)
        slow = ("limplock", 0.45) if some else ("cascade", 0.5)
        return [("hang", 0.55 if stuck else 0.15), slow]
    busier = median(each.busier for each in known)
    if max(each.busy for each in known) < 0.02 or busier < 0.03:
        return [("hang", 0.85)]
    if busier > 1.15 and some:
        return [("noisy_neighbour", 0.75), ("limplock", 0.2)]
    if some:
        return [("limplock", 0.75), ("noisy_neighbour", 0.2), ("hang", 0.1)]
    return [("cascade", 0.7)]


# --- what answers wrongly -------------------------------------------------------------------------


def _wrong(scene: Scene) -> Iterator[Hypothesis]:
    """Errors of its own: of some replicas, of a version, of somebody else's service."""
    ill = tuple(each for each in scene.replicas if scene.of(each).errors >= _ERRORS)
    some = ill if len(ill) < len(scene.replicas) else _worst(scene, ill)
    living = tuple(each for each in some if not scene.of(each).is_dead)
    # Where most are ill it is not they: a version, a message or what they need is.
    few = 2 * len(living) <= len(scene.replicas)
    if living and few and not _is_mostly_dead(scene):
        reason = f"{_listed(living)} fails requests that its peers answer"
        yield _hypothesis("gray_failure", living, 0.8, reason)
    errors = max(scene.own.errors, *(scene.of(each).errors for each in scene.units))
    if errors < _ERRORS or _any_dead(scene):
        return
    if scene.is_only_checked_ill:
        reason = "its check fails, and calls to it are answered: the check is wrong, not it"
        yield _hypothesis("check_flapping", (scene.component,), 0.85, reason)
        return
    if scene.kind == "external":
        yield _hypothesis(
            "dependency_outage", (scene.component,), 0.9, "it belongs to others, and fails"
        )
    elif scene.fails_by_what_it_needs:
        return
    elif scene.deploy_age_s <= _DEPLOY_S and not (living and few):
        reason = (
            f"it fails {errors:.0%} of its requests since {scene.annotation.version or 'a version'}"
            f" was deployed, {max(scene.deploy_age_s, 0.0):.0f} s before"
        )
        yield _hypothesis("bad_deploy", (scene.component,), 0.85, reason)
    elif not scene.replicas and errors < _TOTAL:
        reason = "it fails some requests and answers others; which replica is ill is not seen"
        yield _hypothesis("gray_failure", (scene.component,), 0.45, reason)


def _worst(scene: Scene, ill: Sequence[str]) -> tuple[str, ...]:
    """Those that fail far more than the least ill of them, when all fail a little."""
    least = min((scene.of(each).errors for each in ill), default=0.0)
    return tuple(each for each in ill if scene.of(each).errors >= 3.0 * least + _ERRORS)


def _any_dead(scene: Scene) -> bool:
    return scene.own.living < 1.0 or any(scene.of(each).is_dead for each in scene.units)


def _is_mostly_dead(scene: Scene) -> bool:
    return all(scene.of(each).is_dead for each in scene.units)


# --- what is between two --------------------------------------------------------------------------


def _between(scene: Scene) -> Iterator[Hypothesis]:
    """Calls to it fail, while it is well: pools, dead connections, the network."""
    bad = tuple(each for each in scene.edges_in if _is_bad_edge(scene.of(each)))
    # Who is slow or ill keeps the connections of its callers busy; only of one that is well they
    # can have leaked.
    is_well = _is_well_itself(scene)
    full = tuple(each for each in scene.edges_in if scene.of(each).runs_out)
    # Over a network that is gone every call fails, and holds its connection until the timeout.
    full = tuple(each for each in full if scene.of(each).errors < _TOTAL)
    if full and is_well:
        reason = f"connections run out on {_listed(full)}"
        yield _hypothesis("pool_exhaustion", _callers(full), 0.85, reason)
    bad = tuple(each for each in bad if each not in full)
    if not bad or not is_well:
        return
    waits = tuple(each for each in bad if scene.of(each).latency >= _SLOW)
    fails = tuple(each for each in bad if each not in waits)
    if waits:
        reason = f"both sides of {_listed(waits)} are well, and calls between them end in timeouts"
        yield _hypothesis("partition", waits, 0.75, reason)
    if fails:
        reason = f"calls over {_listed(fails)} fail at once, while {scene.component} is well"
        yield _hypothesis("stale_pool", _callers(fails), 0.75, reason)


def _is_bad_edge(seen: Signs) -> bool:
    return seen.errors >= _ERRORS or seen.gone == "ok"


def _is_well_itself(scene: Scene) -> bool:
    own = scene.own
    if _is_unseen(scene) and _is_cut_off(scene):
        return False
    sees_itself = not own.known or (own.errors < 0.05 and not own.gone and own.latency < _SLOW)
    return sees_itself and all(
        scene.of(each).is_well or not scene.of(each).known for each in scene.replicas
    )


def _callers(edges: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.partition(">")[0] for each in edges))


# --- what creeps ----------------------------------------------------------------------------------


def _creeping(scene: Scene) -> Iterator[Hypothesis]:
    """Memory, disks and pools that fill up; the cliff is still to come, or just behind."""
    units = (scene.component, *scene.replicas)
    disk = max(scene.of(each).disk for each in units)
    if disk >= _FULL:
        score = 0.95 if disk >= 0.97 else 0.85
        yield _hypothesis("disk_fill", (scene.component,), score, f"its disk is {disk:.0%} full")
    memory = max(scene.of(each).memory for each in units)
    growth = max(scene.of(each).memory_trend for each in units)
    if memory >= _SWOLLEN or (memory >= 1.3 and growth > 1e-4):
        reason = f"its memory has grown to {memory:.1f} times the usual"
        yield _hypothesis("memory_leak", (scene.component,), 0.85, reason)
    if scene.own.runs_out and not scene.edges_in:
        reason = f"{scene.own.pool:.0%} of its connections are in use"
        yield _hypothesis("pool_exhaustion", (scene.component,), 0.6, reason)
    needs = (name for name in scene.needs if scene.edge_out(name).runs_out)
    out = [name for name in needs if scene.of(name).is_well]
    if out:
        reason = f"its connections to {_listed(out)} run out"
        yield _hypothesis("pool_exhaustion", (scene.component,), 0.85, reason)


# --- too much work --------------------------------------------------------------------------------


def _load(scene: Scene) -> Iterator[Hypothesis]:
    """More work than it can do, by users or by retries; load control sees to it."""
    if not _is_overloaded(scene):
        if _is_crowded(scene):
            reason = f"it is late, and asked {scene.own.rate:.1f} times as much as usual"
            yield _hypothesis("overload", (scene.component,), 0.5, reason)
        return
    edges = [scene.of(each).retries for each in scene.edges_in]
    if max([scene.own.retries, *edges]) >= _RETRIES:
        yield _hypothesis(
            "retry_storm", (scene.component,), 0.8, "much of what comes in are retries"
        )
        return
    if scene.now_s - scene.away_s <= HERD_S and scene.own.rate >= _DEMAND:
        reason = f"all that waited comes at once: {scene.own.rate:.1f} times the usual requests"
        yield _hypothesis("thundering_herd", (scene.component,), 0.85, reason)
    reason = (
        "its load is being held back"
        if scene.is_relieved
        else f"{scene.own.rate:.1f} times the usual requests come in"
    )
    yield _hypothesis("overload", (scene.component,), 0.8, reason)


def _is_crowded(scene: Scene) -> bool:
    """Whether all of it is late while more comes in than usual, by users or from a backlog.

    Its processor need not show that: connections or threads may be what is short.
    """
    own = scene.own
    return not own.is_dead and own.rate >= _DEMAND and own.latency >= _SLOW


def _is_overloaded(scene: Scene) -> bool:
    own = scene.own
    retried = max([own.retries, *(scene.of(each).retries for each in scene.edges_in)]) >= _RETRIES
    is_asked = own.rate >= _DEMAND or retried
    late = own.latency >= 2.0 or own.errors >= _ERRORS
    # Retries without a limit are more load than there is, however little of it gets through.
    suffers = late and (own.busy >= _BUSY or own.busy < 0.0 or retried)
    return scene.is_relieved or (is_asked and suffers)


def _hypothesis(cause: str, where: tuple[str, ...], score: float, reason: str) -> Hypothesis:
    return Hypothesis(cause=cause, where=where, score=score, reason=reason)


RULES: tuple[Rule, ...] = (_losses, _stuck, _wrong, _between, _creeping, _load)
