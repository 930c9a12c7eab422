"""From foreign names to targets and metrics, by rules that can be overridden one by one.

A target is the first of some labels that is there; every other label becomes part of the metric. A
metric ends in its unit: foreign units are translated, and what only ever counts up becomes a rate.

>>> Names().metric_of("http_requests_total", {"code": "500"}, counts=True)
('http_requests_code_500_per_s', 1.0)
>>> Names().metric_of("rpc_duration_milliseconds")
('rpc_duration_s', 0.001)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

# Labels that name who was measured, the most telling first.
TARGET_LABELS = (
    "component",
    "service",
    "service_name",
    "service.name",
    "app",
    "job",
    "instance",
    "host",
)
_IDENTITY = frozenset({*TARGET_LABELS, "__name__"})
# Unit at the end of a foreign name, or as OpenTelemetry spells it: ours, and the factor to it.
_UNITS: Mapping[str, tuple[str, float]] = {
    "seconds": ("s", 1.0),
    "milliseconds": ("s", 1e-3),
    "ms": ("s", 1e-3),
    "microseconds": ("s", 1e-6),
    "us": ("s", 1e-6),
    "nanoseconds": ("s", 1e-9),
    "ns": ("s", 1e-9),
    "s": ("s", 1.0),
    "bytes": ("bytes", 1.0),
    "By": ("bytes", 1.0),
    "kilobytes": ("bytes", 1e3),
    "kBy": ("bytes", 1e3),
    "KiBy": ("bytes", 2.0**10),
    "megabytes": ("bytes", 1e6),
    "MBy": ("bytes", 1e6),
    "MiBy": ("bytes", 2.0**20),
    "ratio": ("share", 1.0),
    "percent": ("share", 1e-2),
    "%": ("share", 1e-2),
}
_NO_TOKEN = re.compile(r"[^A-Za-z0-9_-]+")
_NO_WORD = re.compile(r"[^A-Za-z0-9_]+")
_TARGET_LENGTH_MAX = 63  # As in a configuration.


class Names(Struct, frozen=True, kw_only=True):
    """What foreign names become.

    Attributes:
        target: everything belongs to it; empty for what the labels say.
        target_labels: labels that name the target; the first one that is there counts.
        replica_label: label that tells replicas apart (``cart/2``); empty when there are none.
        targets: other names for targets, by the name that the rules give.
        metrics: other names for metrics, by the foreign name; their values stay as they are.
    """

    target: str = ""
    target_labels: tuple[str, ...] = TARGET_LABELS
    replica_label: str = ""
    targets: Mapping[str, str] = {}
    metrics: Mapping[str, str] = {}

    def target_of(self, labels: Mapping[str, str], otherwise: str) -> str:
        """Whom labels speak of.

        Args:
            labels: names and values.
            otherwise: when no label tells.
        """
        found = self.target or next(
            (labels[each] for each in self.target_labels if labels.get(each)), otherwise
        )
        name = token(found)
        name = self.targets.get(found) or self.targets.get(name) or name
        replica = labels.get(self.replica_label) if self.replica_label else None
        return f"{name}/{token(replica)}" if replica else name

    def metric_of(
        self,
        name: str,
        labels: Mapping[str, str] = {},
        *,
        unit: str = "",
        counts: bool = False,
    ) -> tuple[str, float]:
        """What a metric is called here, and the factor to its unit.

        Args:
            name: its foreign name.
            labels: those that name the target are passed over.
            unit: as the format tells it; empty when only the name does.
            counts: whether it only ever counts up, so that its rate will be taken.
        """
        if name in self.metrics:
            return self.metrics[name], 1.0
        base = _NO_WORD.sub("_", name).strip("_") or "value"
        if counts:
            base = base.removesuffix("_total")
        suffix, factor = _UNITS.get(unit, ("", 1.0))
        stem, _, last = base.rpartition("_")
        if stem and last in _UNITS:
            base = stem
            if not suffix:
                suffix, factor = _UNITS[last]
        skipped = {*_IDENTITY, *self.target_labels, self.replica_label}
        words = [
            f"{word(label)}_{word(value)}".strip("_")
            for label, value in sorted(labels.items())
            if label not in skipped
        ]
        ends = [suffix] if suffix else []
        return "_".join([base, *words, *ends, *(["per_s"] if counts else [])]), factor


def token(text: str) -> str:
    """A text as the name of a target."""
    return _NO_TOKEN.sub("_", text).strip("_-")[:_TARGET_LENGTH_MAX] or "unknown"


def word(text: str) -> str:
    """A text as part of the name of a metric."""
    return _NO_WORD.sub("_", text).strip("_")
