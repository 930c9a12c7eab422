"""Make a history of incidents to learn from: one simulated estate that falls ill again and again.

    python examples/make_history.py examples/history.sqlite

Every day is a run of the whole of mendel in virtual time, configured by `history.toml`, on the same
simulated shop: a fault at a random place, drawn from a seed, is seen, treated and judged as live.
What begins it is drawn as often as it begins troubles elsewhere: two in three of them with
something that was rolled out, one in fifty with hardware. Plans are shuffled from day to day, as in
a team that has no runbook yet: who always does the same never learns what the rest would have done.

What the journal kept of it goes into a store, as mendel writes one, with the wall time that would
have been. So that the file stays small, incidents that were mere symptoms of another one's are left
out, and readings are kept of metrics that a threshold watches, up to the first trouble of a
component on a day that was over by its end. Nobody chose among the runs: all of them are in it.

Source:
    What begins troubles: seven years of postmortems at Google, Beyer et al., The Site Reliability
    Workbook (2018), app. C; which faults of ours stand for it is a judgement.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mendel.agents.journal import MemoryJournal
from mendel.core.detection.detect import DEFAULT_THRESHOLDS
from mendel.core.playbook import DEFAULT_PLANS
from mendel.core.records import IncidentRecord, OutcomeRecord, Record, WindowRecord
from mendel.runtime.config import Config, load
from mendel.runtime.layers import KindConfig
from mendel.runtime.store import Store
from mendel.runtime.store.file import LOCK_SUFFIX
from mendel.runtime.system import System
from mendel.scenarios.catalogue import FaultKind
from mendel.scenarios.simulator import Course, SimulatedWorld, candidates, draw_estate, draw_fault
from mendel.scenarios.virtual_time import run
from msgspec import structs

SHAPE, ESTATE_SEED = "shop", 1
RUN_S = 420.0
# A run begins every two hours, from a Monday on.
FIRST_UTC, EVERY_S = 1_767_571_200.0, 7_200.0
# Of a hundred troubles so many begin like this, and are one of these faults then. What takes hours
# to show, as leaks do, is none of them: a day here is seven minutes.
BEGINNINGS: Sequence[tuple[int, Sequence[FaultKind]]] = (
    (37, ("bad_deploy", "hang")),  # A new version.
    (31, ("bad_deploy", "pool_exhaustion", "stale_pool")),  # A new configuration.
    (9, ("spike", "overload", "retry_storm")),  # Users do something else.
    (6, ("cascade",)),  # A pipeline that processes data.
    (5, ("dependency_outage", "partition")),  # A provider changes something.
    (5, ("gray_failure", "limplock", "flapping")),  # Performance decays.
    (5, ("noisy_neighbour", "thundering_herd")),  # Capacity is moved about.
    (2, ("crash", "correlated_loss")),  # Hardware.
)
CONFIG = load(Path(__file__).with_name("history.toml"))
WATCHED = frozenset((*DEFAULT_THRESHOLDS, *CONFIG.config.defaults.watch.thresholds))


def courses(count: int, seed: int) -> Iterator[Course]:
    """Days on the same estate, each with one fault."""
    estate = draw_estate(SHAPE, ESTATE_SEED)
    shares = np.array([share for share, _ in BEGINNINGS], float)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        _, kinds = BEGINNINGS[int(rng.choice(len(shares), p=shares / shares.sum()))]
        possible = [each for each in kinds if candidates(each, estate)]
        kind = possible[int(rng.integers(len(possible)))]
        fault = draw_fault(kind, estate, rng)
        yield Course(estate=estate, faults=(fault,), seed=seed + number, until_s=RUN_S)


def shuffled(seed: int, number: int) -> Config:
    """The configuration of a day: every kind of component has its plan in another order."""
    rng = np.random.default_rng((seed, number, 1))
    kinds = {
        kind: KindConfig(playbook={"plan": tuple(rng.permutation(plan).tolist())})
        for kind, plan in DEFAULT_PLANS.items()
        if plan
    }
    return structs.replace(CONFIG.config, kinds=kinds)


async def heal(course: Course, config: Config, number: int) -> MemoryJournal:
    """One day with mendel on guard; what it kept of it."""
    journal = MemoryJournal(capacity=1_000_000)
    async with System(config, SimulatedWorld(course), journal, run=number):
        await asyncio.sleep(course.until_s)
    return journal


def kept(records: Sequence[Record]) -> Iterator[Record]:
    """All but mere symptoms, and readings that nobody looks at."""
    last = {each.incident: each for each in records if isinstance(each, IncidentRecord)}
    symptoms = {name for name, each in last.items() if "attributed" in (each.stage, each.outcome)}
    told: set[str] = set()
    for record in records:
        incident = incident_of(record)
        if incident in symptoms:
            continue
        if not isinstance(record, WindowRecord):
            yield record
        elif last[incident].outcome and record.target not in told:
            told.add(record.target)
            yield small(record)


def incident_of(record: Record) -> str:
    """Which incident a record belongs to; an outcome says so by the name of its intent."""
    if isinstance(record, OutcomeRecord):
        return record.intent.rpartition(".")[0]
    return str(getattr(record, "incident", ""))


def small(record: WindowRecord) -> WindowRecord:
    """Metrics that somebody watches, with as many digits as they are worth."""
    metrics = {
        name: tuple(value if value is None else short(value) for value in values)
        for name, values in record.metrics.items()
        if name in WATCHED
    }
    return structs.replace(record, metrics=metrics)


def short(value: float) -> float:
    """Four digits; a whole number is written without a point."""
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded


async def write(path: Path, days: Sequence[Sequence[Record]]) -> None:
    """Put all days into a store, each with the wall time that it would have had."""
    now_utc = FIRST_UTC
    async with Store(path, clock=lambda: now_utc) as store:
        store.note_config(CONFIG.document.text, source=CONFIG.path.name)
        for number, records in enumerate(days):
            for record in kept(records):
                at_s = getattr(record, "at_s", 0.0)
                now_utc = max(now_utc, FIRST_UTC + number * EVERY_S + at_s)
                await store.commit(record)


def close_up(path: Path) -> None:
    """One file without companions, for nobody is going to write it any more."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA page_size = 8192")  # Two windows to a page, where 4096 hold one.
    connection.execute("VACUUM")
    connection.close()
    path.with_name(path.name + LOCK_SUFFIX).unlink()


def main(arguments: Sequence[str]) -> int:
    """Make the file that is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--days", type=int, default=300, help="runs, each with one fault")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args(arguments)
    if options.path.exists():
        parser.error(f"{options.path} exists; give another name, or move it away")
    days = []
    for number, course in enumerate(courses(options.days, options.seed), start=1):
        config = shuffled(options.seed, number)
        days.append(run(heal(course, config, number)).records)
        print(f"\r{number} of {options.days} days", end="", file=sys.stderr, flush=True)
    asyncio.run(write(options.path, days))
    close_up(options.path)
    print(f"\n{options.path}: {options.path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
