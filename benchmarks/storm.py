"""Does a storm of others delay the healing of one component? In real time, on a real event loop.

    .venv/bin/python benchmarks/storm.py [--flapping 1000] [--warm 20] [--output json]

So many components fail for four seconds of every twenty, each at another time; in the middle of
that one more crashes, right after a look at it. Told is the time from its crash to the proof of its
recovery, alone and in the storm, with the settings that are built in, and what mendel used of one
core meanwhile. `tests/stories` hold
the same in virtual time, where only decisions count and not the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from estates import Estate, Service
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import Sample
from mendel.bus.messages import IncidentClosed, Reading
from mendel.runtime.config import Config
from mendel.runtime.system import System


class Flapping(Service):
    """Fails for four seconds of every twenty, whatever is done to it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"f{number}")
        self._phase_s = number * 0.618 % 1.0 * 20.0

    def sample(self, now_s: float) -> Sample:
        ok = (now_s + self._phase_s) % 20.0 >= 4.0
        return Sample({"alive": 1.0, "answered": 1.0, "ok": float(ok)})


async def measure(flapping: int, warm_s: float) -> dict[str, float]:
    estate = Estate([Service("db"), *(Flapping(number) for number in range(flapping))])
    loop = asyncio.get_running_loop()
    async with System(Config(), estate, MemoryJournal()) as system:
        closed, looked = asyncio.Event(), asyncio.Event()
        system.bus.subscribe(f"{IncidentClosed.topic}.db", lambda _: closed.set())
        await asyncio.sleep(warm_s)
        system.bus.subscribe(f"{Reading.topic}.db", lambda _: looked.set())
        await looked.wait()
        estate["db"].crash()
        crashed_s, cpu_s = loop.time(), time.process_time()
        async with asyncio.timeout(120):
            await closed.wait()
        took_s = loop.time() - crashed_s
        share = (time.process_time() - cpu_s) / took_s
    return {"flapping": flapping, "healed_s": round(took_s, 2), "cpu_share": round(share, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flapping", type=int, default=1000)
    parser.add_argument("--warm", type=float, default=20.0)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    rows = [asyncio.run(measure(count, options.warm)) for count in (0, options.flapping)]
    if options.output == "json":
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['flapping']:>5} flapping: healed in {row['healed_s']} s, CPU {row['cpu_share']}"
        )
    print(f"ratio {rows[1]['healed_s'] / rows[0]['healed_s']:.2f}")


if __name__ == "__main__":
    main()
