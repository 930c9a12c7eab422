from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.documents.places import Path, find_places, parse_key

KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.text(min_size=0, max_size=5).filter(lambda key: key.isprintable()),
    st.sampled_from(['a"b', "a.b", "it's", "#", "[x]", "=", "a b", "a\\b"]),
)
T = TypeVar("T")
NOISE = st.sampled_from(["", "", "\n", "# [not.a] table = 1\n", "  \t\n# ' \" {\n"])
TREES = st.recursive(
    st.just(0),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=4),
        st.lists(st.dictionaries(KEYS, inner, max_size=2), min_size=1, max_size=3),
    ),
    max_leaves=12,
)


class Writer:
    """Writes a tree as TOML in whatever style is drawn; every leaf holds its own marker."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.count = itertools.count(1)

    def choose(self, *choices: T) -> T:
        return self.data.draw(st.sampled_from(choices))

    def key(self, key: str) -> str:
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
        quoted = json.dumps(key, ensure_ascii=self.data.draw(st.booleans())).replace(
            "\x7f", "\\u007f"
        )
        if any(ord(char) >= 0xD800 or ord(char) > 0x7E for char in key):
            quoted = '"' + "".join(f"\\U{ord(char):08x}" for char in key) + '"'
        literal = f"'{key}'" if "'" not in key and key.isprintable() else quoted
        return self.choose(*([key] if bare else []), quoted, literal)

    def leaf(self) -> str:
        marker = f"<{next(self.count)}>"
        return self.choose(
            f'"{marker}"',
            f"'{marker} # = [ {{'",
            f'"{marker} \\" ] }} # \\\\"',
            f'"""{marker}\nmore = "x" [y]\n\\""" ""\n"""""',
            f"'''{marker}\n'' [z]\n# no comment\n'''''",
        )

    def gap(self) -> str:
        return self.data.draw(NOISE)

    def value(self, node: Any, *, one_line: bool) -> str:
        if isinstance(node, list):
            gaps = [("", "") if one_line else (self.gap(), self.gap()) for _ in [0, *node]]
            items = [
                f"{before}{self.value(each, one_line=one_line)}{after}"
                for each, (before, after) in zip(node, gaps, strict=False)
            ]
            comma = "," if bool(node) and self.data.draw(st.booleans()) else ""
            return f"[{','.join(items)}{comma}{gaps[-1][0]}]"
        if isinstance(node, dict):
            pairs = [f"{self.key(k)} = {self.value(v, one_line=one_line)}" for k, v in node.items()]
            return "{ " + ", ".join(pairs) + " }"
        return self.leaf()

    def table(self, table: dict[str, Any], header: tuple[str, ...]) -> Iterator[str]:
        late = []
        for key, node in table.items():
            tables = (
                node != [] and isinstance(node, list) and all(isinstance(n, dict) for n in node)
            )
            if (isinstance(node, dict) or tables) and self.data.draw(st.booleans()):
                late.append((key, node))
            elif isinstance(node, dict) and node and self.data.draw(st.booleans()):
                for inner, each in node.items():
                    dotted = f"{self.key(key)} . {self.key(inner)}"
                    yield f"{self.gap()}{dotted}={self.value(each, one_line=False)}\n"
            else:
                yield f"{self.gap()}\t{self.key(key)} = {self.value(node, one_line=False)}\n"
        for key, node in late:
            path = (*header, key)
            written = " . ".join(self.key(part) for part in path)
            for each in node if isinstance(node, list) else [node]:
                brackets = ("[[", "]]") if isinstance(node, list) else ("[ ", "]")
                yield f"{self.gap()}{brackets[0]}{written}{brackets[1]} # {{\n"
                yield from self.table(each, path)


def paths_of(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, node
    if isinstance(node, dict):
        for key, each in node.items():
            yield from paths_of(each, (*path, key))
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from paths_of(each, (*path, index))


@given(tree=st.dictionaries(KEYS, TREES, max_size=4), data=st.data())
def test_every_value_is_found_on_the_line_where_it_stands(
    tree: dict[str, Any], data: st.DataObject
) -> None:
    text = "".join(Writer(data).table(tree, ()))
    line_of_marker = {
        marker: number
        for number, line in enumerate(text.split("\n"), start=1)
        for marker in re.findall(r"<\d+>", line)
    }

    places = find_places(text)

    found = dict(paths_of(tomllib.loads(text)))
    assert places.keys() == found.keys()
    for path, value in found.items():
        if isinstance(value, str):
            marker = re.match(r"<\d+>", value)
            assert marker
            assert places[path] == line_of_marker[marker.group()], (path, text)


@given(tree=st.dictionaries(KEYS, TREES, max_size=4), data=st.data())
def test_windows_line_ends_change_nothing(tree: dict[str, Any], data: st.DataObject) -> None:
    text = "".join(Writer(data).table(tree, ()))

    assert find_places(text.replace("\n", "\r\n")) == find_places(text)


def test_tables_have_the_line_of_their_own_header() -> None:
    text = """\
[a.b]
x = 1
[a]
y = 2
[[c]]
[c.d]
z = 1979-05-27 07:32:00 # a date with a space
[[c]]
e.f = [
  1, { g = true },

  3.5e+2]
"""

    assert find_places(text) == {
        ("a",): 3,
        ("a", "b"): 1,
        ("a", "b", "x"): 2,
        ("a", "y"): 4,
        ("c",): 5,
        ("c", 0): 5,
        ("c", 0, "d"): 6,
        ("c", 0, "d", "z"): 7,
        ("c", 1): 8,
        ("c", 1, "e"): 9,
        ("c", 1, "e", "f"): 9,
        ("c", 1, "e", "f", 0): 10,
        ("c", 1, "e", "f", 1): 10,
        ("c", 1, "e", "f", 1, "g"): 10,
        ("c", 1, "e", "f", 2): 12,
    }


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("policy.mode", ("policy", "mode")),
        (' a . "b.c" ', ("a", "b.c")),
        ("'x'", ("x",)),
        ("a.0.b", ("a", "0", "b")),
    ],
)
def test_a_key_is_taken_apart_as_toml_does_it(key: str, parts: tuple[str, ...]) -> None:
    assert parse_key(key) == parts


@pytest.mark.parametrize("key", ["", "a..b", "a b", ".a", '"'])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        parse_key(key)
