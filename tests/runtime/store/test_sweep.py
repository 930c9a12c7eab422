from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from mendel.bus.messages import AgentStarted
from mendel.core.adoption import Standing
from mendel.core.records import AdoptionRecord, GenomeRecord, SearchRecord
from mendel.runtime.store import Archive

if TYPE_CHECKING:
    from .conftest import OpenStore, Records, Sweep

_DAY_S = 86_400.0


def counts(path: Path) -> dict[str, int]:
    tables = (
        *("incidents", "transitions", "windows", "intents", "outcomes", "experiences"),
        "agent_events",
    )
    connection = sqlite3.connect(path)
    try:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables
        }
    finally:
        connection.close()


async def a_past(open_store: OpenStore, a: Records, incidents: int, at_utc: float) -> None:
    """Incidents that have ended, each with a window and an action, and an agent that started."""
    async with open_store(clock=lambda: at_utc) as store:
        for number in range(incidents):
            name = f"{store.run}-{number}"
            store.note(a.incident(name))
            store.note(a.window(name))
            store.note(a.intent(name, incident=name))
            store.note(a.outcome(name))
            store.note(a.experience(name))
            store.note(a.incident(name, stage="closed", outcome="healed"))
            store.observe(AgentStarted(agent="monitor", restarts=0, started_s=1.0))


class TestSweep:
    async def test_what_is_old_goes_with_all_that_belongs_to_it(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        await a_past(open_store, a, incidents=3, at_utc=0.0)
        await a_past(open_store, a, incidents=2, at_utc=50 * _DAY_S)

        await sweep(now_utc=100 * _DAY_S, keep_s=90 * _DAY_S)

        assert counts(path) == {
            "incidents": 2,
            "transitions": 4,
            "windows": 2,
            "intents": 2,
            "outcomes": 2,
            "experiences": 2,
            "agent_events": 2,
        }

    async def test_what_is_too_many_goes_from_the_oldest_on(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        await a_past(open_store, a, incidents=30, at_utc=0.0)

        await sweep(now_utc=1.0, keep_incidents=10)

        async with Archive(path) as archive:
            left = await archive.incidents()
        assert [each.record.incident for each in left] == [f"1-{n}" for n in range(29, 19, -1)]
        assert counts(path)["transitions"] == 20

    async def test_events_are_counted_by_themselves(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        await a_past(open_store, a, incidents=130, at_utc=0.0)  # 130 events, 260 audit rows.

        await sweep(now_utc=1.0, keep_events=100)

        async with Archive(path) as archive:
            trail = await archive.audit(limit=500)
            verified = await archive.verify()
        assert counts(path)["agent_events"] == 100
        assert [each.seq for each in trail] == list(range(260, 160, -1))
        assert verified.broken_seq is None

    async def test_is_done_in_small_pieces(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        await a_past(open_store, a, incidents=50, at_utc=0.0)

        sweeps = await sweep(now_utc=100 * _DAY_S, sweep_rows=10)

        assert counts(path)["incidents"] == 0
        assert sweeps == 11  # The 100 audit rows take ten, and one finds nothing more.

    async def test_what_is_open_or_unfinished_stays_however_old_it_is(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        async with open_store(clock=lambda: 0.0) as store:
            store.note(a.incident("1-1", stage="escalated"))
            store.note(a.incident("1-2", stage="closed", outcome="healed"))
            store.note(a.intent("1-2-1", incident="1-2"))
            store.note(a.intent("1-3-1", incident="by hand"))

        await sweep(now_utc=1_000 * _DAY_S)

        async with open_store() as store:
            assert [each.incident for each in store.open_incidents()] == ["1-1"]
            assert [each.intent for each in store.unfinished_intents()] == ["1-2-1", "1-3-1"]
        async with Archive(path) as archive:
            assert len(await archive.incidents()) == 2

    async def test_what_belongs_to_no_incident_goes_by_its_age(
        self, open_store: OpenStore, path: Path, a: Records, sweep: Sweep
    ) -> None:
        for at_utc in (0.0, 50 * _DAY_S):
            async with open_store(clock=lambda at=at_utc: at) as store:
                store.note(a.window("lost"))
                store.note(a.intent(f"{store.run}-1", incident="by hand"))
                store.note(a.outcome(f"{store.run}-1"))
                store.note(a.outcome(f"{store.run}-2"))

        await sweep(now_utc=100 * _DAY_S)

        assert counts(path) == {
            "incidents": 0,
            "transitions": 0,
            "windows": 1,
            "intents": 1,
            "outcomes": 2,
            "experiences": 0,
            "agent_events": 0,
        }

    async def test_the_configuration_in_force_stays(
        self, open_store: OpenStore, path: Path, sweep: Sweep
    ) -> None:
        async with open_store(clock=lambda: 0.0) as store:
            store.note_config("a = 1", source="mendel.toml")
            store.note_config("a = 2", source="mendel.toml")

        await sweep(now_utc=1_000 * _DAY_S)

        async with Archive(path) as archive:
            assert [each.text for each in await archive.configs()] == ["a = 2"]

    async def test_run_numbers_go_on_although_old_runs_are_swept(
        self, open_store: OpenStore, sweep: Sweep, a: Records
    ) -> None:
        await a_past(open_store, a, incidents=1, at_utc=0.0)
        async with open_store(clock=lambda: 1.0):
            pass

        await sweep(now_utc=1_000 * _DAY_S)

        async with open_store() as store:
            assert store.run == 4

    async def test_a_store_sweeps_by_itself_when_it_starts(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        await a_past(open_store, a, incidents=20, at_utc=0.0)

        async with (
            open_store(clock=lambda: 100 * _DAY_S, sweep_rows=5) as store,
            asyncio.timeout(10.0),
        ):
            while counts(path)["incidents"]:
                await store.commit(a.outcome())  # Takes turns with the sweeps.


async def test_of_what_was_bred_the_newest_stays(
    open_store: OpenStore, path: Path, sweep: Sweep
) -> None:
    async with open_store(clock=lambda: 0.0) as store:
        for number in range(1, 31):
            store.note(GenomeRecord(genome=number, parent=0, origin="bred", signature="", genes={}))
            store.note(
                SearchRecord(
                    search=number,
                    generation=1,
                    generations=1,
                    evaluations=1.0,
                    hypervolume=0.0,
                    is_over=True,
                    state={},
                )
            )
            standing = Standing(incumbent=number)
            store.note(
                AdoptionRecord(decision="promoted", genome=number, reason="", standing=standing)
            )

    await sweep(now_utc=1.0, keep_events=500)

    connection = sqlite3.connect(path)
    kept = [
        connection.execute(f"SELECT min({key}), count(*) FROM {table}").fetchone()
        for table, key in (("genomes", "genome"), ("searches", "search"), ("adoptions", "id"))
    ]
    connection.close()
    assert kept == [(26, 5), (21, 10), (26, 5)]
