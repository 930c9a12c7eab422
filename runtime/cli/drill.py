"""The command that breaks real processes on purpose."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...core.units import format_duration
from ...errors import ConfigError
from .output import Out, Printer
from .times import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Loaded
    from ..drill.plan import Plan
    from ..drill.verdict import Result

_INTERRUPTED = 130


def drill(
    fault: Annotated[str, Parameter(name="SCENARIO|FAULT")],
    /,
    *,
    config: Path | None = None,
    target: str = "",
    yes: bool = False,
    for_s: Annotated[float, Parameter(name="--for", converter=seconds)] = 8.0,
    settle_s: Annotated[float, Parameter(name="--settle", converter=seconds)] = 60.0,
    seed: int = 1,
    record: Path | None = None,
    out: Printer,
) -> int:
    """Break real processes on purpose, and see whether mendel heals them.

    Starts what the configuration runs, breaks it, and takes everything back: at the end, on
    Ctrl-C, and after a crash at the next start. Returns 1 when something was not detected, not
    healed, or a demand not kept.

    Args:
        fault: crash, hang, slow, failing, leak, dependency_down, partition, half_open, reset; or a
            scenario, whose faults are then made one after the other.
        config: the estate; by default the five services of the demo.
        target: the component that is broken; by default the one that the scenario names.
        yes: do not ask.
        for_s: how long a fault of the network lasts.
        settle_s: how long to wait for healing.
        seed: of what is drawn while a fault lasts.
        record: write all readings and messages to this file, to be replayed.
    """
    import asyncio

    from ..drill.plan import plan_of
    from ..drill.run import Patience, run_drill

    with _estate(config, seed) as loaded:
        plan = plan_of(fault, loaded.config.components, target=target, for_s=for_s)
        for note in plan.notes:
            out.note(f"note: {note}")
        if config is not None and not yes and not _agreed(plan, loaded, out):
            return 1
        try:
            result = run_drill(
                loaded,
                plan,
                out.note,
                seed=seed,
                patience=Patience(settle_s=settle_s),
                record=record,
            )
        except asyncio.CancelledError:
            out.note("the drill was stopped; what was broken is taken back")
            return _INTERRUPTED
    if out.is_text:
        _tell(result, out)
    else:
        out.show(result)
    return 0 if result.passed else 1


@contextlib.contextmanager
def _estate(config: Path | None, seed: int) -> Iterator[Loaded]:
    from ..config import load
    from ..drill.run import demo_estate

    if config is not None:
        yield load(config)
        return
    with demo_estate(seed) as loaded:
        yield loaded


def _agreed(plan: Plan, loaded: Loaded, out: Out) -> bool:
    """Whether a person wants it; nobody is asked where nobody can answer."""
    for step in plan.steps:
        out.note(f"  {step.words}")
    if not sys.stdin.isatty():
        raise ConfigError(
            f"this would break components of {loaded.path}, and nobody can be asked whether that "
            "is meant; say it with --yes"
        )
    sys.stderr.write(f"Do this to the components of {loaded.path}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    out.note("nothing was done")
    return False


def _tell(result: Result, out: Out) -> None:
    out.table(
        ("FAULT", "TARGET", "DETECTED IN", "HEALED IN", "LASTED", "ACTIONS"),
        [
            (
                each.kind,
                each.target,
                _took(each.detection_s),
                _took(each.recovery_s),
                format_duration(each.lasted_s),
                ", ".join(each.actions) or "-",
            )
            for each in result.faults
        ],
    )
    for each in result.skipped:
        out.line(f"{out.paint('not broken', 'red')}: {each}")
    for each in result.not_kept:
        out.line(f"{out.paint('not kept', 'red')}: {each}")
    verdict = out.paint("passed", "green") if result.passed else out.paint("not passed", "red")
    out.line(
        f"{result.name}: {verdict}; detected in {_took(result.mttd_s)}, "
        f"healed in {_took(result.mttr_s)}; {result.unneeded} unneeded actions, "
        f"{result.false_alarms} false alarms"
    )


def _took(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)
