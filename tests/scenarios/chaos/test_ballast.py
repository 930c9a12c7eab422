"""Memory that really is taken, in the process group of a command, and given back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from mendel.scenarios.chaos.ballast import Ballast, order, wrapped
from processes import eventually, is_alive

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "orders"
    os.mkfifo(path)
    return path


@pytest.fixture
def start(fifo: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            wrapped(command, fifo), start_new_session=True, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def child_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    def look() -> list[psutil.Process]:
        return psutil.Process(process.pid).children()

    return eventually(look, within_s=10)[0]


def test_the_command_leads_its_group_with_the_ballast_in_it(start: Start) -> None:
    process = start("sleep", "608")

    child = child_of(process)

    eventually(lambda: psutil.Process(process.pid).name() == "sleep", within_s=10)
    assert os.getpgid(child.pid) == process.pid


def test_it_takes_memory_up_to_its_bound_and_gives_it_back(start: Start, fifo: Path) -> None:
    child = child_of(start("sleep", "608"))
    eventually(lambda: order(fifo, "leak 200000000 30000000"), within_s=10)

    eventually(lambda: child.memory_info().rss > 30_000_000, within_s=10)
    assert child.memory_info().rss < 60_000_000
    assert order(fifo, "free")
    eventually(lambda: child.memory_info().rss < 25_000_000, within_s=10)


def test_it_ends_with_its_command_whichever_way_that_goes(start: Start) -> None:
    process = start("sleep", "608")
    child = child_of(process)

    process.kill()
    process.wait()

    eventually(lambda: not is_alive(child.pid), within_s=10)


def test_a_command_that_is_not_there_is_said(start: Start) -> None:
    process = start("no-such-command-of-ours")

    _, error = process.communicate(timeout=10)

    assert process.returncode == 127
    assert error == b"no-such-command-of-ours: No such file or directory\n"


def test_without_a_command_it_says_how_it_is_used(fifo: Path) -> None:
    program = (*wrapped((), fifo)[:-1], "sleep", "1")

    done = subprocess.run(program, capture_output=True, timeout=10, check=False)

    assert (done.returncode, done.stderr) == (2, b"usage: ballast FIFO -- COMMAND...\n")


def test_an_order_that_nobody_hears_is_told_to_the_one_who_gave_it(fifo: Path) -> None:
    assert not order(fifo, "free")
    assert not order(fifo.with_name("missing"), "free")


def test_orders_that_make_no_sense_are_none() -> None:
    ballast = Ballast()

    for line in ("leak", "leak a b", "leak -1 5", "sink 1 2", ""):
        ballast.obey(line)
        ballast.tick()

    assert ballast.held_bytes == 0


def test_it_takes_what_is_due_and_never_more_than_its_bound() -> None:
    ballast = Ballast()

    ballast.obey("leak 1000 250")
    held = []
    for _ in range(4):
        ballast.tick()
        held.append(ballast.held_bytes)

    assert held == [100, 200, 250, 250]
