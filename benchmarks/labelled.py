"""Labelled operations metrics, made from a seed: short incidents that come back, in daily traffic.

Six kinds of metric, one sample a minute, ten days each. Every series has an incident about every
14 hours, of 10 to 40 minutes, in shapes that operations know: a step, a ramp, a burst of spikes, a
dip. What is no incident is there as well: traffic by the hour and by the day of the week, slow
drift, a change of level that stays (a release), heavy tails, counts that are mostly zero.

Seeds below 100 are for tuning, seeds from 100 on for reporting (`TUNING`, `REPORTED`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

MINUTE_S = 60.0
DAY = 1440
DAYS = 10
CAUGHT_WITHIN_S = 15 * MINUTE_S
PROBATION = 2 * DAY  # Two days to learn from; nothing counts there.
KINDS = ("traffic", "latency", "errors", "memory", "saturation", "queue")
TUNING, REPORTED = range(3), range(100, 103)


@dataclass(frozen=True)
class Series:
    """A metric and when it was ill.

    Attributes:
        name: its kind and seed.
        times_s: stamps, evenly one a minute.
        values: one per stamp.
        events: first and last row of each incident.
    """

    name: str
    times_s: Floats
    values: Floats
    events: tuple[tuple[int, int], ...]


def labelled(seeds: range) -> list[Series]:
    """One series of each kind for every seed."""
    return [series_of(kind, seed) for seed in seeds for kind in KINDS]


def series_of(kind: str, seed: int, *, days: int = DAYS, is_quiet: bool = False) -> Series:
    """One series; a quiet one has no incident, and all that is none."""
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    rows = np.arange(days * DAY)
    daily = _daily(draw, rows)
    release = np.where(rows > draw.integers(4 * DAY, 8 * DAY), draw.uniform(0.05, 0.25), 0.0)
    base, noise, step, sign = _normal(kind, draw, daily * (1.0 + release))
    events = () if is_quiet else _events(draw)
    sick = np.zeros(len(rows))
    for first, last in events:
        sick[first : last + 1] = _shape(draw, last - first + 1)
    values = base + noise + sign * step * draw.uniform(0.7, 1.3) * sick
    if kind == "errors":
        values = draw.poisson(np.maximum(values, 0.0)).astype(float)
    bound = 1.0 if kind == "saturation" else np.inf
    times_s = 1_700_000_000.0 + rows * MINUTE_S
    return Series(f"{kind}-{seed}", times_s, np.clip(values, 0.0, bound), events)


def _daily(draw: Any, rows: NDArray[Any]) -> Floats:
    hour = rows % DAY / 60.0
    peak = draw.uniform(10.0, 18.0)
    day = 1.0 + 0.6 * np.cos((hour - peak) * np.pi / 12.0) + 0.15 * np.cos((hour - 9) * np.pi / 6)
    weekend = np.where(rows // DAY % 7 >= 5, draw.uniform(0.6, 0.9), 1.0)
    return np.asarray(day * weekend)


def _normal(kind: str, draw: Any, daily: Floats) -> tuple[Floats, Floats, float, float]:
    """Base, noise, size and sign of incidents of a kind of metric, in its own unit."""
    n = len(daily)
    wander = _wander(draw, n)
    match kind:
        case "traffic":
            return 400.0 * daily, 25.0 * np.sqrt(daily) * wander, 180.0, draw.choice([-1.0, 1.0])
        case "latency":
            tail = 0.02 * draw.lognormal(0.0, 0.8, n)
            return 0.1 + 0.03 * daily, tail, 0.18, 1.0
        case "errors":
            return 0.05 + 0.1 * daily, np.zeros(n), 5.0, 1.0
        case "memory":
            drift = np.arange(n) % (3 * DAY) * 0.05  # It grows, and is released every third day.
            return 500.0 + drift, 6.0 * wander, 60.0, 1.0
        case "saturation":
            return 0.2 + 0.25 * daily, 0.03 * wander, 0.25, 1.0
        case _:
            return 3.0 * daily, draw.gamma(1.5, 2.0, n), 30.0, 1.0


def _wander(draw: Any, n: int) -> Floats:
    """Noise with a memory of some minutes, spread 1."""
    white = draw.standard_normal(n)
    out = np.empty(n)
    level = 0.0
    for row in range(n):
        level = 0.7 * level + white[row]
        out[row] = level
    return np.asarray(out * np.sqrt(1.0 - 0.49))


def _events(draw: Any) -> tuple[tuple[int, int], ...]:
    events, row = [], int(PROBATION + draw.integers(60, 600))
    while row < DAYS * DAY - 120:
        length = int(draw.integers(10, 41))
        events.append((row, row + length - 1))
        # Sometimes the next one comes right after.
        row += length + int(
            draw.integers(45, 90) if draw.random() < 0.25 else draw.exponential(DAY)
        )
        row += 30
    return tuple(events)


def _shape(draw: Any, length: int) -> Floats:
    match draw.choice(["step", "ramp", "burst"]):
        case "step":
            return np.ones(length)
        case "ramp":
            return np.minimum(1.0, np.arange(1, length + 1) / 8.0)
        case _:
            return np.where(np.arange(length) % 3 == 0, 1.5, 0.3)


def average_precision(series: list[Series], scores: list[Floats]) -> float:
    """Share of alarms that were events, averaged over the share of events that were caught.

    One threshold serves all series. An event is caught by a score at or above it within 15 minutes
    of its onset; every hour outside of events (and of the 15 minutes after them) with such a score
    is one false alarm.
    """
    caught, false = [], []
    for each, score in zip(series, scores, strict=True):
        rows = int(CAUGHT_WITHIN_S / MINUTE_S)
        outside = score.copy()
        outside[:PROBATION] = -np.inf
        for first, last in each.events:
            caught.append(score[first : first + rows].max())
            outside[first : last + 1 + rows] = -np.inf
        hours = outside[: len(outside) // 60 * 60].reshape(-1, 60).max(axis=1)
        false.append(hours[np.isfinite(hours)])
    hits, misses = np.sort(caught)[::-1], np.sort(np.concatenate(false))
    false_alarms = len(misses) - np.searchsorted(misses, hits, side="left")
    # Hits that share a score are found together, at the price of the last of them.
    together = np.searchsorted(-hits, -hits, side="right")
    return float(np.mean(together / (together + false_alarms)))
