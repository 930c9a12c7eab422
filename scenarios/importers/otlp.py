"""OpenTelemetry metrics as JSON, one export request per line, as its file exporter writes them.

Gauges are taken as they are. Sums that only count up become rates. Of a histogram the mean since
the last point is taken, which is what a detector can watch; its buckets are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .names import Names
from .source import Point, Rates, Source

_CUMULATIVE = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE", "2")


class _Value(Struct, rename="camel"):
    string_value: str | None = None
    int_value: int | str | None = None
    double_value: float | None = None
    bool_value: bool | None = None

    def text(self) -> str:
        """The value as a word; empty for lists and tables."""
        for value in (self.string_value, self.int_value, self.double_value, self.bool_value):
            if value is not None:
                return str(value).lower() if isinstance(value, bool) else str(value)
        return ""


class _Attribute(Struct):
    key: str
    value: _Value = msgspec.field(default_factory=_Value)


class _DataPoint(Struct, rename="camel"):
    time_unix_nano: int | str
    start_time_unix_nano: int | str = 0
    attributes: list[_Attribute] = []
    as_double: float | str | None = None
    as_int: int | str | None = None
    count: int | str = 0
    sum: float | str | None = None


class _Data(Struct, rename="camel"):
    data_points: list[_DataPoint] = []
    aggregation_temporality: int | str = 0
    is_monotonic: bool = False


class _Metric(Struct, rename="camel"):
    name: str
    unit: str = ""
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: Any = None


class _Scope(Struct):
    metrics: list[_Metric] = []


class _Resource(Struct):
    attributes: list[_Attribute] = []


class _ResourceMetrics(Struct, rename="camel"):
    resource: _Resource = msgspec.field(default_factory=_Resource)
    scope_metrics: list[_Scope] = []


class _Request(Struct, rename="camel"):
    resource_metrics: list[_ResourceMetrics]


_decoder = msgspec.json.Decoder(_Request)


def read_otlp(source: Source, names: Names) -> Iterator[Point]:
    """Points of a file of export requests in JSON.

    Raises:
        ConfigError: the file cannot be read at all.
    """
    reader = _Reader(source, names)
    for number, line in source.lines():
        if not line.strip():
            continue
        try:
            points = list(reader.points(_decoder.decode(line)))
        except msgspec.MsgspecError as error:
            help_text = 'such as {"resourceMetrics":[{"resource":{...},"scopeMetrics":[...]}]}'
            source.skip(number, line, f"not an export of metrics: {error}", help_text)
        except ValueError as error:
            source.skip(number, line, f"a data point cannot be read: {error}")
        else:
            yield from points


class _Reader:
    def __init__(self, source: Source, names: Names) -> None:
        self._source = source
        self._names = names
        self._rates = Rates()
        self._totals: dict[object, tuple[float, float]] = {}

    def points(self, request: _Request) -> Iterator[Point]:
        for resource in request.resource_metrics:
            shared = {each.key: each.value.text() for each in resource.resource.attributes}
            target_labels = {
                key: value for key, value in shared.items() if key in self._identifying
            }
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    yield from self._metric(metric, target_labels)

    @property
    def _identifying(self) -> tuple[str, ...]:
        return (*self._names.target_labels, self._names.replica_label)

    def _metric(self, metric: _Metric, shared: Mapping[str, str]) -> Iterator[Point]:
        data = metric.gauge or metric.sum or metric.histogram or metric.exponential_histogram
        if data is None:
            self._source.ignored += 1
            return
        is_histogram = metric.gauge is None and metric.sum is None
        counts = metric.sum is not None and data.is_monotonic
        for point in data.data_points:
            labels = {each.key: each.value.text() for each in point.attributes}
            target = self._names.target_of({**shared, **labels}, self._source.stem)
            name = f"{metric.name}_mean" if is_histogram else metric.name
            named, factor = self._names.metric_of(name, labels, unit=metric.unit, counts=counts)
            at_utc = int(point.time_unix_nano) / 1e9
            series = (target, named)
            if is_histogram:
                value = self._mean(series, point, data)
            elif counts:
                value = self._rate(series, at_utc, point, data)
            else:
                value = _number(point)
            if value is not None and math.isfinite(value):
                yield at_utc, target, named, value * factor

    def _rate(self, series: object, at_utc: float, point: _DataPoint, data: _Data) -> float | None:
        value = _number(point)
        if value is None:
            return None
        if data.aggregation_temporality in _CUMULATIVE:
            return self._rates.rate(series, at_utc, value)
        lasted_s = at_utc - int(point.start_time_unix_nano) / 1e9
        return value / lasted_s if lasted_s > 0 else None

    def _mean(self, series: object, point: _DataPoint, data: _Data) -> float | None:
        count, total = float(point.count), float(point.sum or 0.0)
        if data.aggregation_temporality in _CUMULATIVE:
            before = self._totals.get(series, (0.0, 0.0))
            self._totals[series] = (count, total)
            if before[0] <= count:
                count, total = count - before[0], total - before[1]
        return total / count if count else None


def _number(point: _DataPoint) -> float | None:
    value = point.as_double if point.as_double is not None else point.as_int
    return float(value) if value is not None else None
