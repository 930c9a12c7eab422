"""Recordings on the command line; the runs that are recorded are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mendel.runtime.cli import main
from mendel.scenarios.recording import Event, Record, Recording, Row

CONFIG = """\
[[components]]
name = "db"
kind = "database"
process = { exec = ["sleep", "1000"] }
probes = [{ process = true, every = "50ms" }]
actions = { restart = { process = "restart", settle = "100ms" } }

[[components]]
name = "cart"
depends_on = ["db"]
process = { exec = ["sleep", "1001"] }
probes = [{ process = true, every = "50ms" }]
"""


def wait_for(what: Callable[[], object], timeout_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what.__name__}"
        # Bounded polling of another process: there is no event to wait for.
        time.sleep(0.02)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "mendel.toml").write_text(CONFIG)
    program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "run", *options]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            while "mendel heals 2 components" not in (line := process.stderr.readline()):
                assert line, "mendel ended before it healed"
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=10)


def pid_of(folder: Path, component: str) -> int:
    return int(json.loads((folder / ".mendel" / "processes.json").read_text())[component]["pid"])


def read(path: Path) -> list[Record]:
    with Recording(path) as recording:
        return list(recording)


def events(path: Path) -> list[str]:
    return [each.kind for each in read(path) if isinstance(each, Event)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a database that was killed and healed."""
    folder = tmp_path_factory.mktemp("estate")
    path = folder / "run.jsonl.gz"
    with running(folder, "--record", str(path)):
        wait_for(lambda: "HealthChanged" in events(path))
        os.kill(pid_of(folder, "db"), signal.SIGKILL)
        wait_for(lambda: "IncidentClosed" in events(path))
    return path


class TestRun:
    def test_the_whole_course_is_in_it(self, recorded: Path) -> None:
        with Recording(recorded) as recording:
            found = list(recording)

        assert recording.damages == []
        assert [each.name for each in recording.header.components] == ["db", "cart"]
        assert recording.header.start_utc > 1.7e9
        assert len(recording.header.config_sha256) == 64
        rows = [each for each in found if isinstance(each, Row)]
        assert {(row.target, row.probe) for row in rows} == {("db", "process"), ("cart", "process")}
        assert {row.metrics["alive"] for row in rows if row.target == "db"} == {0.0, 1.0}
        course = [each.kind for each in found if isinstance(each, Event)]
        expected = ["AnomalyDetected", "IncidentOpened", "RunAction", "ActionFinished"]
        places = [course.index(name) for name in [*expected, "IncidentClosed"]]
        assert places == sorted(places)

    def test_every_event_is_a_message_again(self, recorded: Path) -> None:
        messages = [each.message() for each in read(recorded) if isinstance(each, Event)]

        assert len(messages) > 10

    def test_a_kill_costs_less_than_a_second(self, tmp_path: Path) -> None:
        path = tmp_path / "run.jsonl.gz"
        with running(tmp_path, "--record", str(path)) as process:
            wait_for(lambda: path.exists() and len(read(path)) > 50)
            pids = [pid_of(tmp_path, name) for name in ("db", "cart")]
            process.kill()
            killed_s = time.clock_gettime(time.CLOCK_MONOTONIC)
            process.communicate(timeout=10)
        for pid in pids:  # Processes outlive mendel.
            os.killpg(pid, signal.SIGKILL)

        assert killed_s - read(path)[-1].at_s < 1.0

    def test_a_place_that_cannot_be_written_is_refused_before_anything_starts(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mendel.toml").write_text(CONFIG)
        monkeypatch.chdir(tmp_path)

        assert main(["run", "--record", "mendel.toml"]) == 4

        assert "no recording" in capsys.readouterr().err
        assert not (tmp_path / ".mendel" / "processes.json").exists()


class TestInfo:
    def test_for_people(self, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["record", "info", str(recorded)]) == 0

        said = capsys.readouterr()
        assert said.err == ""
        for word in ("records over", "mendel run", "db", "cart", "alive", "IncidentClosed"):
            assert word in said.out

    def test_for_programs(self, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["record", "info", str(recorded), "--output", "json"]) == 0

        found = json.loads(capsys.readouterr().out)
        assert set(found["targets"]) == {"db", "cart"}
        assert found["events"]["IncidentOpened"] == 1
        assert found["damaged"] == 0

    def test_damage_is_a_negative_result(
        self, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cut = tmp_path / "cut.jsonl.gz"
        cut.write_bytes(recorded.read_bytes()[:-20])

        assert main(["record", "info", str(cut)]) == 1

        assert "breaks off" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["gone", "mendel.toml"])
    def test_what_is_no_recording(
        self, recorded: Path, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["record", "info", str(recorded.with_name(name))]) == 4

        assert name in capsys.readouterr().err


class TestImport:
    DUMP = (
        '{__name__="rt_milliseconds", job="shop-cart", instance="a"} 31 1700000000000\n'
        '{__name__="rt_milliseconds", job="shop-cart", instance="b"} 33 1700000000000\n'
    )

    def import_dump(self, folder: Path, text: str, *options: str) -> int:
        (folder / "dump.txt").write_text(text)
        return main(
            [
                *("record", "import", "prometheus", str(folder / "dump.txt")),
                *("-o", str(folder / "out.jsonl.gz"), *options),
            ]
        )

    def test_a_foreign_file_becomes_a_recording(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = ("--rename-target", "shop-cart=cart", "--replica-label", "instance")

        assert self.import_dump(tmp_path, self.DUMP, *options) == 0

        assert "2 rows, 2 values" in capsys.readouterr().out
        assert read(tmp_path / "out.jsonl.gz") == [
            Row(0.0, "cart/a", {"rt_s": 0.031}),
            Row(0.0, "cart/b", {"rt_s": 0.033}),
        ]

    def test_replicas_that_are_not_told_apart_are_noticed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.import_dump(tmp_path, self.DUMP, "--rename", "rt_milliseconds=latency_s") == 0

        assert "--replica-label instance" in capsys.readouterr().err
        assert read(tmp_path / "out.jsonl.gz") == [Row(0.0, "shop-cart", {"latency_s": 33.0})]

    def test_lines_that_cannot_be_read_are_a_negative_result(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.import_dump(tmp_path, self.DUMP + "nonsense\n", "--output", "json") == 1

        said = capsys.readouterr()
        assert json.loads(said.out)["skipped"] == 1
        assert f"{tmp_path}/dump.txt:3" in said.err

    def test_a_file_with_nothing_in_it_is_a_mistake(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.import_dump(tmp_path, "") == 3

        assert "no samples" in capsys.readouterr().err

    @pytest.mark.parametrize("option", ["--rename", "--rename-target"])
    def test_a_name_without_another_is_a_mistake(
        self, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.import_dump(tmp_path, self.DUMP, option, "latency") == 3

        assert "OLD=NEW" in capsys.readouterr().err

    def test_standard_input_is_a_file_too(self, tmp_path: Path) -> None:
        program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
        options = ["record", "import", "prometheus", "-", "-o", "out.jsonl.gz"]
        command = [sys.executable, "-c", program, *options]

        done = subprocess.run(
            command, cwd=tmp_path, input=self.DUMP, text=True, capture_output=True, check=True
        )

        assert "from -" in done.stdout
        assert len(read(tmp_path / "out.jsonl.gz")) == 1
