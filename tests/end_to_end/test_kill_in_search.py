"""mendel is killed in the middle of a search, again and again; what it comes to is the same."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from histories import CONFIG, write_history
from processes import Folder, eventually, is_alive

pytestmark = pytest.mark.timeout(420)
KILLS, GENERATIONS = 2, 60
SETTINGS = f"""
[agent.genome]
mode = "auto"
population = 12
generations = {GENERATIONS}
polish = 200
cpu_share = 0.25
"""


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / "estate", CONFIG + SETTINGS)
    (folder.path / ".mendel").mkdir()
    asyncio.run(write_history(folder.path / ".mendel" / "store.db", incidents=40))
    yield folder
    folder.clean_up()


def generation(estate: Folder) -> int:
    told = estate.mendel("genome", "front", "--output", "json").stdout
    return int(json.loads(told)["generation"]) if told.strip() else 0


def has_come_to(estate: Folder, wanted: int) -> bool:
    return generation(estate) >= wanted


def is_gone(pid: int) -> bool:
    return not is_alive(pid)


def worker_of(estate: Folder) -> psutil.Process:
    mine = psutil.Process(estate.pid).children()
    (worker,) = [each for each in mine if "mendel.genome.worker" in each.cmdline()]
    return worker


def test_kill_9_in_a_search_loses_the_generation_in_hand_at_most(
    estate: Folder, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.db"
    shutil.copy(estate.path / ".mendel" / "store.db", alone)
    rng, reached = random.Random(5), 0
    estate.start()
    assert estate.mendel("genome", "evolve").returncode == 0
    for _ in range(KILLS):
        wanted = reached + rng.randint(1, 3)
        eventually(partial(has_come_to, estate, wanted), within_s=60, what=f"generation {wanted}")
        worker = worker_of(estate)
        estate.kill()
        eventually(partial(is_gone, worker.pid), within_s=20, what="an orphan ends by itself")
        kept = generation(estate)
        assert kept >= wanted, "what was told is on disk"
        estate.start()
        reached = kept

    eventually(lambda: estate.ask("genome", "list"), within_s=180, what=estate.log)

    front = estate.ask("genome", "front")
    (found,) = estate.ask("genome", "list")
    # The second seed is that of the first search of a runtime.
    words = ("--population", "12", "--generations", str(GENERATIONS), "--seed", "2")
    unharmed = estate.ask(
        "genome", "evolve", "mendel.toml", "--history", str(alone), *words, timeout_s=180
    )
    assert (front["search"], front["is_over"]) == (1, True)
    assert (front["hypervolume"], round(front["evaluations"], 1)) == (
        unharmed["hypervolume"],
        unharmed["evaluations"],
    )
    changes = {name: new for name, (_, new) in unharmed["changes"].items()}
    assert found["genes"] == changes
    assert found["gain"] == pytest.approx(unharmed["holdout_improvement"], abs=1e-9)
