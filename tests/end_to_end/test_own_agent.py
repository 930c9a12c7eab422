"""A user's own agent: written by a command, installed as any package, found, tested, and wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mendel.runtime.cli import main
from mendel.runtime.new_agent import write_package

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"


def run(*command: str, folder: Path, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, *command),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_new_agent_installs_passes_its_tests_and_is_found(tmp_path: Path) -> None:
    assert main(["agents", "new", "drain-first", "--into", str(tmp_path)]) == 0
    folder, site = tmp_path / "drain-first", tmp_path / "site"
    options = ("--no-deps", "--quiet", "--disable-pip-version-check", "--target", str(site))
    installed = run("-m", "pip", "install", *options, ".", folder=folder, path=site)
    if "No matching distribution found for setuptools" in installed.stderr:
        pytest.skip("setuptools cannot be fetched here, so no package can be built")
    assert installed.returncode == 0, installed.stderr

    tested = run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=folder, path=site)
    found = run("-c", PROGRAM, "agents", "test", "--output", "json", folder=tmp_path, path=site)

    assert tested.returncode == 0, tested.stdout
    assert "13 passed" in tested.stdout
    (report,) = json.loads(found.stdout)
    assert (report["name"], report["kept"], found.returncode) == ("drain-first", True, 0)
    assert report["place"] == "entry point 'drain-first' (drain_first:DrainFirst)"
    assert len(report["verdicts"]) == 11


def test_what_an_agent_breaks_is_told_in_words(tmp_path: Path) -> None:
    folder, _ = write_package("hasty", tmp_path)
    file = folder / "src/hasty/agent.py"
    text = file.read_text().replace('return Advice(before=("drain",))', 'raise KeyError("drain")')
    file.write_text(text)

    told = run("-c", PROGRAM, "agents", "test", "hasty:Hasty", folder=folder / "src", path=folder)

    assert told.returncode == 1
    lines = told.stdout.splitlines()
    assert lines[0] == "hasty (hasty:Hasty)"
    place = lines.index("  broken  it bears every message that it handles")
    assert lines[place + 1].strip().startswith("KeyError: ")
    assert "agent.py:" in lines[place + 1]
    assert "  kept    its name is a plain word" in lines
    assert told.stderr == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Drain First", "is no name for an agent"),
        ("import", "is no name for an agent"),
        ("monitor", "is an agent of mendel's own"),
        ("mendel", "is the name of something else"),
        ("there", "is there already; nothing was written"),
    ],
)
def test_what_cannot_be_written_is_said(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()

    assert main(["agents", "new", name, "--into", str(tmp_path)]) == 3
    assert words in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["there"]


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert main(["agents", "new", "calm", "--into", str(tmp_path / "file")]) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_an_agent_that_cannot_be_loaded_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents", "test", "no_such_module_of_ours:Agent"]) == 3
    assert "import failed" in capsys.readouterr().err


def test_where_nothing_is_installed_it_says_how_to_begin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["agents", "test"]) == 3
    assert "mendel agents new NAME" in capsys.readouterr().err
