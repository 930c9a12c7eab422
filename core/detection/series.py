"""The newest means of a metric, over steps of one width, for whoever fits a trend to them."""

from __future__ import annotations

import math
from collections import deque

from msgspec import Struct

# Least squares over 12 samples of clean series found a trend in most of them, over 36 in few, over
# 72 in none (operations metrics at one sample a minute).
LEAST, MOST = 36, 72


class SeriesState(Struct, frozen=True):
    """Newest steps of one width: when the present one began, their means, and which were seen."""

    start_s: float
    values: tuple[float, ...]
    real: tuple[bool, ...]


class Series:
    """Means of a metric over steps of one width, the newest ones."""

    __slots__ = ("count", "real", "start_s", "total", "values", "width_s")

    def __init__(self, width_s: float) -> None:
        self.width_s = width_s
        self.values: deque[float] = deque(maxlen=MOST)
        self.real: deque[bool] = deque(maxlen=MOST)
        self.start_s = math.nan
        self.total = 0.0
        self.count = 0

    def add(self, value: float, now_s: float) -> bool:
        """Take a value; tells whether a step came to its end before it."""
        is_empty = not self.count and not self.values
        if is_empty or not now_s < self.start_s + self.width_s * (MOST + 1):
            self.clear(now_s)
        ended = now_s >= self.start_s + self.width_s
        while now_s >= self.start_s + self.width_s:
            # Steps without a value are as the one before: a gap is no news.
            if self.count:
                self.values.append(self.total / self.count)
                self.real.append(True)
            else:
                self.values.append(self.values[-1])
                self.real.append(False)
            self.start_s += self.width_s
            self.total, self.count = 0.0, 0
        self.total += value
        self.count += 1
        return ended

    def clear(self, now_s: float) -> None:
        """Forget everything: it was another time."""
        self.values.clear()
        self.real.clear()
        self.start_s, self.total, self.count = now_s, 0.0, 0

    def save(self) -> SeriesState:
        """Its steps so far."""
        return SeriesState(self.start_s, tuple(self.values), tuple(self.real))

    def restore(self, state: SeriesState, shift_s: float) -> None:
        """Go on with the steps of another one, whose loop time was ahead by a shift."""
        self.clear(state.start_s - shift_s)
        self.values.extend(state.values)
        self.real.extend(state.real)
