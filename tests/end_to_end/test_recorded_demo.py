"""A live run of real processes, recorded, and run again in virtual time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from mendel.runtime.cli import main
from mendel.runtime.config import load
from mendel.runtime.rerun import Order, Rerun, Setup, rerun
from mendel.scenarios.recorded import RecordedWorld

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
# What a live system waits for and a replay does not: its disk, and a machine that is busy with
# other tests.
DISK_S = 0.25


class Recorded(NamedTuple):
    recording: Path
    config: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A demo with two faults; its services are gone, its files are kept."""
    recording = tmp_path_factory.mktemp("demo") / "demo.jsonl.gz"
    arguments = ("demo", "--headless", "--duration", "24", "--keep", "--record", str(recording))
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, *arguments),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    found = re.search(r"--state (\S+)", done.stderr)
    assert found, done.stderr
    folder = Path(found[1])
    yield Recorded(recording, folder / "mendel.toml")
    shutil.rmtree(folder)


def replayed(demo: Recorded, setup: Setup) -> Rerun:
    (again,) = rerun(demo.recording, [setup], Order())
    return again


def test_the_same_is_decided_at_the_same_times(demo: Recorded) -> None:
    again = replayed(demo, Setup(load(demo.config)))

    then = RecordedWorld(demo.recording).contents.decisions
    assert sum(each.kind == "RunAction" for each in then) >= 2
    assert again.difference is None
    assert sorted(x.gist for x in again.outcome.decisions) == sorted(x.gist for x in then)
    assert again.drift_s < DISK_S


def test_what_was_broken_is_known_so_that_times_count_from_there(demo: Recorded) -> None:
    measures = replayed(demo, Setup(load(demo.config))).outcome.measures

    assert measures.broken is not None
    assert measures.broken >= 2
    assert (measures.detected, measures.healed) == (measures.broken, measures.broken)
    assert measures.unneeded == 0


def test_twice_it_is_the_same_to_the_last_byte(demo: Recorded) -> None:
    setup = Setup(load(demo.config))

    assert replayed(demo, setup).outcome == replayed(demo, setup).outcome


def test_with_another_configuration_the_difference_is_told_in_words(
    demo: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = demo.config.with_name("watching.toml")
    watching.write_text(f'policy.mode = "observe"\n{_without(demo.config, "[policy]")}')

    assert main(["replay", str(demo.recording), "--config", str(watching)]) == 0

    told = capsys.readouterr().out
    assert "decides otherwise than it was recorded: " in told
    assert re.search(r"IncidentChanged \w+ \w+ at \d+\.\d+ s instead of IncidentChanged", told)


def test_what_is_left_of_a_recording_after_a_crash_decides_alike_as_far_as_it_goes(
    demo: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = demo.recording.read_bytes()
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) * 2 // 3])

    assert main(["replay", str(cut), "--config", str(demo.config)]) == 0

    told = capsys.readouterr()
    assert "decides as it was recorded" in told.out
    assert "damaged" in told.err
    assert RecordedWorld(cut).contents.decisions


def _without(config: Path, section: str) -> str:
    before, _, after = config.read_text().partition(section)
    return before + after[after.index("\n[") :]
