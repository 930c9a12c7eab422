"""Real processes of a user's own, broken on purpose and healed; and nothing left broken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mendel.runtime.cli import main
from mendel.runtime.undo import FILE
from mendel.scenarios.recorded import RecordedWorld
from processes import Folder, eventually, free_port, is_alive

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
# No relapse and no limit: the faults are many, and none has to do with another.
CONFIG = """
[policy]
component_actions = 1000
estate_actions = 1000
mode = "act"

[defaults.playbook]
relapse = "0s"

[defaults.verify]
window = "300ms"
"""
COMPONENT = """
[[components]]
name = "{name}"
depends_on = {needs}
process = {{ exec = ["{python}", "-S", "service.py", "{name}", "{port}"], stop = "100ms" }}
probes = [
  {{ http = "http://127.0.0.1:{port}/", every = "150ms", timeout = "200ms" }},
  {{ process = true, every = "100ms" }},
]
thresholds = {{ memory_bytes = {{ above = "60MB", samples = 2, of = 3, clear = 2, own = true }} }}
[components.actions.restart]
process = "restart"
settle = "1s"
"""
SCENARIO = """
name = "all_of_them"
description = "Everything that can be done to a real database, one after the other."
source = "This test."
until = "10m"

[estate]
topology = "shop"

[must]
detected = ["db"]
healed = ["db"]

[must_not]
act_on = ["web"]
"""
KINDS = (
    "crash",
    "hang",
    "limplock",
    "gray_failure",
    "memory_leak",
    "dependency_outage",
    "partition",
)
MADE = ("crash", "hang", "slow", "failing", "leak", "dependency_down", "partition")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    config = CONFIG
    for name, needs in (("db", "[]"), ("web", '["db"]')):
        config += COMPONENT.format(name=name, needs=needs, python=sys.executable, port=free_port())
    folder = Folder(tmp_path, config)
    yield folder
    folder.clean_up()


def drill(folder: Folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", PROGRAM, "drill", *arguments, "--config", "mendel.toml")
    return subprocess.run(
        (*command, "--output", "json"),
        cwd=folder.path,
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.timeout(120)
def test_every_fault_that_can_be_made_is_detected_and_healed(folder: Folder) -> None:
    scenario = SCENARIO
    for number, kind in enumerate(KINDS):
        target = "web>db" if kind == "partition" else "db"
        scenario += f'[[faults]]\nkind = "{kind}"\ntarget = "{target}"\nat = "{number}s"\n'
    (folder.path / "all.toml").write_text(scenario)

    done = drill(folder, "all.toml", "--yes", "--for", "2s", "--record", "all.jsonl.gz")

    result = json.loads(done.stdout)
    told = done.stderr[-4000:]
    assert [each["kind"] for each in result["faults"]] == list(MADE), told
    assert [each["kind"] for each in result["faults"] if not each["detected"]] == [], told
    assert [each["kind"] for each in result["faults"] if not each["healed"]] == [], told
    assert (result["not_kept"], result["skipped"], result["passed"]) == ([], [], True), told
    assert done.returncode == 0
    assert max(each["recovery_s"] for each in result["faults"]) < 30.0
    treated = {action for each in result["faults"] for action in each["actions"]}
    assert treated == {"restart db"}
    assert not (folder.path / ".mendel" / FILE).exists()
    assert [pid for pid in folder.pids.values() if is_alive(pid)] == []

    # What was broken, and when, is known to whoever replays the recording.
    broken = RecordedWorld(folder.path / "all.jsonl.gz").contents.broken
    assert broken is not None
    assert [each.kind for each in broken] == list(MADE)


def test_what_is_not_healed_is_said_and_returns_1(folder: Folder) -> None:
    config = folder.path / "mendel.toml"
    config.write_text(config.read_text().replace('mode = "act"', 'mode = "observe"'))

    done = drill(folder, "crash", "--yes", "--settle", "3s")

    result = json.loads(done.stdout)
    (fault,) = result["faults"]
    assert (fault["detected"], fault["healed"], fault["actions"]) == (True, False, [])
    assert result["not_kept"] == ["db must be healed: its last incident is still open"]
    assert (result["passed"], done.returncode) == (False, 1)


def test_nothing_is_touched_when_nobody_can_be_asked(folder: Folder) -> None:
    done = drill(folder, "crash")

    assert done.returncode == 3
    assert "say it with --yes" in done.stderr
    assert folder.pids == {}


def test_a_drill_that_is_killed_is_taken_back_at_the_next_start(folder: Folder) -> None:
    """Nobody heals meanwhile, so that the process stays as the drill has left it."""
    config = folder.path / "mendel.toml"
    config.write_text(config.read_text().replace('mode = "act"', 'mode = "observe"'))
    command = (sys.executable, "-c", PROGRAM, "drill", "hang", "--config", "mendel.toml", "--yes")
    process = subprocess.Popen(
        command, cwd=folder.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: (folder.path / ".mendel" / FILE).exists(), within_s=30)
        db = folder.pids["db"]
        eventually(lambda: psutil.Process(db).status() == psutil.STATUS_STOPPED, within_s=10)
    finally:
        process.kill()
        process.wait()
    assert psutil.Process(db).status() == psutil.STATUS_STOPPED

    folder.start()

    eventually(lambda: psutil.Process(db).status() != psutil.STATUS_STOPPED, within_s=10)
    assert "hang of db, left by an earlier drill, is over" in folder.log
    assert folder.pids["db"] == db
    assert not (folder.path / ".mendel" / FILE).exists()
    folder.stop()


def test_ctrl_c_takes_back_what_was_broken(folder: Folder) -> None:
    config = folder.path / "mendel.toml"
    config.write_text(config.read_text().replace('mode = "act"', 'mode = "observe"'))
    log = folder.path / "drill.log"
    command = (sys.executable, "-c", PROGRAM, "drill", "partition", "--config", "mendel.toml")
    with log.open("wb") as sink:
        process = subprocess.Popen(
            (*command, "--yes", "--for", "60s"), cwd=folder.path, stdout=sink, stderr=sink
        )
    try:
        eventually(lambda: "broken on purpose" in log.read_text(), within_s=30)
        pids = list(folder.pids.values())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.wait()

    assert "what was broken is taken back" in log.read_text()
    assert not (folder.path / ".mendel" / FILE).exists()
    assert [pid for pid in pids if is_alive(pid)] == []


def test_without_a_configuration_the_demo_is_drilled(
    tmp_path: Path,
) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}

    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, "drill", "crash", "--target", "db"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    header, row, verdict = done.stdout.splitlines()
    assert header.split()[:2] == ["FAULT", "TARGET"]
    assert row.split()[:2] == ["crash", "db"]
    assert verdict.startswith("crash: passed; detected in ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["crsh"], 3, "neither a fault nor a scenario"),
        (["spike"], 3, "spike cannot be done to real processes"),
        (["crash", "--target", "wbe"], 3, "did you mean `web`"),
        (["crash", "--for", "0"], 2, "it must take some time"),
        (["crash", "--config", "missing.toml"], 3, "missing.toml"),
    ],
)
def test_what_cannot_be_drilled_is_said(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", *arguments]) == code
    assert words in capsys.readouterr().err
