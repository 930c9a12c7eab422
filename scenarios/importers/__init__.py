"""Recordings of what other programs have measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from typing import NoReturn

from msgspec import Struct, structs

from ...errors import ConfigError, Problem
from ..recording import SCHEMA, Header, Label, RecordingWriter, Row, WriterConfig
from .names import TARGET_LABELS, Names
from .order import in_order
from .otlp import read_otlp
from .prometheus import read_openmetrics, read_prometheus
from .source import PROBLEMS_KEPT, Point, Source
from .tables import nab_labels, read_csv

__all__ = [
    "IMPORTERS",
    "PROBLEMS_KEPT",
    "TARGET_LABELS",
    "Imported",
    "Importer",
    "Names",
    "Point",
    "Source",
    "import_recording",
]

Importer = Callable[[Source, Names], Iterator[Point]]
"""Reads points of a file; what it cannot read it tells the source, and goes on."""

IMPORTERS: Mapping[str, Importer] = {
    "csv": read_csv,
    "nab": read_csv,
    "prometheus": read_prometheus,
    "openmetrics": read_openmetrics,
    "otlp": read_otlp,
}


class Imported(Struct, frozen=True, kw_only=True):
    """What came of an import.

    Attributes:
        file: what was read.
        recording: what was written.
        rows: how many were written.
        samples: how many values are in them.
        labels: how many labels were written.
        start_utc: wall time of the first row, where the clock of the recording is 0.
        lasted_s: from the first row to the last.
        skipped: lines that could not be read.
        ignored: values that no metric is made of.
        doubled: values that another one of the same time, target and metric has replaced.
    """

    file: str
    recording: str
    rows: int
    samples: int
    labels: int
    start_utc: float
    lasted_s: float
    skipped: int
    ignored: int
    doubled: int


def import_recording(
    form: str,
    source: Source,
    recording: str | os.PathLike[str],
    *,
    names: Names = Names(),  # noqa: B008  It is frozen.
    windows: str | os.PathLike[str] | None = None,
    version: str = "",
) -> Imported:
    """Make a recording of a foreign file, row by row, in the order of time.

    Args:
        form: one of `IMPORTERS`.
        source: the file; afterwards it knows which lines could not be read.
        recording: where to; what is there already is set aside.
        names: how foreign names become ours.
        windows: for ``nab``: path of its labels.
        version: of this program, for the header.

    Raises:
        ConfigError: nothing in the file could be read; no recording was begun.
        RecordingError: the recording cannot be written.
    """
    labels = nab_labels(source, windows, names) if windows is not None else []
    points = in_order(IMPORTERS[form](source, names))
    first = next(points, None)
    if first is None:
        _refuse(form, source)
    rows = _Rows(first[0])
    header = Header(
        schema=SCHEMA, mendel=version, source=f"{form} {source.name}", start_utc=rows.start_utc
    )
    with RecordingWriter(recording, header, WriterConfig(file_bytes_max=None)) as writer:
        writer.write(_shifted(labels, rows.start_utc))
        writer.write(rows.of(first, points))
    return _report(source, recording, rows, len(labels))


def _report(
    source: Source, recording: str | os.PathLike[str], rows: _Rows, labels: int
) -> Imported:
    return Imported(
        file=source.name,
        recording=os.fspath(recording),
        rows=rows.count,
        samples=rows.samples,
        labels=labels,
        start_utc=rows.start_utc,
        lasted_s=rows.last_s,
        skipped=source.skipped,
        ignored=source.ignored,
        doubled=rows.doubled,
    )


def _refuse(form: str, source: Source) -> NoReturn:
    known = ", ".join(IMPORTERS)
    problems = source.problems or [
        Problem("MD162", "there are no samples in it", source=source.name)
    ]
    raise ConfigError(
        f"{source.name}: nothing in it can be read as {form}; formats: {known}", problems
    )


def _shifted(labels: Iterable[Label], start_utc: float) -> list[Label]:
    return [
        structs.replace(
            each,
            at_s=_since(each.at_s, start_utc),
            until_s=_since(each.until_s, start_utc),
        )
        for each in labels
    ]


def _since(at_utc: float, start_utc: float) -> float:
    return round(at_utc - start_utc, 6)  # Wall times have no more digits than that.


class _Rows:
    """Puts the values of one target at one moment into one row."""

    def __init__(self, start_utc: float) -> None:
        self.count = 0
        self.samples = 0
        self.doubled = 0
        self.last_s = 0.0
        self.start_utc = start_utc

    def of(self, first: Point, others: Iterator[Point]) -> Iterator[Row]:
        moments = groupby(chain((first,), others), key=itemgetter(0, 1))
        for (at_utc, target), points in moments:
            metrics: dict[str, float] = {}
            values = 0
            for _, _, metric, value in points:
                metrics[metric] = value
                values += 1
            self.count += 1
            self.samples += len(metrics)
            self.doubled += values - len(metrics)
            self.last_s = _since(at_utc, self.start_utc)
            yield Row(self.last_s, target, metrics)
