"""What is known of a recording before it is run."""

from __future__ import annotations

from pathlib import Path

from mendel.bus.messages import AgentStarted
from mendel.scenarios.contents import Contents, survey
from mendel.scenarios.recording import (
    SCHEMA,
    Event,
    Header,
    Record,
    Recording,
    RecordingWriter,
    Row,
)


def surveyed(path: Path, *records: Record) -> Contents:
    header = Header(schema=SCHEMA, start_s=100.0, start_utc=5_000.0)
    with RecordingWriter(path, header) as writer:
        writer.write(records)
    with Recording(path) as recording:
        return survey(recording)


def started(at_s: float) -> Event:
    message = AgentStarted(agent="monitor", restarts=0, started_s=at_s)
    return Event(at_s, "AgentStarted", message, 1, 0, "")


def test_a_run_begins_with_its_first_agent(tmp_path: Path) -> None:
    """Mendel opens the file first, then starts the processes, and then its agents."""
    contents = surveyed(
        tmp_path / "run.jsonl", started(102.5), started(102.6), Row(103.0, "db", {"ok": 1.0})
    )

    assert (contents.start_s, contents.start_utc) == (102.5, 5_002.5)


def test_an_agent_that_starts_again_is_no_beginning(tmp_path: Path) -> None:
    contents = surveyed(tmp_path / "run.jsonl", Row(101.0, "db", {"ok": 1.0}), started(102.5))

    assert (contents.start_s, contents.start_utc) == (100.0, 5_000.0)
