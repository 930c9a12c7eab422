"""How fast the simulator runs: component-seconds of simulated time per second of one core.

    python benchmarks/simulator.py [--rounds 5] [--duration 900] [--output json|text]

Every shape, with a fault and a remedy on the way, so that nothing is measured that stands still.
Rounds are interleaved over the shapes, and the median of each is told: other work on the machine
comes and goes. Beside it, the same estate with all agents in virtual time, which is what a replay
costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time

import numpy
from mendel.agents.journal import MemoryJournal
from mendel.runtime.config import Config
from mendel.runtime.system import System
from mendel.scenarios.simulator import (
    SHAPES,
    Course,
    Order,
    SimulatedWorld,
    draw_course,
    play,
)
from mendel.scenarios.virtual_time import run

TARGET = 20_000.0


def alone(course: Course) -> float:
    """Component-seconds per second of processor time, without agents."""
    target = course.faults[0].target
    began_s = time.process_time()
    play(course, [Order(300.0, "restart", target)])
    return len(course.estate.services) * course.until_s / (time.process_time() - began_s)


def with_agents(course: Course) -> float:
    """The same, watched and healed by all agents."""

    async def heal() -> None:
        world = SimulatedWorld(course)
        async with System(Config(), world, MemoryJournal()):
            await asyncio.sleep(course.until_s)

    began_s = time.process_time()
    run(heal())
    return len(course.estate.services) * course.until_s / (time.process_time() - began_s)


def measure(rounds: int, duration_s: float) -> dict[str, dict[str, float]]:
    courses = {
        shape: draw_course(shape, 1, kinds=["crash"], until_s=duration_s) for shape in SHAPES
    }
    seen: dict[str, dict[str, list[float]]] = {
        shape: {"alone": [], "with_agents": []} for shape in SHAPES
    }
    for _ in range(rounds):
        for shape, course in courses.items():
            seen[shape]["alone"].append(alone(course))
            seen[shape]["with_agents"].append(with_agents(course))
    return {
        shape: {"components": len(courses[shape].estate.services)}
        | {name: statistics.median(values) for name, values in figures.items()}
        for shape, figures in seen.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=900.0)
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    shapes = measure(options.rounds, options.duration)
    slowest = min(figures["alone"] for figures in shapes.values())
    report = {
        "machine": {
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "cores": os.cpu_count(),
        },
        "unit": "component-seconds per second of processor time",
        "shapes": shapes,
        "target": TARGET,
        "met": slowest >= TARGET,
    }
    if options.output == "json":
        print(json.dumps(report))
        return
    print(f"{'shape':12} {'components':>10} {'alone':>10} {'with agents':>12}")
    for shape, figures in shapes.items():
        print(
            f"{shape:12} {figures['components']:10.0f} {figures['alone']:10,.0f} "
            f"{figures['with_agents']:12,.0f}"
        )
    verdict = "met" if report["met"] else "missed"
    print(f"target {TARGET:,.0f} alone: {verdict} (slowest {slowest:,.0f})")


if __name__ == "__main__":
    main()
