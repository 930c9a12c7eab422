from __future__ import annotations

from pathlib import Path

from mendel.scenarios.recording import (
    SCHEMA,
    Annotation,
    Event,
    Fault,
    Header,
    Label,
    Record,
    Recording,
    RecordingWriter,
    Row,
    Summary,
    summarise,
)
from mendel.scenarios.recording.summary import NAMES_MAX, OTHERS

HEADER = Header(schema=SCHEMA, source="a test")


def summary_of(path: Path, records: list[Record]) -> Summary:
    with RecordingWriter(path, HEADER) as writer:
        writer.write(records)
    with Recording(path) as recording:
        return summarise(recording)


def test_it_counts_what_is_there(tmp_path: Path) -> None:
    records: list[Record] = [
        Row(2.0, "db", {"ok": 1.0, "latency_s": 0.1}),
        Row(1.0, "cart", {"ok": 1.0}),
        Row(3.0, "db", {"ok": 1.0}),
        Event(3.0, "IncidentOpened", {}),
        Fault(at_s=2.0, target="db", kind="crash"),
        Label(at_s=2.0, until_s=9.0, target="db", name="anomaly"),
        Annotation(at_s=4.0, kind="deploy"),
    ]

    assert summary_of(tmp_path / "run.jsonl", records) == Summary(
        file=str(tmp_path / "run.jsonl"),
        header=HEADER,
        records=7,
        samples=4,
        first_s=1.0,
        last_s=4.0,
        targets={"db": 2, "cart": 1},
        metrics={"ok": 3, "latency_s": 1},
        events={"IncidentOpened": 1},
        faults={"crash": 1},
        labels=1,
        annotations={"deploy": 1},
        damaged=0,
        damages=(),
    )


def test_an_empty_recording_has_no_times(tmp_path: Path) -> None:
    summary = summary_of(tmp_path / "run.jsonl", [])

    assert (summary.records, summary.first_s, summary.last_s) == (0, 0.0, 0.0)


def test_names_beyond_the_bound_are_counted_together(tmp_path: Path) -> None:
    records: list[Record] = [Row(1.0, f"c{number}", {}) for number in range(NAMES_MAX + 5)]

    summary = summary_of(tmp_path / "run.jsonl.gz", records)

    assert len(summary.targets) == NAMES_MAX + 1
    assert summary.targets[OTHERS] == 5
