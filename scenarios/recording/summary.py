"""What is in a recording, at a glance."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from .lines import Annotation, Event, Fault, Header, Label, Row
from .reader import Damage, Recording

# More different targets, metrics or types than this are counted together, as the last one.
NAMES_MAX = 10_000
OTHERS = "(others)"


class Summary(Struct, frozen=True, kw_only=True):
    """What is in a recording.

    Attributes:
        file: which one.
        header: its first line.
        records: how many there are, of all kinds.
        samples: how many values the rows have.
        first_s: time of the earliest record, on the clock of the recording; 0 when it is empty.
        last_s: time of the latest record.
        targets: rows by target.
        metrics: values by metric.
        events: events by kind.
        faults: faults by kind.
        labels: how many there are.
        annotations: by kind.
        damaged: how many places could not be read.
        damages: the first of them.
    """

    file: str
    header: Header
    records: int
    samples: int
    first_s: float
    last_s: float
    targets: dict[str, int]
    metrics: dict[str, int]
    events: dict[str, int]
    faults: dict[str, int]
    labels: int
    annotations: dict[str, int]
    damaged: int
    damages: tuple[Damage, ...]


class _Tally:
    def __init__(self) -> None:
        self.first_s = float("inf")
        self.last_s = float("-inf")
        self.labels = 0
        self.targets: Counter[str] = Counter()
        self.metrics: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.annotations: Counter[str] = Counter()

    def add(self, record: Row | Event | Fault | Label | Annotation) -> None:
        self.first_s = min(self.first_s, record.at_s)
        self.last_s = max(self.last_s, record.at_s)
        match record:
            case Row():
                _count(self.targets, record.target)
                for name in record.metrics:
                    _count(self.metrics, name)
            case Event():
                _count(self.events, record.kind)
            case Fault():
                _count(self.faults, record.kind)
            case Label():
                self.labels += 1
            case Annotation():
                _count(self.annotations, record.kind)


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < NAMES_MAX else OTHERS] += 1


def summarise(recording: Recording) -> Summary:
    """Read a recording to its end and tell what was in it."""
    tally = _Tally()
    for batch in recording.batches():
        for record in batch:
            tally.add(record)
    return Summary(
        file=str(recording.path),
        header=recording.header,
        records=recording.records,
        samples=tally.metrics.total(),
        first_s=tally.first_s if recording.records else 0.0,
        last_s=tally.last_s if recording.records else 0.0,
        targets=dict(tally.targets.most_common()),
        metrics=dict(tally.metrics.most_common()),
        events=dict(tally.events.most_common()),
        faults=dict(tally.faults.most_common()),
        labels=tally.labels,
        annotations=dict(tally.annotations.most_common()),
        damaged=recording.damaged,
        damages=tuple(recording.damages),
    )
