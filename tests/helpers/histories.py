"""A store with incidents to learn from: troubles that a slow threshold notices late.

Two components fail in turn. What they show jumps from 2 % errors to 60 %, a lone blip comes now and
then, and the configuration waits for nine bad samples of nine. Whoever waits for less notices
sooner; whoever waits for one is alarmed by every blip.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from mendel.core.records import (
    Ailment,
    ExperienceRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    Record,
    WindowRecord,
)
from mendel.core.topology import Kind
from mendel.runtime.store import Store

CONFIG = """
[defaults]
level = "full"

[defaults.watch.thresholds.error_rate]
above = 0.1
samples = 9
of = 9

[[components]]
name = "web"
depends_on = ["db"]
probes = [{ heartbeat = "1h" }]

[[components]]
name = "db"
kind = "database"
probes = [{ heartbeat = "1h" }]
"""
_BEFORE_S, _NOTICED_S, _CURED_S = 60, 9, 25


def incident(number: int, rng: random.Random) -> list[Record]:
    """All records of one."""
    target, kind = ("db", "database") if number % 3 == 0 else ("web", "service")
    name, start_s = f"1-{number}", 1_000.0 * number
    onset_s = start_s + _BEFORE_S
    opened_s = onset_s + _NOTICED_S
    seconds = range(_BEFORE_S + _NOTICED_S + _CURED_S)
    values = tuple(
        0.6 if second >= _BEFORE_S else 0.3 if rng.random() < 0.04 else 0.02 for second in seconds
    )
    about: dict[str, Any] = {"incident": name, "target": target}
    told = IncidentRecord(
        **about, stage="triage", reason="error_rate is 0.6", at_s=opened_s, onset_s=onset_s
    )
    closed = IncidentRecord(
        **about,
        stage="closed",
        reason="error_rate is 0.02 again",
        at_s=opened_s + _CURED_S,
        onset_s=onset_s,
        outcome="healed",
        actions=("restart",),
    )
    return [
        told,
        IntentRecord(
            intent=f"{name}.1", **about, action="restart", attempt=1, timeout_s=30.0, at_s=opened_s
        ),
        OutcomeRecord(
            intent=f"{name}.1", outcome="succeeded", detail="", duration_s=2.0, at_s=opened_s + 2.0
        ),
        ExperienceRecord(
            **about,
            action="restart",
            ailment=_ailment(kind),
            verdict="helped",
            took_s=10.0,
            at_s=opened_s + 10.0,
        ),
        WindowRecord(
            **about,
            times_s=tuple(start_s + second for second in seconds),
            metrics={"error_rate": values},
        ),
        closed,
    ]


def _ailment(kind: Kind | str) -> Ailment:
    return Ailment(kind="database" if kind == "database" else "service")


async def write_history(path: Path, incidents: int = 60) -> None:
    """Make a store.

    Args:
        path: a new file.
        incidents: how many.
    """
    rng = random.Random(1)
    async with Store(path) as store:
        store.note_config(CONFIG, source="mendel.toml")
        for number in range(incidents):
            for record in incident(number, rng):
                await store.commit(record)
