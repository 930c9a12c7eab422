"""How fast recordings are read and written, and what recording costs those who are recorded.

    python benchmarks/recording.py [--rounds 5] [--output json]

An hour of ten components with eight metrics each, about 300,000 samples. Writing and reading are
compared, round by round, with the plain way through the standard library (`gzip` and `json`), and
reading also with `gzip` alone: nobody can be quicker than that without another format. The cost of
the recorder is that of messages from one sender to one receiver on the bus, with and without, while
the disk keeps up (a burst of readings that fits) and when it cannot (as many as the bus carries).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mendel.bus import LocalBus
from mendel.bus.messages import Reading
from mendel.scenarios.recorder import Recorder
from mendel.scenarios.recording import SCHEMA, Header, Record, Recording, RecordingWriter, Row

Figures = dict[str, float]

COMPONENTS = ["web", "cart", "db", "payment", "catalog", "mail", "search", "users", "auth", "jobs"]
SECONDS = 3_800
MESSAGES = 800_000  # More than a second, so that bounds show and not what fits into them.
BURST = 8_000


def an_hour() -> list[Record]:
    rng = random.Random(1)
    return [
        Row(
            at_s + number / 1_000,
            name,
            {
                "reachable": 1.0,
                "answered": 1.0,
                "ok": 1.0,
                "latency_s": round(rng.gauss(0.03, 0.005), 6),
                "memory_bytes": float(rng.randint(2_500, 5_000) * 4_096),
                "cpu_share": round(rng.random() * 0.2, 3),
                "queue_items": float(rng.randint(0, 3)),
                "request_rate": round(rng.gauss(50, 5), 2),
            },
        )
        for at_s in range(SECONDS)
        for number, name in enumerate(COMPONENTS)
    ]


def timed(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def write(path: Path, rows: list[Record]) -> None:
    with RecordingWriter(path, Header(schema=SCHEMA)) as writer:
        for start in range(0, len(rows), 1_000):
            writer.write(rows[start : start + 1_000])


def read(path: Path) -> None:
    with Recording(path) as recording:
        for batch in recording.batches():
            assert batch


def write_plainly(path: Path, rows: list[Record]) -> None:
    with gzip.open(path, "wt", compresslevel=4) as file:
        for row in rows:
            assert isinstance(row, Row)
            line = {"k": "row", "t": row.at_s, "c": row.target, "m": row.metrics}
            file.write(json.dumps(line) + "\n")


def read_plainly(path: Path) -> None:
    with gzip.open(path) as file:
        for line in file:
            json.loads(line)


def inflate(path: Path) -> None:
    with gzip.open(path) as file:
        while file.read(262_144):
            pass


def files(folder: Path, rows: list[Record]) -> Figures:
    path, plain = folder / "run.jsonl.gz", folder / "plain.jsonl.gz"
    for old in folder.iterdir():
        old.unlink()
    samples = sum(len(row.metrics) for row in rows if isinstance(row, Row))
    figures = {
        "written_rows_per_s": len(rows) / timed(lambda: write(path, rows)),
        "written_rows_per_s_plain": len(rows) / timed(lambda: write_plainly(plain, rows)),
        "read_rows_per_s": len(rows) / (took_s := timed(lambda: read(path))),
        "read_samples_per_s": samples / took_s,
        "read_samples_per_s_plain": samples / timed(lambda: read_plainly(path)),
        "read_samples_per_s_gzip_alone": samples / timed(lambda: inflate(path)),
    }
    return figures | {"bytes_per_sample": path.stat().st_size / samples}


class Took(NamedTuple):
    """Seconds of the clock, and those that the processor gave to the thread of the event loop."""

    clock_s: float
    loop_s: float


async def one_to_one(messages: int) -> Took:
    return await pump(LocalBus(), messages)


async def pump(bus: LocalBus, messages: int) -> Took:
    left = messages
    done = asyncio.Event()
    reading = Reading(target="cart", metrics={"ok": 1.0, "latency_s": 0.0317}, taken_s=1234.5)

    async def receive(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    subscription = bus.subscribe("reading.cart", receive)
    began = time.perf_counter(), time.thread_time()
    for _ in range(messages):
        await bus.publish(reading)
    await done.wait()
    took = Took(time.perf_counter() - began[0], time.thread_time() - began[1])
    subscription.unsubscribe()
    return took


async def recorded(folder: Path, messages: int) -> tuple[Took, float]:
    """What so many readings take while they are recorded, and the share that was left out."""
    bus = LocalBus()
    recorder = Recorder(bus, RecordingWriter(folder / "bus.jsonl.gz", Header(schema=SCHEMA)))
    async with recorder:
        took = await pump(bus, messages)
    return took, recorder.dropped / messages


def costs(folder: Path) -> Figures:
    asyncio.run(one_to_one(BURST))  # Warm up.
    bare = asyncio.run(one_to_one(MESSAGES))
    full, left_out = asyncio.run(recorded(folder, MESSAGES))
    bare_burst = asyncio.run(one_to_one(BURST))
    burst, nothing = asyncio.run(recorded(folder, BURST))
    assert nothing == 0.0
    return {
        "bus_messages_per_s": MESSAGES / bare.clock_s,
        "recorder_cost_saturated": full.clock_s / bare.clock_s - 1,
        "recorder_cost_saturated_loop": full.loop_s / bare.loop_s - 1,
        "left_out_saturated": left_out,
        "recorder_us_per_message": 1e6 * (burst.loop_s - bare_burst.loop_s) / BURST,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    arguments = parser.parse_args()
    rows = an_hour()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = [files(folder, rows) | costs(folder) for _ in range(arguments.rounds)]
    figures = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    if arguments.output == "json":
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:32}{value:>16,.3f}")


if __name__ == "__main__":
    main()
