"""A recording that is larger than memory should be: `record info` and `mendel replay` stream it.

    python benchmarks/streaming.py [--rows 5000000] [--components 50] [--output json|text]

A recording of that many rows is written to a temporary folder; then each command reads it, as a
process of its own, and the most memory that it ever had is told. Two figures show that it streams:
the memory itself, and that a tenth of the rows needs about as much.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mendel.core.topology import Component
from mendel.scenarios.recording import SCHEMA, Header, Record, RecordingWriter, Row, WriterConfig

TARGET_MB = 200.0


def rows(count: int, components: int) -> Iterator[Record]:
    """One row per component and second, all of them well."""
    rng = random.Random(1)
    for number in range(count):
        at_s, component = divmod(number, components)
        metrics = {"reachable": 1.0, "ok": 1.0, "latency_s": round(rng.gauss(0.03, 0.002), 5)}
        yield Row(at_s + component / components, f"s{component}", metrics)


def write(path: Path, count: int, components: int) -> None:
    estate = tuple(Component(name=f"s{number}") for number in range(components))
    header, unbounded = Header(schema=SCHEMA, components=estate), WriterConfig(file_bytes_max=None)
    with RecordingWriter(path, header, unbounded) as writer:
        writer.write(rows(count, components))


def mendel(*command: str) -> tuple[Any, dict[str, float]]:
    """What a command prints, run in a process of its own, and the memory and time that it took."""
    began_s = time.monotonic()
    program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command, "--output", "json"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"{command[0]} failed"
    return json.loads(printed), {
        "memory_mb": used.ru_maxrss / 1024.0,
        "cpu_s": used.ru_utime + used.ru_stime,
        "took_s": time.monotonic() - began_s,
    }


def read(path: Path) -> dict[str, dict[str, float]]:
    """What it takes to look into a recording, and to replay it."""
    _, looked = mendel("record", "info", str(path))
    (run,), replayed = mendel("replay", str(path))
    replayed["until_s"] = run["outcome"]["until_s"]
    return {"info": looked, "replay": replayed}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    report: dict[int, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (options.rows // 10, options.rows):
            path = Path(folder) / f"{count}.jsonl.gz"
            write(path, count, options.components)
            size_mb = path.stat().st_size / 1e6
            report[count] = {"file_mb": size_mb, **read(path)}
            path.unlink()
    if options.output == "json":
        print(json.dumps({"rows": report, "target_mb": TARGET_MB}))
        return
    for count, each in report.items():
        print(f"{count:,} rows, {each['file_mb']:.0f} MB")
        for name in ("info", "replay"):
            used = each[name]
            print(f"{name:>8}: {used['memory_mb']:.0f} MB of memory, {used['cpu_s']:.0f} s of CPU")
    print(f"target: {TARGET_MB:.0f} MB")


if __name__ == "__main__":
    main()
