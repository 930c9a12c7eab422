from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mendel.errors import StoreError
from mendel.runtime.store import Archive, schema

if TYPE_CHECKING:
    from .conftest import Listener, OpenStore, Records

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts or changes its user")


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestVersions:
    async def test_a_file_of_version_1_is_brought_up_to_date(
        self, open_store: OpenStore, path: Path
    ) -> None:
        connection = sqlite3.connect(path)
        connection.executescript((Path(__file__).parent / "v1.sql").read_text())
        connection.close()

        async with open_store(clock=lambda: 1_760_002_000.0) as store:
            assert store.run == 3
            assert [each.incident for each in store.open_incidents()] == ["2-1"]
            assert [each.intent for each in store.unfinished_intents()] == ["2-1-1"]

        async with Archive(path) as archive:
            old = await archive.incident("1-1")
            verified = await archive.verify()
        assert old is not None
        assert [each.record.stage for each in old.transitions] == ["triage", "closed"]
        assert [each.outcome is not None for each in old.actions] == [True]
        assert verified.broken_seq is None
        versions = sqlite3.connect(path)
        applied = versions.execute("SELECT version FROM versions").fetchall()
        assert applied == [(1,), (2,), (3,), (4,), (5,)]
        versions.close()

    async def test_an_empty_file_is_version_0(self, open_store: OpenStore, path: Path) -> None:
        path.touch()

        async with open_store() as store:
            assert store.run == 1

    async def test_a_step_that_fails_leaves_the_old_version(
        self, open_store: OpenStore, path: Path
    ) -> None:
        connection = sqlite3.connect(path)
        connection.executescript((Path(__file__).parent / "v1.sql").read_text())
        connection.execute("CREATE TABLE audit_start (in_the_way TEXT)")
        connection.close()

        async with open_store() as store:
            assert "audit_start already exists" in store.stats.reason
        execute(path, "DROP TABLE audit_start")

        async with open_store() as store:
            assert store.run == 3

    async def test_a_file_of_a_newer_mendel_is_refused_and_not_touched(
        self, open_store: OpenStore, path: Path
    ) -> None:
        async with open_store():
            pass
        execute(path, f"INSERT INTO versions VALUES ({schema.VERSION + 1}, 0)")
        before = sha256(path)

        with pytest.raises(
            StoreError,
            match=f"is of version {schema.VERSION + 1}, and this mendel knows versions up to",
        ):
            await open_store().__aenter__()
        with pytest.raises(StoreError, match="use the newer mendel that wrote it"):
            await Archive(path).__aenter__()

        assert sha256(path) == before

    async def test_a_database_of_another_program_is_refused_and_not_touched(
        self, open_store: OpenStore, path: Path
    ) -> None:
        execute(path, "CREATE TABLE invoices (total REAL)")
        before = sha256(path)

        with pytest.raises(StoreError, match="is a database, but not a store of mendel"):
            await open_store().__aenter__()

        assert sha256(path) == before


class TestSecondMendel:
    async def test_is_refused_while_the_first_one_runs(
        self, open_store: OpenStore, a: Records
    ) -> None:
        async with open_store() as first:
            with pytest.raises(
                StoreError, match=f"process {os.getpid()} already writes this store"
            ):
                await open_store().__aenter__()

            await first.commit(a.intent())
        async with open_store() as second:
            assert second.run == 2

    async def test_a_lock_file_that_a_dead_process_left_is_no_obstacle(
        self, open_store: OpenStore, path: Path
    ) -> None:
        path.with_name("store.db.lock").write_text("4711")

        async with open_store() as store:
            assert store.run == 1


class TestCorruptFile:
    @pytest.mark.parametrize("kept_bytes", [0, 100, 5_000, 20_000])
    async def test_is_set_aside_and_a_new_one_begun(
        self, open_store: OpenStore, listener: Listener, path: Path, a: Records, kept_bytes: int
    ) -> None:
        async with open_store() as store:
            for number in range(500):
                store.note(a.incident(f"1-{number}"))
        damaged = path.read_bytes()[:kept_bytes].ljust(kept_bytes or 4_096, b"\xff")
        path.write_bytes(damaged)

        async with open_store(clock=lambda: 1_700_000_000.0) as store:
            await store.commit(a.intent("1001-1"))

        (aside,) = listener.asides
        assert aside == path.with_name("store.db.corrupt-20231114T221320Z")
        assert aside.read_bytes() == damaged
        async with Archive(path) as archive:
            assert [each.intent for each in await archive.actions()] == [a.intent("1001-1")]
            assert [each.kind for each in await archive.audit()] == [
                "action_intended",
                "store_set_aside",
            ]

    async def test_numbers_of_runs_do_not_come_again(
        self, open_store: OpenStore, listener: Listener, path: Path
    ) -> None:
        runs = []
        for _ in range(3):
            async with open_store(clock=lambda: 1_700_000_000.0) as store:
                runs.append(store.run)
            async with open_store(clock=lambda: 1_700_000_000.0) as store:
                runs.append(store.run)
            path.write_bytes(b"garbage" * 1_000)

        assert runs == [1, 2, 1_001, 1_002, 2_001, 2_002]
        assert [each.name.rpartition("corrupt-")[2] for each in listener.asides] == [
            "20231114T221320Z",
            "20231114T221320Z-2",
        ]

    async def test_goes_aside_with_its_log(
        self, open_store: OpenStore, listener: Listener, path: Path
    ) -> None:
        path.write_bytes(b"garbage" * 1_000)
        path.with_name("store.db-wal").write_bytes(b"log")

        async with open_store():
            pass

        (aside,) = listener.asides
        assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"log"


class TestPlaceThatWillNotDo:
    async def test_a_missing_folder_is_made(self, open_store: OpenStore, tmp_path: Path) -> None:
        path = tmp_path / "state" / "of" / "store.db"

        async with open_store(path):
            assert path.is_file()

    async def test_a_folder_that_cannot_be_made_is_a_clear_error(
        self, open_store: OpenStore, tmp_path: Path
    ) -> None:
        (tmp_path / "state").write_text("a file")

        with pytest.raises(StoreError, match=r"state/store\.db: cannot be made or opened here"):
            await open_store(tmp_path / "state" / "store.db").__aenter__()

    async def test_a_folder_in_place_of_the_file_is_a_clear_error(
        self, open_store: OpenStore, path: Path
    ) -> None:
        path.mkdir()

        with pytest.raises(StoreError, match=r"store\.db: is not a file; move it away"):
            await open_store().__aenter__()

    @needs_root
    async def test_a_folder_of_somebody_else_is_a_clear_error(
        self, open_store: OpenStore, shared: Path
    ) -> None:
        with somebody_else(), pytest.raises(StoreError, match="Permission denied"):
            await open_store(shared / "store.db").__aenter__()

    @needs_root
    async def test_a_file_of_somebody_else_is_a_clear_error(
        self, open_store: OpenStore, shared: Path
    ) -> None:
        path = shared / "store.db"
        async with open_store(path):
            pass
        path.chmod(0o644)
        shared.chmod(0o777)
        (shared / "store.db.lock").chmod(0o666)

        with somebody_else(), pytest.raises(StoreError, match="no permission to read and write it"):
            await open_store(path).__aenter__()

    async def test_the_lock_is_free_again_after_an_error(
        self, open_store: OpenStore, path: Path
    ) -> None:
        path.mkdir()
        with pytest.raises(StoreError, match="is not a file"):
            await open_store().__aenter__()

        with path.with_name("store.db.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that others may enter (those of pytest they may not)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; ``mount -o remount,ro`` makes it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False
    )
    if made.returncode:
        pytest.skip("may not mount here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@needs_root
class TestReadOnlyFileSystem:
    async def test_is_survived_in_memory_and_what_is_there_is_known(
        self, open_store: OpenStore, listener: Listener, read_only: Path, a: Records
    ) -> None:
        path = read_only / "store.db"
        async with open_store(path) as store:
            await store.commit(a.intent("1-1"))
        subprocess.run(["mount", "-o", "remount,ro", str(read_only)], check=True)

        async with open_store(path, clock=lambda: 1_700_000_000.5) as store:
            await store.commit(a.intent("1700000000-1"))
            known = [each.intent for each in store.unfinished_intents()]
            run = store.run
            subprocess.run(["mount", "-o", "remount,rw", str(read_only)], check=True)
            await listener.recovered.wait()

        assert "Read-only file system" in listener.reasons[0]
        assert (known, run) == (["1-1", "1700000000-1"], 1_700_000_000)
        async with open_store(path) as store:
            assert [each.intent for each in store.unfinished_intents()] == known
            assert store.run == 2  # A run without a database does not count.
