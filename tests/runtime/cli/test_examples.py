"""The help of every command shows how it is used, with examples that are still true."""

from __future__ import annotations

import shlex

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
