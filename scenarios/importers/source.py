"""Lines of foreign files, and what is said about those that cannot be read."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from ...errors import ConfigError, Problem

Point = tuple[float, str, str, float]
"""Wall time in seconds, target, metric, value."""

PROBLEMS_KEPT = 20
LINE_BYTES_MAX = 16_000_000
_EXCERPT = 80
_GZIP = b"\x1f\x8b"
STDIN = "-"


class Source:
    """A file that is being read, and everything that is wrong with it.

    Args:
        path: the file, compressed with gzip or not; ``-`` for standard input.

    Attributes:
        name: what to call it in messages.
        stem: its name without folder and suffixes, which may name what was measured.
        line: number of the line that was read last.
        skipped: lines that could not be read.
        ignored: values that no metric is made of (buckets of histograms, gaps).
        problems: the first `PROBLEMS_KEPT` of the lines that could not be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.name = os.fspath(path)
        self.stem = "stdin" if self.name == STDIN else Path(self.name).name.split(".")[0]
        self.line = 0
        self.skipped = 0
        self.ignored = 0
        self.problems: list[Problem] = []

    def lines(self) -> Iterator[tuple[int, str]]:
        """Number and text of each line, without its end.

        Raises:
            ConfigError: the file cannot be read at all.
        """
        with self._open() as file:
            number = 0
            while line := self._next_line(file, number + 1):
                number += 1
                self.line = number
                try:
                    yield (
                        number,
                        line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"),
                    )
                except UnicodeDecodeError as error:
                    self.skip(number, repr(line)[2:-1], f"byte {error.start + 1} is not UTF-8")

    def skip(self, line: int, excerpt: str, message: str, suggestion: str = "") -> None:
        """Leave out a line that cannot be read."""
        self.skipped += 1
        if len(self.problems) < PROBLEMS_KEPT:
            short = excerpt if len(excerpt) <= _EXCERPT else excerpt[:_EXCERPT] + "..."
            problem = Problem(
                "MD160",
                message,
                source=self.name,
                line=line,
                excerpt=short,
                suggestion=suggestion,
            )
            self.problems.append(problem)

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        if self.name == STDIN:
            yield sys.stdin.buffer
            return
        try:
            with Path(self.path).open("rb") as file:
                if file.peek(2)[:2] == _GZIP:
                    with gzip.open(file) as inflated:
                        yield cast("IO[bytes]", inflated)
                else:
                    yield file
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            problem = Problem("MD150", f"cannot read it: {reason}", source=self.name)
            raise ConfigError(f"{self.name}: {reason}", [problem]) from error

    def _next_line(self, file: IO[bytes], number: int) -> bytes:
        try:
            line = file.readline(LINE_BYTES_MAX)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.skip(number, "", f"the compressed file is damaged from here on: {error}")
            return b""
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            self.skip(number, "", f"the line is longer than {LINE_BYTES_MAX:,} bytes")
            return b""
        return line


def parse_time(text: str) -> float:
    """Seconds since the epoch.

    Numbers are seconds, or milli-, micro- or nanoseconds when they are too large for that; texts
    are those of ISO 8601, in UTC unless they name a zone.

    Raises:
        ValueError: it is neither.

    Example:
        >>> parse_time("1700000000.5"), parse_time("1700000000500")
        (1700000000.5, 1700000000.5)
        >>> parse_time("2023-11-14 22:13:20")
        1700000000.0
    """
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    for limit, factor in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6)):
        if abs(number) < limit:
            return number / factor
    return number / 1e9


class Last:
    """What a series was before, for as many series as there is room for.

    Args:
        series_max: how many are known; beyond it the one not heard of for longest is forgotten.
    """

    def __init__(self, series_max: int = 1_000_000) -> None:
        self._known: dict[object, tuple[float, float]] = {}
        self._series_max = series_max

    def swap(self, series: object, now: tuple[float, float]) -> tuple[float, float] | None:
        """What the series was, and from now on it is this."""
        before = self._known.pop(series, None)
        self._known[series] = now
        if len(self._known) > self._series_max:
            del self._known[next(iter(self._known))]
        return before


class Rates:
    """Turns values that only count up into rates per second."""

    def __init__(self) -> None:
        self._last = Last()

    def rate(self, series: object, at_utc: float, value: float) -> float | None:
        """Increase per second since the last value; ``None`` for the first one.

        A value below the last one means that whoever counts has started anew.
        """
        before = self._last.swap(series, (at_utc, value))
        if before is None or at_utc <= before[0]:
            return None
        grown = value - before[1] if value >= before[1] else value
        return grown / (at_utc - before[0])
