"""How commands speak: data on stdout in the form that was asked for, all else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TextIO

import msgspec
from cyclopts import Parameter
from msgspec import Struct

Form = Literal["text", "json", "jsonl"]

_COLOURS: Mapping[str, str] = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}

# Glyph and colour of a state; the word stands beside it, for those who see no colours.
MARKS: Mapping[str, tuple[str, str]] = {
    "healthy": ("●", "green"),
    "suspect": ("◐", "yellow"),
    "sick": ("✗", "red"),
    "unknown": ("?", "dim"),
    "ok": ("●", "green"),
    "warn": ("◐", "yellow"),
    "fail": ("✗", "red"),
}


class Out:
    """What one command says.

    Args:
        form: of the data.
        data: where data goes.
        notes: where everything else goes.
        environ: asked for ``NO_COLOR`` and ``TERM``.
    """

    def __init__(
        self,
        form: Form = "text",
        *,
        data: TextIO | None = None,
        notes: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.form = form
        self._data = data or sys.stdout
        self._notes = notes or sys.stderr
        self._environ = os.environ if environ is None else environ

    @property
    def is_text(self) -> bool:
        """Whether people read it."""
        return self.form == "text"

    def show(self, value: Any) -> None:
        """Write data for programs: one document, or with ``jsonl`` one line per item of a list."""
        if self.form == "json":
            document = msgspec.json.format(msgspec.json.encode(value), indent=2)
            self._print(self._data, document.decode())
            return
        for item in value if isinstance(value, list | tuple) else [value]:
            self._print(self._data, msgspec.json.encode(item).decode())

    def line(self, text: str = "") -> None:
        """Write a line of text as data."""
        self._print(self._data, text)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write aligned columns.

        A header that is indented leaves a margin, in which a row with a known state has its mark.
        """
        cells = [list(row) for row in rows]
        margin = " " * (len(header[0]) - len(header[0].lstrip()))
        titles = [header[0].lstrip(), *header[1:]]
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        self.line(self.paint(margin + _aligned(titles, widths), "dim"))
        for row in cells:
            self.line(self._row(row, widths, margin))

    def _row(self, row: Sequence[str], widths: Sequence[int], margin: str) -> str:
        text = _aligned(row, widths)
        word = next((each for each in row if margin and each in MARKS), None)
        if word is None:
            return margin + text
        mark, colour = MARKS[word]
        text = text.replace(word, self.paint(word, colour, self._data), 1)
        return f"{self.paint(mark, colour, self._data)} {text}"

    def note(self, text: str) -> None:
        """Write something that is not data: progress, hints, errors."""
        self._print(self._notes, text)

    def error(self, text: str) -> None:
        """Write an error; what stands before its first colon is what to see first."""
        head, colon, rest = text.partition(":")
        self.note(self.paint(head, "red", self._notes) + colon + rest)

    def paint(self, text: str, colour: str, stream: TextIO | None = None) -> str:
        """Text in a colour, where the stream is a terminal that wants one."""
        stream = stream or self._data
        plain = self._environ.get("NO_COLOR") or self._environ.get("TERM") == "dumb"
        if plain or not stream.isatty():
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"

    def _print(self, stream: TextIO, text: str) -> None:
        # Flushed, because whoever reads a pipe wants to see it when it happens.
        print(text, file=stream, flush=True)


Printer = Annotated[Out, Parameter(parse=False)]
"""Parameter of a command that gets what it speaks through; never given on the command line."""


PLAIN = Parameter(negative=())
"""Options of ours are off unless given; ``--no-...`` would only be noise in the help."""


class Done(Struct, frozen=True):
    """Answer of a command that has nothing else to tell: what was done, in words."""

    done: str


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()
