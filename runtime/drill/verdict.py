"""What came of a drill: of each fault, and of what was demanded.

Judged by the very functions that judge a replay: a drill is a scenario on real processes.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ...bus.messages import Message
from ...scenarios.demands import broken_demands
from ...scenarios.format import EstateSpec, Scenario
from ...scenarios.scoring import Broken, measure, treatments
from .plan import Plan, Step


class Happened(Struct, frozen=True, kw_only=True):
    """A fault that was made.

    Attributes:
        step: what was planned.
        injected_s: when it was made, loop time.
        lifted_s: when it was over: healed, or taken back.
        first: how many messages had been heard before it.
        end: how many had been heard when all was calm again, or nobody waited any longer.
    """

    step: Step
    injected_s: float
    lifted_s: float
    first: int
    end: int

    @property
    def broken(self) -> Broken:
        """The same, for those who score."""
        return Broken(
            target=self.step.target,
            kind=self.step.kind,
            at_s=self.injected_s,
            until_s=self.lifted_s,
        )


class FaultResult(Struct, frozen=True, kw_only=True):
    """What became of one fault.

    Attributes:
        kind: what was done.
        target: to whom.
        lasted_s: until it was healed or taken back.
        detected: whether an anomaly was told that it explains.
        healed: whether all incidents that it explains were over in the end, with proof.
        detection_s: from the fault to the first anomaly.
        recovery_s: from the fault to the proof.
        actions: treatments that were run meanwhile, as ``action target``.
    """

    kind: str
    target: str
    lasted_s: float
    detected: bool
    healed: bool
    detection_s: float | None
    recovery_s: float | None
    actions: tuple[str, ...]


class Result(Struct, frozen=True, kw_only=True):
    """The outcome of a drill.

    Attributes:
        name: of the scenario, or of the kind of fault.
        estate: configuration that was drilled.
        passed: whether every fault was made, detected and healed, and every demand kept.
        faults: each fault.
        skipped: faults that were not made, and why.
        not_kept: demands that were not kept, in words.
        mttd_s: mean time from fault to detection.
        mttr_s: mean time from fault to proof of recovery.
        unneeded: treatments of what was not broken.
        false_alarms: incidents that nothing was broken for.
        notes: what of the scenario could not be taken over.
    """

    name: str
    estate: str
    passed: bool
    faults: tuple[FaultResult, ...]
    skipped: tuple[str, ...]
    not_kept: tuple[str, ...]
    mttd_s: float | None
    mttr_s: float | None
    unneeded: int
    false_alarms: int
    notes: tuple[str, ...] = ()


def judge(
    plan: Plan,
    estate: str,
    happened: Sequence[Happened],
    skipped: Sequence[str],
    messages: Sequence[Message],
) -> Result:
    """Judge a drill.

    Args:
        plan: what was to be done.
        estate: name of the configuration.
        happened: the faults that were made, in order.
        skipped: those that were not, in words.
        messages: everything that was decided meanwhile, in order.
    """
    faults = tuple(_of_fault(each, messages) for each in happened)
    broken = [each.broken for each in happened]
    not_kept = broken_demands(_scenario(plan), broken, messages) if happened else ()
    whole = measure(messages, broken)
    return Result(
        name=plan.name,
        estate=estate,
        passed=bool(faults)
        and not skipped
        and not not_kept
        and all(each.detected and each.healed for each in faults),
        faults=faults,
        skipped=tuple(skipped),
        not_kept=not_kept,
        mttd_s=_mean([each.detection_s for each in faults]),
        mttr_s=_mean([each.recovery_s for each in faults]),
        unneeded=whole.unneeded or 0,
        false_alarms=whole.false_alarms or 0,
        notes=plan.notes,
    )


def _of_fault(happened: Happened, messages: Sequence[Message]) -> FaultResult:
    meanwhile = messages[happened.first : happened.end]
    measures = measure(meanwhile, [happened.broken])
    detection, recovery = measures.detection, measures.recovery
    return FaultResult(
        kind=happened.step.kind,
        target=happened.step.target,
        lasted_s=round(happened.lifted_s - happened.injected_s, 3),
        detected=detection is not None,
        healed=recovery is not None,
        detection_s=None if detection is None else round(detection.mean_s, 3),
        recovery_s=None if recovery is None else round(recovery.mean_s, 3),
        actions=tuple(f"{each.action} {each.target}" for each in treatments(meanwhile)),
    )


def _scenario(plan: Plan) -> Scenario:
    """What is demanded, in the form in which demands are checked."""
    return Scenario(
        name="drill",
        description=plan.name,
        source="drill",
        until_s=1.0,
        estate=EstateSpec(topology="real"),
        must=plan.must,
        must_not=plan.must_not,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return round(sum(known) / len(known), 3) if known else None
