"""mendel itself is killed in the middle of its work, again and again, with real processes.

Three services, three ways in which an interrupted action is found out about: `cart` is mended by a
command that can be asked whether it has run, `db` by one that cannot (which a person must hear of),
and `web` is a process that is restarted. Each kill falls on a random moment between a fault and its
cure.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import Folder, eventually, free_port, is_alive

# All of issue size: MENDEL_KILLS=50 pytest tests/end_to_end/test_kill.py
KILLS = int(os.environ.get("MENDEL_KILLS", "10"))
ESTATES = 2

CONFIG = """
[defaults.watch]
confirm = "50ms"
[defaults.watch.thresholds.ok]
below = 0.5
samples = 1
of = 1
clear = 1

[defaults.playbook]
attempts = 50
backoff = "50ms"
backoff_s_max = 0.1

[defaults.verify]
window = "200ms"

[policy]
component_actions = 1000
estate_actions = 1000
"""
COMPONENT = """
[[components]]
name = "{name}"
plan = ["{plan}"]
process = {{ exec = ["{python}", "-S", "service.py", "{name}", "{port}"], adopt = {adopt} }}
probes = [
  {{ http = "http://127.0.0.1:{port}/", every = "100ms" }},
  {{ process = true, every = "100ms" }},
]
[components.actions.restart]
process = "restart"
settle = "1s"
[components.actions.mend]
exec = ["sh", "-c", 'echo "$MENDEL_INTENT" >>{name}.runs; sleep 0.2; rm -f {name}.broken']
settle = "300ms"
timeout = "5s"
"""
CHECK = """check = ["sh", "-c", 'grep -qx "$MENDEL_INTENT" {name}.runs']\n"""


def an_estate(path: Path) -> Folder:
    config = CONFIG
    for name, plan, adopt in (
        ("cart", "mend", "true"),
        ("db", "mend", "false"),
        ("web", "restart", "true"),
    ):
        port = free_port()
        config += COMPONENT.format(
            name=name, plan=plan, adopt=adopt, port=port, python=sys.executable
        )
        config += CHECK.format(name=name) if name == "cart" else ""
    return Folder(path, config)


def runs(estate: Folder, name: str) -> list[str]:
    file = estate.path / f"{name}.runs"
    return file.read_text().split() if file.exists() else []


def break_something(estate: Folder, name: str) -> None:
    if name == "web":
        os.kill(eventually(lambda: estate.pids.get("web"), within_s=5), signal.SIGKILL)
    else:
        (estate.path / f"{name}.broken").touch()


def go_on_to_a_moment(estate: Folder, rng: random.Random) -> None:
    """Some time after the start, whatever is still to be done, or while a cure is under way."""
    name = rng.choice(("cart", "cart", "db", "web"))
    if rng.random() < 0.3:
        break_something(estate, name)
        time.sleep(rng.uniform(0.0, 0.6))
        return
    eventually(
        lambda: not any(name in each for each in rows(estate, OPEN)),
        within_s=20,
        what=f"{name} is well: {estate.log}",
    )
    known, pid = len(runs(estate, name)), estate.pids.get(name)
    break_something(estate, name)
    eventually(
        lambda: (
            len(runs(estate, name)) > known or (name == "web" and estate.pids.get(name, pid) != pid)
        ),
        within_s=20,
        what=f"{name} is treated: {estate.log}",
    )
    time.sleep(rng.uniform(0.0, 0.4))


def rows(estate: Folder, question: str) -> list[str]:
    database = sqlite3.connect(f"file:{estate.path}/.mendel/store.db?mode=ro", uri=True)
    try:
        return [" ".join(row) for row in database.execute(question)]
    finally:
        database.close()


UNFINISHED = "SELECT intent FROM intents WHERE intent NOT IN (SELECT intent FROM outcomes)"
OPEN = "SELECT incident, target, stage FROM incidents WHERE outcome = ''"


def is_over(estate: Folder) -> bool:
    well = estate.ask("status")["status"] == "healthy"
    return well and not rows(estate, UNFINISHED) and not rows(estate, OPEN)


def kill_again_and_again(path: Path, seed: int, kills: int) -> tuple[int, int]:
    """Returns how many intents there were, and how many of them somebody interrupted."""
    rng, estate = random.Random(seed), an_estate(path)
    try:
        for _ in range(kills):
            before = estate.pids
            estate.start()
            if before:
                assert estate.pids["cart"] == before["cart"], "adopted"
                assert estate.pids["db"] != before["db"], "restarted"
                assert not is_alive(before["db"])
            go_on_to_a_moment(estate, rng)
            estate.kill()
        estate.start()
        eventually(lambda: is_over(estate), within_s=30, what=f"all is well: {estate.log}")
        left = estate.pids
        assert all(map(is_alive, left.values()))
        assert estate.mendel("incidents", "verify").returncode == 0
        assert estate.stop() < 2.0
        assert not any(map(is_alive, left.values()))
        for name in ("cart", "db"):
            assert [each for each, times in Counter(runs(estate, name)).items() if times > 1] == []
        intents = rows(estate, "SELECT intent FROM intents")
        assert set(runs(estate, "cart") + runs(estate, "db")) <= set(intents)
        lost = rows(estate, "SELECT intent FROM outcomes WHERE record LIKE '%interrupt%'")
        return len(intents), len(lost)
    finally:
        estate.clean_up()


@pytest.mark.timeout(300)
def test_killed_in_the_middle_of_its_work_mendel_loses_nothing_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(ESTATES) as pool:
        counts = pool.map(
            lambda seed: kill_again_and_again(tmp_path / str(seed), seed, KILLS // ESTATES),
            range(ESTATES),
        )
        intents, interrupted = map(sum, zip(*counts, strict=True))

    assert intents >= KILLS // 2
    assert interrupted >= KILLS // 10


def test_a_stop_in_the_middle_of_an_action_ends_it_and_the_next_run_knows(tmp_path: Path) -> None:
    estate = an_estate(tmp_path / "shop")
    file = estate.path / "mendel.toml"
    file.write_text(file.read_text().replace("sleep 0.2", "sleep 60; touch late"))
    try:
        estate.start()
        break_something(estate, "cart")
        eventually(lambda: runs(estate, "cart"), within_s=20, what=f"treated: {estate.log}")
        assert estate.stop() < 2.0
        (interrupted,) = rows(estate, UNFINISHED)
        (estate.path / "cart.broken").unlink()

        estate.start()
        eventually(lambda: is_over(estate), within_s=30, what=f"all is well: {estate.log}")

        assert runs(estate, "cart") == [interrupted]
        assert not (estate.path / "late").exists()
        assert estate.stop() < 2.0
    finally:
        estate.clean_up()
