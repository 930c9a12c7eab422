"""Whether healing notices that configurations are being bred: how late the event loop is.

    python benchmarks/evolving.py --history STORE [--rounds N] [--seconds S] [--output text|json]

A runtime watches two components by heartbeat. A task asks to be woken every five milliseconds and
notes how much later that happens, in turn while nothing evolves and while the process that evolves
is at work on a copy of the store. The figure is the ratio of the 99th percentiles, median of the
rounds. Beside it: the share of a core that the process has used, as the kernel counts it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mendel
import psutil
from mendel.bus.messages import SteerEvolution

CONFIG = """
[defaults]
level = "full"

[agent.genome]
mode = "off"
generations = 10000
population = 40

[[components]]
name = "web"
depends_on = ["db"]
probes = [{ heartbeat = "1h" }]

[[components]]
name = "db"
kind = "database"
probes = [{ heartbeat = "1h" }]
"""
_EVERY_S = 0.005
TARGET = 1.2


async def lateness_s(seconds: float) -> float:
    """The 99th percentile."""
    late, end_s = [], time.perf_counter() + seconds
    while (due_s := time.perf_counter() + _EVERY_S) < end_s:
        await asyncio.sleep(_EVERY_S)
        late.append(time.perf_counter() - due_s)
    return statistics.quantiles(late, n=100)[98]


def worker() -> psutil.Process:
    (found,) = [
        each for each in psutil.Process().children() if "mendel.genome.worker" in each.cmdline()
    ]
    return found


async def measure(folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    ratios, shares, idle, busy = [], [], [], []
    async with mendel.launch(folder / "mendel.toml") as system:
        await system.bus.request(SteerEvolution(wish="evolve", who="benchmark"), timeout_s=5.0)
        await asyncio.sleep(5.0)  # Imports and the first generation are over then.
        process = worker()
        for _ in range(rounds):
            process.suspend()
            idle.append(await lateness_s(seconds))
            process.resume()
            before, began_s = process.cpu_times(), time.perf_counter()
            busy.append(await lateness_s(seconds))
            after = process.cpu_times()
            used_s = after.user + after.system - before.user - before.system
            shares.append(used_s / (time.perf_counter() - began_s))
            ratios.append(busy[-1] / idle[-1])
    return {
        "ratio": round(statistics.median(ratios), 3),
        "idle_p99_ms": round(1e3 * statistics.median(idle), 3),
        "evolving_p99_ms": round(1e3 * statistics.median(busy), 3),
        "cpu_share": round(statistics.median(shares), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mendel.toml").write_text(CONFIG)
        (folder / ".mendel").mkdir()
        shutil.copy(options.history, folder / ".mendel" / "store.db")
        report = asyncio.run(measure(folder, options.rounds, options.seconds))
    if options.output == "json":
        print(json.dumps(report))
    else:
        for key, value in report.items():
            print(f"{key:16} {value:8.3f}")
    return 0 if report["ratio"] <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
