"""What a user gets wrong: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Folder, eventually

CONFIG = """
[[components]]
name = "web"
process = { exec = ["sleep", "1000"] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "shop", CONFIG)
    yield made
    made.clean_up()


def said(answer: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed told the user; never where in the program it happened."""
    assert "Traceback" not in answer.stderr
    assert "internal error" not in answer.stderr
    return answer.stderr


def configure(folder: Folder, text: str) -> None:
    (folder.path / "mendel.toml").write_text(text)


def test_eight_mistakes_are_told_at_once_each_with_its_line(folder: Folder) -> None:
    mistakes = {
        3: "[runtime]\nlog_level = 'loud'",
        5: "[policy]\nmode = 'acting'",
        6: "component_actions = 0",
        8: "[defaults.playbook]\nbackoff = '5 parsecs'",
        10: "[[components]]\nnane = 'web'",
        12: "probes = [{ http = 'web:80' }]\ndepends_on = ['dbb']",
        14: "[[components]]\nname = 'db'",
        15: "plan = ['restrat']",
    }
    configure(folder, "\n" + "\n".join(mistakes.values()) + "\n")

    answer = folder.mendel("check")

    assert answer.returncode == 3
    problems = [line for line in said(answer).splitlines() if line.startswith("error[")]
    places = [line for line in said(answer).splitlines() if "--> mendel.toml:" in line]
    assert len(problems) == len(places) >= 8
    assert folder.mendel("run").returncode == 3


def test_a_database_that_cannot_be_read_is_named(folder: Folder) -> None:
    state = folder.path / ".mendel"
    (state / "store.db").mkdir(parents=True)

    answer = folder.mendel("run")

    assert answer.returncode == 4
    assert "store.db" in said(answer)
    assert len(said(answer).splitlines()) <= 3


def test_a_state_folder_that_cannot_be_made_is_named(folder: Folder) -> None:
    (folder.path / ".mendel").write_text("a file")

    answer = folder.mendel("run")

    assert answer.returncode == 4
    assert ".mendel" in said(answer)


def test_a_second_mendel_in_one_folder_is_refused_and_the_first_goes_on(folder: Folder) -> None:
    folder.start()
    pids = folder.pids

    answer = folder.mendel("run")

    assert answer.returncode == 4
    assert f"process {folder.pid} already writes this store; stop it" in said(answer)
    assert folder.pids == pids
    assert folder.ask("status")["components"][0]["name"] == "web"
    assert folder.stop() < 2.0


def test_a_socket_that_another_program_listens_on_is_left_alone(folder: Folder) -> None:
    state = folder.path / ".mendel"
    state.mkdir(mode=0o700)
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as other:
        os.chdir(state)  # The whole path may be too long for a socket.
        try:
            other.bind("control.sock")
        finally:
            os.chdir(here)
        other.listen()

        answer = folder.mendel("run")

        assert answer.returncode == 4
        assert "already running" in said(answer)
        assert not (state / "processes.json").exists(), "nothing was started"


def test_a_socket_that_a_crash_has_left_is_no_obstacle(folder: Folder) -> None:
    folder.start()
    folder.kill()

    folder.start()

    assert folder.ask("status")["components"][0]["name"] == "web"
    assert folder.stop() < 2.0


def test_a_missing_command_is_named_and_the_others_are_healed_all_the_same(folder: Folder) -> None:
    other = '\n[[components]]\nname = "gone"\nprocess = { exec = ["no-such-program"] }\n'
    configure(folder, CONFIG + other)

    folder.start()

    status = {each["name"]: each for each in folder.ask("status")["components"]}
    assert "no-such-program" in folder.log
    assert "Traceback" not in folder.log
    eventually(lambda: "web" in folder.pids, within_s=5)
    assert status["gone"]["status"] in ("sick", "unknown", "suspect")
    checked = folder.mendel("doctor")
    assert checked.returncode in (1, 4)
    assert "no-such-program" in checked.stdout + said(checked)
    assert folder.stop() < 2.0


def test_a_plug_in_that_raises_on_import_is_named_and_the_rest_runs(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.path / "broken_plugin.py").write_text("raise RuntimeError('no licence')\n")
    configure(folder, 'agents = ["broken_plugin:Agent"]\n' + CONFIG)
    monkeypatch.setenv("PYTHONPATH", str(folder.path))

    folder.start()

    told = folder.log
    assert "broken_plugin:Agent" in told
    assert "import failed: RuntimeError: no licence" in told
    assert "Traceback" not in told
    assert folder.ask("status")["warnings"], "somebody who looks later sees it too"
    assert folder.stop() < 2.0


def test_commands_about_what_does_not_run_say_so(folder: Folder) -> None:
    answer = folder.mendel("status")

    assert answer.returncode == 5
    assert "mendel run" in said(answer)


def test_an_unknown_option_is_a_question_of_usage(folder: Folder) -> None:
    answer = folder.mendel("run", "--colour")

    assert answer.returncode == 2
    assert "--colour" in said(answer)


def test_an_interrupted_start_is_no_crash(folder: Folder) -> None:
    program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
    with subprocess.Popen(
        (sys.executable, "-c", program, "run"), cwd=folder.path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(2)
        told = process.stderr.read()

    assert process.returncode == 0
    assert "Traceback" not in told
    assert "mendel has stopped" in told
