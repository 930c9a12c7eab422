from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mendel.runtime.cli import main

COMMANDS = ["check", "status", "events", "pause", "resume", "approve", "stop"]
COMMANDS += ["agents", "incidents", "doctor", "run", "record", "demo"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


class TestHelp:
    @pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
    def test_it_names_every_command(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(arguments) == 0

        said = capsys.readouterr()
        assert said.err == ""
        assert [name for name in COMMANDS if f"│ {name} " not in said.out] == []

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_explains_itself(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([command, "--help"]) == 0

        assert f"Usage: mendel {command}" in capsys.readouterr().out

    def test_the_version_is_that_of_the_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0

        assert capsys.readouterr().out.count(".") == 2

    def test_it_loads_nothing_heavy(self) -> None:
        program = (
            "import sys\n"
            "from mendel.runtime.cli import main\n"
            "main(['--help'])\n"
            "heavy = {'aiohttp', 'numpy', 'aiosqlite', 'asyncio', 'pymoo', 'psutil'}\n"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
        )

        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

        assert done.stderr == b"[]\n"


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["stauts"], 'unknown command "stauts". Did you mean "status"?'),
            (["status", "--staet", "x"], "unknown option: --staet. Did you mean --state?"),
            (["incidents", "lst"], 'unknown command "lst". Did you mean "list"?'),
            (["status", "extra"], "unused Tokens: ['extra']."),
            (["check", "--mode", "atc"], 'invalid value "atc" for --mode.'),
            (["status", "--output", "xml"], 'invalid value "xml" for --output.'),
            (["pause", "cart"], "--for requires an argument"),
            (["pause", "cart", "--for", "2x"], 'expected a duration such as "800ms"'),
            (["pause", "cart", "--for", "0s"], "it has a length"),
            (["approve"], 'command "approve" parameter APPROVAL requires an argument.'),
        ],
    )
    def test_what_cannot_be_understood_is_told_with_what_could(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(arguments) == 2

        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("usage: ")
        assert message in said.err
        known = ("incidents", "status", "check", "pause", "approve")
        command = " ".join(["mendel", *(each for each in arguments[:1] if each in known)])
        assert said.err.endswith(f"see {command} --help\n")


class TestErrors:
    def test_nobody_running_is_five(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status"]) == 5

        assert capsys.readouterr().err.startswith(
            "error: no runtime answers at .mendel/control.sock\n  help: "
        )

    def test_a_bug_is_one_line_and_a_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", "a\0b"]) == 70

        said = capsys.readouterr().err.splitlines()
        assert said[0] == "internal error: ValueError: embedded null byte"
        [details] = tmp_path.glob("mendel-crash-*.log")
        assert said[1:] == [f"  the details are in {details}; please report them"]
        assert "Traceback (most recent call last)" in details.read_text()

    def test_with_debug_the_traceback_is_shown(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", "a\0b", "--debug"]) == 70
        assert "Traceback (most recent call last)" in capsys.readouterr().err
        assert list(tmp_path.glob("*.log")) == []

    def test_a_reader_that_has_seen_enough_is_no_error(self, tmp_path: Path) -> None:
        config = tmp_path / "mendel.toml"
        names = [f'[[components]]\nname = "c{number}"\n' for number in range(3000)]
        config.write_text("".join(names))
        program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
        arguments = [sys.executable, "-c", program, "check", str(config), "--show"]

        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.read(10)
            process.stdout.close()
            said = process.stderr.read()

        assert (process.returncode, said) == (0, b"")
