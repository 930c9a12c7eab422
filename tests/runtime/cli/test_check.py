from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from mendel.runtime.cli import main

GOOD = """\
[[components]]
name = "cart"
probes = [{ tcp = "127.0.0.1:1" }]
actions = { restart = { exec = ["true"] } }
"""
BAD = """\
[[components]]
name = "cart"
probes = [{ tcp = "127.0.0.1:1", evry = "1s" }]
kind = "ap"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestCheck:
    def test_a_good_file_is_summed_up(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (here / "mendel.toml").write_text(GOOD)

        assert main(["check"]) == 0

        said = capsys.readouterr()
        assert said.out == (
            "mendel.toml is fine: 1 component, 1 probe, 1 action, 0 plug-ins; mode act\n"
        )
        assert said.err == ""

    def test_mistakes_go_to_stderr_all_of_them(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "my.toml").write_text(BAD)

        assert main(["check", "my.toml"]) == 3

        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == (
            "error[MD101]: unknown field `evry`\n"
            "  --> my.toml:3  (components[0].probes[0].evry)\n"
            '   3| probes = [{ tcp = "127.0.0.1:1", evry = "1s" }]\n'
            "    | help: did you mean `every`?\n"
            "\n"
            'error[MD105]: "ap" is not one of the choices\n'
            "  --> my.toml:4  (components[0].kind)\n"
            '   4| kind = "ap"\n'
            "    | help: did you mean `api`?\n"
            "\n"
            "my.toml: 2 errors\n"
        )

    def test_for_programs_mistakes_are_data(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "my.toml").write_text(BAD)

        assert main(["check", "my.toml", "--output", "json"]) == 3

        said = capsys.readouterr()
        found = json.loads(said.out)
        assert (found["file"], found["ok"], said.err) == ("my.toml", False, "")
        assert found["problems"][0] == {
            "code": "MD101",
            "message": "unknown field `evry`",
            "place": "components[0].probes[0].evry",
            "source": "my.toml",
            "line": 3,
            "excerpt": 'probes = [{ tcp = "127.0.0.1:1", evry = "1s" }]',
            "suggestion": "did you mean `every`?",
        }

    def test_the_option_for_all_may_stand_first(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "mendel.toml").write_text(GOOD)

        assert main(["--output", "jsonl", "check"]) == 0

        assert capsys.readouterr().out == (
            '{"file":"mendel.toml","ok":true,"components":1,"problems":[]}\n'
        )

    def test_settings_and_mode_override(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "mendel.toml").write_text(GOOD)

        code = main(["check", "--set", "components.cart.name=shop", "--mode", "observe", "--show"])

        said = capsys.readouterr()
        assert code == 0
        assert 'name = "shop"' in said.out
        assert 'mode = "observe"' in said.out
        assert said.err.endswith("mode observe\n")

    def test_a_file_that_is_not_there_is_three(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check"]) == 3

        assert capsys.readouterr().err.startswith(
            "error[MD150]: cannot read the configuration: no such file\n  --> mendel.toml\n"
        )


class TestAgents:
    def test_those_that_cannot_be_loaded_are_told_with_their_line(
        self,
        here: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.syspath_prepend(here)
        (here / "plugin_that_raises.py").write_text("raise RuntimeError('no licence')\n")
        named = 'agents = [\n  "plugin_that_raises:Agent",\n  "nowhere.at_all:Agent",\n]\n'
        (here / "my.toml").write_text(named + GOOD + "[agent.nobody]\nx = 1\n")

        assert main(["check", "my.toml"]) == 3

        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == (
            "error[MD126]: plugin_that_raises:Agent: import failed: RuntimeError: no licence\n"
            "  --> my.toml:2  (agents[0])\n"
            '   2| "plugin_that_raises:Agent",\n'
            "\n"
            "error[MD126]: nowhere.at_all:Agent: import failed: ModuleNotFoundError: "
            "No module named 'nowhere'\n"
            "  --> my.toml:3  (agents[1])\n"
            '   3| "nowhere.at_all:Agent",\n'
            "\n"
            "error[MD126]: [agent.nobody]: no agent of this name is loaded\n"
            "  --> my.toml:9  (agent.nobody)\n"
            "   9| [agent.nobody]\n"
            "\n"
            "my.toml: 3 errors\n"
        )

    def test_settings_of_our_own_are_checked_as_well(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "my.toml").write_text(GOOD + '[agent.monitor]\nsweep = "1x"\ntcik = 1\n')

        assert main(["check", "my.toml", "--output", "json"]) == 3

        found = json.loads(capsys.readouterr().out)["problems"]
        assert [(each["code"], each["place"]) for each in found] == [
            ("MD106", "agent.monitor.sweep"),
            ("MD101", "agent.monitor.tcik"),
        ]


class TestDoctor:
    def test_a_fit_machine_is_zero(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "--output", "json"]) == 0

        found = json.loads(capsys.readouterr().out)
        assert [each["name"] for each in found] == [
            "Python",
            "packages",
            "state folder",
            "control socket",
            "disk",
            "open files",
        ]

    def test_what_is_missing_is_one_with_a_remedy(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "mendel.toml").write_text(GOOD.replace("true", "no-such-program"))

        assert main(["doctor"]) == 1

        said = capsys.readouterr().out
        assert re.search(r"✗ fail +commands", said)
        assert "not found: no-such-program (of cart)" in said
        assert "commands: install them, or give their whole path" in said


class TestExplain:
    TEXT = """\
[policy]
mode = "act"
[[components]]
name = "db"
level = "full"
probes = [{ tcp = "127.0.0.1:1" }]
watch = { load = { busy_share = 0.5 } }
"""

    def test_each_written_value_is_shown_with_its_place(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "x.toml"
        file.write_text(self.TEXT)

        code = main(["check", str(file), "--set", "policy.mode=observe", "--explain"])

        out = capsys.readouterr().out
        assert code == 0
        assert out.splitlines()[0].split() == ["FIELD", "VALUE", "FROM", "INSTEAD", "OF"]
        line = next(each for each in out.splitlines() if each.startswith("policy.mode"))
        assert "--set policy.mode" in line
        assert f'"act" from {file}:2' in line

    def test_one_field_can_be_asked_for_and_built_in_values_are_told_then(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "x.toml"
        file.write_text(self.TEXT)

        fields = ["components.db.verify", "policy.mode"]
        code = main(["check", str(file), "--output", "json", "--explain", *fields])

        found = {each["field"]: each["origin"]["source"] for each in json.loads(out_of(capsys))}
        assert code == 0
        assert found["components.db.verify.window_s"] == "built in"
        assert found["policy.mode"] == f"{file}:2"
        assert main(["check", str(file), "--explain", "polcy"]) == 1

    def test_another_level_is_told_with_what_would_do_nothing_on_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "x.toml"
        file.write_text(self.TEXT)

        assert main(["check", str(file), "--level", "basic"]) == 1
        out = out_of(capsys)
        assert "db: full -> basic" in out
        assert f"has no effect any more: watch.load = {{ busy_share = 0.5 }} ({file}:7)" in out
        assert main(["check", str(file), "--level", "full"]) == 0
        assert "every component is on level full already" in out_of(capsys)


def out_of(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out
