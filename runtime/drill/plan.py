"""What a drill will break: a scenario, or one kind of fault, fitted to the estate that there is.

Everything that cannot be done is said here, before anything is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct, structs

from ...documents.kinds import did_you_mean
from ...errors import ConfigError
from ...scenarios.chaos.drills import DRILLS, MADE_REAL, Drill, DrillKind
from ...scenarios.format import ActionOn, FaultSpec, Must, MustNot, Scenario
from ...scenarios.shipped import find_scenario, shipped
from ..specs import ComponentSpec


class Step(Struct, frozen=True, kw_only=True):
    """One fault of a drill.

    Attributes:
        kind: what is done.
        target: to which component.
        for_s: how long it lasts at most; one of a process is over as soon as it is healed.
    """

    kind: DrillKind
    target: str
    for_s: float

    @property
    def drill(self) -> Drill:
        """What there is to know of its kind."""
        return DRILLS[self.kind]

    @property
    def words(self) -> str:
        """What happens, for people."""
        return self.drill.words.format(target=self.target)


class Plan(Struct, frozen=True, kw_only=True):
    """What a drill will do, and what is demanded of the healer.

    Attributes:
        name: of the scenario, or of the kind of fault.
        steps: the faults, one after the other.
        must: what has to happen.
        must_not: what may not happen.
        notes: what of the scenario could not be taken over.
    """

    name: str
    steps: tuple[Step, ...]
    must: Must
    must_not: MustNot
    notes: tuple[str, ...] = ()


def plan_of(name: str, components: Sequence[ComponentSpec], *, target: str, for_s: float) -> Plan:
    """Fit a scenario or a kind of fault to an estate.

    Args:
        name: a scenario file, the name of one that ships, or a kind of fault (`DRILLS`).
        components: who there is.
        target: what is to be broken; empty for what the scenario names.
        for_s: how long a fault lasts at most.

    Raises:
        ConfigError: it cannot be done here; it says what can.
    """
    known = [each.name for each in components]
    if target and target not in known:
        raise ConfigError(
            f"there is no component {target!r}; {did_you_mean(target, known, 'components')}"
        )
    for kind in DRILLS:
        if kind == name and not Path(name).exists():
            return _of_kind(kind, components, target, for_s)
    if name not in shipped() and Path(name).suffix != ".toml" and not Path(name).exists():
        raise ConfigError(
            f"{name!r} is neither a fault nor a scenario; faults are {', '.join(DRILLS)}; "
            "see `mendel scenarios list` for scenarios"
        )
    return _of_scenario(find_scenario(name), known, target, for_s)


def _of_kind(
    kind: DrillKind, components: Sequence[ComponentSpec], target: str, for_s: float
) -> Plan:
    target = target or _first_called(components)
    callers = tuple(each.name for each in components if target in each.depends_on)
    return Plan(
        name=kind,
        steps=(Step(kind=kind, target=target, for_s=for_s),),
        must=Must(detected=(target,), healed=(target,)),
        must_not=MustNot(act_on=callers),
    )


def _first_called(components: Sequence[ComponentSpec]) -> str:
    """Somebody whom others depend on: what befalls it also shows elsewhere."""
    called = {name for each in components for name in each.depends_on}
    names = [each.name for each in components]
    return next((name for name in names if name in called), names[0])


def _of_scenario(scenario: Scenario, known: Sequence[str], target: str, for_s: float) -> Plan:
    if not scenario.faults:
        raise ConfigError(f"scenario {scenario.name!r} has no faults; there is nothing to drill")
    for fault in scenario.faults:
        if fault.kind not in MADE_REAL:
            _refuse(scenario, fault)
    befallen = list(dict.fromkeys(_callee(each.target) for each in scenario.faults))
    if target and len(befallen) > 1:
        raise ConfigError(
            f"scenario {scenario.name!r} befalls {' and '.join(befallen)}; "
            "with --target it must befall one component only"
        )
    names = dict(zip(befallen, [target or each for each in befallen], strict=True))
    for name in names.values():
        if name not in known:
            raise ConfigError(
                f"scenario {scenario.name!r} befalls {name!r}, which this estate does not have; "
                f"choose another one with --target: {', '.join(known)}"
            )
    must, must_not = _renamed(scenario.must, names), _renamed_not(scenario.must_not, names)
    missing = sorted(_named(must, must_not) - {*known, "*"})
    return Plan(
        name=scenario.name,
        steps=tuple(_step(scenario, each, names, for_s) for each in scenario.faults),
        must=_without(must, missing),
        must_not=_without_not(must_not, missing),
        notes=tuple(f"{each} is not here; nothing is demanded of it" for each in missing),
    )


def _step(scenario: Scenario, fault: FaultSpec, names: dict[str, str], for_s: float) -> Step:
    lasts_s = for_s if fault.lasts_s is None else min(fault.lasts_s, for_s)
    return Step(kind=MADE_REAL[fault.kind], target=names[_callee(fault.target)], for_s=lasts_s)


def _refuse(scenario: Scenario, fault: FaultSpec) -> NoReturn:
    raise ConfigError(
        f"scenario {scenario.name!r}: {fault.kind} cannot be done to real processes; "
        f"those that can are {', '.join(MADE_REAL)}"
    )


def _callee(target: str) -> str:
    """The component that a fault is made at; of an edge, the side that is called."""
    return target.rpartition(">")[2].partition("/")[0]


# --- demands ----------------------------------------------------------------------------------


def _renamed(must: Must, names: dict[str, str]) -> Must:
    def named(targets: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(each, each) for each in targets)

    return structs.replace(
        must,
        detected=named(must.detected),
        healed=named(must.healed),
        escalated=named(must.escalated),
        actions=_renamed_actions(must.actions, names),
    )


def _renamed_not(must_not: MustNot, names: dict[str, str]) -> MustNot:
    return structs.replace(
        must_not,
        # Who is befalled instead of another one may be acted upon.
        act_on=tuple(each for each in must_not.act_on if each not in names.values()),
        actions=_renamed_actions(must_not.actions, names),
    )


def _renamed_actions(rules: tuple[ActionOn, ...], names: dict[str, str]) -> tuple[ActionOn, ...]:
    return tuple(
        structs.replace(each, target=names.get(each.target, each.target)) for each in rules
    )


def _named(must: Must, must_not: MustNot) -> set[str]:
    rules = (*must.actions, *must_not.actions)
    plain = (*must.detected, *must.healed, *must.escalated, *must_not.act_on)
    return {*plain, *(each.target for each in rules)}


def _without(must: Must, missing: Sequence[str]) -> Must:
    detected = tuple(each for each in must.detected if each not in missing)
    healed = tuple(each for each in must.healed if each not in missing)
    return structs.replace(
        must,
        detected=detected,
        healed=healed,
        within_s=must.within_s if detected or healed else None,
        escalated=tuple(each for each in must.escalated if each not in missing),
        actions=tuple(each for each in must.actions if each.target not in missing),
    )


def _without_not(must_not: MustNot, missing: Sequence[str]) -> MustNot:
    return structs.replace(
        must_not,
        act_on=tuple(each for each in must_not.act_on if each not in missing),
        actions=tuple(each for each in must_not.actions if each.target not in missing),
    )
