"""A disk that fails while mendel runs: full, locked, hanging, corrupt. All of it is real."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mendel.runtime.store import Archive

if TYPE_CHECKING:
    from .conftest import Listener, OpenStore, Records


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another program writes, and does not come to an end."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(connection.execute, "BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def join_threads_of_the_database() -> None:
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join()


class TestLockedFile:
    async def test_healing_goes_on_and_what_was_kept_is_written_in_order(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            async with locked(path):
                await store.commit(a.intent("1-1"))
                for number in range(2, 100):
                    await store.commit(a.intent(f"1-{number}"))
                held = [each.intent for each in store.unfinished_intents()]
            await listener.recovered.wait()
            written = store.stats.written

            assert listener.reasons == ["database is locked"]
            assert listener.lost == [0]
            assert rows(path, "SELECT intent FROM intents ORDER BY rowid") == [
                (f"1-{number}",) for number in range(1, 100)
            ]
            assert held == [f"1-{number}" for number in range(1, 100)]
            assert written == 99

            await store.commit(a.intent("1-100"))  # As if nothing had been.
            assert rows(path, "SELECT count(*) FROM intents") == [(100,)]
            assert store.stats.reason == ""

    async def test_the_trail_says_that_it_was_so(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            async with locked(path):
                await store.commit(a.intent("1-1"))
            await listener.recovered.wait()

        async with Archive(path) as archive:
            assert [each.kind for each in await archive.audit()] == [
                "store_recovered",
                "action_intended",
            ]
            assert (await archive.verify()).broken_seq is None

    async def test_a_short_lock_is_waited_for(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store(busy_s=10.0) as store:
            async with locked(path):
                committing = asyncio.create_task(store.commit(a.intent("1-1")))
                await asyncio.wait({committing}, timeout=0.05)
                was_done = committing.done()
            await committing

        assert not was_done
        assert listener.reasons == []

    async def test_when_it_is_found_locked_the_store_begins_in_memory(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-1"))

        async with locked(path):
            store = await open_store(clock=lambda: 1_700_000_000.0).__aenter__()
            await store.commit(a.intent("1700000000-1"))
            await store.commit(a.outcome("1700000000-1"))
        await listener.recovered.wait()

        assert listener.reasons == ["database is locked"]
        assert [each.intent for each in store.unfinished_intents()] == ["1-1"]
        await store.close()
        assert rows(path, "SELECT run FROM runs") == [(1,), (1_700_000_000,)]


class TestBounds:
    async def test_what_does_not_fit_into_memory_is_lost_and_counted(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store(queue_bytes=65_536, reserve_bytes=4_096) as store:
            async with locked(path):
                for number in range(200):
                    store.note(a.window(f"1-{number}"))
                noted = store.stats
                for number in range(10):
                    await store.commit(a.intent(f"1-{number}"))
                stats = store.stats
            await listener.recovered.wait()

        dropped_commits = stats.dropped - noted.dropped
        assert noted.dropped > 0
        assert 0 < dropped_commits < 10  # The reserve is for commits alone.
        assert listener.lost == [stats.dropped]
        assert rows(path, "SELECT count(*) FROM windows") == [(200 - noted.dropped,)]
        assert rows(path, "SELECT intent FROM intents") == [
            (f"1-{number}",) for number in range(10 - dropped_commits)
        ]

    async def test_attempts_become_rarer_up_to_a_bound(
        self, open_store: OpenStore, path: Path, a: Records
    ) -> None:
        async with open_store(retry_s=0.001, retry_s_max=0.004) as store:
            async with locked(path):
                await store.commit(a.intent("1-1"))
                async with asyncio.timeout(10.0):
                    while store._writer._retry_s < 0.004:
                        await asyncio.wait({asyncio.create_task(store.commit(a.outcome()))})

            assert store._writer._retry_s == 0.004


class TestHangingDisk:
    async def test_nobody_waits_for_it_for_ever(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store(busy_s=30.0, stall_s=0.02) as store:
            async with locked(path):  # To the store it looks the same: its write does not return.
                await store.commit(a.intent("1-1"))
                await store.commit(a.intent("1-2"))
            await listener.recovered.wait()
            await store.commit(a.intent("1-3"))

        assert listener.reasons == ["the disk has not answered for 0.02 s"]
        assert listener.lost == [0]
        assert rows(path, "SELECT intent FROM intents ORDER BY rowid") == [
            ("1-1",),
            ("1-2",),
            ("1-3",),
        ]

    async def test_closing_does_not_wait_for_it_either(
        self, open_store: OpenStore, path: Path, a: Records, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = await open_store(busy_s=1.0, stall_s=5.0).__aenter__()
        async with locked(path):
            committing = asyncio.create_task(store.commit(a.intent("1-1")))
            await asyncio.wait({committing}, timeout=0.0)

            await store.close(timeout_s=0.02)
            await committing
        await asyncio.to_thread(join_threads_of_the_database)
        assert "closes with 1 entries that could not be written" in caplog.text

    async def test_closing_while_degraded_tries_once_more(
        self, open_store: OpenStore, path: Path, a: Records, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with open_store(retry_s=30.0, retry_s_max=30.0) as store, locked(path):
            await store.commit(a.intent("1-1"))
        written = rows(path, "SELECT intent FROM intents")

        async with open_store(retry_s=30.0, retry_s_max=30.0) as store, locked(path):
            await store.commit(a.intent("2-1"))
            await store.close()

        assert written == [("1-1",)]
        assert rows(path, "SELECT intent FROM intents") == [("1-1",)]
        assert "closes with 1 entries that could not be written" in caplog.text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("may not mount here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left on a disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4_096)
    return filler


class TestFullDisk:
    async def test_healing_goes_on_and_what_was_kept_is_written_when_there_is_room(
        self, open_store: OpenStore, listener: Listener, small_disk: Path, a: Records
    ) -> None:
        path = small_disk / "store.db"
        async with open_store(path) as store:
            await store.commit(a.intent("1-0"))
            filler = fill(small_disk)
            for number in range(1, 300):
                await store.commit(a.intent(f"1-{number}"))
            during = store.stats
            filler.unlink()
            await listener.recovered.wait()

        assert listener.reasons == ["database or disk is full"]
        assert listener.lost == [0]
        assert during.queued > 0
        async with Archive(path) as archive:
            actions = await archive.actions(limit=500)
            assert [each.intent.intent for each in reversed(actions)] == [
                f"1-{number}" for number in range(300)
            ]
            assert (await archive.verify()).broken_seq is None

    async def test_when_it_is_found_full_the_store_begins_in_memory(
        self, open_store: OpenStore, listener: Listener, small_disk: Path, a: Records
    ) -> None:
        path = small_disk / "store.db"
        async with open_store(path) as store:
            await store.commit(a.intent("1-1"))
        filler = fill(small_disk)

        async with open_store(path) as store:
            found = [each.intent for each in store.unfinished_intents()]
            await store.commit(a.outcome("1-1"))
            filler.unlink()
            await listener.recovered.wait()

        assert found == ["1-1"]
        assert rows(path, "SELECT intent FROM outcomes") == [("1-1",)]

    async def test_a_limit_of_the_process_is_survived_too(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        async with open_store() as store:
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
                for number in range(300):
                    await store.commit(a.intent(f"1-{number}"))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await listener.recovered.wait()

        assert len(listener.reasons) == 1
        assert rows(path, "SELECT count(*) FROM intents") == [(300,)]


class TestFileThatBreaksMeanwhile:
    async def test_is_set_aside_and_what_is_open_stands_in_the_new_one(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.incident("1-1", stage="recovering"))
            await store.commit(a.incident("1-2", stage="closed", outcome="healed"))
            await store.commit(a.intent("1-1"))
            for _ in range(400):  # More than SQLite holds in memory of the file.
                await store.commit(a.window(values=1_000))
            with path.open("r+b") as file:
                file.write(b"\xff" * path.stat().st_size)

            await store.commit(a.incident("1-1", stage="verifying"))
            await store.commit(a.incident("1-1", stage="recovering"))
            await listener.recovered.wait()
            await store.commit(a.intent("1-3"))

        assert listener.asides[0].name.startswith("store.db.corrupt-")
        async with open_store() as store:
            assert store.open_incidents() == (a.incident("1-1", stage="recovering"),)
            assert [each.intent for each in store.unfinished_intents()] == ["1-1", "1-3"]
            assert store.run == 2

    async def test_one_that_is_deleted_is_made_anew_after_the_next_failure(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records
    ) -> None:
        async with open_store() as store:
            await store.commit(a.intent("1-1"))
            async with locked(path):
                await store.commit(a.intent("1-2"))
                path.unlink()
            await listener.recovered.wait()

            assert rows(path, "SELECT intent FROM intents ORDER BY rowid") == [("1-1",), ("1-2",)]
