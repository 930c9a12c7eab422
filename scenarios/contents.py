"""What has to be known of a recording before it can be run: one reading from end to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from ..bus.messages import (
    ActionFinished,
    AgentStarted,
    ApprovalGiven,
    IncidentOpened,
    Message,
    PauseTarget,
    Reconfigure,
    ResumeTarget,
    TargetAnnotated,
)
from ..core.topology import Component, sides
from ..core.watching.watch import CALLS
from ..errors import MessageError
from .recording import Event, Fault, Label, Recording, Row
from .replay import DECISIONS, DECISIONS_MAX, Decision, Input
from .scoring import Broken

JUDGED_ON = (
    "a recording shows what happened then: judged on detection and decisions only, for actions "
    "change nothing in it"
)

# What people and other programs say to a healer while it runs; all else it finds out or decides.
INPUTS: tuple[type[Message], ...] = (
    PauseTarget,
    ResumeTarget,
    ApprovalGiven,
    Reconfigure,
    TargetAnnotated,
)

Lane = tuple[str, str]
"""A target and the name of one of its probes."""

_EVERY_S = 1.0  # Of a probe that has one row only, so that nobody can tell.
_GAPS_KEPT = 65
_TRUTHS_MAX = 10_000


class Done(Struct, frozen=True):
    """How an action went in the recording.

    Attributes:
        outcome: how it ended, as in `ActionFinished`.
        detail: what was said of it.
        duration_s: how long it took.
        settle_s: how long after its end its effect was to show.
        begun_s: when it began, on the clock of the recording.
        told_s: when its end was told; a live system writes it to disk before.
    """

    outcome: str
    detail: str
    duration_s: float
    settle_s: float
    begun_s: float
    told_s: float


class Contents(Struct, frozen=True, kw_only=True):
    """What has to be known of a recording before it is run.

    Attributes:
        components: of its header, and whoever else has rows.
        every_s: usual time between two rows, by target and probe.
        done: how actions went, by target and name, in order.
        decisions: that were taken then.
        inputs: what was said to the healer from outside: pauses, approvals, new settings.
        seed: of everything random in that run.
        run: number of that run, first part of the names of its incidents.
        broken: faults and labels in it; ``None`` when it has neither, for then nobody knows.
        start_s: when its healer began, on its clock: with the first agent, for what mendel runs is
            started before it and after the file is opened.
        start_utc: wall time of that moment, in seconds since the epoch.
        last_s: time of its last row.
        calls: whose guarded calls are in it, as the program itself had counted them.
        damaged: places that could not be read.
        left_out: decisions, actions and truths beyond what is kept.
    """

    components: tuple[Component, ...]
    every_s: dict[Lane, float]
    done: dict[tuple[str, str], tuple[Done, ...]]
    decisions: tuple[Decision, ...]
    inputs: tuple[Input, ...]
    seed: int
    run: int
    broken: tuple[Broken, ...] | None
    start_s: float
    start_utc: float
    last_s: float
    calls: tuple[str, ...]
    damaged: int
    left_out: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the outcome has to know."""
        notes = [JUDGED_ON]
        if self.damaged:
            notes.append(f"{self.damaged:,} damaged places of the recording are left out")
        if self.left_out:
            notes.append(f"{self.left_out:,} decisions and faults of the recording are left out")
        return tuple(notes)


def survey(recording: Recording) -> Contents:
    """Read a recording to its end and tell what has to be known before it is run."""
    tally = _Survey()
    for record in recording:
        match record:
            case Row() if is_of_calls(record):
                tally.add_calls(record)
            case Row():
                tally.add_row(record)
            case Event():
                tally.add_event(record)
            case Fault() | Label():
                tally.add_truth(record)
            case _:
                pass
    header = recording.header
    start_s = header.start_s if tally.began_s is None else tally.began_s
    declared = {each.name for each in header.components}
    seen = (*(target for target, _ in tally.lanes), *tally.calls)
    named = (name for target in seen for name in sides(target))
    others = dict.fromkeys(name for name in named if name not in declared)
    return Contents(
        components=(*header.components, *(Component(name=name) for name in others)),
        every_s={lane: _usual(times_s) for lane, times_s in tally.lanes.items()},
        done={key: tuple(each) for key, each in tally.done.items()},
        decisions=tuple(tally.decisions),
        inputs=tuple(tally.inputs),
        seed=header.seed,
        run=tally.run,
        broken=tuple(tally.broken) if tally.knows_truth else None,
        start_s=start_s,
        start_utc=header.start_utc + start_s - header.start_s,
        last_s=max(tally.last_s, start_s),
        calls=tuple(tally.calls),
        damaged=recording.damaged,
        left_out=tally.left_out,
    )


class _Survey:
    def __init__(self) -> None:
        self.lanes: dict[Lane, list[float]] = {}
        self.done: dict[tuple[str, str], list[Done]] = {}
        self.decisions: list[Decision] = []
        self.inputs: list[Input] = []
        self.run = 1
        self.broken: list[Broken] = []
        self.knows_truth = False
        self.last_s = 0.0
        self.began_s: float | None = None
        self.calls: dict[str, None] = {}
        self.left_out = 0
        self._names = {kind.__name__ for kind in (*DECISIONS, *INPUTS)}

    def add_row(self, row: Row) -> None:
        times_s = self.lanes.setdefault((row.target, row.probe), [])
        if len(times_s) < _GAPS_KEPT:
            times_s.append(row.at_s)
        self.last_s = max(self.last_s, row.at_s)

    def add_calls(self, row: Row) -> None:
        self.calls[row.target] = None
        self.last_s = max(self.last_s, row.at_s)

    def add_event(self, event: Event) -> None:
        if event.kind == AgentStarted.__name__ and self.began_s is None and not self.lanes:
            self.began_s = event.at_s
        if event.kind not in self._names:
            return
        if len(self.decisions) + len(self.inputs) >= DECISIONS_MAX:
            self.left_out += 1
            return
        try:
            message = event.message()
        except MessageError:  # Written by a version that knew it otherwise.
            self.left_out += 1
            return
        if isinstance(message, INPUTS):
            self.inputs.append(Input(event.at_s, message))
            return
        self.decisions.append(Decision(event.at_s, event.kind, message))
        if isinstance(message, IncidentOpened):
            self.run = _run_of(message.incident)
        elif isinstance(message, ActionFinished):
            done = Done(
                message.outcome,
                message.detail,
                message.duration_s,
                message.settle_s,
                message.finished_s - message.duration_s,
                event.at_s,
            )
            self.done.setdefault((message.target, message.action), []).append(done)

    def add_truth(self, record: Fault | Label) -> None:
        self.knows_truth = True
        if len(self.broken) >= _TRUTHS_MAX:
            self.left_out += 1
            return
        kind = record.kind if isinstance(record, Fault) else record.name
        until_s = math.inf if record.until_s is None else record.until_s
        self.broken.append(
            Broken(target=record.target, kind=kind, at_s=record.at_s, until_s=until_s)
        )


def _run_of(incident: str) -> int:
    """The number of the run that an incident is named after (``3-1``)."""
    number = incident.partition("-")[0]
    return int(number) if number.isdecimal() else 1


def _usual(times_s: Sequence[float]) -> float:
    """Median of the first gaps; those of a target in doubt are shorter, and shall not count."""
    gaps = sorted(b - a for a, b in pairwise(times_s) if b > a)
    return gaps[len(gaps) // 2] if gaps else _EVERY_S


def is_of_calls(row: Row) -> bool:
    """Whether it was measured by the calls of a program, and not by a probe."""
    return not row.probe and row.detail == CALLS
