"""From a scenario file to a world: estate, faults and traffic as the simulator wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from ..core.policy import Pause
from ..core.units import spelled_out
from ..errors import ConfigError
from . import faults
from .catalogue import CATALOGUE, Fault
from .format import ComponentSpec, FaultSpec, Scenario, TrafficSpec
from .scoring import Broken
from .simulator import USERS, Course, Edge, Estate, Service, SimulatedWorld, Traffic, draw_estate

_WHO = "the scenario"


class Staged(Struct, frozen=True, kw_only=True):
    """A scenario that can be run once.

    Attributes:
        world: the simulated estate.
        course: all that determines what happens in it when nobody acts.
        broken: what is wrong and when; for `mendel.scenarios.scoring`.
        pauses: the announced maintenance.
    """

    world: SimulatedWorld
    course: Course
    broken: tuple[Broken, ...]
    pauses: tuple[Pause, ...]


def stage(scenario: Scenario, seed: int | None = None) -> Staged:
    """Set a scenario up for one run.

    Args:
        scenario: which.
        seed: of everything random in it, instead of its own.

    Raises:
        ConfigError: the estate has nothing of a name that the scenario uses, or no such topology.
    """
    seed = scenario.seed if seed is None else seed
    estate = _estate(scenario, seed)
    _check_names(scenario, estate)
    course = Course(
        estate=estate,
        faults=tuple(_fault(each) for each in scenario.faults),
        seed=seed,
        until_s=scenario.until_s,
    )
    return Staged(
        world=SimulatedWorld(course, watch=scenario.estate.watch),
        course=course,
        broken=broken_in(course),
        pauses=tuple(
            Pause(
                target=window.target,
                start_s=window.at_s,
                end_s=window.at_s + window.lasts_s,
                who=_WHO,
                reason=window.reason,
            )
            for window in scenario.maintenance
        ),
    )


def _estate(scenario: Scenario, seed: int) -> Estate:
    spec = scenario.estate
    if spec.topology:
        estate = draw_estate(spec.topology, seed)
        return structs.replace(estate, traffic=_traffic(scenario.traffic, estate.traffic))
    return Estate(
        name=scenario.name,
        services=tuple(_service(each) for each in spec.components),
        edges=_edges(spec.components),
        traffic=_traffic(scenario.traffic, Traffic()),
    )


def _traffic(spec: TrafficSpec, drawn: Traffic) -> Traffic:
    said = {name: value for name, value in structs.asdict(spec).items() if value is not None}
    return structs.replace(drawn, **said)


def _service(spec: ComponentSpec) -> Service:
    """A component with its traits, which are fields of `Service`."""
    traits: Mapping[str, Any] = spelled_out(spec.traits, Service.__struct_fields__)
    values = {**traits, "name": spec.name, "kind": spec.kind, "replicas": spec.replicas}
    try:
        return msgspec.convert(values, Service, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"traits of component {spec.name!r}: {error}") from error


def _edges(specs: tuple[ComponentSpec, ...]) -> tuple[Edge, ...]:
    """Everybody calls what it depends on; users call what nobody else does."""
    called = {name for spec in specs for name in spec.depends_on}
    doors = [spec.name for spec in specs if spec.name not in called]
    return (
        *(Edge(caller=USERS, callee=name, timeout_s=4.0, retries=0) for name in doors),
        *(Edge(caller=spec.name, callee=name) for spec in specs for name in spec.depends_on),
    )


def _check_names(scenario: Scenario, estate: Estate) -> None:
    """Names in a drawn topology are known only now; a demand on nobody would always be kept."""
    known = {service.name for service in estate.services} | {USERS}
    must, must_not = scenario.must, scenario.must_not
    named = [fault.target for fault in scenario.faults]
    named += [window.target for window in scenario.maintenance]
    named += [*must.detected, *must.healed, *must.escalated, *must_not.act_on]
    named += [each.target for each in (*must.actions, *must_not.actions)]
    for target in named:
        for name in target.split(">"):
            if name != "*" and name.partition("/")[0] not in known:
                raise ConfigError(
                    f"scenario {scenario.name!r} names {target!r}, but estate {estate.name!r} has "
                    f"only: {', '.join(service.name for service in estate.services)}"
                )


def _fault(spec: FaultSpec) -> Fault:
    """What is said, over what is usual for its kind."""
    usual: Fault = getattr(faults, spec.kind)(spec.target, spec.at_s)
    said = {name: value for name, value in structs.asdict(spec).items() if value is not None}
    return structs.replace(usual, **said)


def broken_in(course: Course) -> tuple[Broken, ...]:
    """What is wrong in a course and when; for `mendel.scenarios.scoring`."""
    return tuple(_broken(each, course.estate) for each in course.faults if _is_broken(each))


def announced_in(course: Course) -> tuple[Pause, ...]:
    """The maintenance in a course, as somebody announces it who is going to do it."""
    return tuple(
        Pause(
            target=fault.target,
            start_s=fault.at_s,
            end_s=fault.at_s + fault.lasts_s,
            who=_WHO,
            reason=fault.words,
        )
        for fault in course.faults
        if fault.kind == "maintenance"
    )


def _is_broken(fault: Fault) -> bool:
    """Some rows of the catalogue are no faults: there is nothing to cure, and nothing to ease."""
    entry = CATALOGUE[fault.kind]
    return bool(entry.cures or entry.right or entry.eases)


def _broken(fault: Fault, estate: Estate) -> Broken:
    callers = [edge.caller for edge in estate.edges_into(fault.target) if edge.caller != USERS]
    seat = CATALOGUE[fault.kind].seat
    return Broken(
        target="*" if seat == "traffic" else fault.target,
        also=tuple(dict.fromkeys(callers)) if seat == "clients" else (),
        kind=fault.kind,
        at_s=fault.at_s,
        until_s=fault.at_s + fault.lasts_s,
    )
