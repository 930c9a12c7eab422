"""What an hour of virtual time costs: all agents, ten components that are probed once a second.

    python benchmarks/replay.py [--components 10] [--minutes 60] [--repeat 5] [--output json|text]
    python benchmarks/replay.py --components 1000 --minutes 10 --repeat 1

The best of several runs counts, because other programs on the machine only ever make it slower.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Mapping
from typing import Any

import mendel

TARGET_CPU_S = 0.7  # For ten components and one hour.
TARGET_MANY_CPU_S = 60.0  # For a thousand components and ten minutes.
MANY = 1000


class SteadyProbe:
    """A probe of a component that is well."""

    name = "simulated"
    every_s = 1.0
    timeout_s = 0.5

    def __init__(self, target: str) -> None:
        self.target = target
        self._sample = mendel.Sample({"reachable": 1.0, "ok": 1.0, "latency_s": 0.02})

    def read(self) -> mendel.Sample:
        return self._sample


class SteadyWorld:
    """Components that need nobody and are well."""

    def __init__(self, count: int) -> None:
        self.components = [mendel.Component(name=f"s{number}") for number in range(count)]
        self.probes = [SteadyProbe(each.name) for each in self.components]

    def actions(self, target: str) -> Mapping[str, mendel.Action]:
        return {}

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        raise NotImplementedError("nobody reports here")

    async def __aenter__(self) -> SteadyWorld:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


def target_cpu_s(components: int, minutes: float) -> float:
    """What is wanted of so many samples."""
    if components >= MANY:
        return TARGET_MANY_CPU_S * (components / MANY) * (minutes / 10)
    return TARGET_CPU_S * (components / 10) * (minutes / 60)


def cpu_s(components: int, minutes: float) -> float:
    """Processor time of one replay."""
    world = SteadyWorld(components)
    begun_s = time.process_time()
    outcome = mendel.replay(world, until_s=60.0 * minutes)
    took_s = time.process_time() - begun_s
    assert outcome.incidents == ()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--components", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    cpu_s(1, 1.0)  # Imports and first times.
    runs = [cpu_s(options.components, options.minutes) for _ in range(options.repeat)]
    samples = options.components * options.minutes * 60
    result: dict[str, Any] = {
        "python": platform.python_version(),
        "components": options.components,
        "minutes": options.minutes,
        "cpu_s": min(runs),
        "cpu_s_worst": max(runs),
        "us_per_sample": 1e6 * min(runs) / samples,
        "target_cpu_s": target_cpu_s(options.components, options.minutes),
    }
    if options.output == "json":
        print(json.dumps(result, indent=2))
        return
    print(
        f"{samples:,.0f} samples: {min(runs):.2f} s of CPU, {result['us_per_sample']:.1f} us each"
    )
    print(f"target: {result['target_cpu_s']:.2f} s")


if __name__ == "__main__":
    main()
