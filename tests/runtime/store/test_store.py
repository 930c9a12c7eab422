from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mendel.bus.messages import (
    AgentCrashed,
    AgentStarted,
    AgentStopped,
    ApprovalGiven,
    ApprovalRequested,
    Heartbeat,
    IncidentEscalated,
    PauseTarget,
    Reconfigured,
    ResumeTarget,
)
from mendel.core.adoption import Standing
from mendel.core.records import AdoptionRecord, Breeding, GenomeRecord, SearchRecord
from mendel.errors import ConfigError, StoreError
from mendel.runtime.store import Archive, Store, StoreConfig
from msgspec import structs

if TYPE_CHECKING:
    from .conftest import OpenStore, Records


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What another program finds in the file right now."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


class TestWriting:
    async def test_what_was_committed_is_on_disk(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-7"))

            assert rows(path, "SELECT intent FROM intents") == [("1-7",)]

    async def test_every_transaction_is_synced(self, open_store: OpenStore, path: Path) -> None:
        async with open_store() as store:
            connection = store._database._connected()
            ((synchronous,),) = await connection.execute_fetchall("PRAGMA synchronous")
            ((journal,),) = await connection.execute_fetchall("PRAGMA journal_mode")

        assert (synchronous, journal) == (2, "wal")

    async def test_what_was_noted_is_on_disk_after_closing(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            for number in range(1_234):  # No round number: groups are written in bulks.
                store.note(a.incident(f"1-{number}"))

        assert rows(path, "SELECT count(*), min(rowid), max(rowid) FROM incidents") == [
            (1_234, 1, 1_234)
        ]

    async def test_commits_at_the_same_time_share_a_transaction(
        self, open_store: OpenStore, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-0"))
            groups_before = store.stats.groups

            await asyncio.gather(*(store.commit(a.intent(f"1-{n}")) for n in range(1, 101)))

            assert store.stats.written == 101
            assert store.stats.groups - groups_before <= 2

    async def test_a_cancelled_commit_is_still_written(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            committing = asyncio.create_task(store.commit(a.intent("1-1")))
            committing.add_done_callback(lambda _: None)
            await asyncio.wait({committing}, timeout=0)

            committing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await committing

        assert rows(path, "SELECT intent FROM intents") == [("1-1",)]

    async def test_anything_that_a_process_may_print_can_be_written(
        self, open_store: OpenStore, a: Records
    ) -> None:
        odd = "caf\udce9 \x00 \U0001f600"
        intent = a.intent("1-1", target=odd)
        intent.before.update({"size": 10**30, odd: [odd, None, float("nan")]})

        async with open_store() as store:
            await store.commit(intent)
        async with open_store() as store:
            (found,) = store.unfinished_intents()

        assert found.target == "caf\\udce9 \x00 \U0001f600"
        assert found.before[found.target] == [found.target, None, None]

    async def test_what_keeps_calls_away_from_a_target_is_known_to_the_next_run(
        self, open_store: OpenStore, a: Records
    ) -> None:
        isolate = a.intent("1-1.isolate.1", action="isolate")
        failed = a.intent("1-1.release.2", action="release")
        release = a.intent("1-1.release.3", action="release")
        other = a.intent("1-2.isolate.1", action="isolate", target="db")
        known = []
        for records in (
            (isolate, a.outcome("1-1.isolate.1"), a.intent("1-1.1")),
            (failed, a.outcome("1-1.release.2", outcome="timed_out"), other),
            (release, a.outcome("1-1.release.3")),
        ):
            async with open_store() as store:
                for record in records:
                    await store.commit(record)
            async with open_store() as store:
                known.append(store.isolations())

        assert known == [(isolate,), (failed, other), (other,)]

    async def test_what_was_learned_is_known_to_the_next_run_with_its_age(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store(clock=lambda: 1_000.0) as store:
            store.note(a.experience("1-1", "restart"))
            store.note(a.experience("1-2", "replace"))

        now_s = asyncio.get_running_loop().time()
        async with open_store(clock=lambda: 1_500.0) as store:
            found = store.experiences()
            store.note(a.experience("2-1", "drain"))

        assert [each.action for each in found] == ["restart", "replace"]
        assert [now_s - each.at_s for each in found] == pytest.approx([500.0, 500.0], abs=5.0)
        async with Archive(path) as archive:
            newest = await archive.experiences(limit=2)
        assert newest == [a.experience("2-1", "drain"), a.experience("1-2", "replace")]

    async def test_what_was_bred_is_known_to_the_next_run(
        self, open_store: OpenStore, path: Path
    ) -> None:
        first = GenomeRecord(genome=1, parent=0, origin="bred", signature="5f", genes={"a.b": 1})
        second = structs.replace(first, genome=2, parent=1)
        promoted = AdoptionRecord(
            decision="promoted", genome=1, reason="better", standing=Standing(incumbent=1)
        )
        search = SearchRecord(
            search=1,
            generation=3,
            generations=9,
            evaluations=120.0,
            hypervolume=0.5,
            is_over=False,
            state={"seed": 1},
        )
        async with open_store(clock=lambda: 1_000.0) as store:
            for record in (first, search, promoted, second):
                store.note(record)

        async with open_store() as store:
            assert store.breeding() == Breeding(
                genomes=(first, second), search=search, adoption=promoted
            )
            (line,) = rows(path, "SELECT kind, target FROM audit WHERE kind LIKE 'genome%'")
        assert line == ("genome_promoted", "1")
        async with Archive(path) as archive:
            newest, oldest = await archive.genomes()
            assert (newest.record, newest.utc, newest.fate) == (second, 1_000.0, ())
            assert [each.record for each in oldest.fate] == [promoted]
            assert await archive.search() == search
            assert await archive.adoption() == promoted

    async def test_what_json_cannot_hold_is_refused_to_who_hands_it_in(
        self, open_store: OpenStore, a: Records
    ) -> None:
        intent = a.intent()
        intent.before["lock"] = object()

        async with open_store() as store:
            with pytest.raises(TypeError):
                await store.commit(intent)

            assert store.stats.queued == 0
            assert store.unfinished_intents() == ()


class TestBounds:
    async def test_notes_that_do_not_fit_are_dropped_and_counted(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store(queue_bytes=65_536) as store:
            for number in range(1_000):  # The writer has no turn in between.
                store.note(a.window(f"1-{number}"))
            stats = store.stats

        assert stats.queued + stats.dropped == 1_000
        assert 65_536 - 2_048 < stats.queued_bytes <= 65_536
        assert rows(path, "SELECT count(*) FROM windows") == [(stats.queued,)]

    async def test_commits_that_do_not_fit_wait_for_room(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store(queue_bytes=65_536) as store:
            await asyncio.gather(*(store.commit(a.intent(f"1-{n}")) for n in range(500)))

            assert store.stats.dropped == 0
            assert store.stats.groups > 1
        assert rows(path, "SELECT count(*) FROM intents") == [(500,)]

    async def test_an_entry_larger_than_the_queue_passes_alone(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store(queue_bytes=65_536) as store:
            await store.commit(a.window(values=50_000))

        assert rows(path, "SELECT length(record) > 65536 FROM windows") == [(1,)]

    def test_a_first_retry_later_than_the_last_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"retry_s=9.0 exceeds retry_s_max=3.0"):
            StoreConfig(retry_s=9.0, retry_s_max=3.0)


class TestNextRun:
    async def test_knows_what_the_run_before_left_unfinished(
        self, open_store: OpenStore, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.incident("1-1", stage="recovering"))
            await store.commit(a.intent("1-1"))
            await store.commit(a.intent("1-2"))
            await store.commit(a.outcome("1-1"))
            await store.commit(a.incident("1-2", stage="closed", outcome="healed"))

        async with open_store() as store:
            assert store.unfinished_intents() == (a.intent("1-2"),)
            assert store.open_incidents() == (a.incident("1-1", stage="recovering"),)

    async def test_can_finish_it(self, open_store: OpenStore, a: Records) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-1"))

        async with open_store() as store:
            await store.commit(a.outcome("1-1", outcome="unknown"))
        async with open_store() as store:
            assert store.unfinished_intents() == ()

    async def test_has_the_next_number(self, open_store: OpenStore) -> None:
        runs = []
        for _ in range(3):
            async with open_store() as store:
                runs.append(store.run)

        assert runs == [1, 2, 3]

    async def test_leaves_out_a_record_that_cannot_be_read(
        self, open_store: OpenStore, path: Path, a: Records, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-1"))
            await store.commit(a.intent("1-2"))
        connection = sqlite3.connect(path)
        connection.execute("UPDATE intents SET record = '{}' WHERE intent = '1-1'")
        connection.commit()
        connection.close()

        async with open_store() as store:
            assert store.unfinished_intents() == (a.intent("1-2"),)
        assert "cannot be read and is left out" in caplog.text


class TestClosing:
    async def test_nothing_can_be_written_afterwards(
        self, open_store: OpenStore, a: Records
    ) -> None:
        async with open_store() as store:
            pass

        with pytest.raises(StoreError, match="the store is closed"):
            store.note(a.incident())
        with pytest.raises(StoreError, match="the store is closed"):
            await store.commit(a.incident())

    async def test_twice_does_nothing(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.close()
            await store.close()

    async def test_marks_the_end_of_the_run(self, open_store: OpenStore, path: Path) -> None:
        async with open_store(clock=lambda: 1_700_000_000.0):
            pass

        assert rows(path, "SELECT run, started_utc, closed_utc FROM runs") == [
            (1, 1_700_000_000.0, 1_700_000_000.0)
        ]

    async def test_leaves_no_companions_behind(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent())

        assert sorted(each.name for each in path.parent.iterdir()) == [
            "store.db",
            "store.db.lock",
        ]


class TestObserving:
    async def test_the_life_of_agents_is_kept(self, open_store: OpenStore, path: Path) -> None:
        async with open_store(clock=lambda: 5.0) as store:
            store.observe(AgentStarted(agent="monitor", restarts=0, started_s=1.0))
            store.observe(
                AgentCrashed(agent="monitor", error="KeyError: 'x'", verdict="", crashed_s=2.0)
            )
            store.observe(AgentStopped(agent="monitor", reason="escalated", stopped_s=3.0))

        async with Archive(path) as archive:
            events = await archive.agent_events(agent="monitor")
            others = await archive.agent_events(agent="recovery")
        assert [(each.utc, each.kind) for each in events] == [
            (5.0, "stopped"),
            (5.0, "crashed"),
            (5.0, "started"),
        ]
        assert events[1].detail["error"] == "KeyError: 'x'"
        assert others == []

    async def test_what_people_do_is_accounted_for(self, open_store: OpenStore, path: Path) -> None:
        async with open_store() as store:
            store.observe(PauseTarget(target="cart", duration_s=600.0, who="ada", reason="deploy"))
            store.observe(ResumeTarget(target="cart", who="ada"))
            store.observe(
                ApprovalRequested(
                    target="db",
                    incident="1-2",
                    approval="1-2-1",
                    action="failover",
                    reason="needs a person",
                    requested_s=4.0,
                )
            )
            store.observe(ApprovalGiven(approval="1-2-1", who="bob"))
            store.observe(
                IncidentEscalated(target="db", incident="1-2", reason="x", escalated_s=9.0)
            )
            store.observe(Reconfigured(agent="monitor", accepted=True))

        async with Archive(path) as archive:
            trail = await archive.audit()
        assert [(each.kind, each.who, each.target) for each in reversed(trail)] == [
            ("target_paused", "ada", "cart"),
            ("target_resumed", "ada", "cart"),
            ("approval_requested", "mendel", "db"),
            ("approval_given", "bob", "1-2-1"),
            ("incident_escalated", "mendel", "db"),
            ("agent_reconfigured", "mendel", "monitor"),
        ]

    async def test_all_else_is_not(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            store.observe(Heartbeat(target="cart"))

            assert store.stats.queued == 0


class TestConfigs:
    async def test_a_new_version_is_kept_when_the_text_is_another(
        self, open_store: OpenStore, path: Path
    ) -> None:
        for text in ("a = 1\n", "a = 1\n", "a = 2\n", "a = 1\n"):
            async with open_store() as store:
                store.note_config(text, source="mendel.toml")
                store.note_config(text, source="mendel.toml", who="ada")

        async with Archive(path) as archive:
            configs = await archive.configs()
            trail = await archive.audit()
        assert [(each.version, each.text) for each in configs] == [
            (3, "a = 1\n"),
            (2, "a = 2\n"),
            (1, "a = 1\n"),
        ]
        assert configs[0].sha256 == configs[2].sha256
        assert [each.kind for each in trail] == ["config_taken"] * 3

    async def test_who_brought_it_and_why_is_kept_with_it(
        self, open_store: OpenStore, path: Path
    ) -> None:
        async with open_store() as store:
            store.note_config("a = 1\n", source="mendel.toml")
            store.note_config("a = 2\n", source="mendel.toml", who="ada", why="more orders")

        async with Archive(path) as archive:
            found = await archive.configs()
            assert [(each.version, each.who, each.why) for each in found] == [
                (2, "ada", "more orders"),
                (1, "mendel", ""),
            ]
            assert await archive.config(2) == found[0]
            assert await archive.config(3) is None
            assert json.loads((await archive.audit())[0].detail)["why"] == "more orders"


class TestListeners:
    async def test_one_that_fails_does_no_harm(
        self, path: Path, a: Records, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("no bus yet")

        path.write_bytes(b"no database" * 1_000)

        async with Store(path, on_set_aside=fail) as store:
            await store.commit(a.intent("1-1"))

        assert rows(path, "SELECT intent FROM intents") == [("1-1",)]
        assert "a listener of the store failed" in caplog.text
