"""How long it takes to go over to another configuration while everything runs.

    .venv/bin/python benchmarks/reload.py [--components 100,1000] [--output json]

Each line is the median of so many reloads of a running system: the whole of it, which is done
beside the event loop, and the step that puts it into force, in which nothing else happens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from mendel.runtime.config import load
from mendel.runtime.launch import launch
from mendel.runtime.reload import Reloader

CHANGES = {
    "a limit of the policy": ("estate_actions = 60", "estate_actions = 61"),
    "a threshold of every component": ("above = 0.5", "above = 0.6"),
    "one component more": ("# one more", '[[components]]\nname = "last"\n'),
}


def text(components: int) -> str:
    """A configuration of so many components that report by themselves."""
    each = '[[components]]\nname = "c{0}"\nprobes = [{{ heartbeat = "1m", every = "1s" }}]\n'
    head = (
        "[policy]\nestate_actions = 60\n[defaults.watch.thresholds]\nlatency_s = { above = 0.5 }\n"
    )
    return head + "".join(each.format(number) for number in range(components)) + "# one more\n"


class Silent:
    """Keeps no versions."""

    def note_config(self, text: str, *, source: str, who: str, why: str) -> None:
        """Forget it."""


async def measure(components: int, rounds: int, folder: Path) -> list[dict[str, object]]:
    path = folder / "mendel.toml"
    path.write_text(text(components))
    loaded = load(path, environ={})
    found = []
    async with launch(loaded) as system:
        reloader = Reloader(system, loaded, Silent())
        for name, (before, after) in CHANGES.items():
            whole, step = [], []
            for number in range(rounds):
                old, new = (before, after) if number % 2 == 0 else (after, before)
                path.write_text(path.read_text().replace(old, new))
                for beat in range(0, components, 10):
                    system.report(f"c{beat}", {"latency_s": 0.1})
                began_s = time.perf_counter()
                changed = await reloader.reload(who="benchmark")
                whole.append(time.perf_counter() - began_s)
                step.append(changed.took_s)
            found.append(
                {
                    "components": components,
                    "change": name,
                    "step_ms": round(statistics.median(step) * 1e3, 2),
                    "step_ms_max": round(max(step) * 1e3, 2),
                    "whole_ms": round(statistics.median(whole) * 1e3, 1),
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--components", default="100,1000")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    rows = []
    for count in map(int, options.components.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            rows += asyncio.run(measure(count, options.rounds, Path(folder)))
    if options.output == "json":
        print(json.dumps(rows, indent=2))
        return
    print(f"{'COMPONENTS':>10}  {'CHANGE':32}{'STEP':>9}{'LONGEST':>10}{'WHOLE':>11}")
    for row in rows:
        print(
            f"{row['components']:>10}  {row['change']:32}{row['step_ms']:>6} ms"
            f"{row['step_ms_max']:>7} ms{row['whole_ms']:>8} ms"
        )


if __name__ == "__main__":
    main()
