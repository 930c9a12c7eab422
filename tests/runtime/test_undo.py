"""What a drill that was killed has left is taken back at the next start."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mendel.errors import EnvironmentProblem
from mendel.runtime.undo import FILE, Undo, take_back_left_over, write
from mendel.runtime.world.identity import Identity, identify
from processes import eventually


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(("sleep", "607"), start_new_session=True)
    yield process
    process.kill()
    process.wait()


def status(process: subprocess.Popen[bytes]) -> str:
    return str(psutil.Process(process.pid).status())


def test_a_process_that_was_stopped_goes_on(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    identity = identify(sleeper.pid)
    write(tmp_path, [Undo(target="db", kind="hang", stopped=identity)])
    os.killpg(sleeper.pid, signal.SIGSTOP)
    eventually(lambda: status(sleeper) == "stopped", within_s=5)

    told = take_back_left_over(tmp_path)

    assert told == ["hang of db, left by an earlier drill, is over"]
    eventually(lambda: status(sleeper) != "stopped", within_s=5)
    assert take_back_left_over(tmp_path) == []


def test_another_process_of_the_same_number_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    other = Identity(sleeper.pid, "another birth")
    write(tmp_path, [Undo(target="db", kind="hang", stopped=other)])
    os.killpg(sleeper.pid, signal.SIGSTOP)
    eventually(lambda: status(sleeper) == "stopped", within_s=5)

    take_back_left_over(tmp_path)

    assert status(sleeper) == "stopped"


def test_ballast_that_nobody_holds_any_more_is_no_trouble(tmp_path: Path) -> None:
    write(tmp_path, [Undo(target="db", kind="leak", fifo=str(tmp_path / "gone"))])

    assert len(take_back_left_over(tmp_path)) == 1
    assert not (tmp_path / FILE).exists()


def test_a_drill_that_took_everything_back_leaves_no_file(tmp_path: Path) -> None:
    write(tmp_path, [Undo(target="db", kind="crash")])
    write(tmp_path, [])

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_kept_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text("{garbled")

    assert take_back_left_over(tmp_path) == []
    assert "a drill may have left something broken" in caplog.text
    assert (tmp_path / FILE).exists()


def test_where_nothing_can_be_written_nothing_may_be_broken(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="so nothing is broken"):
        write(tmp_path / "nowhere", [Undo(target="db", kind="crash")])
