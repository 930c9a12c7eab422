from __future__ import annotations

import io

from mendel.runtime.cli.output import Out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_states_marked() -> None:
    data = io.StringIO()

    Out(data=data).table(
        ("  NAME", "STATUS", "WHY"), [("cart", "healthy", ""), ("database", "sick", "gone")]
    )

    assert data.getvalue() == (
        "  NAME      STATUS   WHY\n● cart      healthy\n✗ database  sick     gone\n"
    )


def test_a_table_may_be_empty() -> None:
    data = io.StringIO()

    Out(data=data).table(("A", "B"), [])

    assert data.getvalue() == "A  B\n"


def test_colours_are_for_terminals_that_want_them() -> None:
    def painted(environ: dict[str, str], stream: io.StringIO) -> str:
        return Out(data=stream, environ=environ).paint("x", "red")

    assert painted({}, Terminal()) == "\x1b[31mx\x1b[0m"
    assert painted({"NO_COLOR": "1"}, Terminal()) == "x"
    assert painted({"TERM": "dumb"}, Terminal()) == "x"
    assert painted({}, io.StringIO()) == "x"


def test_data_is_one_document_or_a_line_per_item() -> None:
    one, many = io.StringIO(), io.StringIO()

    Out("json", data=one).show([{"a": 1}, {"a": 2}])
    Out("jsonl", data=many).show([{"a": 1}, {"a": 2}])

    assert one.getvalue() == '[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n'
    assert many.getvalue() == '{"a":1}\n{"a":2}\n'
