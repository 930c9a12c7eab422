"""The text formats of Prometheus: exposition, OpenMetrics, and what ``promtool tsdb dump`` writes.

Parsed with one regular expression and a table of the series seen so far: files repeat a few series
for ever, and a parser that takes each label apart each time needs six times as long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial

from msgspec import Struct

from .names import Names
from .source import Point, Rates, Source

_LINE = re.compile(
    r"""\s*(?P<series>[A-Za-z_:][\w:]*\s*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?
        |\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})
        \s*(?P<value>[^\s{}#]+)
        (?:\s+(?P<time>[-+]?[\d.]+(?:[eE][-+]?\d+)?))?
        \s*(?:\#.*)?""",
    re.VERBOSE,
)
_LABEL = re.compile(r"""("(?:[^"\\]|\\.)*"|[\w.:]+)\s*(?:=\s*"((?:[^"\\]|\\.)*)")?""")
_ESCAPED = re.compile(r"\\(.)")
_TYPE = re.compile(r"#\s*TYPE\s+(\S+)\s+(\w+)")
_COUNTING = ("_total", "_count", "_sum")
_SERIES_MAX = 200_000  # Series known at once; more are taken apart anew.


class _Series(Struct, frozen=True):
    """What a series is here.

    Attributes:
        target: whose.
        metric: its name.
        factor: to the unit of the metric.
        counts: whether it only ever counts up.
        ignored: whether no metric is made of it.
    """

    target: str
    metric: str
    factor: float
    counts: bool
    ignored: bool


def _read(source: Source, names: Names, *, ticks_per_s: float) -> Iterator[Point]:
    reader = _Reader(source, names, ticks_per_s)
    for number, line in source.lines():
        if not line or line.startswith("#"):
            reader.note_type(line)
        else:
            point = reader.point(number, line)
            if point is not None:
                yield point


read_prometheus = partial(_read, ticks_per_s=1e3)
"""Samples of the text format and of ``promtool tsdb dump``; times are milliseconds."""

read_openmetrics = partial(_read, ticks_per_s=1.0)
"""Samples of OpenMetrics; times are seconds."""


class _Reader:
    def __init__(self, source: Source, names: Names, ticks_per_s: float) -> None:
        self._source = source
        self._names = names
        self._ticks_per_s = ticks_per_s
        self._known: dict[str, _Series] = {}
        self._types: dict[str, str] = {}
        self._rates = Rates()

    def note_type(self, line: str) -> None:
        found = _TYPE.match(line)
        if found is not None and len(self._types) < _SERIES_MAX:
            self._types[found.group(1)] = found.group(2)

    def point(self, number: int, line: str) -> Point | None:
        match = _LINE.fullmatch(line)
        if match is None:
            help_text = 'such as up{job="api"} 1 1700000000000'
            self._source.skip(number, line, "not a sample", help_text)
            return None
        text, value, time = match.group("series", "value", "time")
        if time is None:
            help_text = "a scrape by itself has no times; take `promtool tsdb dump`"
            self._source.skip(number, line, "the sample has no time", help_text)
            return None
        try:
            return self._measured(text, float(time) / self._ticks_per_s, float(value))
        except ValueError:
            self._source.skip(number, line, f"`{value}` is not a number")
            return None

    def _measured(self, text: str, at_utc: float, value: float) -> Point | None:
        series = self._known.get(text) or self._learn(text)
        if series.ignored or not math.isfinite(value):
            self._source.ignored += 1
            return None
        measured = value * series.factor
        if series.counts:
            rate = self._rates.rate(text, at_utc, measured)
            return None if rate is None else (at_utc, series.target, series.metric, rate)
        return at_utc, series.target, series.metric, measured

    def _learn(self, text: str) -> _Series:
        if len(self._known) >= _SERIES_MAX:
            self._known.clear()
        name, brace, rest = text.partition("{")
        labels = _labels(rest) if brace else {}
        name = name.strip() or labels.pop("__name__", "value")
        counts = name.endswith(_COUNTING) or self._types.get(name) == "counter"
        is_bucket = name.endswith("_bucket") and "le" in labels
        metric, factor = self._names.metric_of(name, labels, counts=counts)
        series = self._known[text] = _Series(
            self._names.target_of(labels, self._source.stem),
            metric,
            factor,
            counts,
            ignored=is_bucket or name.endswith("_created"),
        )
        return series


def _labels(text: str) -> dict[str, str]:
    labels = {}
    for match in _LABEL.finditer(text.rstrip().removesuffix("}")):
        name, value = match.groups()
        name = _unescaped(name[1:-1]) if name.startswith('"') else name
        if value is None:  # A name alone is that of the metric: {"http.requests", job="api"}.
            labels["__name__"] = name
        else:
            labels[name] = _unescaped(value)
    return labels


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
