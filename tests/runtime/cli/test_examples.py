"""The help of every command shows how it is used, with examples that are still true."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from mendel.runtime.cli import main
from mendel.runtime.cli.app import app
from mendel.runtime.cli.examples import EXAMPLES, commands

COMMANDS = sorted(words for words, _ in commands(app))
TYPED = [(words, typed) for words, examples in EXAMPLES.items() for typed, _ in examples]


def test_every_command_has_examples_and_no_others_have() -> None:
    assert sorted(EXAMPLES) == COMMANDS


@pytest.mark.parametrize(("words", "typed"), TYPED, ids=[typed for _, typed in TYPED])
def test_an_example_can_be_typed(words: str, typed: str) -> None:
    line = typed.partition(" > ")[0]
    tokens = [each for each in shlex.split(line) if each not in ("--output", "json", "jsonl")]

    command, _, _ = app.parse_args(tokens[1:], exit_on_error=False, print_error=False)

    assert " ".join(tokens[1:]).startswith(words)
    assert command is dict(commands(app))[words].default_command


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_shows_them(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0

    assert f"Examples:\n  {EXAMPLES[words][0][0]}\n" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert [name for name in ("demo", "incidents", "explain") if name not in script] == []


def test_a_shell_is_taught_where_it_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    assert main(["completion", "bash", "--install"]) == 0

    path = capsys.readouterr().out.split()[2].rstrip(";")
    assert "mendel" in Path(path).read_text()
    assert Path(path).is_relative_to(tmp_path)


def test_a_home_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    assert main(["completion", "bash", "--install"]) == 4
    assert "mendel completion bash" in capsys.readouterr().err
