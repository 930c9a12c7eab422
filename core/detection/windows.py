"""The newest readings of a target, in little memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

# A probe that invents metric names must not eat the machine; nobody reads more of one target.
METRICS_MAX = 64

# Rows of one probe hold what another one does not; more than a few probes look at few targets.
_TURNS = 8


class Rows:
    """Ring of the newest rows of one target, a column per metric.

    Eight bytes per value instead of a dictionary per reading: a thousand targets with five
    metrics and 240 rows take 10 MB instead of 100. At the bound the oldest row goes.

    Args:
        capacity: rows kept, at least 1.

    Attributes:
        ignored: values left out because the target already had `METRICS_MAX` metrics.
    """

    __slots__ = ("_capacity", "_columns", "_count", "_earlier", "_times", "ignored")

    def __init__(self, capacity: int) -> None:
        self.ignored = 0
        self._capacity = capacity
        self._count = 0
        self._earlier = 0  # Rows that were added before this ring took over.
        self._times = array("d")
        self._columns: dict[str, array[float]] = {}

    def add(self, time_s: float, metrics: Mapping[str, float]) -> None:
        """Append a row; metrics that it lacks are ``nan`` in it."""
        place = self._count % self._capacity
        grows = place == len(self._times)
        if not grows and self._columns.keys() == metrics.keys():
            self._times[place] = time_s
            for name, column in self._columns.items():
                column[place] = metrics[name]
            self._count += 1
            return
        self._put(self._times, place, time_s, grows)
        for name in metrics:
            if name not in self._columns:
                self._open_column(name, len(self._times) - grows)
        for name, column in self._columns.items():
            self._put(column, place, metrics.get(name, math.nan), grows)
        self._count += 1

    def columns(self) -> tuple[tuple[float, ...], dict[str, tuple[float | None, ...]]]:
        """Times and values, oldest first; ``None`` where a row had no value."""
        start = self._count % self._capacity if self._count > self._capacity else 0
        times = tuple(self._times[start:]) + tuple(self._times[:start])
        values = {
            name: tuple(
                None if value != value else value for value in (*column[start:], *column[:start])
            )
            for name, column in self._columns.items()
        }
        return times, values

    @property
    def count(self) -> int:
        """Rows that were ever added."""
        return self._earlier + self._count

    def resized(self, capacity: int) -> Rows:
        """The same readings in a ring of another size; at the bound the oldest are left out."""
        other = Rows(capacity)
        times, columns = self.columns()
        other._earlier = self.count - len(times)
        for index, time_s in enumerate(times):
            row = ((name, column[index]) for name, column in columns.items())
            other.add(time_s, {name: value for name, value in row if value is not None})
        return other

    def newest(self) -> dict[str, float]:
        """The newest value of each metric among the last few rows; probes take turns in them."""
        found: dict[str, float] = {}
        for back in range(1, min(_TURNS, len(self._times)) + 1):
            place = (self._count - back) % self._capacity
            for name, column in self._columns.items():
                value = column[place]
                if value == value:
                    found.setdefault(name, value)
        return found

    def _open_column(self, name: str, rows: int) -> None:
        if len(self._columns) >= METRICS_MAX:
            self.ignored += 1
            return
        self._columns[name] = array("d", [math.nan]) * rows

    @staticmethod
    def _put(column: array[float], place: int, value: float, grows: bool) -> None:
        if grows:
            column.append(value)
        else:
            column[place] = value
