"""What the metrics of one target say together, each by its role and beside what is usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ...bus.messages import Symptom
from ..detection.usual import is_share
from ..roles import Role, role_of

# From the lowest rung up: what fails on one says nothing new on those above it.
LADDER = ("alive", "reachable", "answered", "ok")
_EPSILON = 1e-9
# Of counts, so many times the usual failures are as bad as everything failing.
_COUNT_WORST = 10.0
# Who answers less than this share of its calls is as good as gone.
_LEAST_SERVED = 0.1
# A pool that is so full is as good as empty; one that is half full and grows so fast will be soon.
_FULL, _HALF, _SOON_S = 0.8, 0.5, 60.0
# From this use of its bottleneck on it may be too much work that keeps it from answering.
_BUSY = 0.5


class Signs(Struct, frozen=True, kw_only=True):
    """How one target stands.

    Attributes:
        known: whether anything was seen of it.
        gone: lowest rung that fails most of the time: ``alive``, ``reachable``, ``answered``,
            ``ok``, or empty.
        up: share of looks that found it well, on its worst rung.
        errors: failed answers beyond the usual ones, as a share; more than 0.
        latency: times the usual latency.
        rate: times the usual traffic.
        busy: use of its bottleneck as a share, as far as something says so; -1.0 for unknown.
        busier: times the usual use of its bottleneck.
        queue: times the usual queue.
        memory: times the usual memory.
        memory_trend: how much of the usual memory is added per second.
        disk: share of the disk in use.
        pool: share of the connections in use.
        pool_trend: how much of the connections is taken per second, more than before.
        retries: share of attempts that are repetitions, beyond the usual.
        living: share of its processes that are there.
        served: share of its calls that are answered, as it counts them; -1.0 for unknown.
    """

    known: bool = False
    gone: str = ""
    up: float = 1.0
    errors: float = 0.0
    latency: float = 1.0
    rate: float = 1.0
    busy: float = -1.0
    busier: float = 1.0
    queue: float = 1.0
    memory: float = 1.0
    memory_trend: float = 0.0
    disk: float = 0.0
    pool: float = 0.0
    pool_trend: float = 0.0
    retries: float = 0.0
    living: float = 1.0
    served: float = -1.0

    @property
    def is_dead(self) -> bool:
        """Whether nothing is there that could answer."""
        return self.gone in ("alive", "reachable") and not self.serves

    @property
    def runs_out(self) -> bool:
        """Whether its connections are used up, or will be within a minute as they have grown."""
        soon = self.pool + self.pool_trend * _SOON_S
        return self.pool >= _FULL or (self.pool >= _HALF and soon >= 1.0)

    @property
    def is_away(self) -> bool:
        """Whether it does none of its work, for another reason than too much of it."""
        fails = 0.0 <= self.served <= _LEAST_SERVED and self.busy < _BUSY
        return self.known and (self.is_dead or fails)

    @property
    def serves(self) -> bool:
        """Whether part of its calls is answered: of its processes some live, some do not."""
        return self.served > _LEAST_SERVED

    @property
    def is_well(self) -> bool:
        """Whether nothing of what users would feel is out of the ordinary."""
        return self.known and not self.gone and self.errors < 0.05 and self.latency < 2.0


def signs_of(symptoms: Iterable[Symptom]) -> Signs:
    """Sum up the metrics of one target.

    Where several metrics speak of the same (latency as a median and as a 99th percentile), the
    worst one counts.
    """
    found = list(symptoms)
    if not found:
        return Signs()
    values = {each.metric: each for each in found}
    rungs = {name: _rung(values[name]) for name in LADDER if name in values}
    of = _by_role(found)
    return Signs(
        known=True,
        gone=next((name for name, value in rungs.items() if value < 0.5), ""),
        up=min(rungs.values(), default=1.0),
        errors=max([_wrong(rungs), *map(_excess, of("errors", "success"))]),
        latency=max(map(_times, of("latency")), default=1.0),
        rate=max(map(_times, of("rate")), default=1.0),
        busy=max((each.value for each in of("saturation") if is_share(each.metric)), default=-1.0),
        busier=max(map(_times, of("saturation")), default=1.0),
        queue=max(map(_times, of("queue")), default=1.0),
        memory=max(map(_times, of("memory")), default=1.0),
        memory_trend=max(map(_growth, of("memory")), default=0.0),
        disk=max((each.value for each in of("disk") if is_share(each.metric)), default=0.0),
        pool=max((each.value for each in of("pool") if is_share(each.metric)), default=0.0),
        pool_trend=max(
            (each.trend_per_s for each in of("pool") if is_share(each.metric)), default=0.0
        ),
        retries=max((_excess(each) for each in of("retries")), default=0.0),
        living=rungs.get("alive", 1.0),
        served=min(map(_answered, of("errors", "success")), default=-1.0),
    )


def _wrong(rungs: Mapping[str, float]) -> float:
    """Share of looks that were answered, and wrongly."""
    return max(0.0, rungs.get("answered", 1.0) - rungs.get("ok", 1.0))


def _answered(symptom: Symptom) -> float:
    """Share of its calls that a counter of good or bad answers tells; -1.0 for unknown."""
    if not is_share(symptom.metric):
        return -1.0
    return symptom.value if role_of(symptom.metric) == "success" else 1.0 - symptom.value


def _rung(symptom: Symptom) -> float:
    """A process is there or not at this moment; how it answers is a matter of several looks."""
    return symptom.latest if symptom.metric == "alive" else symptom.value


class _by_role:  # noqa: N801  Used as a function.
    def __init__(self, symptoms: Iterable[Symptom]) -> None:
        self._of: dict[Role, list[Symptom]] = {}
        for each in symptoms:
            self._of.setdefault(role_of(each.metric), []).append(each)

    def __call__(self, *roles: Role) -> list[Symptom]:
        return [each for role in roles for each in self._of.get(role, ())]


def _times(symptom: Symptom) -> float:
    """Its value in times of what is usual; 1.0 where nobody knows that."""
    if symptom.usual is None:
        return 1.0
    return max(symptom.value, 0.0) / max(symptom.usual, _EPSILON)


def _growth(symptom: Symptom) -> float:
    return symptom.trend_per_s / max(symptom.usual or 0.0, _EPSILON) if symptom.usual else 0.0


def _excess(symptom: Symptom) -> float:
    """Failed answers beyond the usual ones, as a share."""
    usual = symptom.usual or 0.0
    if not is_share(symptom.metric):
        return min(max(0.0, symptom.value / max(usual, 1.0) - 1.0) / _COUNT_WORST, 1.0)
    is_good = role_of(symptom.metric) == "success"
    if is_good and symptom.usual is None:
        return max(0.0, 1.0 - symptom.value)
    return max(0.0, usual - symptom.value if is_good else symptom.value - usual)
