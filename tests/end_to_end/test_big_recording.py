"""A recording is streamed: its size is not felt in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mendel.core.topology import Component
from mendel.scenarios.recording import SCHEMA, Header, Record, RecordingWriter, Row, WriterConfig

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
COMPONENTS = 50
# The program alone takes 45 MB; all of these rows in memory would take 60 MB more.
ROWS = 120_000
MEMORY_MB_MAX = 65.0

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def rows() -> Iterator[Record]:
    """Everybody is well, but one of them, once, for ten seconds."""
    for number in range(ROWS):
        at_s, component = divmod(number, COMPONENTS)
        ill = component == 7 and at_s in range(2_000, 2_010)
        metrics = {"reachable": 1.0, "ok": float(not ill), "latency_s": 0.03 + number % 17 / 1e4}
        yield Row(at_s + component / COMPONENTS, f"s{component}", metrics, "http")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.jsonl.gz"
    components = tuple(Component(name=f"s{number}") for number in range(COMPONENTS))
    unbounded = WriterConfig(file_bytes_max=None)
    with RecordingWriter(path, Header(schema=SCHEMA, components=components), unbounded) as writer:
        writer.write(rows())
    return path


def mendel(*command: str) -> tuple[Any, float]:
    """What a command prints, and its greatest memory in megabytes."""
    process = subprocess.Popen(
        (sys.executable, "-c", PROGRAM, *command, "--output", "json"), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as stdout:
        printed = stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return json.loads(printed), used.ru_maxrss / 1024.0


def test_looking_into_it_takes_no_memory(recording: Path) -> None:
    info, memory_mb = mendel("record", "info", str(recording))

    assert info["records"] == ROWS
    assert memory_mb < MEMORY_MB_MAX


def test_replaying_it_takes_no_memory(recording: Path) -> None:
    (run,), memory_mb = mendel("replay", str(recording))

    (incident,) = run["outcome"]["incidents"]
    assert incident["target"] == "s7"
    assert memory_mb < MEMORY_MB_MAX
