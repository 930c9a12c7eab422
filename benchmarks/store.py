"""How fast the store puts things on disk, beside bare sqlite3 on the same disk.

    python benchmarks/store.py [--rounds 5] [--folder DIR] [--output json]

Latency is that of one commit at a time, fsync included: nobody else waits, nothing is grouped; then
the same while the event loop is half busy with something else, and while a stream of events comes
in. Throughput is that of ten agents that note events and commit every hundredth, which is also what
slows them down to what the disk takes. The floors are bare sqlite3 in this thread with the same
rows in the same tables and the same settings: a transaction per intent, and a thousand events per
transaction; they do without the audit trail. All are measured in turn, round by round, because
disks have moods, and each figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from mendel.core.records import IncidentRecord, IntentRecord
from mendel.runtime.store import Store, entries, schema

Figure = dict[str, float]

COMMITS = 300
EVENTS = 20_000
PRODUCERS = 10
TARGET_P99_MS = 5.0
TARGET_EVENTS_PER_S = 10_000


def an_intent(number: int) -> IntentRecord:
    return IntentRecord(
        intent=f"1-{number}",
        incident="1-1",
        target="cart",
        action="restart",
        attempt=1,
        timeout_s=30.0,
        at_s=1_234.5,
        before={"pid": 4711, "started": 1_234.5},
    )


def an_event(number: int) -> IncidentRecord:
    return IncidentRecord(
        incident=f"1-{number % 500}",
        target="cart",
        stage="verifying",
        reason="latency_s is 0.93, at most 0.5, for 3 samples",
        at_s=1_234.5,
        onset_s=1_230.0,
    )


def latencies(times_s: list[float]) -> Figure:
    cuts = statistics.quantiles(times_s, n=100)
    return {"p50_ms": 1e3 * cuts[49], "p99_ms": 1e3 * cuts[98]}


async def time_commits(store: Store, numbers: Iterator[int]) -> Figure:
    times_s = []
    for number in itertools.islice(numbers, COMMITS):
        began_s = time.perf_counter()
        await store.commit(an_intent(number))
        times_s.append(time.perf_counter() - began_s)
        await asyncio.sleep(0.001)
    return latencies(times_s)


@contextlib.asynccontextmanager
async def beside(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def half_busy() -> None:
    while True:
        end_s = time.perf_counter() + 0.002
        while time.perf_counter() < end_s:
            pass
        await asyncio.sleep(0.002)


def ten_thousand_per_second(store: Store) -> Callable[[], Awaitable[None]]:
    async def stream() -> None:
        began_s, sent = time.perf_counter(), 0
        while True:
            due = int((time.perf_counter() - began_s) * TARGET_EVENTS_PER_S)
            for number in range(sent, due):
                store.note(an_event(number))
            sent = due
            await asyncio.sleep(0.005)

    return stream


async def time_stream(store: Store, numbers: Iterator[int]) -> Figure:
    async def produce() -> None:
        for number in range(EVENTS // PRODUCERS):
            if number % 100 == 99:
                await store.commit(an_intent(next(numbers)))
            else:
                store.note(an_event(number))

    dropped = store.stats.dropped
    began_s = time.perf_counter()
    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    per_s = EVENTS / (time.perf_counter() - began_s)
    return {"per_s": per_s, "dropped": store.stats.dropped - dropped}


def bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for statement in itertools.chain.from_iterable(schema.STEPS):
        connection.execute(statement)
    return connection


def time_bare_commits(connection: sqlite3.Connection, numbers: Iterator[int]) -> Figure:
    times_s = []
    for number in itertools.islice(numbers, COMMITS):
        ((insert, row),) = entries.of_record(an_intent(number), 1, 0.0).rows
        began_s = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert.sql(1), row)
        connection.execute("COMMIT")
        times_s.append(time.perf_counter() - began_s)
        time.sleep(0.001)
    return latencies(times_s)


def time_bare_stream(connection: sqlite3.Connection) -> Figure:
    rows = [entries.of_record(an_event(number), 1, 0.0).rows for number in range(EVENTS)]
    began_s = time.perf_counter()
    for start in range(0, EVENTS, 1_000):
        connection.execute("BEGIN IMMEDIATE")
        for (incident, state), (transition, change) in rows[start : start + 1_000]:
            connection.execute(incident.sql(1), state)
            connection.execute(transition.sql(1), change)
        connection.execute("COMMIT")
    return {"per_s": EVENTS / (time.perf_counter() - began_s)}


async def one_round(folder: Path) -> dict[str, Figure]:
    numbers, bare_numbers = itertools.count(), itertools.count()
    with contextlib.closing(bare(folder / "bare.db")) as floor:
        async with Store(folder / "store.db") as store:
            figures = {"sqlite3, one intent": time_bare_commits(floor, bare_numbers)}
            figures["commit, idle"] = await time_commits(store, numbers)
            async with beside(half_busy):
                figures["commit, loop half busy"] = await time_commits(store, numbers)
            async with beside(ten_thousand_per_second(store)):
                figures["commit, 10,000 events/s"] = await time_commits(store, numbers)
            figures["sqlite3, stream"] = time_bare_stream(floor)
            figures["stream"] = await time_stream(store, numbers)
            return figures


async def measure(rounds: int, folder: str | None) -> dict[str, Figure]:
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found.append(await one_round(Path(place)))
    return {
        name: {each: statistics.median(one[name][each] for one in found) for each in figure}
        for name, figure in found[0].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="each figure is their median")
    parser.add_argument(
        "--folder", help="on the disk to measure; that of temporary files if not given"
    )
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    medians = asyncio.run(measure(arguments.rounds, arguments.folder))
    floor = medians["sqlite3, one intent"]["p99_ms"]
    ratios = {
        "commit_p99_over_sqlite3": medians["commit, idle"]["p99_ms"] / floor,
        "stream_over_sqlite3": medians["stream"]["per_s"] / medians["sqlite3, stream"]["per_s"],
    }
    reached = {
        "commit_p99": medians["commit, idle"]["p99_ms"] <= TARGET_P99_MS,
        "events_per_s": medians["stream"]["per_s"] >= TARGET_EVENTS_PER_S,
    }
    if arguments.output == "json":
        print(json.dumps({"medians": medians, "ratios": ratios, "reached": reached}))
        return
    for name, figure in medians.items():
        print(f"{name:26}", "  ".join(f"{each} {value:,.2f}" for each, value in figure.items()))
    for name, ratio in ratios.items():
        print(f"{name:26} {ratio:.2f}")
    print(f"targets: p99 <= {TARGET_P99_MS} ms, >= {TARGET_EVENTS_PER_S:,} events/s: {reached}")


if __name__ == "__main__":
    main()
