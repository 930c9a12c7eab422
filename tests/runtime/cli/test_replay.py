"""Replay on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from estates import Estate, a_shop
from mendel.agents.journal import MemoryJournal
from mendel.runtime.cli import main
from mendel.runtime.config import Config
from mendel.runtime.system import System
from mendel.scenarios.recorder import Recorder
from mendel.scenarios.recording import SCHEMA, Header, RecordingWriter
from mendel.scenarios.virtual_time import run

SCENARIO = """
name = "short"
description = "The cart is gone."
source = "This test."
until = "2m"

[estate]
topology = "shop"

[[faults]]
kind = "crash"
target = "cart"
at = "10s"

[must]
detected = ["cart"]
"""

OBSERVE = """
policy.mode = "observe"

[[components]]
name = "cart"
probes = [{ heartbeat = "10s" }]
actions = { restart = { exec = ["true"] } }
"""


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def observe(tmp_path: Path) -> Path:
    path = tmp_path / "observe.toml"
    path.write_text(OBSERVE)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A run in which the database crashes and is restarted."""
    path = tmp_path / "run.jsonl.gz"
    run(_record(path, a_shop()))
    return path


async def _record(path: Path, world: Estate) -> None:
    import asyncio

    writer = RecordingWriter(path, Header(schema=SCHEMA, components=tuple(world.components)))
    async with (
        System(Config(), world, MemoryJournal()) as system,
        Recorder(system.bus, writer, thread=False),
    ):
        await asyncio.sleep(10.0)
        world["db"].crash()
        await asyncio.sleep(30.0)


class TestReplay:
    def test_a_scenario_is_told_in_a_table(
        self, short: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["replay", str(short), "--score"]) == 0

        header, row = capsys.readouterr().out.splitlines()
        assert header.split()[:3] == ["FILE", "CONFIG", "INCIDENTS"]
        assert row.split()[:2] == ["short.toml", "defaults"]
        assert float(row.split()[-2]) <= 110.0  # The score.

    def test_what_is_demanded_and_not_kept_is_said_and_returns_1(
        self, short: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        short.write_text(SCENARIO + 'escalated = ["db"]\n')

        assert main(["replay", str(short)]) == 1
        assert "not kept: short.toml under defaults: db must be handed to a person" in (
            capsys.readouterr().out
        )

    def test_two_configurations_are_compared(
        self, short: Path, observe: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        act = observe.with_name("act.toml")
        act.write_text(OBSERVE.replace("observe", "act"))

        main(["replay", str(short), "--config", str(act), "--config", str(observe)])

        assert (
            f"short.toml under {observe}: decides otherwise than under {act}: "
            in capsys.readouterr().out
        )

    def test_a_recording_decides_as_it_was_recorded_and_says_what_it_cannot_tell(
        self, recording: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["replay", str(recording)]) == 0

        told = capsys.readouterr()
        assert "run.jsonl.gz under defaults: decides as it was recorded\n" in told.out
        assert "judged on detection and decisions only" in told.err

    def test_under_another_configuration_it_says_where_they_part(
        self, recording: Path, observe: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["replay", str(recording), "--config", str(observe), "--output", "json"])

        (rerun,) = json.loads(capsys.readouterr().out)
        assert rerun["compared_with"] == "recorded"
        assert rerun["difference"]["this"] != rerun["difference"]["other"]
        assert rerun["outcome"]["actions"] == {}

    def test_it_can_be_cut_short(self, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["replay", str(recording), "--until", "9s", "--output", "json"])

        (rerun,) = json.loads(capsys.readouterr().out)
        assert rerun["outcome"]["until_s"] == 9.0
        assert rerun["outcome"]["decisions"] == []

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["nothing.jsonl"], 4, "no such file"),
            (["crsh"], 4, "no such file"),
            (["crash", "--until", "-1"], 2, "until"),
            (["crash", "--config", "missing.toml"], 3, "missing.toml"),
        ],
    )
    def test_what_cannot_be_replayed_is_said(
        self, arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["replay", *arguments]) == code
        assert words in capsys.readouterr().err

    def test_two_processes_that_hash_differently_print_the_same_bytes(self, short: Path) -> None:
        first, second = printed(short, "1"), printed(short, "2")

        assert b'"sha256"' in first
        assert b'"IncidentOpened"' in first
        assert first == second


def printed(scenario: Path, hash_seed: str) -> bytes:
    program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
    arguments = ("replay", str(scenario), "--seed", "1", "--output", "json")
    done = subprocess.run(
        (sys.executable, "-c", program, *arguments),
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class TestScenarios:
    def test_list_tells_what_ships(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["scenarios", "list"]) == 0

        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["NAME", "LASTS", "FAULTS", "WHAT"]
        assert any(line.startswith("crash ") for line in lines)

    def test_list_speaks_to_programs(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["scenarios", "list", "--output", "json"])

        crash = next(x for x in json.loads(capsys.readouterr().out) if x["name"] == "crash")
        assert (crash["lasts_s"], crash["faults"]) == (600.0, ["crash"])

    def test_show_gives_a_file_that_can_be_replayed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["scenarios", "show", "crash"])
        copy = tmp_path / "mine.toml"
        copy.write_text(capsys.readouterr().out)

        assert main(["scenarios", "show", str(copy), "--output", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["name"] == "crash"
