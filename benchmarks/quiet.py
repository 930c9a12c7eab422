"""False alarms in quiet months: what is told of components in which nothing is wrong.

    python benchmarks/quiet.py [--months 6] [--seed 100] [--every 60] [--output text|json]

A component has six metrics: traffic by the hour and by the day of the week, latency with a heavy
tail, counts of errors, memory that grows and is released, processor time, a queue. Each month has a
release that changes the level of most of them. They are those of `labelled.py`, without incidents,
and are watched as the Monitor does it (`TargetWatch`), in three ways: as on the levels advanced and
full, where what is usual is compared; the same with `adaptive` for latency and errors, what one
would set first; and with `adaptive` for all six in both directions, which is the most one can ask.
The first two days are not counted: that is what learning takes.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter

from labelled import DAY, MINUTE_S, PROBATION, series_of
from mendel.bus.messages import AnomalyDetected
from mendel.core.detection.detect_adaptive import AdaptiveDetection
from mendel.core.watching.watch import TargetWatch, WatchConfig

MONTH_DAYS = 30
METRICS = {
    "traffic": "request_rate",
    "latency": "latency_s",
    "errors": "errors",
    "memory": "memory_mb",
    "saturation": "cpu_share",
    "queue": "queue_items",
}
HIGH = AdaptiveDetection(direction="up", low=0.0)
WAYS = {
    "usual": WatchConfig(usual=True),
    "adaptive latency and errors": WatchConfig(
        usual=True, adaptive={"latency_s": HIGH, "errors": HIGH}
    ),
    "adaptive all": WatchConfig(
        usual=True, adaptive=dict.fromkeys(METRICS.values(), AdaptiveDetection())
    ),
}
TARGET = 1.0


def alarms(config: WatchConfig, seed: int, every_s: float) -> Counter[str]:
    """How often each metric of a component was told to be out of bounds in a quiet month."""
    days = MONTH_DAYS + PROBATION // DAY
    month = {
        name: series_of(kind, seed, days=days, is_quiet=True) for kind, name in METRICS.items()
    }
    times_s = next(iter(month.values())).times_s
    watch = TargetWatch("component", config, {"probe": 3 * every_s})
    told: Counter[str] = Counter()
    for row in range(0, len(times_s), max(1, round(every_s / MINUTE_S))):
        metrics = {name: float(each.values[row]) for name, each in month.items()}
        for event in watch.on_sample("probe", metrics, "", float(times_s[row])):
            if isinstance(event, AnomalyDetected) and row >= PROBATION:
                told[event.metric] += 1
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--months", type=int, default=6, help="components, for a month each")
    parser.add_argument("--seed", type=int, default=100, help="of the first one; below 100: tuning")
    parser.add_argument("--every", type=float, default=MINUTE_S, help="seconds between two looks")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    figures = {}
    for way, config in WAYS.items():
        told: Counter[str] = Counter()
        for month in range(options.months):
            told += alarms(config, options.seed + month, options.every)
        per_month = sum(told.values()) / options.months
        figures[way] = {"per_component_month": per_month, "metrics": dict(told)}
    if options.output == "json":
        print(json.dumps({"ways": figures, "target": TARGET}))
        return
    for way, each in figures.items():
        print(f"{way:30}{each['per_component_month']:8.2f} a component and month {each['metrics']}")
    print(f"target: {TARGET:g}")


if __name__ == "__main__":
    main()
