"""CSV: wide (a column per metric), long (a line per value), and that of the NAB corpus."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ...errors import ConfigError, Problem
from ..recording import Label
from .names import Names
from .source import Point, Source, parse_time

TIME_COLUMNS = ("time", "timestamp", "ts", "date", "datetime", "t", "_time")
TARGET_COLUMNS = ("target", "component", "service", "app", "host", "instance")
METRIC_COLUMNS = ("metric", "metric_name", "name", "series", "__name__")
VALUE_COLUMNS = ("value", "val", "v", "_value")

_Windows = dict[str, list[tuple[str, str]]]


class _Columns:
    """What the columns of a table are, by its first line."""

    def __init__(self, header: Sequence[str], names: Names, stem: str) -> None:
        lower = [each.strip().lower() for each in header]
        self.time = _find(lower, TIME_COLUMNS, otherwise=0)
        self.target = _find(lower, TARGET_COLUMNS)
        self.metric = _find(lower, METRIC_COLUMNS)
        self.value = _find(lower, VALUE_COLUMNS)
        self.width = len(header)
        self.is_long = self.metric >= 0 and self.value >= 0
        self.stem = stem
        special = {self.time, self.target}
        self.metrics = {
            index: self._split(title.strip(), names)
            for index, title in enumerate(header)
            if index not in special and title.strip()
        }

    def _split(self, title: str, names: Names) -> tuple[str, str, float]:
        """Target (empty unless the title tells), metric and factor of a column."""
        target = ""
        if title not in names.metrics and self.target < 0 and not names.target:
            for separator in (":", "."):
                before, found, after = title.partition(separator)
                if found and before and after:
                    target, title = names.target_of({}, before), after
                    break
        return target, *names.metric_of(title)


def _find(titles: Sequence[str], known: Sequence[str], otherwise: int = -1) -> int:
    return next((titles.index(each) for each in known if each in titles), otherwise)


def read_csv(source: Source, names: Names) -> Iterator[Point]:
    """Points of a CSV file, wide or long by its first line, which names its columns.

    Raises:
        ConfigError: the file cannot be read at all, or its columns have no names.
    """
    rows = _rows(source)
    number, header = next(rows, (0, []))
    if len(header) < 2 or all(_is_number(each) for each in header):
        problem = Problem(
            "MD161",
            "the first line does not name columns",
            source=source.name,
            line=number,
            excerpt=",".join(header)[:80],
            suggestion="such as time,latency_s,ok or time,component,metric,value",
        )
        raise ConfigError(f"{source.name}: it has no header", [problem])
    columns = _Columns(header, names, source.stem)
    points = _long if columns.is_long else _wide
    for number, row in rows:
        if not row:
            continue
        if len(row) != columns.width:
            message = f"expected {columns.width} columns, found {len(row)}"
            source.skip(number, ",".join(row), message)
            continue
        try:
            found = list(points(row, columns, names))
        except ValueError as error:
            source.skip(number, ",".join(row), str(error))
            continue
        for point in found:
            if math.isfinite(point[3]):
                yield point
            else:
                source.ignored += 1


def _rows(source: Source) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text for _, text in source.lines())
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            source.skip(source.line, "", str(error))
            continue
        yield source.line, row


def _wide(row: Sequence[str], columns: _Columns, names: Names) -> Iterator[Point]:
    at_utc = _time(row[columns.time])
    named = names.target_of({}, row[columns.target] if columns.target >= 0 else columns.stem)
    for index, (target, metric, factor) in columns.metrics.items():
        if cell := row[index].strip():
            yield at_utc, target or named, metric, _number(cell) * factor


def _long(row: Sequence[str], columns: _Columns, names: Names) -> Iterator[Point]:
    at_utc = _time(row[columns.time])
    target = names.target_of({}, row[columns.target] if columns.target >= 0 else columns.stem)
    metric, factor = names.metric_of(row[columns.metric].strip())
    if cell := row[columns.value].strip():
        yield at_utc, target, metric, _number(cell) * factor


def _time(cell: str) -> float:
    try:
        return parse_time(cell)
    except (ValueError, OverflowError):
        raise ValueError(f"`{cell}` is not a time") from None


def _number(cell: str) -> float:
    words = {"true": 1.0, "false": 0.0, "null": math.nan, "none": math.nan, "na": math.nan}
    try:
        return words[cell.lower()] if cell.lower() in words else float(cell)
    except ValueError:
        raise ValueError(f"`{cell}` is not a number") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def nab_labels(source: Source, windows: str | os.PathLike[str], names: Names) -> list[Label]:
    """Windows in which a file of NAB is not as it should be; their times are wall times.

    Args:
        source: the file of values.
        windows: path of ``combined_windows.json``.
        names: as for the values.

    Raises:
        ConfigError: the windows cannot be read, or there are none of this file.

    Source:
        Lavin and Ahmad, ICMLA 2015, https://github.com/numenta/NAB.
    """
    try:
        found = msgspec.json.decode(Path(windows).read_bytes(), type=_Windows)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{windows}: no windows of NAB: {error}") from error
    name = Path(source.name).name
    key = next((key for key in found if Path(key).name == name), None)
    if key is None:
        raise ConfigError(f"{windows}: it has no windows for {name}")
    target = names.target_of({}, source.stem)
    metric, _ = names.metric_of("value")
    return [
        Label(
            at_s=parse_time(begin),
            until_s=parse_time(end),
            target=target,
            name="anomaly",
            metric=metric,
        )
        for begin, end in found[key]
    ]
