from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mendel.core.detection.detect import Threshold
from mendel.errors import ConfigError, Problem
from mendel.runtime.config import Config, Loaded, RuntimeConfig, load
from mendel.runtime.specs import ActionSpec, ComponentSpec, ProbeSpec, ProcessSpec, Secret
from msgspec import Meta, Struct

GOOD = """\
agents = ["my_package.drain:DrainBeforeRestart"]

[policy]
mode = "recommend"

[defaults.watch.thresholds]
latency_s = { above = "300ms" }

[agent.drain]
drain = "3s"

[[components]]
name = "cart"
kind = "api"
depends_on = ["db"]
probes = [{ http = "http://127.0.0.1:8001/health", every = "1s", timeout = "800ms" }]
plan = ["restart", "tell"]

[components.actions]
restart = { exec = ["systemctl", "restart", "cart"] }
tell = { notify = "log", disruptive = false }

[[components]]
name = "db"
process = { exec = ["./db"], env = { PASSWORD = { env = "DB_PASSWORD" } } }
probes = [{ process = true }]
plan = ["restart"]
"""

EIGHT_MISTAKES = """\
[policy]
mode = "acct"
blast_share = 3

[[components]]
name = "cart"
depends_on = ["bd"]
probes = [
  { http = "127.0.0.1:8001/health", evry = "1s" },
  { tcp = "127.0.0.1:80", timeout = "800mz" },
]
actions = { restart = { exec = "systemctl restart cart" } }
plan = ["restrat"]

[[components]]
name = "db"
kind = "database"
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "mendel.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load_text(folder: Path, text: str, *settings: str, **environ: str) -> Loaded:
    return load(write(folder, text), environ=environ, settings=settings)


def problems_of(folder: Path, text: str, *settings: str, **environ: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, *settings, **environ)
    return [(each.code, each.place) for each in caught.value.problems]


class TestGoodFile:
    def test_it_becomes_structs(self, tmp_path: Path) -> None:
        loaded = load_text(tmp_path, GOOD, DB_PASSWORD="x")

        config = loaded.config
        assert config.policy.mode == "recommend"
        assert config.defaults.watch.thresholds == {"latency_s": Threshold(above=0.3)}
        assert config.agents == ("my_package.drain:DrainBeforeRestart",)
        assert config.components == (
            ComponentSpec(
                name="cart",
                kind="api",
                depends_on=("db",),
                probes=(
                    ProbeSpec(http="http://127.0.0.1:8001/health", every_s=1.0, timeout_s=0.8),
                ),
                actions={
                    "restart": ActionSpec(exec=("systemctl", "restart", "cart")),
                    "tell": ActionSpec(notify="log", disruptive=False),
                },
                plan=("restart", "tell"),
            ),
            ComponentSpec(
                name="db",
                process=ProcessSpec(exec=("./db",), env={"PASSWORD": Secret(env="DB_PASSWORD")}),
                probes=(ProbeSpec(process=True),),
                plan=("restart",),
            ),
        )

    def test_its_folder_is_where_relative_paths_begin(self, tmp_path: Path) -> None:
        loaded = load_text(tmp_path, GOOD, DB_PASSWORD="x")

        assert (loaded.base, loaded.state) == (tmp_path, tmp_path / ".mendel")

    def test_a_byte_order_mark_and_windows_line_ends_are_fine(self, tmp_path: Path) -> None:
        text = b"\xef\xbb\xbf" + b'[[components]]\r\nname = "a"\r\n'

        assert load(write(tmp_path, text), environ={}).config == Config(
            components=(ComponentSpec(name="a"),)
        )


class TestMistakes:
    def test_eight_mistakes_are_eight_errors_with_lines(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"mendel\.toml: 8 errors") as caught:
            load_text(tmp_path, EIGHT_MISTAKES)

        assert [(each.code, each.line, each.place) for each in caught.value.problems] == [
            ("MD105", 2, "policy.mode"),
            ("MD103", 3, "policy.blast_share"),
            ("MD121", 7, "components[0].depends_on[0]"),
            ("MD110", 9, "components[0].probes[0].http"),
            ("MD101", 9, "components[0].probes[0].evry"),
            ("MD106", 10, "components[0].probes[1].timeout"),
            ("MD102", 12, "components[0].actions.restart.exec"),
            ("MD123", 13, "components[0].plan[0]"),
        ]

    def test_one_looks_like_this(self, tmp_path: Path) -> None:
        text = '[[components]]\nname = "cart"\nprobes = [{ tcp = "h:1", evry = "1s" }]\n'

        with pytest.raises(ConfigError) as caught:
            load_text(tmp_path, text)

        assert str(caught.value.problems[0]) == (
            "error[MD101]: unknown field `evry`\n"
            f"  --> {tmp_path}/mendel.toml:3  (components[0].probes[0].evry)\n"
            '   3| probes = [{ tcp = "h:1", evry = "1s" }]\n'
            "    | help: did you mean `every`?"
        )

    @pytest.mark.parametrize(
        ("lines", "code", "place"),
        [
            ('depends_on = ["a"]', "MD122", "depends_on[0]"),
            ("probes = [{ process = true }]", "MD124", "probes[0].process"),
            (
                'actions = { r = { process = "restart" } }',
                "MD124",
                "actions.r.process",
            ),
            ('actions = { r = { notify = "log", undo = "x" } }', "MD123", "actions.r.undo"),
            ('actions = { r = { notify = "mail" } }', "MD110", "actions.r.notify"),
            ('actions = { r = { webhook = "ftp://h/" } }', "MD110", "actions.r.webhook"),
            ('probes = [{ http = "http:///x" }]', "MD110", "probes[0].http"),
            ('probes = [{ http = "http://h:99999/" }]', "MD110", "probes[0].http"),
            ('probes = [{ http = "http://h/a b" }]', "MD110", "probes[0].http"),
            ('probes = [{ tcp = "h" }]', "MD111", "probes[0].tcp"),
            ('probes = [{ tcp = "::1:80" }]', "MD111", "probes[0].tcp"),
            ('probes = [{ tcp = "h:0" }]', "MD111", "probes[0].tcp"),
            ('probes = [{ http = "http://h/", match = "(" }]', "MD112", "probes[0].match"),
            ('probes = [{ http = "http://h/", status = [20] }]', "MD103", "probes[0].status[0]"),
            ('process = { exec = ["x"], env = { A = { env = "NO" } } }', "MD130", "process.env.A"),
            ('process = { exec = ["x"], env = { A = { file = "no" } } }', "MD130", "process.env.A"),
            ("process = { exec = [] }", "MD103", "process.exec"),
            ("probes = [{}]", "MD109", "probes[0]"),
        ],
    )
    def test_of_one_component(self, tmp_path: Path, lines: str, code: str, place: str) -> None:
        text = f'[[components]]\nname = "a"\n{lines}\n'

        assert problems_of(tmp_path, text) == [(code, f"components[0].{place}")]

    @pytest.mark.parametrize(
        ("text", "code", "place"),
        [
            ("agents = []", "MD125", ""),
            ('agents = ["x"]\n[[components]]\nname = "a"', "MD107", "agents[0]"),
            ('[component]\nname = "a"', "MD101", "component"),
            ('[components]\nname = "a"', "MD102", "components"),
            ("[[components]]\nkind = 'api'", "MD104", "components[0]"),
            ('[[components]]\nname = "a b"', "MD107", "components[0].name"),
            (
                '[resources]\nkeep_levels = ["b"]\n[[components]]\nname = "a"\n',
                "MD121",
                "resources.keep_levels[0]",
            ),
            (
                '[[components]]\nname = "a"\n[[maintenance]]\ncomponent = "b"\n'
                "start_utc = 2030-01-01T00:00:00Z\nend_utc = 2030-01-01T01:00:00Z\n",
                "MD121",
                "maintenance[0].component",
            ),
            (
                '[[components]]\nname = "a"\n[[maintenance]]\ncomponent = "*"\n'
                "start_utc = 2030-01-01T01:00:00Z\nend_utc = 2030-01-01T01:00:00Z\n",
                "MD109",
                "maintenance[0]",
            ),
            ('policy.allow = ["x"]\n[[components]]\nname = "a"', "MD123", "policy.allow[0]"),
            (
                'defaults.playbook.plan = ["x"]\n[[components]]\nname = "a"',
                "MD123",
                "defaults.playbook.plan[0]",
            ),
        ],
    )
    def test_of_the_whole(self, tmp_path: Path, text: str, code: str, place: str) -> None:
        assert problems_of(tmp_path, text) == [(code, place)]

    def test_a_name_is_used_once(self, tmp_path: Path) -> None:
        text = (
            '[[components]]\nname = "a"\n[[components]]\nname = "b"\n[[components]]\nname = "a"\n'
        )

        with pytest.raises(ConfigError) as caught:
            load_text(tmp_path, text)

        [problem] = caught.value.problems
        assert (problem.code, problem.line) == ("MD120", 6)
        assert problem.suggestion == "the first one is on line 2"

    def test_a_component_with_a_mistake_is_still_known_to_others(self, tmp_path: Path) -> None:
        text = (
            '[[components]]\nname = "a"\ndepends_on = ["b"]\n[[components]]\nname = "b"\nkind = 3\n'
        )

        assert problems_of(tmp_path, text) == [("MD105", "components[1].kind")]

    def test_a_secret_that_is_written_down_is_not_shown(self, tmp_path: Path) -> None:
        text = '[[components]]\nname = "a"\nprobes = [{ http = "h", headers = { Token = 5 } }]\n'

        with pytest.raises(ConfigError) as caught:
            load_text(tmp_path, text.replace("5", '["s3cret"]'))

        assert len(caught.value.problems) == 2
        assert "s3cret" not in "".join(str(problem) for problem in caught.value.problems)


PIECES = """[ ] { } = , . " ' # \\ - [[ ]] 1 inf é \0 1979-05-27T07:32:00Z true name exec [a.b]"""
NASTY = ["\n", "\r\n", " ", '"""', "9" * 5000, "0x" + "f" * 5000, *PIECES.split()]


@settings(deadline=None)
@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), st.sampled_from(NASTY)), max_size=4
    )
)
def test_whatever_a_file_says_is_read_or_refused_with_places(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int, str]]
) -> None:
    text = GOOD
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]

    problems: Sequence[Problem] | None = None
    try:
        load_text(tmp_path_factory.getbasetemp(), text, DB_PASSWORD="x")
    except ConfigError as error:
        problems = error.problems

    assert problems is None or len(problems) > 0
    assert all(each.message and each.source for each in problems or ())


class TestSecrets:
    def test_a_file_is_looked_for_beside_the_configuration(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("x")
        text = '[[components]]\nname = "a"\nactions.n.notify = { file = "password" }\n'

        actions = load_text(tmp_path, text).config.components[0].actions

        assert actions == {"n": ActionSpec(notify=Secret(file="password"))}


class TestOverrides:
    def test_the_later_one_wins(self, tmp_path: Path) -> None:
        environ = {"DB_PASSWORD": "x", "MENDEL_POLICY__MODE": "observe"}

        from_environment = load_text(tmp_path, GOOD, **environ)
        from_option = load_text(tmp_path, GOOD, "policy.mode=act", **environ)
        path = write(tmp_path, GOOD)
        from_mode = load(path, environ=environ, settings=["policy.mode=act"], mode="recommend")

        assert from_environment.config.policy.mode == "observe"
        assert from_option.config.policy.mode == "act"
        assert from_mode.config.policy.mode == "recommend"

    def test_a_variable_reaches_into_a_component(self, tmp_path: Path) -> None:
        environ = {"DB_PASSWORD": "x", "MENDEL_COMPONENTS__CART__PROBES__0__EVERY": "2s"}

        loaded = load_text(tmp_path, GOOD, **environ)

        assert loaded.config.components[0].probes[0].every_s == 2.0

    def test_mistakes_name_the_override(self, tmp_path: Path) -> None:
        environ = {"DB_PASSWORD": "x", "MENDEL_POLICY__MOED": "act"}

        with pytest.raises(ConfigError) as caught:
            load_text(tmp_path, GOOD, "runtime.seed=x", "components.x.kind=api", "y", **environ)

        assert [(each.code, each.source) for each in caught.value.problems] == [
            ("MD140", "--set y"),
            ("MD141", "--set components.x.kind=api"),
            ("MD101", "environment MENDEL_POLICY__MOED=act"),
            ("MD102", "--set runtime.seed=x"),
        ]

    def test_lists_can_be_overridden(self, tmp_path: Path) -> None:
        settings = ['components.cart.plan=["tell"]', 'components.db.depends_on=["nobody"]']

        assert problems_of(tmp_path, GOOD, *settings, DB_PASSWORD="x") == [
            ("MD121", "components[1].depends_on[0]")
        ]


class TestUnreadable:
    @pytest.mark.parametrize(
        ("content", "message", "line"),
        [
            (b"", "it is empty", 0),
            (b" \n\n", "it is empty", 0),
            (b'a = 1\nb = "\xff"', "byte 0xff is not UTF-8", 2),
            (b"#" * 16_000_001, "it is larger than 16,000,000 bytes", 0),
        ],
    )
    def test_what_is_no_text_is_refused(
        self, tmp_path: Path, content: bytes, message: str, line: int
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            load(write(tmp_path, content), environ={})

        [problem] = caught.value.problems
        assert (problem.code, problem.line) == ("MD150", line)
        assert problem.message == f"cannot read the configuration: {message}"

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no such file"):
            load(tmp_path / "nothing.toml", environ={})

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, environ={})

        assert caught.value.problems[0].suggestion == f"did you mean `{tmp_path}/mendel.toml`?"

    def test_anything_else_the_system_refuses(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="not a directory"):
            load(write(tmp_path, "x = 1") / "mendel.toml", environ={})

    def test_a_device_that_never_ends(self) -> None:
        with pytest.raises(ConfigError, match="larger than"):
            load("/dev/zero", environ={})

    def test_what_is_no_toml(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is not TOML"):
            load(write(tmp_path, "a = b"), environ={})


class DrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    drain_s: Annotated[float, Meta(gt=0)] = 1.0


class TestAgentSettings:
    def test_they_are_read_as_the_agents_own_type(self, tmp_path: Path) -> None:
        loaded = load_text(tmp_path, GOOD, DB_PASSWORD="x")

        assert loaded.agent_settings("drain", DrainConfig) == DrainConfig(drain_s=3.0)
        assert loaded.agent_settings("other", DrainConfig) == DrainConfig()

    def test_mistakes_have_their_place(self, tmp_path: Path) -> None:
        loaded = load_text(tmp_path, GOOD, "agent.drain.drian=1", DB_PASSWORD="x")

        with pytest.raises(ConfigError, match="settings of agent 'drain'") as caught:
            loaded.agent_settings("drain", DrainConfig)

        [problem] = caught.value.problems
        assert (problem.source, problem.place) == ("--set agent.drain.drian=1", "agent.drain.drian")


def test_the_state_folder_can_be_elsewhere(tmp_path: Path) -> None:
    loaded = load_text(
        tmp_path, '[runtime]\nstate = "/var/lib/mendel"\n[[components]]\nname = "a"\n'
    )

    assert loaded.config.runtime == RuntimeConfig(state="/var/lib/mendel")
    assert loaded.state == Path("/var/lib/mendel")
