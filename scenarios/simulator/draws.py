"""Courses drawn from a seed: which faults befall an estate, where, when and how badly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import structs

from ...errors import ConfigError
from .. import faults as make
from ..catalogue import CATALOGUE, FaultKind
from ..faults import Fault
from .estate import USERS, Estate, Service
from .simulation import Course
from .topologies import draw_estate, visits

_STREAM = 5
_ONSET_S = (60.0, 150.0)  # After the detectors have seen a minute of calm.
_SECOND_SHARE = 0.25  # So many courses have two faults.
_MAKERS: Mapping[FaultKind, Callable[..., Fault]] = {
    kind: getattr(make, kind) for kind in CATALOGUE
}
# Severities that a factor would push beyond what they can mean, or that are periods.
_FIXED: frozenset[FaultKind] = frozenset(("stale_pool", "partition", "dependency_outage", "spike"))


def draw_course(
    shape: str,
    seed: int,
    *,
    kinds: Sequence[FaultKind] = (),
    until_s: float = 900.0,
) -> Course:
    """A course on an estate of a shape.

    Args:
        shape: one of `mendel.scenarios.simulator.SHAPES`.
        seed: of everything that is drawn.
        kinds: faults that it has, in this order; empty draws one, sometimes two.
        until_s: how long it is followed.

    Raises:
        ConfigError: a kind can befall nothing in this estate.
    """
    estate = draw_estate(shape, seed)
    rng = np.random.default_rng((seed, _STREAM))
    if not kinds:
        possible = [kind for kind in CATALOGUE if candidates(kind, estate)]
        count = 2 if rng.random() < _SECOND_SHARE else 1
        kinds = [possible[number] for number in rng.choice(len(possible), count, replace=False)]
    faults = tuple(draw_fault(kind, estate, rng) for kind in kinds)
    return Course(estate=estate, faults=faults, seed=seed, until_s=until_s)


def draw_fault(kind: FaultKind, estate: Estate, rng: np.random.Generator) -> Fault:
    """A fault of a kind somewhere in an estate.

    Raises:
        ConfigError: it can befall nothing there.
    """
    targets = candidates(kind, estate)
    if not targets:
        raise ConfigError(f"{kind} can befall nothing in {estate.name!r}")
    target = targets[int(rng.integers(len(targets)))]
    at_s = float(rng.uniform(*_ONSET_S))
    options: dict[str, Any] = {}
    if kind in ("crash", "hang") and rng.random() < 0.5:
        options["share"] = 0.34
    fault = _MAKERS[kind](target, at_s, **options)
    factor = float(rng.uniform(0.8, 1.25))
    if kind == "overload":  # Too many for the peak of the day, whenever it comes.
        traffic = estate.traffic
        factor *= traffic.rate * (1.0 + traffic.day_swing) / traffic.usual_rate(at_s)
    return fault if kind in _FIXED else structs.replace(fault, severity=fault.severity * factor)


def candidates(kind: FaultKind, estate: Estate) -> list[str]:
    """Targets that a kind of fault can befall, and where it means something."""
    if kind in ("spike", "overload", "correlated_loss"):
        return ["*"]
    if kind == "partition":
        return [edge.name for edge in estate.edges if edge.caller != USERS]
    if kind in ("monitoring_outage", "late_monitoring", "check_flapping"):
        return ["*", *(service.name for service in estate.services)]
    fits = _FITS.get(kind, _ours)
    used = visits(estate.services, estate.edges)  # A stand-in that is idle harms nobody.
    return [each.name for each in estate.services if used[each.name] and fits(each, estate)]


def _ours(service: Service, estate: Estate) -> bool:
    return service.kind != "external"


def _several(service: Service, estate: Estate) -> bool:
    return service.kind != "external" and service.replicas > 1


def _deployed(service: Service, estate: Estate) -> bool:
    return service.kind in ("service", "api", "ui", "worker", "pipeline")


def _called(service: Service, estate: Estate) -> bool:
    """Called by components of ours that one could restart."""
    kinds = {each.name: each.kind for each in estate.services}
    callers = (kinds.get(edge.caller, "external") for edge in estate.edges_into(service.name))
    return any(kind not in ("external", "queue") for kind in callers)


def _of_kind(*kinds: str) -> Callable[[Service, Estate], bool]:
    def fits(service: Service, estate: Estate) -> bool:
        return service.kind in kinds

    return fits


_FITS: Mapping[FaultKind, Callable[[Service, Estate], bool]] = {
    "gray_failure": _several,
    "limplock": _several,
    "flapping": _several,
    "noisy_neighbour": _several,
    "maintenance": _several,
    "memory_leak": _deployed,
    "bad_deploy": _deployed,
    "good_deploy": _deployed,
    "retry_storm": _of_kind("service", "api", "ui"),
    "thundering_herd": _of_kind("service", "api", "ui", "database"),
    "pool_exhaustion": _called,
    "stale_pool": _called,
    "cascade": _called,
    "dependency_outage": _of_kind("external"),
    "disk_fill": _of_kind("database", "queue", "worker"),
    "poison_message": _of_kind("worker", "pipeline"),
}
