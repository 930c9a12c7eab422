"""Watches a run from beside, and keeps what a picture of it needs, however long it lasts.

Signals are kept in bins of equal length: the least and the greatest value of each, and where the
metric was fine then. So a day costs as much memory as a minute, and no spike is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..bus.envelope import Envelope
from ..bus.messages import (
    ActionFinished,
    ActionStarted,
    AnomalyDetected,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    Message,
    Reading,
    ReleaseTarget,
)
from ..scenarios.scoring import Broken
from .details import bands_of
from .system import System
from .words import in_words

BINS = 1_200
# Beyond these, signals and lines are left out and counted.
SERIES_MAX = 4_000
LINES_MAX = 2_000

_OPEN = "triage"


class Bin(Struct):
    """What a metric was in one stretch of time.

    Attributes:
        low: its least value.
        high: its greatest.
        fine_low: what it must not fall below; ``None`` for no such line.
        fine_high: what it must not exceed.
    """

    low: float
    high: float
    fine_low: float | None = None
    fine_high: float | None = None


class Span(Struct, frozen=True):
    """Something that lasted.

    Attributes:
        target: of whom.
        kind: what it was: a stage of an incident, the name of an action.
        from_s: when it began.
        to_s: when it ended.
        words: what a person should know of it.
        succeeded: of an action; ``True`` for what cannot fail.
    """

    target: str
    kind: str
    from_s: float
    to_s: float
    words: str = ""
    succeeded: bool = True


class Line(Struct, frozen=True):
    """Something that happened, in words."""

    at_s: float
    words: str


class Course(Struct, frozen=True, kw_only=True):
    """The course of a run, ready to be drawn.

    Attributes:
        start_s: when it began.
        end_s: when it ended.
        broken: what was known to be wrong; ``None`` when nobody knows.
        signals: by target and metric, bins by their number.
        alarms: how often each of them was in alarm.
        stages: of incidents.
        outcomes: of incidents: when they ended, by how they did.
        actions: what was done.
        isolations: when calls were kept away.
        lines: what happened, in words, oldest first.
        left_out: signals and lines that found no room.
    """

    start_s: float
    end_s: float
    broken: tuple[Broken, ...] | None
    signals: dict[tuple[str, str], dict[int, Bin]]
    alarms: dict[tuple[str, str], int]
    stages: tuple[Span, ...]
    outcomes: tuple[Span, ...]
    actions: tuple[Span, ...]
    isolations: tuple[Span, ...]
    lines: tuple[Line, ...]
    left_out: int


class Witness:
    """Sees one run; `attend` it, and take its `course` when it is over.

    Args:
        start_s: when the run begins, virtual time.
        until_s: how long it lasts.
        broken: what is known to be wrong.
    """

    def __init__(self, start_s: float, until_s: float, broken: Sequence[Broken] | None) -> None:
        self._start_s = start_s
        self._end_s = start_s + until_s
        self._bin_s = until_s / BINS
        self._broken = None if broken is None else tuple(broken)
        self._signals: dict[tuple[str, str], dict[int, Bin]] = {}
        self._alarms: dict[tuple[str, str], int] = {}
        self._stage: dict[str, Span] = {}
        self._running: dict[str, ActionStarted] = {}
        self._isolated: dict[str, float] = {}
        self._stages: list[Span] = []
        self._outcomes: list[Span] = []
        self._actions: list[Span] = []
        self._isolations: list[Span] = []
        self._lines: list[Line] = []
        self._left_out = 0
        self._system: System | None = None

    def attend(self, system: System) -> None:
        """Listen to a system that has just started."""
        self._system = system
        system.bus.tap(self._hear)

    @property
    def course(self) -> Course:
        """What was seen so far; whatever goes on lasts until the end."""
        end_s = self._end_s
        going_on = [_until(each, end_s) for each in self._stage.values()]
        running = [
            Span(each.target, each.action, each.started_s, end_s, "still runs")
            for each in self._running.values()
        ]
        isolated = [Span(name, "isolated", at_s, end_s) for name, at_s in self._isolated.items()]
        return Course(
            start_s=self._start_s,
            end_s=end_s,
            broken=self._broken,
            signals=self._signals,
            alarms=self._alarms,
            stages=(*self._stages, *going_on),
            outcomes=tuple(self._outcomes),
            actions=(*self._actions, *running),
            isolations=(*self._isolations, *isolated),
            lines=tuple(self._lines),
            left_out=self._left_out,
        )

    def _hear(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            message = envelope.message
            if envelope.sent_s >= self._end_s:
                return  # The run is over; what comes now is that everybody stops.
            if isinstance(message, Reading):
                self._measure(message)
                continue
            self._note(message, envelope.sent_s)
            words = in_words(message)
            if not words:
                continue
            if len(self._lines) < LINES_MAX:
                self._lines.append(Line(envelope.sent_s, words))
            else:
                self._left_out += 1

    def _measure(self, reading: Reading) -> None:
        number = int((reading.taken_s - self._start_s) / self._bin_s)
        bands: dict[str, tuple[float | None, float | None]] | None = None
        for metric, value in reading.metrics.items():
            series = self._signals.get((reading.target, metric))
            if series is None:
                if len(self._signals) >= SERIES_MAX:
                    self._left_out += 1
                    continue
                series = self._signals[reading.target, metric] = {}
            found = series.get(number)
            if found is not None:
                found.low, found.high = min(found.low, value), max(found.high, value)
                continue
            if bands is None:
                bands = self._bands(reading.target)
            series[number] = Bin(value, value, *bands.get(metric, (None, None)))

    def _bands(self, target: str) -> dict[str, tuple[float | None, float | None]]:
        assert self._system is not None, "it attends a system"
        chart = self._system.parts.charts.get(target)
        return {} if chart is None else bands_of(chart.watch)

    def _note(self, message: Message, at_s: float) -> None:
        match message:
            case AnomalyDetected():
                lane = message.target, message.metric
                self._alarms[lane] = self._alarms.get(lane, 0) + 1
            case IncidentOpened():
                self._go_on(message.incident, message.target, _OPEN, message.reason, at_s)
            case IncidentChanged():
                stage = str(message.stage)
                self._go_on(message.incident, message.target, stage, message.reason, at_s)
            case IncidentEscalated():
                self._go_on(message.incident, message.target, "escalated", message.reason, at_s)
            case IncidentClosed():
                self._end_stage(message.incident, at_s)
                words = in_words(message)
                self._outcomes.append(Span(message.target, message.outcome, at_s, at_s, words))
            case _:
                self._note_deed(message, at_s)

    def _note_deed(self, message: Message, at_s: float) -> None:
        match message:
            case ActionStarted():
                self._running[message.intent] = message
            case ActionFinished():
                self._finish(message, at_s)
            case IsolateTarget():
                self._isolated.setdefault(message.target, at_s)
            case ReleaseTarget():
                since_s = self._isolated.pop(message.target, None)
                if since_s is not None:
                    self._isolations.append(Span(message.target, "isolated", since_s, at_s))
            case _:
                pass

    def _go_on(self, incident: str, target: str, stage: str, words: str, at_s: float) -> None:
        self._end_stage(incident, at_s)
        self._stage[incident] = Span(target, stage, at_s, at_s, words)

    def _end_stage(self, incident: str, at_s: float) -> None:
        stage = self._stage.pop(incident, None)
        if stage is not None:
            self._stages.append(_until(stage, at_s))

    def _finish(self, message: ActionFinished, at_s: float) -> None:
        began = self._running.pop(message.intent, None)
        if began is None:
            return
        span = Span(
            message.target,
            message.action,
            began.started_s,
            at_s,
            in_words(message),
            message.outcome == "succeeded",
        )
        self._actions.append(span)


def _until(span: Span, to_s: float) -> Span:
    return Span(span.target, span.kind, span.from_s, to_s, span.words)
