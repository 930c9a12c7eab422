"""What it costs to watch a fleet: CPU, memory and the way from a sample to the first action.

    python benchmarks/fleet.py [--components 1000] [--duration 120] [--output json|text]

Every component is probed once a second by a simulated probe that returns at once, so what is
measured is mendel alone. Memory is that above the same interpreter with the same libraries and the
same simulated world. Then faults are injected one by one, and the time from the return of the
sample that shows one to the start of its action is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any

import psutil
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import ActionResult, IntentStatus, Sample
from mendel.bus.messages import ActionStarted
from mendel.core.policy import PolicyConfig
from mendel.core.records import IntentRecord
from mendel.core.topology import Component
from mendel.runtime.config import Config
from mendel.runtime.system import System

TARGETS = {"cpu_share": 0.05, "memory_mb": 60.0, "reaction_ms_p99": 5.0}
_FAULTS = 200


class SteadyProbe:
    """A probe of a component that is well unless it is told otherwise."""

    __slots__ = ("bad", "bad_seen_s", "samples", "target")

    name = "simulated"
    every_s = 1.0
    timeout_s = 0.5

    def __init__(self, target: str) -> None:
        self.target = target
        self.bad = False
        self.bad_seen_s = 0.0
        self.samples = 0

    def read(self) -> Sample:
        self.samples += 1
        if self.bad and not self.bad_seen_s:
            self.bad_seen_s = asyncio.get_running_loop().time()
        latency_s = 0.02 + self.samples % 7 * 0.001
        alive = 0.0 if self.bad else 1.0
        return Sample({"alive": alive, "ok": 1.0, "latency_s": latency_s, "memory_bytes": 5e7})


class Restart:
    """Cures its component at once."""

    __slots__ = ("_probe",)

    name = "restart"
    disruptive = True
    timeout_s = 5.0
    settle_s = 1.0
    undo = ""

    def __init__(self, probe: SteadyProbe) -> None:
        self._probe = probe

    def before(self) -> dict[str, Any]:
        return {}

    async def run(self, intent: IntentRecord) -> ActionResult:
        self._probe.bad = False
        return ActionResult(True)

    async def status(self, intent: IntentRecord) -> IntentStatus:
        return IntentStatus.UNKNOWN


class Fleet:
    """Components in chains of ten."""

    def __init__(self, size: int) -> None:
        names = [f"service-{number}" for number in range(size)]
        self.components = [
            Component(name=name, depends_on=(names[number - 1],) if number % 10 else ())
            for number, name in enumerate(names)
        ]
        self.probes = [SteadyProbe(name) for name in names]
        self._actions = {each.target: {"restart": Restart(each)} for each in self.probes}

    def actions(self, target: str) -> Mapping[str, Restart]:
        return self._actions.get(target, {})

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """Nobody here reports itself."""

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def measure(size: int, duration_s: float, faults: int) -> dict[str, float]:
    fleet = Fleet(size)
    gc.collect()
    process = psutil.Process()
    bare_bytes = process.memory_info().rss
    config = Config(policy=PolicyConfig(estate_actions=10 * faults + 1, component_actions=1000))
    async with System(config, fleet, MemoryJournal()) as system:
        await asyncio.sleep(5.0)  # The first rounds fill caches.
        cpu_s, wall_s = time.process_time(), time.monotonic()
        samples = sum(probe.samples for probe in fleet.probes)
        await asyncio.sleep(duration_s)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
        samples = sum(probe.samples for probe in fleet.probes) - samples
        gc.collect()
        used_bytes = process.memory_info().rss - bare_bytes
        reactions_s = await react(system, fleet, faults)
    return {
        "components": size,
        "samples_per_s": samples / wall_s,
        "cpu_share": cpu_s / wall_s,
        "cpu_us_per_sample": cpu_s / samples * 1e6,
        "memory_mb": used_bytes / 1e6,
        "reaction_ms_p50": statistics.median(reactions_s) * 1e3,
        "reaction_ms_p99": statistics.quantiles(reactions_s, n=100)[98] * 1e3,
    }


async def react(system: System, fleet: Fleet, faults: int) -> list[float]:
    started: dict[str, asyncio.Future[float]] = {}
    loop = asyncio.get_running_loop()

    def hear(message: ActionStarted) -> None:
        if message.target in started and not started[message.target].done():
            started[message.target].set_result(message.started_s)

    system.bus.subscribe("action.started.>", lambda envelope: hear(envelope.message))  # type: ignore[arg-type]
    reactions_s = []
    for number in range(faults):
        probe = fleet.probes[number * 37 % len(fleet.probes)]
        probe.bad, probe.bad_seen_s = True, 0.0
        started[probe.target] = loop.create_future()
        started_s = await asyncio.wait_for(started[probe.target], 5.0)
        reactions_s.append(started_s - probe.bad_seen_s)
        await asyncio.sleep(0.02)
    return reactions_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--components", type=int, default=1_000)
    parser.add_argument("--duration", type=float, default=120.0)
    parser.add_argument("--faults", type=int, default=_FAULTS)
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.components, options.duration, options.faults))
    report = {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        },
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "targets": {
            name: {"at_most": limit, "met": figures[name] <= limit}
            for name, limit in TARGETS.items()
        },
    }
    if options.output == "json":
        json.dump(report, sys.stdout, indent=2)
        print()
        return
    for name, value in report["figures"].items():
        limit = f"   (target: at most {TARGETS[name]:g})" if name in TARGETS else ""
        print(f"{name:20} {value:>12,.3f}{limit}")


if __name__ == "__main__":
    main()
