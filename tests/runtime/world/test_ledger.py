import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mendel.runtime.world.ledger import Entry, Ledger
from mendel.runtime.world.logfile import LogFile


def an_entry(pid: int = 7) -> Entry:
    return Entry(
        marker="m", command=("sleep", "1"), started_utc="2026-01-01T00:00:00Z", pid=pid, born="b/1"
    )


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(tmp_path / "state")
    await opened.open()
    yield opened
    opened.close()


async def read_again(ledger: Ledger) -> dict[str, Entry]:
    ledger.close()
    again = Ledger(ledger.path.parent)
    await again.open()
    entries = dict(again.entries)
    again.close()
    return entries


async def test_what_was_written_is_there_for_the_next_mendel(ledger: Ledger) -> None:
    ledger.put("cart", an_entry(7))
    ledger.put("db", an_entry(8))
    ledger.put("cart", an_entry(9))
    ledger.remove("db")
    ledger.remove("never there")

    assert await read_again(ledger) == {"cart": an_entry(9)}


async def test_a_broken_file_is_set_aside_and_not_lost(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.path.write_bytes(b'{"cart": {"pid": 7')

    assert await read_again(ledger) == {}
    assert ledger.path.with_suffix(".unreadable").read_bytes() == b'{"cart": {"pid": 7'
    assert "set aside as processes.unreadable" in caplog.text


async def test_a_disk_that_cannot_be_written_is_reported_once_and_the_ledger_goes_on(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.path.with_suffix(".draft").mkdir()

    ledger.put("cart", an_entry())
    ledger.put("db", an_entry())

    assert set(ledger.entries) == {"cart", "db"}
    assert ledger.failures == 2
    assert caplog.text.count("cannot be written") == 1


async def test_a_file_that_cannot_be_set_aside_stops_nobody(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.path.mkdir()
    (ledger.path.with_suffix(".unreadable")).write_text("in the way")

    assert await read_again(ledger) == {}
    assert "cannot be set aside" in caplog.text


class TestLogFile:
    def test_the_end_is_kept_and_the_file_cut(self, tmp_path: Path) -> None:
        log = LogFile(tmp_path / "cart.log", limit_bytes=10)
        descriptor = log.open()
        os.write(descriptor, b"0123456789abcdef")

        assert log.is_full
        assert log.rotate()
        os.write(descriptor, b"next")
        os.close(descriptor)

        assert (tmp_path / "cart.log.1").read_bytes() == b"6789abcdef"
        assert (tmp_path / "cart.log").read_bytes() == b"next"
        assert (log.rotate(), log.rotations) == (False, 1)

    def test_what_cannot_be_copied_is_not_cut(self, tmp_path: Path) -> None:
        log = LogFile(tmp_path / "cart.log", limit_bytes=4)
        log.path.write_bytes(b"0123456789")
        (tmp_path / "cart.log.1").mkdir()

        assert not log.rotate()
        assert log.path.read_bytes() == b"0123456789"

    def test_a_log_that_is_not_there_is_not_full(self, tmp_path: Path) -> None:
        assert not LogFile(tmp_path / "cart.log", limit_bytes=4).is_full
