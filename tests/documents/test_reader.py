from __future__ import annotations

import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from mendel.documents.document import Document
from mendel.documents.reader import read
from mendel.errors import ConfigError
from msgspec import Meta, Struct


class Inner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError(f"low={self.low:g} exceeds high={self.high:g}")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(Struct, frozen=True, tag="cat"):
    lives: int = 9


class Dog(Struct, frozen=True, tag="dog"):
    name: str


class Everything(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=2, max_length=8)] = "text"
    word: Annotated[str, Meta(pattern="^[a-z]+$")] = "word"
    count: Annotated[int, Meta(ge=1, lt=10)] = 1
    share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    flag: bool = False
    wait_s: float = 1.0
    wait_s_max: float | None = None
    size_bytes: int = 1
    waits_s: tuple[float, ...] = ()
    choice: Literal["on", "off"] = "on"
    colour: Colour = Colour.RED
    way: bool | str | None = None
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    table: dict[str, Inner] = {}
    pair: tuple[int, str] = (0, "")
    names: frozenset[str] = frozenset()
    items: list[int] = []
    free: dict[str, Any] = {}
    day: datetime.date | None = None
    pet: Cat | Dog | None = None
    format: Annotated[str, Meta(extra_json_schema={"format": "even"})] = ""


def even(text: str) -> tuple[str, str, str] | None:
    return None if len(text) % 2 == 0 else ("X1", "is odd", "make it even")


def problems_of(text: str, *, kind: type[Struct] = Everything) -> list[tuple[str, str, int]]:
    value, problems = read(kind, Document(text, "file"), formats={"even": even})
    assert (value is None) == bool(problems)
    return [(each.code, each.place, each.line) for each in problems]


def value_of(text: str) -> Everything:
    value, problems = read(Everything, Document(text, "file"), formats={"even": even})
    assert [str(problem) for problem in problems] == []
    assert value is not None
    return value


def test_all_that_msgspec_knows_can_be_read() -> None:
    value = value_of("""
        text = "abc"
        count = 3
        share = 1
        flag = true
        wait = "800ms"
        wait_max = "1m"
        size_bytes = "1.5kB"
        waits = ["1s", 2, "3s"]
        choice = "off"
        colour = "blue"
        way = "file"
        inner = { high = 2 }
        inners = [{ low = 1 }, {}]
        table.a = { low = -1.5 }
        pair = [1, "x"]
        names = ["a", "a"]
        items = [1, 2]
        free = { a = [1, { b = "x" }] }
        day = 2024-02-29
        pet = { type = "dog", name = "Rex" }
        format = "ab"
    """)

    assert value == Everything(
        text="abc",
        count=3,
        share=1.0,
        flag=True,
        wait_s=0.8,
        wait_s_max=60.0,
        size_bytes=1500,
        waits_s=(1.0, 2.0, 3.0),
        choice="off",
        colour=Colour.BLUE,
        way="file",
        inner=Inner(high=2.0),
        inners=(Inner(low=1.0), Inner()),
        table={"a": Inner(low=-1.5)},
        pair=(1, "x"),
        names=frozenset({"a"}),
        items=[1, 2],
        free={"a": [1, {"b": "x"}]},
        day=datetime.date(2024, 2, 29),
        pet=Dog(name="Rex"),
        format="ab",
    )
    assert isinstance(value.share, float)


def test_what_is_not_said_has_its_default() -> None:
    assert value_of("") == Everything()


@pytest.mark.parametrize(
    ("line", "code", "message", "suggestion"),
    [
        ("txet = 1", "MD101", "unknown field `txet`", "did you mean `text`?"),
        ("wiat = 1", "MD101", "unknown field `wiat`", "did you mean `wait`?"),
        ("wiat_s = 1", "MD101", "unknown field `wiat_s`", "did you mean `wait_s`?"),
        ("inner = { x = 1 }", "MD101", "unknown field `x`", "known here: low, high"),
        ("text = 3", "MD102", "expected a text, found 3", 'put it in quotes: "3"'),
        ("text = true", "MD102", "expected a text, found true", 'put it in quotes: "true"'),
        ('flag = "yes"', "MD102", 'expected true or false, found "yes"', "write it without quotes"),
        ("flag = 1", "MD102", "expected true or false, found 1", ""),
        ("count = true", "MD102", "expected a number, found true", ""),
        ('count = "3"', "MD102", 'expected a number, found "3"', "write it without quotes"),
        ("count = 1.5", "MD102", "expected a whole number, found 1.5", ""),
        ("inner = 3", "MD102", "expected a table, found 3", ""),
        (
            "choice = 0x" + "f" * 100,
            "MD105",
            "0x" + "f" * 58 + "... is not one of the choices",
            "allowed: off, on",
        ),
        ('names = "a b"', "MD102", 'expected a list, found "a b"', 'write a list: ["a", "b"]'),
        (
            "inners = { low = 1 }",
            "MD102",
            "expected a list, found a table",
            "for several of a kind use [[double brackets]] or a list of tables",
        ),
        ("way = 3", "MD102", "expected true or false or a text, found 3", 'put it in quotes: "3"'),
        ("count = 10", "MD103", "10 is out of range", "must be >= 1 and < 10"),
        ("share = 0", "MD103", "0 is out of range", "must be > 0 and <= 1"),
        ("wait_s = inf", "MD103", "inf is out of range", "must be up to 1e18"),
        ("wait = nan", "MD103", "nan is out of range", "must be up to 1e18"),
        ("wait = 0x" + "f" * 100, "MD103", "the number is out of range", "must be up to 1e18"),
        ("items = [-1e20]", "MD103", "the number is out of range", "must be up to 1e18"),
        ('text = "x"', "MD103", "needs at least 2 characters", ""),
        ('text = "too long a text"', "MD103", "needs at most 8 characters", ""),
        ("pair = [1]", "MD103", "expected 2 items", ""),
        ('choice = "of"', "MD105", '"of" is not one of the choices', "did you mean `off`?"),
        ('colour = "x"', "MD105", '"x" is not one of the choices', "allowed: blue, red"),
        (
            'wait = "2x"',
            "MD106",
            '"2x" is not a duration',
            'expected a duration such as "800ms", "2s", "1m30s" or "1h", or a number of seconds',
        ),
        (
            "wait = [1]",
            "MD102",
            'expected a duration such as "800ms", "2s", "1m30s" or "1h", or a number of seconds, '
            "found a list",
            "",
        ),
        (
            'size = "2 mb"',
            "MD106",
            '"2 mb" is not a size',
            'expected a size such as "64MB" or "1.5GiB", or a number of bytes',
        ),
        ('word = "A b"', "MD107", '"A b" is not of the right form', "must match ^[a-z]+$"),
        ("inner = { low = 3 }", "MD109", "low=3 exceeds high=1", ""),
        ('day = "x"', "MD102", "Invalid RFC3339 encoded date", ""),
        ('format = "abc"', "X1", "is odd", "make it even"),
    ],
)
def test_each_mistake_says_what_was_found_and_what_would_be_right(
    line: str, code: str, message: str, suggestion: str
) -> None:
    _, [problem] = read(Everything, Document(f"\n{line}", "f.toml"), formats={"even": even})

    assert (problem.code, problem.message, problem.suggestion) == (code, message, suggestion)
    assert (problem.source, problem.line, problem.excerpt) == ("f.toml", 2, line)


def test_one_field_in_two_spellings_is_refused() -> None:
    _, [problem] = read(Everything, Document('wait = "1s"\nwait_s = 1', "file"))

    assert str(problem) == (
        "error[MD108]: `wait` and `wait_s` are the same field\n"
        "  --> file:2  (wait_s)\n"
        "   2| wait_s = 1\n"
        "    | help: keep one of them (`wait`)"
    )


def test_a_broken_field_does_not_hide_its_neighbours() -> None:
    text = """
count = 0
flag = 1
[inner]
low = "a"
hihg = 1
[[inners]]
[[inners]]
low = 3
[table.x]
low = []
"""

    assert problems_of(text) == [
        ("MD103", "count", 2),
        ("MD102", "flag", 3),
        ("MD102", "inner.low", 5),
        ("MD101", "inner.hihg", 6),
        ("MD109", "inners[1]", 8),
        ("MD102", "table.x.low", 11),
    ]


class Needy(Struct, frozen=True, kw_only=True):
    name: str
    every_s: float


def test_missing_fields_are_all_told_at_their_table() -> None:
    assert problems_of("", kind=Needy) == [("MD104", "", 0), ("MD104", "", 0)]


def test_a_misspelled_field_is_not_told_as_missing_too() -> None:
    assert problems_of('nmae = "x"\nevry = "1s"', kind=Needy) == [
        ("MD101", "nmae", 1),
        ("MD101", "evry", 2),
    ]


def test_a_tagged_table_of_an_unknown_tag_is_refused() -> None:
    assert problems_of('pet = { type = "fish" }') == [("MD102", "pet", 1)]


class Metrics(Struct, frozen=True, kw_only=True):
    bands: dict[str, Band] = {}


class Band(Struct, frozen=True, kw_only=True):
    above: float | None = None
    share: Annotated[float, Meta(ge=0, le=1)] = 0.0


def test_a_plain_quantity_has_the_unit_of_the_metric_it_is_about() -> None:
    text = 'bands.latency_s = { above = "300ms" }\nbands.memory_bytes.above = "1MB"'

    value, problems = read(Metrics, Document(text, "file"))

    assert problems == []
    assert value == Metrics(
        bands={"latency_s": Band(above=0.3), "memory_bytes": Band(above=1_000_000.0)}
    )


def test_a_bounded_number_in_it_has_no_unit() -> None:
    assert problems_of('bands.latency_s = { share = "3s" }', kind=Metrics) == [
        ("MD102", "bands.latency_s.share", 1)
    ]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("count", "3", Everything(count=3)),
        ("text", "3.5", Everything(text="3.5")),
        ("text", "true", Everything(text="true")),
        ("text", '"a b"', Everything(text="a b")),
        ("text", "a = b", Everything(text="a = b")),
        ("way", "true", Everything(way=True)),
        ("way", "file", Everything(way="file")),
        ("wait", "2s", Everything(wait_s=2.0)),
        ("wait_s", "2", Everything(wait_s=2.0)),
        ("choice", "off", Everything(choice="off")),
        ("names", '["a"]', Everything(names=frozenset({"a"}))),
        ("inner.high", "5", Everything(inner=Inner(high=5.0))),
        ("free.a.b", "x", Everything(free={"a": {"b": "x"}})),
        ("free.a", "[1]", Everything(free={"a": [1]})),
        ("inner", "{ high = 5 }", Everything(inner=Inner(high=5.0))),
    ],
)
def test_an_override_means_what_its_field_can_take(key: str, text: str, value: Everything) -> None:
    document = Document("", "file")
    document.override(key.split("."), text, f"--set {key}={text}")

    assert read(Everything, document) == (value, [])


def test_a_type_without_a_form_in_toml_is_the_programmers_mistake() -> None:
    class Odd(Struct):
        raw: memoryview = memoryview(b"")

    with pytest.raises(TypeError, match="has no form in a configuration file"):
        read(Odd, Document("raw = 1", "file"))
