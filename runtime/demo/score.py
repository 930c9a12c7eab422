"""How well the faults of a run were healed, from what was broken and what the bus said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ...bus.messages import (
    ActionFinished,
    ActionStarted,
    AnomalyDetected,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
)
from ...core.topology import Topology

# Probes that were under way when a fault ended still bring bad samples of it.
AFTERMATH_S = 2.0

# They take calls away from a component and give them back; they are free, and not a cure.
CIRCUIT_ACTIONS = ("isolate", "release")


class Injection(Struct, frozen=True, kw_only=True):
    """A fault that was made real.

    Attributes:
        kind: what was done.
        target: to whom.
        injected_s: when, loop time.
        lifted_s: when it was over: seen healed, or taken away because its time was up.
    """

    kind: str
    target: str
    injected_s: float
    lifted_s: float


class FaultScore(Struct, frozen=True, kw_only=True):
    """What became of one fault.

    Attributes:
        kind: what was done.
        target: to whom.
        detected: an incident of the target was opened between injection and lift.
        healed: such an incident was closed as healed, which includes the proof that it is, before
            the fault was lifted.
        detection_s: from injection to the first anomaly of the target; None if undetected.
        reaction_s: from that anomaly to the start of the first action on the target.
        recovery_s: from injection to the close of the incident; None if not healed.
        actions: what was done to the target, in order.
    """

    kind: str
    target: str
    detected: bool
    healed: bool
    detection_s: float | None
    reaction_s: float | None
    recovery_s: float | None
    actions: tuple[str, ...]


class Score(Struct, frozen=True, kw_only=True):
    """The outcome of a run.

    Attributes:
        faults: how many were made real.
        detected: how many of them were detected.
        healed: how many of them were healed.
        false_alarms: incidents that were treated (an action was run, or a person was called)
            though no fault explains them: none was under way, or the one that was had another
            target that theirs does not depend on.
        unneeded_actions: actions other than ``isolate`` and ``release`` that no fault needed: on a
            component that is not its target, before the first fault, or after an action on the
            target had succeeded, because one success cures every fault of the catalogue.
        mttd_s: mean of ``detection_s``; None if nothing was detected.
        mttr_s: mean of ``recovery_s``; None if nothing was healed.
        availability: fraction of the users' requests that were answered, in full or degraded;
            None without requests.
        per_fault: each fault in order.
    """

    faults: int
    detected: int
    healed: int
    false_alarms: int
    unneeded_actions: int
    mttd_s: float | None
    mttr_s: float | None
    availability: float | None
    per_fault: tuple[FaultScore, ...]

    @property
    def is_flawless(self) -> bool:
        """Whether every fault was healed, and nothing was done that was not needed."""
        wrong = self.false_alarms + self.unneeded_actions
        return self.faults == self.detected == self.healed and not wrong


def score(
    injections: Sequence[Injection],
    messages: Sequence[Message],
    topology: Topology,
    *,
    availability: float | None,
) -> Score:
    """Judge a run.

    Args:
        injections: the faults in order; each is lifted before the next one is injected.
        messages: everything that the bus said meanwhile, in order, on the same clock.
        topology: who depends on whom.
        availability: see `Score`.
    """
    per_fault = tuple(_judge(each, messages) for each in injections)
    return Score(
        faults=len(per_fault),
        detected=sum(each.detected for each in per_fault),
        healed=sum(each.healed for each in per_fault),
        false_alarms=_false_alarms(injections, messages, topology),
        unneeded_actions=_unneeded_actions(injections, messages),
        mttd_s=_mean(each.detection_s for each in per_fault),
        mttr_s=_mean(each.recovery_s for each in per_fault),
        availability=None if availability is None else round(availability, 4),
        per_fault=per_fault,
    )


def _judge(injection: Injection, messages: Sequence[Message]) -> FaultScore:
    about = [each for each in messages if getattr(each, "target", "") == injection.target]
    opened = {
        each.incident: each
        for each in about
        if isinstance(each, IncidentOpened) and _within(injection, each.opened_s)
    }
    healed_s = [
        each.closed_s
        for each in about
        if isinstance(each, IncidentClosed)
        and each.incident in opened
        and each.outcome == "healed"
        and each.closed_s <= injection.lifted_s
    ]
    seen_s = [
        each.detected_s
        for each in about
        if isinstance(each, AnomalyDetected) and _within(injection, each.detected_s)
    ]
    seen_s += [each.opened_s for each in opened.values()]
    started = [
        each
        for each in about
        if isinstance(each, ActionStarted) and _within(injection, each.started_s)
    ]
    detected_s = min(seen_s) if opened else None
    acted_s = min((each.started_s for each in started), default=None)
    return FaultScore(
        kind=injection.kind,
        target=injection.target,
        detected=bool(opened),
        healed=bool(healed_s),
        detection_s=_between(injection.injected_s, detected_s),
        reaction_s=_between(detected_s, acted_s),
        recovery_s=_between(injection.injected_s, min(healed_s, default=None)),
        actions=tuple(each.action for each in started),
    )


def _false_alarms(
    injections: Sequence[Injection], messages: Sequence[Message], topology: Topology
) -> int:
    treated = {
        each.incident for each in messages if isinstance(each, ActionStarted | IncidentEscalated)
    }
    alarms = [
        each for each in messages if isinstance(each, IncidentOpened) and each.incident in treated
    ]
    return sum(
        not any(_explains(injection, alarm, topology) for injection in injections)
        for alarm in alarms
    )


def _explains(injection: Injection, alarm: IncidentOpened, topology: Topology) -> bool:
    concerned = (injection.target, *topology.above(injection.target))
    in_time = injection.injected_s <= alarm.opened_s <= injection.lifted_s + AFTERMATH_S
    return in_time and alarm.target in concerned


def _unneeded_actions(injections: Sequence[Injection], messages: Sequence[Message]) -> int:
    unneeded = 0
    cured: set[Injection] = set()
    for message in messages:
        match message:
            case ActionStarted() if message.action not in CIRCUIT_ACTIONS:
                fault = _latest(injections, message.started_s)
                needed = fault and fault.target == message.target and fault not in cured
                unneeded += not needed
            case ActionFinished(outcome="succeeded") if message.action not in CIRCUIT_ACTIONS:
                fault = _latest(injections, message.finished_s)
                if fault and fault.target == message.target:
                    cured.add(fault)
    return unneeded


def _latest(injections: Sequence[Injection], at_s: float) -> Injection | None:
    begun = [each for each in injections if each.injected_s <= at_s]
    return begun[-1] if begun else None


def _within(injection: Injection, at_s: float) -> bool:
    return injection.injected_s <= at_s <= injection.lifted_s


def _between(from_s: float | None, to_s: float | None) -> float | None:
    return None if from_s is None or to_s is None else round(to_s - from_s, 3)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return round(sum(known) / len(known), 3) if known else None
