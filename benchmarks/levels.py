"""What each level of healing costs a program, and whether changing it on the way does any harm.

    python benchmarks/levels.py [--components 1000] [--seconds 130] [--incidents 500]
                                [--only cost|changes] [--output json|text]

Cost: a program watches components and feeds one sample of four metrics a second of each through
the six verbs, in virtual time, so that what is measured is mendel alone. CPU is that of
`detect_anomaly`; memory is what the healer keeps after so many samples (tracemalloc); the start is
a fresh process from `import mendel` to its first answer.

Changes: simulated estates of the training shapes, one fault each, are healed at each level, and
once more while components change their level at random moments. An incident is lost when it was
opened and is neither closed nor open at the end; it is handled twice when an action of it is begun
twice, or when its component has another one open. The score is the share of the harm of nobody
acting that was avoided, over all runs together. Not changing is a level that is drawn and kept, so
the mean over the three: that is what changing at random is measured against.

Gain: what each level avoids in these same runs; `benchmarks/healing.py` has the whole catalogue.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import mendel
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import World
from mendel.bus.messages import ActionStarted, IncidentClosed, IncidentOpened, Message
from mendel.core.levels import Level
from mendel.runtime.config import Config
from mendel.runtime.healing.direct import DirectSystem
from mendel.runtime.layers import DefaultsConfig
from mendel.scenarios.catalogue import FaultKind
from mendel.scenarios.replay import replay
from mendel.scenarios.simulator import Course, SimulatedWorld, draw_course, draw_estate, nobody
from mendel.scenarios.simulator.draws import candidates
from mendel.scenarios.virtual_time import run

LEVELS: tuple[Level, ...] = get_args(Level)
TARGETS = {"lost": 0, "twice": 0, "points_below_not_changing": 2.0}

_SHAPES = ("chain", "shop")
_KINDS: tuple[FaultKind, ...] = (
    "crash",
    "hang",
    "gray_failure",
    "bad_deploy",
    "flapping",
    "dependency_outage",
    "correlated_loss",
    "pool_exhaustion",
)
_UNTIL_S = 300.0
_CHANGES = 12
_RUNS_MAX = 2_000

_START = """
import asyncio, time
began_s = time.process_time()
import mendel
async def first():
    healer = mendel.create({level!r})
    healer.watch("cart", {{"restart": lambda: None}})
    async with healer:
        await healer.detect_anomaly("cart", {{"ok": 1.0}})
        print(time.process_time() - began_s)
asyncio.run(first())
"""


# --- cost -----------------------------------------------------------------------------------------


def cost(level: Level, components: int, seconds: int) -> dict[str, float]:
    """CPU per sample, memory per component, and start of one level."""
    cpu_s = run(_feed(level, components, seconds))
    tracemalloc.start()
    kept = run(_feed(level, components, seconds, kept=True))
    tracemalloc.stop()
    program = _START.format(level=level)
    starts = [
        float(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        )
        for _ in range(5)
    ]
    return {
        "cpu_us_per_sample": cpu_s / (components * seconds) * 1e6,
        "bytes_per_component": kept / components,
        "start_cpu_s": min(starts),
    }


async def _feed(level: Level, components: int, seconds: int, kept: bool = False) -> float:
    before = tracemalloc.get_traced_memory()[0] if kept else 0
    healer = mendel.create(level)
    names = [f"c{number}" for number in range(components)]
    for name in names:
        healer.watch(name, {"restart": lambda: None})
    spent_s = 0.0
    async with healer:
        for second in range(seconds):
            sample = {"alive": 1.0, "ok": 1.0, "latency_s": 0.02 + second % 7 * 1e-3, "queue": 3.0}
            began_s = time.process_time()
            for name in names:
                await healer.detect_anomaly(name, sample)
            spent_s += time.process_time() - began_s
            await asyncio.sleep(1.0)
        return tracemalloc.get_traced_memory()[0] - before if kept else spent_s


# --- changes --------------------------------------------------------------------------------------


class Changing(DirectSystem):
    """A system some of whose components change their level at drawn moments."""

    def __init__(self, world: World, level: Level, changes: Sequence[tuple[float, str, Level]]):
        config = Config(defaults=DefaultsConfig(level=level))
        super().__init__(config, world, MemoryJournal())
        self.heard: list[Message] = []
        self._changes = changes

    async def __aenter__(self) -> Changing:
        await super().__aenter__()
        self.bus.tap(lambda batch: self.heard.extend(each.message for each in batch))
        for at_s, component, level in self._changes:
            self._loop.call_at(at_s, self._change, component, level)
        return self

    def _change(self, component: str, level: Level) -> None:
        self._spawn(self.change_level(component, level), "change the level")

    def findings(self) -> Counter[str]:
        """How many incidents there were, and what went wrong with them."""
        found: Counter[str] = Counter()
        open_now: dict[tuple[str, bool], str] = {}
        begun: Counter[str] = Counter()
        for message in self.heard:
            match message:
                case IncidentOpened(target=target, incident=incident):
                    found["incidents"] += 1
                    found["twice"] += (target, _is_relief(incident)) in open_now
                    open_now[target, _is_relief(incident)] = incident
                case IncidentClosed(target=target, incident=incident):
                    found["closed"] += 1
                    known = open_now.pop((target, _is_relief(incident)), "")
                    found["twice"] += known != incident
                case ActionStarted():
                    begun[message.intent] += 1
        book = self.parts.casebook
        still = {each.name for each in (*book.incidents.values(), *book.load.reliefs.values())}
        found["lost"] += sum(incident not in still for incident in open_now.values())
        found["twice"] += sum(count > 1 for count in begun.values())
        return found


def _is_relief(incident: str) -> bool:
    """Whether it is about load, which is held back beside whatever else is done."""
    return "-L" in incident


def healed(course: Course, level: Level, rng: random.Random | None) -> tuple[float, Counter[str]]:
    """Harm of one run, and what was found; with a generator its components change levels."""
    names = [each.name for each in course.estate.components]
    changes: list[tuple[float, str, Level]] = []
    if rng is not None:
        changes = [
            (rng.uniform(0.0, course.until_s), rng.choice(names), rng.choice(LEVELS))
            for _ in range(_CHANGES)
        ]
    systems: list[Changing] = []

    def build(world: World) -> Changing:
        systems.append(Changing(world, level, changes))
        return systems[0]

    outcome = replay(SimulatedWorld(course), build, course.until_s)
    assert outcome.harm is not None
    return outcome.harm, systems[0].findings()


def changes(incidents: int) -> dict[str, Any]:
    """All runs until there were so many incidents under changing levels."""
    harm: dict[str, float] = dict.fromkeys(("nobody", "kept", "changing", *LEVELS), 0.0)
    found: Counter[str] = Counter()
    runs = 0
    while found["incidents"] < incidents and runs < _RUNS_MAX:
        kind = _KINDS[runs % len(_KINDS)]
        shape = _SHAPES[runs // len(_KINDS) % len(_SHAPES)]
        if not candidates(kind, draw_estate(shape, runs)):
            shape = "shop"  # It has everything that a fault can befall.
        course = draw_course(shape, runs, kinds=(kind,), until_s=_UNTIL_S)
        harm["nobody"] += nobody(course).harm
        for level in LEVELS:
            kept = healed(course, level, None)[0]
            harm[level] += kept
            harm["kept"] += kept / len(LEVELS)
        rng = random.Random(runs)
        changed, seen = healed(course, rng.choice(LEVELS), rng)
        harm["changing"] += changed
        found += seen
        runs += 1
    names = (*LEVELS, "kept", "changing")
    scores = {name: 100.0 * (1.0 - harm[name] / harm["nobody"]) for name in names}
    return {
        "runs": runs,
        "level_changes": runs * _CHANGES,
        "incidents": found["incidents"],
        "closed": found["closed"],
        "lost": found["lost"],
        "twice": found["twice"],
        "score": scores,
        "points_below_not_changing": max(0.0, scores["kept"] - scores["changing"]),
    }


def _told(report: dict[str, Any]) -> str:
    lines = [f"{report['machine']}, Python {report['python']}"]
    row, costs = report.get("changes"), report.get("cost", {})
    for level in LEVELS:
        line = f"{level:<9}"
        if level in costs:
            spent = costs[level]
            line += (
                f" {spent['cpu_us_per_sample']:7.1f} us CPU/sample "
                f"{spent['bytes_per_component']:8.0f} bytes/component"
                f"{spent['start_cpu_s']:6.2f} s start"
            )
        lines.append(line + (f" {row['score'][level]:6.1f} % of harm avoided" if row else ""))
    if row:
        scores = ", ".join(f"{name} {value:.1f}" for name, value in row["score"].items())
        lines.append(
            f"{row['incidents']} incidents under {row['level_changes']} level changes in "
            f"{row['runs']} runs: {row['lost']} lost, {row['twice']} handled twice; score {scores}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--components", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=130)
    parser.add_argument("--incidents", type=int, default=500)
    parser.add_argument("--only", choices=("cost", "changes"))
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "targets": TARGETS,
    }
    if options.only != "changes":
        report["cost"] = {
            level: cost(level, options.components, options.seconds) for level in LEVELS
        }
    if options.only != "cost":
        report["changes"] = changes(options.incidents)
    print(json.dumps(report, indent=2) if options.output == "json" else _told(report))
    missed = any(report.get("changes", {}).get(name, 0) > most for name, most in TARGETS.items())
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
