"""What is seen of a target as a whole: each of its metrics beside what is usual for it.

An alarm says that one metric is out of bounds; a diagnosis asks how all the others stand. The
calm past is a row every few seconds, kept by reference, so that a healthy sample costs nothing
more; medians are taken only when somebody asks. What was seen in trouble is never taken for usual.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import fmean, median

from msgspec import structs

from ...bus.messages import AnomalyDetected, Message, Symptom
from ..detection.form import told
from ..detection.windows import Rows
from ..roles import role_of

# A row every so often for five minutes: seasons do not matter in the minutes of an incident.
_CALM_EVERY_S = 5.0
_CALM_ROWS = 60
# With fewer calm rows nothing is called usual.
_CALM_LEAST = 4
# The present is the mean of these: one probe in three may meet the one sick replica.
_RECENT_S = 3.0
_RECENT_ROWS = 16
# What fills up, and the part of its calm values that lies below the usual one.
_FILLS = ("memory", "disk", "pool")
_LOW = 8
# A trend is told from this long before.
_TREND_S = 60.0


class Picture:
    """The newest readings of a target, and calm ones to compare them with."""

    __slots__ = ("_calm", "_recent")

    def __init__(self) -> None:
        self._calm: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=_CALM_ROWS)
        self._recent: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=_RECENT_ROWS)

    def add(self, metrics: Mapping[str, float], now_s: float, *, calm: bool) -> None:
        """Take a reading.

        Args:
            metrics: values by name; kept, so not to be changed afterwards.
            now_s: when it was taken.
            calm: whether the target is well, so that this is how it usually is.
        """
        self._recent.append((now_s, metrics))
        if calm and (not self._calm or now_s - self._calm[-1][0] >= _CALM_EVERY_S):
            self._calm.append((now_s, metrics))

    def symptoms(self, since_s: float, now_s: float) -> tuple[Symptom, ...]:
        """Each metric of the newest readings beside what is usual for it.

        Args:
            since_s: when the present trouble began; what was seen before is not of the present.
            now_s: loop time.
        """
        begin_s = now_s - _RECENT_S
        recent = [row for at_s, row in self._recent if at_s >= max(begin_s, min(since_s, now_s))]
        if not recent:
            recent = [row for at_s, row in self._recent if at_s >= begin_s][-1:]
        if not recent:
            return ()
        return tuple(self._symptom(name, recent, now_s) for name in recent[-1])

    def _symptom(self, name: str, recent: Sequence[Mapping[str, float]], now_s: float) -> Symptom:
        value = fmean(row[name] for row in recent if name in row)
        known = [(at_s, row[name]) for at_s, row in self._calm if name in row]
        usual = _usual(name, [each for _, each in known])
        before = [each for at_s, each in known if at_s <= now_s - _TREND_S]
        trend = 0.0
        if before and usual is not None:
            begin_s = max(at_s for at_s, _ in known if at_s <= now_s - _TREND_S)
            trend = (value - before[-1]) / (now_s - begin_s)
        return Symptom(
            metric=name, value=value, latest=recent[-1][name], usual=usual, trend_per_s=trend
        )


def formed(message: Message, rows: Rows) -> Message:
    """A message; an anomaly also tells its form (a step, a ramp, ...), where there is one yet.

    Args:
        message: what a sample has changed.
        rows: the newest readings of the target, that sample included.
    """
    if not isinstance(message, AnomalyDetected) or role_of(message.metric) == "up":
        return message  # What is there or not has no form.
    times_s, columns = rows.columns()
    values = columns.get(message.metric, ())
    begin = bisect_left(times_s, message.onset_s)
    form = told(values[:begin], values[begin:])
    return structs.replace(message, reason=f"{message.reason}; {form}") if form else message


def _usual(metric: str, values: list[float]) -> float | None:
    """Median of calm values; of what fills up a low one, for filling up looks calm for long."""
    if len(values) < _CALM_LEAST:
        return None
    if role_of(metric) in _FILLS:
        return sorted(values)[len(values) // _LOW]
    return median(values)
