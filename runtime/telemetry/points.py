"""Metrics of Prometheus as OpenTelemetry has them; pure, but for the time that is now.

Names stay, so that a dashboard does not care which way they came. Counters are monotonic sums since
the start, and buckets are counted each by itself instead of with all that are smaller.

Source:
    https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

_UNITS: Mapping[str, str] = {"_seconds": "s", "_bytes": "By"}
_SINCE_START = AggregationTemporality.CUMULATIVE

Labels = tuple[tuple[str, str], ...]


def metrics_data(families: Iterable[Family], resource: Resource, version: str) -> MetricsData:
    """All that was read at one time.

    Args:
        families: what was read.
        resource: who is told of.
        version: of mendel.
    """
    now_ns = time.time_ns()
    metrics = [_metric(family, now_ns) for family in families if family.samples]
    scope = ScopeMetrics(InstrumentationScope("mendel", version), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Family, now_ns: int) -> Metric:
    unit = next((unit for end, unit in _UNITS.items() if family.name.endswith(end)), "")
    data: Gauge | Histogram | Sum
    match family.type:
        case "histogram":
            data = Histogram(_histograms(family, now_ns), _SINCE_START)
        case "counter":
            data = Sum(_numbers(family, "_total", now_ns), _SINCE_START, is_monotonic=True)
        case _:
            data = Gauge(_numbers(family, "", now_ns))
    return Metric(family.name, family.documentation, unit, data)


def _numbers(family: Family, end: str, now_ns: int) -> list[NumberDataPoint]:
    name, began = f"{family.name}{end}", _began_ns(family)
    return [
        NumberDataPoint(each.labels, began.get(_labels(each), now_ns), now_ns, each.value)
        for each in family.samples
        if each.name == name
    ]


def _histograms(family: Family, now_ns: int) -> list[HistogramDataPoint]:
    parts: defaultdict[Labels, dict[str, float]] = defaultdict(dict)
    buckets: defaultdict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for each in family.samples:
        if each.name.endswith("_bucket"):
            buckets[_labels(each)].append((float(each.labels["le"]), each.value))
        else:
            parts[_labels(each)][each.name.removeprefix(family.name)] = each.value
    began = _began_ns(family)
    return [
        _histogram(labels, sorted(found), parts[labels]["_sum"], began.get(labels, now_ns), now_ns)
        for labels, found in buckets.items()
    ]


def _histogram(
    labels: Labels, buckets: list[tuple[float, float]], total: float, began_ns: int, now_ns: int
) -> HistogramDataPoint:
    counts = [int(count) for _, count in buckets]
    single = [count - before for before, count in zip([0, *counts], counts, strict=False)]
    bounds = [bound for bound, _ in buckets[:-1]]  # The last one has no end.
    # Least and greatest are not known: the SDK says so by infinities the wrong way round.
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=began_ns,
        time_unix_nano=now_ns,
        count=counts[-1],
        sum=total,
        bucket_counts=single,
        explicit_bounds=bounds,
        min=float("inf"),
        max=float("-inf"),
    )


def _labels(sample: Sample) -> Labels:
    return tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))


def _began_ns(family: Family) -> dict[Labels, int]:
    """When each of them began to count."""
    return {
        _labels(each): int(each.value * 1e9)
        for each in family.samples
        if each.name == f"{family.name}_created"
    }
