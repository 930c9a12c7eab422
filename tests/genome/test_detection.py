"""Candidates over arrays notice what the live detector notices, at the same sample."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from mendel.bus.messages import AnomalyCleared, AnomalyDetected
from mendel.core.detection.detect import Threshold
from mendel.core.records import Ailment
from mendel.core.watching.watch import TargetWatch, WatchConfig
from mendel.genome.detection import Signals
from mendel.genome.history import PastIncident
from msgspec import structs

LINES = {
    "error_rate": Threshold(above=0.1),
    "ok": Threshold(below=0.5),
    "queue_items": Threshold(above=5.0),
}
INCIDENTS, CANDIDATES = 100, 100


def a_watch(rng: random.Random) -> WatchConfig:
    """Thresholds whose genes are anything that is valid; their lines are the operator's."""
    thresholds = {}
    for metric, line in LINES.items():
        of = rng.randint(1, 20)
        thresholds[metric] = structs.replace(
            line,
            of=of,
            samples=rng.randint(1, of),
            clear=rng.randint(1, 10),
            margin=rng.choice((0.0, rng.uniform(0.0, 0.5))),
        )
    return WatchConfig(thresholds=thresholds)


def an_incident(rng: random.Random, number: int) -> PastIncident:
    """Readings with gaps around a trouble that comes and goes, or that never was."""
    rows, onset = rng.randint(5, 18), rng.randint(2, 10)
    share = rng.uniform(0.3, 1.0)
    times_s = tuple(100.0 + 0.7 * row for row in range(rows))

    def column(metric: str) -> tuple[float | None, ...]:
        line = LINES[metric].above or 1.0
        bad = [rng.random() < (share if row >= onset else 0.1) for row in range(rows)]
        factors = [rng.uniform(1.0, 1.5) if each else rng.uniform(0.5, 1.0) for each in bad]
        if metric == "ok":
            return tuple(None if rng.random() < 0.1 else float(not each) for each in bad)
        return tuple(None if rng.random() < 0.1 else line * each for each in factors)

    return PastIncident(
        incident=f"1-{number}",
        target="cart",
        ailment=Ailment(),
        utc=0.0,
        onset_s=100.0 + 0.7 * onset,
        opened_s=100.0 + 0.7 * onset,
        times_s=times_s,
        metrics={metric: column(metric) for metric in LINES},
        is_real=rng.random() < 0.8,
    )


def seen_live(incident: PastIncident, watch: WatchConfig) -> tuple[float, int]:
    """When the alarm that matters stood first, and how many false ones there were."""
    target = TargetWatch("cart", watch, {})
    onset_s = incident.onset_s if incident.is_real else math.inf
    found_s, false = math.inf, 0
    standing: set[str] = set()
    for row, time_s in enumerate(incident.times_s):
        told = {name: values[row] for name, values in incident.metrics.items()}
        metrics = {name: value for name, value in told.items() if value is not None}
        for message in target.on_sample("http", metrics, "", time_s):
            match message:
                case AnomalyDetected(metric=metric):
                    false += time_s < onset_s and metric not in standing
                    standing.add(metric)
                case AnomalyCleared(metric=metric):
                    standing.discard(metric)
        if time_s >= onset_s and standing & set(metrics):
            found_s = min(found_s, time_s)
    return found_s, false


@pytest.mark.timeout(180)  # Two seconds of work; machines that build and test are busy.
def test_ten_thousand_random_pairs_are_decided_as_live_to_the_last_bit() -> None:
    rng = random.Random(7)
    incidents = [an_incident(rng, number) for number in range(INCIDENTS)]
    watches = [a_watch(rng) for _ in range(CANDIDATES)]

    noticed = Signals(incidents, watches[0]).noticed(watches)

    live = [[seen_live(incident, watch) for incident in incidents] for watch in watches]
    assert np.array_equal(noticed.at_s, [[at_s for at_s, _ in row] for row in live])
    assert np.array_equal(noticed.false_alarms, [[false for _, false in row] for row in live])
    assert 0.1 < np.isfinite(noticed.at_s).mean() < 0.95  # Some are missed by some.
    assert noticed.false_alarms.any()
