"""On which line of a TOML text each of its values stands.

The standard parser gives values without positions, and a message without a line is a search. So
the text is read twice: `tomllib` decides whether it is valid and what it means, and this scanner
walks over the same, now known to be valid, text and notes lines only. It checks nothing, which is
what keeps it small. The alternative, a style-preserving parser as a dependency, was turned down:
it is ten times the code and has its own ideas of what is valid.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any

Path = tuple[str | int, ...]
"""Way to a value: keys of tables and indexes of arrays."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
# Up to two quotes may stand directly before the three that end a multi-line text.
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?""""{0,2}'
    r"|'''.*?''''{0,2}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}\n#]+")


def find_places(text: str) -> dict[Path, int]:
    r"""Line of every table, array item and value of a TOML text that `tomllib` accepts.

    Args:
        text: the whole text, with ``\n`` or ``\r\n`` line ends.

    Returns:
        1-based line by path. A value has the line of its key, an array item the line where it
        begins, a table the line of its own header or, without one, of its first mention.

    Example:
        >>> find_places("[web]\nport = 8765\n")
        {('web',): 1, ('web', 'port'): 2}
    """
    return _Scanner(text).scan()


def parse_key(key: str) -> tuple[str, ...]:
    """Parts of a dotted key as TOML reads it, quoted parts included.

    Raises:
        tomllib.TOMLDecodeError: it is not a key.
    """
    if '"' not in key and "'" not in key and _KEY.fullmatch(key):
        return tuple(part.strip() for part in key.split("."))
    table: Any = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(table, dict):
        [(part, table)] = table.items()
        parts.append(part)
    return tuple(parts)


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._places: dict[Path, int] = {}
        self._lengths: dict[Path, int] = {}  # Of arrays of tables, so far.

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_blank()
        return self._places

    def _header(self) -> Path:
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        self._skip_blank()
        *parents, last = self._key()
        path: Path = ()
        for part in parents:
            path = self._enter((*path, part), line)
        path = (*path, last)
        if brackets == 2:
            self._places.setdefault(path, line)
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = (*path, index)
        self._places[path] = line
        self._skip_blank()
        self._at += brackets
        return path

    def _enter(self, path: Path, line: int) -> Path:
        """Go into a table; of an array of tables that is its newest one."""
        self._places.setdefault(path, line)
        length = self._lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path = (*path, part)
            self._places.setdefault(path, line)
        self._skip_blank()
        self._at += 1  # The equals sign.
        self._skip_blank()
        self._value(path)

    def _value(self, path: Path) -> None:
        match self._peek():
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._take(_TEXT)
            case _:
                self._take(_BARE)

    def _array(self, path: Path) -> None:
        self._at += 1
        self._skip_blank()
        index = 0
        while self._peek() != "]":
            item = (*path, index)
            self._places[item] = self._line()
            self._value(item)
            self._skip_comma()
            index += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip_blank()
        while self._peek() != "}":
            self._pair(path)
            self._skip_comma()
        self._at += 1

    def _key(self) -> tuple[str, ...]:
        return parse_key(self._take(_KEY))

    def _skip_comma(self) -> None:
        self._skip_blank()
        if self._peek() == ",":
            self._at += 1
            self._skip_blank()

    def _skip_blank(self) -> None:
        self._take(_BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"not TOML at line {self._line()}, though tomllib accepted it"
        self._at = match.end()
        return match.group()

    def _peek(self) -> str:
        return self._text[self._at]

    def _line(self) -> int:
        return bisect_right(self._line_ends, self._at - 1) + 1
