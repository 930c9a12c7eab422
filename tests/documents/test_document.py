from __future__ import annotations

import pytest
from mendel.documents.document import (
    Document,
    Source,
    environment_overrides,
    format_path,
    option_override,
    plain,
)
from mendel.errors import ConfigError

TEXT = """\
[policy]
mode = "act"

[[components]]
name = "cart"
probes = [
  { http = "http://h/", every = "1s" },
]

[[components]]
name = "Data-Base"
"""


class TestWhere:
    def test_a_value_is_where_its_line_is(self) -> None:
        document = Document(TEXT, "m.toml")

        assert document.where(("components", 0, "probes", 0, "every")) == Source(
            "m.toml", 7, '{ http = "http://h/", every = "1s" },'
        )

    def test_what_is_not_there_is_at_the_table_that_misses_it(self) -> None:
        document = Document(TEXT, "m.toml")

        assert document.where(("components", 1, "kind")) == Source("m.toml", 10, "[[components]]")
        assert document.where(("runtime", "state")) == Source("m.toml")

    def test_an_excerpt_shows_no_secret(self) -> None:
        document = Document('password = "abc"\n', "m.toml")

        assert document.where(("password",)).excerpt == "password = ***"


def test_the_text_is_kept_without_secrets() -> None:
    document = Document('a = 1\ntoken = "abc"\n', "m.toml")
    document.override(["a"], "2", "env")

    assert document.text == "a = 1\ntoken = ***\n"


class TestSyntaxErrors:
    @pytest.mark.parametrize(
        ("text", "line", "message", "suggestion"),
        [
            (
                "a = 1\nname = cart\n",
                2,
                "not TOML: invalid value at column 8",
                'text stands in quotes: name = "cart", every = "800ms"',
            ),
            (
                "every = 1s\n",
                1,
                "not TOML: expected newline or end of document after a statement at column 10",
                'text stands in quotes: name = "cart", every = "800ms"',
            ),
            (
                "[policy\n",
                1,
                "not TOML: expected ']' at the end of a table declaration at column 8",
                "",
            ),
            (
                "mode act\n",
                1,
                "not TOML: expected '=' after a key in a key/value pair at column 6",
                "a line is a header such as [policy], or key = value",
            ),
            (
                "[a]\nx = 1\n[a]\n",
                3,
                "not TOML: cannot declare ('a',) twice at column 3",
                "this is defined twice; keep one; for several of a kind use [[double brackets]]",
            ),
            (
                "[a]\nx = 1\nx = 2\n",
                3,
                "not TOML: cannot overwrite a value at column 6",
                "this is defined twice; keep one",
            ),
            ('a = """x\n', 2, "not TOML: unterminated string", ""),
        ],
    )
    def test_line_column_and_help_are_told(
        self, text: str, line: int, message: str, suggestion: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            Document(text, "m.toml")

        [problem] = caught.value.problems
        assert (problem.code, problem.source, problem.line) == ("MD100", "m.toml", line)
        assert (problem.message, problem.suggestion) == (message, suggestion)

    def test_nesting_without_end_is_refused(self) -> None:
        with pytest.raises(ConfigError) as caught:
            Document("a = " + "[" * 100_000, "m.toml")

        assert (
            caught.value.problems[0].message == "not TOML: arrays or tables are nested too deeply"
        )


class TestOverrides:
    def test_a_value_is_replaced_and_told_as_overridden(self) -> None:
        document = Document(TEXT, "m.toml")

        document.override(["policy", "mode"], "observe", "--set policy.mode=observe")

        assert document.tree["policy"] == {"mode": "observe"}
        assert document.where(("policy", "mode")) == Source("--set policy.mode=observe")

    def test_tables_on_the_way_are_made(self) -> None:
        document = Document(TEXT, "m.toml")

        document.override(["defaults", "watch", "confirm"], "1s", "env")

        assert plain(document.tree["defaults"]) == {"watch": {"confirm": "1s"}}

    def test_items_are_named_by_index_or_name(self) -> None:
        document = Document(TEXT, "m.toml")

        document.override(["components", "cart", "probes", "0", "timeout"], "2s", "env")
        document.override(["components", "1", "kind"], "database", "env")

        cart, base = document.tree["components"]
        assert cart["probes"] == [{"http": "http://h/", "every": "1s", "timeout": "2s"}]
        assert base == {"name": "Data-Base", "kind": "database"}

    def test_a_whole_item_can_be_replaced(self) -> None:
        document = Document(TEXT, "m.toml")

        document.override(["components", "cart", "probes", "0"], '{ tcp = "h:1" }', "env")

        assert plain(document.tree["components"][0]["probes"]) == [{"tcp": "h:1"}]

    def test_case_and_dashes_do_not_matter_because_variables_have_none(self) -> None:
        document = Document(TEXT, "m.toml")

        document.override(["components", "data_base", "kind"], "database", "env")

        assert document.tree["components"][1]["kind"] == "database"

    def test_the_other_spelling_of_the_field_goes(self) -> None:
        document = Document(TEXT, "m.toml")

        document.override(["components", "cart", "probes", "0", "every_s"], "2", "env")

        assert document.tree["components"][0]["probes"] == [{"http": "http://h/", "every_s": "2"}]

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ("policy.mode.x", "there is no `x` in policy.mode"),
            ("policy.mode.x.y", "there is no `x` in policy.mode"),
            ("components.shop.kind", "there is no `shop` in components"),
            ("components.2.kind", "there is no `2` in components"),
            ("components.x", "there is no `x` in components"),
        ],
    )
    def test_one_that_leads_nowhere_is_refused(self, keys: str, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Document(TEXT, "m.toml").override(keys.split("."), "1", f"--set {keys}=1")

        [problem] = caught.value.problems
        assert problem.code == "MD141"
        assert problem.message == f"override leads nowhere: {message}"
        assert problem.source == f"--set {keys}=1"


def test_variables_of_ours_have_a_section() -> None:
    environ = {
        "MENDEL_WEB__PORT": "9000",
        "MENDEL_POLICY__MODE": "observe",
        "MENDEL_DEBUG": "1",
        "MENDEL___": "1",
        "PATH": "/bin",
    }

    assert environment_overrides(environ) == [
        (("policy", "mode"), "observe", "environment MENDEL_POLICY__MODE=observe"),
        (("web", "port"), "9000", "environment MENDEL_WEB__PORT=9000"),
    ]


def test_an_option_is_key_and_value() -> None:
    assert option_override('a."b.c" = x=y') == (
        ("a", "b.c"),
        "x=y",
        '--set a."b.c" = x=y',
    )


@pytest.mark.parametrize("setting", ["", "policy.mode", "=x", "a..b=1", "a b=1"])
def test_what_is_no_setting_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        option_override(setting)

    assert caught.value.problems[0].code == "MD140"


def test_paths_are_shown_as_people_write_them() -> None:
    assert format_path(("a", 0, "b c", "d")) == 'a[0]."b c".d'
    assert format_path(()) == ""
