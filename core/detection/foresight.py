"""A forecast as a detector: what is foreseen opens an incident, is acted on and verified.

It has the face of `mendel.core.detection.detect.ThresholdDetector`. It is in alarm while a limit is
likely to be reached within the lead, which is longer than it takes to renew all replicas of a
component one after the other; so a cliff is met with the usual plan, policy and proof, only
earlier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..roles import Role, role_of
from .detect import Threshold, Verdict
from .forecast import Forecast, ForecastConfig, Forecaster
from .series import LEAST

# Metrics that fill something up. Rates and latencies jump.
FILLING: frozenset[Role] = frozenset(("memory", "disk", "pool", "queue"))
_WHOLE: frozenset[Role] = frozenset(("memory", "disk", "pool"))
_LIMITS = ("limit", "max", "capacity", "total")


# A disk that has room has nothing that could be cleaned up.
_DISK_SHARE = 0.85


def least_share_of(metric: str) -> float:
    """Share of its limit below which nothing can be done about a metric."""
    return _DISK_SHARE if role_of(metric) == "disk" else 0.0


def limit_of(
    metric: str, metrics: Mapping[str, float], threshold: Threshold | None
) -> float | None:
    """The value that a metric must not reach; ``None`` when nobody knows one.

    A threshold says it; else a metric of the same name with ``limit``, ``max``, ``capacity`` or
    ``total`` in it; else shares of what is used end at 1.

    Example:
        >>> limit_of("memory_bytes", {"memory_limit_bytes": 2e9}, None)
        2000000000.0
        >>> limit_of("disk_share", {}, None)
        1.0
    """
    role = role_of(metric)
    if role not in FILLING:
        return None
    if threshold is not None and threshold.above is not None:
        return threshold.above
    words = metric.split("_")
    if set(_LIMITS).intersection(words):
        return None  # It is one.
    for word in _LIMITS:
        name = "_".join((*words[:-1], word, words[-1]))
        if metrics.get(name, 0.0) > 0.0:
            return metrics[name]
    is_share = words[-1] in ("share", "ratio", "utilization")
    return 1.0 if is_share and role in _WHOLE else None


class ForecastDetector:
    """A forecast as a detector: in alarm while a limit is likely to be reached within the lead.

    It has the face of `mendel.core.detection.detect.ThresholdDetector`, so that what is foreseen
    opens an incident, is acted on and verified as what is seen.

    Attributes:
        alarmed: whether such a forecast stands.
        onset_s: when it was made; infinite when there is none.
        limit: what the metric must not reach.
        least_share: below this share of it there is nothing to be done yet.
        forecast: the newest one.
        source: makes them.
    """

    __slots__ = (
        "_held_until_s",
        "_owes",
        "alarmed",
        "config",
        "forecast",
        "least_share",
        "limit",
        "onset_s",
        "source",
    )

    def __init__(self, config: ForecastConfig, every_s: float = 1.0) -> None:
        self.config = config
        self.source = Forecaster(config, every_s)
        self.alarmed = False
        self.onset_s = math.inf
        self.limit = math.nan
        self.least_share = 0.0
        self.forecast: Forecast | None = None
        self._owes = 0
        self._held_until_s = -math.inf

    @property
    def suspect(self) -> bool:
        """Whether samples without a forecast are still owed; without a limit there is no sample."""
        return self._owes > 0 and self.limit == self.limit

    def update(self, value: float, taken_s: float) -> Verdict:
        """Take one sample; `limit` was set before. ``nan`` is no sample."""
        if value != value:
            return Verdict.UNCHANGED
        if taken_s < self._held_until_s:
            if not self.alarmed:  # Who had foreseen nothing keeps nobody from being well again.
                self._owes = max(self._owes - 1, 0)
            return Verdict.UNCHANGED
        found = self.source.take(value, self.limit, taken_s)
        if found is not None:
            self.forecast = found
        if self.forecast is not None and self._is_due(self.forecast, value, taken_s):
            self._owes = self.config.clear
            if self.alarmed:
                return Verdict.UNCHANGED
            self.alarmed, self.onset_s = True, taken_s
            return Verdict.RAISED
        self._owes = max(self._owes - 1, 0)
        if self.alarmed and not self._owes:
            self.alarmed, self.onset_s, self.forecast = False, math.inf, None
            return Verdict.CLEARED
        return Verdict.UNCHANGED

    @property
    def due_s(self) -> tuple[float, float] | None:
        """Earliest and latest moment at which the limit will be reached, as far as foreseen."""
        return (self.forecast.early_s, self.forecast.late_s) if self.forecast else None

    def is_bad(self, value: float) -> bool:
        """A single value is not."""
        return False

    def score(self, value: float) -> float:
        """The share of the limit that is used; 1.0, the alarm line, while a forecast stands."""
        if self.alarmed:
            return 1.0
        used = value / self.limit if self.limit > 0.0 else 0.0
        return min(max(used, 0.0), _BELOW_LINE)

    def describe(self, metric: str, value: float) -> str:
        """A value and when it will be at its limit, in words."""
        known = self.forecast
        assert known is not None, "it describes what it has foreseen"
        early_s, late_s = known.early_s - known.made_s, known.late_s - known.made_s
        return (
            f"{metric} is {value:g} and grows by {known.per_s:.3g} a second: it reaches "
            f"{known.limit:g} in {early_s:.0f} to {late_s:.0f} s"
        )

    @property
    def missing(self) -> int:
        """Samples that it has to see before it can foresee anything."""
        return max(0, LEAST - self.source.steps)

    @property
    def basis(self) -> Mapping[str, object]:
        """No setting changes what it learns."""
        return {}

    def save(self) -> dict[str, Any]:
        """What was learned so far, as plain values; an alarm that stands is not part of it."""
        return self.source.save()

    def restore(self, learned: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on with what another one has learned; see `Forecaster.restore`."""
        self.source.restore(learned, shift_s)

    def renewed(self) -> ForecastDetector:
        """One that has foreseen nothing yet."""
        return ForecastDetector(self.config)

    def ask_for_proof(self) -> None:
        """Believe nothing until some samples without a forecast have been seen from now on."""
        self._owes = self.config.clear

    def hold(self, until_s: float) -> None:
        """Something is done to the target: what it grew to is over, whatever grows then."""
        self._held_until_s = until_s
        self.forecast = None
        self.source.forget(until_s)

    def _is_due(self, forecast: Forecast, value: float, now_s: float) -> bool:
        """Whether it still stands, and the limit may be reached within the lead."""
        share = max(self.config.used_share, self.least_share)
        is_current = now_s <= forecast.late_s and value >= share * forecast.limit
        return is_current and forecast.early_s - now_s <= self.config.lead_s


_BELOW_LINE = 0.99
