"""``kill -9`` at random moments: every commit that returned is there, and nothing by halves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from mendel.runtime.store import Archive

if TYPE_CHECKING:
    from .conftest import OpenStore

KILLS = 30
SEED = 20_261


@pytest.fixture
def children() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("crash_child.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run_and_kill(children: subprocess.Popen[str], path: Path, lines: int) -> set[str]:
    """Let a child commit, kill it after some lines, and tell all that it had said by then."""
    assert children.stdin is not None
    assert children.stdout is not None
    children.stdin.write(f"{path}\n")
    children.stdin.flush()
    pid = int(children.stdout.readline().removeprefix("pid "))
    said = {children.stdout.readline().strip() for _ in range(lines)}
    os.kill(pid, signal.SIGKILL)  # It is anywhere by now: lines are read behind its back.
    return said | set(_until_dead(children.stdout))


def _until_dead(lines: IO[str]) -> Iterator[str]:
    while (line := lines.readline().strip()) != "dead":
        yield line


async def test_every_commit_that_returned_survives_kill_9(
    children: subprocess.Popen[str], open_store: OpenStore, path: Path
) -> None:
    chance = random.Random(SEED)
    said: set[str] = set()

    for _ in range(KILLS):
        said |= run_and_kill(children, path, lines=chance.randrange(60))

    async with open_store() as store:
        unfinished = {each.intent for each in store.unfinished_intents()}
        incidents = {each.incident for each in store.open_incidents()}
        assert 20 < store.run <= KILLS + 1  # Some are killed before they have opened the store.
    async with Archive(path) as archive:
        actions = await archive.actions(limit=1_000_000)
        verified = await archive.verify()
    on_disk = {f"intent {each.intent.intent}" for each in actions} | {
        f"outcome {each.intent.intent}" for each in actions if each.outcome is not None
    }
    assert said - on_disk == set()
    # At most what was under way at each kill is there although nobody heard of it.
    assert len(on_disk - said) <= KILLS
    assert len(on_disk) > KILLS
    assert unfinished == {each.intent.intent for each in actions if each.outcome is None}
    assert incidents >= {each.intent.incident for each in actions}
    assert (verified.rows, verified.broken_seq) == (len(on_disk), None)
