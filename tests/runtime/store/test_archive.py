from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from mendel.errors import StoreError
from mendel.runtime.store import Archive

if TYPE_CHECKING:
    from .conftest import OpenStore, Records


class TestIncidents:
    async def test_are_listed_newest_first_with_their_newest_state(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        clock = itertools.count(1_000.0).__next__
        async with open_store(clock=clock) as store:
            store.note(a.incident("1-1"))
            store.note(a.incident("1-2", target="db"))
            store.note(a.incident("1-1", stage="closed", outcome="healed"))

        async with Archive(path) as archive:
            everything = await archive.incidents()
            still_open = await archive.incidents(only_open=True)
            of_cart = await archive.incidents(target="cart")
            last = await archive.incidents(limit=1)
        closed = a.incident("1-1", stage="closed", outcome="healed")
        assert [each.record for each in everything] == [a.incident("1-2", target="db"), closed]
        assert everything[1].changed_utc - everything[1].opened_utc == 2.0
        assert {each.run for each in everything} == {1}
        assert [each.record.incident for each in still_open] == ["1-2"]
        assert [each.record for each in of_cart] == [closed]
        assert [each.record.incident for each in last] == ["1-2"]

    async def test_one_is_shown_with_all_that_belongs_to_it(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            store.note(a.incident("1-1"))
            store.note(a.window("1-1"))
            store.note(a.incident("1-1", stage="recovering"))
            store.note(a.intent("1-1-1", incident="1-1"))
            store.note(a.outcome("1-1-1", outcome="failed"))
            store.note(a.intent("1-1-2", incident="1-1"))
            store.note(a.incident("1-2"))
            store.note(a.intent("1-2-1", incident="1-2"))

        async with Archive(path) as archive:
            history = await archive.incident("1-1")
        assert history is not None
        assert history.summary.record == a.incident("1-1", stage="recovering")
        assert [each.record.stage for each in history.transitions] == ["triage", "recovering"]
        assert history.windows == (a.window("1-1"),)
        assert [(each.intent, each.outcome) for each in history.actions] == [
            (a.intent("1-1-1", incident="1-1"), a.outcome("1-1-1", outcome="failed")),
            (a.intent("1-1-2", incident="1-1"), None),
        ]
        assert msgspec.json.decode(msgspec.json.encode(history), type=type(history)) == history

    async def test_an_unknown_one_is_none(self, open_store: OpenStore, path: Path) -> None:
        async with open_store(), Archive(path) as archive:
            assert await archive.incident("9-9") is None


class TestActions:
    async def test_are_listed_newest_first(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            store.note(a.intent("1-1"))
            store.note(a.intent("1-2", target="db"))
            store.note(a.outcome("1-1"))

        async with Archive(path) as archive:
            actions = await archive.actions()
            of_cart = await archive.actions(target="cart")
        assert [each.intent.intent for each in actions] == ["1-2", "1-1"]
        assert [(each.outcome, each.finished_utc) for each in actions[:1]] == [(None, None)]
        assert [each.outcome for each in of_cart] == [a.outcome("1-1")]


class TestReading:
    async def test_sees_what_a_running_store_has_committed(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store, Archive(path) as archive:
            before = await archive.actions()
            await store.commit(a.intent("1-1"))
            after = await archive.actions()

        assert (len(before), len(after)) == (0, 1)

    async def test_a_missing_store_is_a_clear_error(self, path: Path) -> None:
        with pytest.raises(StoreError, match="there is no store here; has mendel run"):
            async with Archive(path):
                pass
        assert not path.exists()

    async def test_a_file_that_is_no_database_is_a_clear_error(self, path: Path) -> None:
        path.write_bytes(b"garbage" * 1_000)

        with pytest.raises(StoreError, match=r"store\.db: cannot be read: file is not a database"):
            async with Archive(path):
                pass
        assert path.read_bytes() == b"garbage" * 1_000

    async def test_an_older_version_is_not_touched(self, path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript((Path(__file__).parent / "v1.sql").read_text())
        connection.close()

        with pytest.raises(StoreError, match="is of version 1, this mendel reads 5"):
            async with Archive(path):
                pass

    async def test_a_question_to_a_closed_archive_is_a_clear_error(
        self, open_store: OpenStore, path: Path
    ) -> None:
        async with open_store(), Archive(path) as archive:
            pass

        with pytest.raises(StoreError, match="is not open"):
            await archive.incidents()

    async def test_a_record_that_cannot_be_read_is_a_clear_error(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            store.note(a.incident("1-1"))
        connection = sqlite3.connect(path)
        connection.execute('UPDATE incidents SET record = \'{"type": "incident"}\'')
        connection.commit()
        connection.close()

        async with Archive(path) as archive:
            with pytest.raises(StoreError, match="a record in the store cannot be read"):
                await archive.incidents()

    async def test_a_file_that_breaks_meanwhile_is_a_clear_error(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            for number in range(200):
                store.note(a.incident(f"1-{number}"))

        async with Archive(path) as archive:
            path.write_bytes(path.read_bytes()[:4_096])

            with pytest.raises(StoreError, match="cannot be read"):
                await archive.incidents(limit=500)
