"""OpenTelemetry metrics as JSON, one export request per line, as its file exporter writes them.

Gauges are taken as they are. Sums that only count up become rates. Of a histogram the mean since
the last point is taken, which is what a detector can watch; its buckets are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .names import Names
from .source import Last, Point, Rates, Source

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

    @property
    def at_utc(self) -> float:
        return int(self.time_unix_nano) / 1e9


class _Data(Struct, rename="camel"):
    data_points: list[_DataPoint] = []
    aggregation_temporality: int | str = 0
    is_monotonic: bool = False

    @property
    def is_cumulative(self) -> bool:
        return self.aggregation_temporality in _CUMULATIVE


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
        self._totals = Last()

    def points(self, request: _Request) -> Iterator[Point]:
        for resource in request.resource_metrics:
            shared = _labels(resource.resource.attributes)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    yield from self._metric(metric, shared)

    def _metric(self, metric: _Metric, shared: Mapping[str, str]) -> Iterator[Point]:
        data = metric.gauge or metric.sum or metric.histogram or metric.exponential_histogram
        if data is None:
            self._source.ignored += 1
            return
        is_histogram = metric.gauge is None and metric.sum is None
        counts = metric.sum is not None and data.is_monotonic
        name = f"{metric.name}_mean" if is_histogram else metric.name
        measure = self._mean if is_histogram else self._rate if counts else _value
        for point in data.data_points:
            labels = _labels(point.attributes)
            # Of the resource only the target is told, but it tells series apart.
            series = (*shared.items(), metric.name, *labels.items())
            target = self._names.target_of({**shared, **labels}, self._source.stem)
            named, factor = self._names.metric_of(name, labels, unit=metric.unit, counts=counts)
            value = measure(series, point, data)
            if value is not None and math.isfinite(value):
                yield point.at_utc, target, named, value * factor

    def _rate(self, series: object, point: _DataPoint, data: _Data) -> float | None:
        value = _value(series, point, data)
        if value is None:
            return None
        if data.is_cumulative:
            return self._rates.rate(series, point.at_utc, value)
        lasted_s = point.at_utc - int(point.start_time_unix_nano) / 1e9
        return value / lasted_s if lasted_s > 0 else None

    def _mean(self, series: object, point: _DataPoint, data: _Data) -> float | None:
        count, total = float(point.count), float(point.sum or 0.0)
        if data.is_cumulative:
            before = self._totals.swap(series, (count, total))
            if before is not None and before[0] <= count:
                count, total = count - before[0], total - before[1]
        return total / count if count else None


def _labels(attributes: Iterable[_Attribute]) -> dict[str, str]:
    return {each.key: each.value.text() for each in attributes}


def _value(_series: object, point: _DataPoint, _data: _Data) -> float | None:
    value = point.as_double if point.as_double is not None else point.as_int
    return float(value) if value is not None else None
