"""The commands of a running system, against a real one with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mendel.runtime.cli import main

CONFIG = """\
[policy]
approve = ["replace"]

[[components]]
name = "db"
kind = "database"
process = { exec = ["sleep", "1000"] }
probes = [{ process = true, every = "50ms" }]
actions = { restart = { process = "restart", settle = "1s" } }

[[components]]
name = "cart"
depends_on = ["db"]
process = { exec = ["sleep", "1001"] }
probes = [{ process = true, every = "50ms" }]
actions = { replace = { process = "restart", settle = "1s" } }
plan = ["replace"]
"""


def wait_for(what: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """The first answer that is true; the runtime is another process, so it has to be asked."""
    deadline_s = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what.__name__}"
        # Bounded polling of another process: there is no event to wait for.
        time.sleep(0.02)
    return answer


def mendel(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may ignore Ctrl-C, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


@contextmanager
def running(folder: Path, config: str = CONFIG) -> Iterator[subprocess.Popen[str]]:
    (folder / "mendel.toml").write_text(config)
    with mendel(folder, "run") as process:
        try:
            assert process.stderr
            while "mendel heals 2 components" not in (line := process.stderr.readline()):
                assert line, "it ended before it began"
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=10)


class Runtime:
    """A runtime, and the commands about it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.state = folder / ".mendel"
        self._capsys = capsys

    def do(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, data and notes of a command."""
        code = main([*arguments, "--state", str(self.state)])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def data(self, *arguments: str) -> Any:
        _, out, _ = self.do(*arguments, "--output", "json")
        return json.loads(out)

    def component(self, name: str) -> dict[str, Any]:
        components = self.data("status")["components"]
        return next(each for each in components if each["name"] == name)

    def pid(self, component: str) -> int:
        processes = json.loads((self.state / "processes.json").read_text())
        return int(processes[component]["pid"])

    def is_healthy(self) -> bool:
        return bool(self.data("status")["status"] == "healthy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("estate")
    with running(folder):
        yield folder


@pytest.fixture
def runtime(folder: Path, capsys: pytest.CaptureFixture[str]) -> Runtime:
    runtime = Runtime(folder, capsys)
    wait_for(runtime.is_healthy)
    return runtime


class TestStatus:
    def test_every_component_has_a_line(self, runtime: Runtime) -> None:
        code, out, err = runtime.do("status")

        lines = out.splitlines()
        assert (code, err) == (0, "")
        assert "mode act" in lines[0]
        assert lines[0].endswith(f"{runtime.folder}/mendel.toml")
        assert [line.split()[:4] for line in lines[3:5]] == [
            ["●", "db", "database", "healthy"],
            ["●", "cart", "service", "healthy"],
        ]

    def test_the_configuration_names_the_runtime_as_well(
        self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(runtime.folder)

        assert main(["status"]) == 0
        assert main(["status", "--state", "mendel.toml"]) == 0

    def test_agents_have_their_mailboxes(self, runtime: Runtime) -> None:
        code, out, _ = runtime.do("agents", "list")

        assert code == 0
        assert sorted(line.split()[0] for line in out.splitlines()) == [
            "AGENT",
            "breaker",
            "coordinator",
            "monitor",
            "recovery",
        ]
        assert [each["state"] for each in runtime.data("agents", "list")] == ["running"] * 4


class TestHealing:
    def test_a_killed_process_is_healed_and_the_story_is_told(self, runtime: Runtime) -> None:
        dead = runtime.pid("db")
        os.kill(dead, signal.SIGKILL)

        def healed() -> Any:
            found = runtime.data("incidents", "list", "--component", "db")
            return [each["incident"] for each in found if each["outcome"] == "healed"]

        [incident] = wait_for(healed)
        code, out, _ = runtime.do("incidents", "explain", incident)
        assert code == 0
        assert "was healed and verified by restart" in out
        assert "alive is 0" in out
        assert "restart on db: succeeded" in out
        assert runtime.pid("db") != dead
        assert runtime.do("incidents", "verify")[0] == 0

    def test_events_tell_what_happened_in_words(self, runtime: Runtime) -> None:
        code, out, _ = runtime.do("events", "-n", "1000")
        _, lines, _ = runtime.do("events", "--output", "jsonl")

        assert code == 0
        assert "healthy again" in out
        assert all(json.loads(line)["subject"] for line in lines.splitlines())

    def test_what_needs_approval_waits_for_it(self, runtime: Runtime) -> None:
        dead = runtime.pid("cart")
        os.kill(dead, signal.SIGKILL)

        def waiting() -> Any:
            return runtime.data("status")["approvals"]

        [approval] = wait_for(waiting)
        code, out, _ = runtime.do("status")
        assert code == 1  # Something is sick.
        assert f"say yes with: mendel approve {approval['approval']}" in out

        assert runtime.do("approve", approval["approval"])[:2] == (
            0,
            f"{approval['approval']} is approved\n",
        )

        wait_for(runtime.is_healthy)
        assert runtime.pid("cart") != dead

    def test_whoever_deploys_says_so(self, runtime: Runtime) -> None:
        assert runtime.do("deployed", "db", "--version", "1.4", "--ago", "2m") == (
            0,
            "db runs 1.4\n",
            "",
        )
        assert "db: runs 1.4" in runtime.do("events")[1]

    def test_a_component_changes_its_level_while_it_is_healed(self, runtime: Runtime) -> None:
        told = runtime.do("level", "cart", "advanced", "--reason", "it got busy")
        lines = runtime.data("level")
        code, _, error = runtime.do("level", "crat", "full")

        assert told == (0, "cart is healed on level advanced\n", "")
        assert [(each["component"], each["level"]) for each in lines] == [
            ("db", "basic"),
            ("cart", "advanced"),
        ]
        assert "RECOMMENDED" in runtime.do("level", "cart")[1]
        assert code != 0
        assert "did you mean `cart`?" in error

    def test_a_pause_is_shown_until_it_is_ended(self, runtime: Runtime) -> None:
        assert runtime.do("pause", "db", "--for", "10m", "--reason", "lunch") == (
            0,
            "db is paused for 10m\n",
            "",
        )
        paused = runtime.component("db")["paused_s"]
        assert 590 < paused <= 600
        assert "paused for " in runtime.do("status")[1]

        assert runtime.data("resume", "db") == {"done": "db is resumed"}
        assert runtime.component("db")["paused_s"] == 0.0


class TestRefusals:
    def test_an_unknown_component_is_answered_with_the_nearest(self, runtime: Runtime) -> None:
        assert runtime.do("pause", "crat", "--for", "1m") == (
            1,
            "",
            "error: there is no component 'crat'; did you mean `cart`?\n",
        )

    def test_an_unknown_approval_is_answered_with_those_that_wait(self, runtime: Runtime) -> None:
        code, out, err = runtime.do("approve", "9-9.9")

        assert (code, out) == (1, "")
        assert err.startswith("error: no action waits for approval '9-9.9'; ")

    def test_a_second_runtime_is_refused(self, runtime: Runtime) -> None:
        with mendel(runtime.folder, "run") as second:
            said = second.communicate(timeout=10)

        assert second.returncode == 4
        assert said[0] == ""
        assert "already" in said[1]
        assert "Traceback" not in said[1]
        assert runtime.is_healthy()


def test_following_events_ends_with_130_when_interrupted(runtime: Runtime) -> None:
    with mendel(runtime.folder, "events", "-f", "--every") as following:
        assert following.stdout
        following.stdout.readline()
        following.send_signal(signal.SIGINT)
        said = following.communicate(timeout=10)

    assert (following.returncode, said[1]) == (130, "")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "stop"])
def test_the_end_is_in_order_and_within_two_seconds(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = Runtime(tmp_path, capsys)
    with running(tmp_path) as process:
        wait_for(runtime.is_healthy)
        children = [runtime.pid("db"), runtime.pid("cart")]
        began_s = time.monotonic()
        if how == "stop":
            assert runtime.do("stop") == (0, "mendel is stopping\n", "")
        else:
            process.send_signal(signal.Signals[how])
        said = process.communicate(timeout=10)[1]
        took_s = time.monotonic() - began_s

    assert process.returncode == 0
    assert said.endswith("mendel has stopped\n")
    assert "Traceback" not in said
    assert took_s < 2.5  # Two seconds, and half of one for the interpreter to end.
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    assert not (tmp_path / ".mendel" / "control.sock").exists()


def test_mistakes_in_the_configuration_keep_everything_from_starting(tmp_path: Path) -> None:
    (tmp_path / "mendel.toml").write_text(CONFIG.replace('"db"', '"d b"', 1))

    with mendel(tmp_path, "run") as process:
        said = process.communicate(timeout=10)

    assert process.returncode == 3
    assert said[1].startswith('error[MD107]: "d b" is not of the right form\n')
    assert not (tmp_path / ".mendel").exists()


def test_a_second_interruption_stops_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = Runtime(tmp_path, capsys)
    deaf = """["sh", "-c", "trap '' TERM; sleep 1000"]"""  # Stopping it in order takes a second.
    with running(tmp_path, CONFIG.replace('["sleep", "1000"]', deaf)) as process:
        wait_for(runtime.is_healthy)
        children = [runtime.pid("db"), runtime.pid("cart")]
        process.send_signal(signal.SIGINT)
        assert process.stderr
        while "ended: the supervisor stops" not in (line := process.stderr.readline()):
            assert line, "it ended before the second signal"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=10)[1]

    assert process.returncode == 130
    assert "Traceback" not in said

    def are_gone() -> bool:  # They are killed, and reaped by whoever inherits them.
        return not any(Path(f"/proc/{pid}").exists() for pid in children)

    wait_for(are_gone)


def test_a_plugin_that_cannot_be_loaded_is_told_and_the_rest_heals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = Runtime(tmp_path, capsys)
    with running(tmp_path, f'agents = ["no_such_module:Agent"]\n{CONFIG}'):
        wait_for(runtime.is_healthy)
        code, _, notes = runtime.do("status")

    reason = "import failed: ModuleNotFoundError: No module named 'no_such_module'"
    assert (code, notes) == (0, f"warning: plug-in no_such_module:Agent: {reason}\n")
