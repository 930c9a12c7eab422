"""How often a stated interval held, and how often one was stated where no limit was ahead.

    python benchmarks/forecast.py [--seeds 3] [--output text|json]

Simulated estates of the training shapes in which memory leaks, disks fill and pools run empty while
nobody acts, beside days without such a fault, and clean series that are made from noise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np
from mendel.core.detection.forecast import ForecastConfig, Forecaster, Tally
from mendel.core.detection.foresight import limit_of
from mendel.errors import ConfigError, NoData
from mendel.scenarios.catalogue import FaultKind
from mendel.scenarios.simulator import SHAPES, Monitoring, Simulation, draw_course
from mendel.scenarios.simulator.readings import Instruments

VALIDATION = "validation"
KINDS: tuple[FaultKind, ...] = ("memory_leak", "disk_fill", "pool_exhaustion", "good_deploy")
METRICS = ("memory_bytes", "disk_share", "connections_share")
UNTIL_S = 900.0


def simulated(kind: FaultKind, seeds: int) -> Tally:
    """All that was foreseen in courses with a fault of a kind, and what became of it."""
    tally = Tally()
    for shape in SHAPES:
        for seed in range(1, seeds + 1) if shape != VALIDATION else ():
            for forecaster in _follow(shape, kind, seed):
                tally.add(forecaster.tally)
    return tally


def _follow(shape: str, kind: FaultKind, seed: int) -> Iterator[Forecaster]:
    try:
        course = draw_course(shape, seed, kinds=[kind], until_s=UNTIL_S)
    except ConfigError:
        return  # It can befall nothing in this estate.
    simulation = Simulation(course)
    targets = tuple(simulation.layout.names)
    instruments = Instruments(simulation, Monitoring(), targets)
    found: dict[tuple[str, str], Forecaster] = {}
    while simulation.now_s < UNTIL_S:
        simulation.advance(simulation.now_s + 1.0)
        for target in targets:
            _look(instruments, target, simulation.now_s, found)
    yield from found.values()


def _look(
    instruments: Instruments,
    target: str,
    now_s: float,
    found: dict[tuple[str, str], Forecaster],
) -> None:
    try:
        metrics = instruments.read(target).metrics
    except NoData:
        return
    for metric in METRICS:
        limit = limit_of(metric, metrics, None)
        if metric in metrics and limit is not None:
            forecaster = found.get((target, metric))
            if forecaster is None:
                forecaster = found[target, metric] = Forecaster(ForecastConfig())
            forecaster.take(metrics[metric], limit, now_s)


def clean(series: int) -> Tally:
    """All that was foreseen of noise, wandering levels and teeth, whose limit is never reached."""
    tally = Tally()
    for seed in range(series):
        draw = np.random.default_rng(seed)
        steps = np.arange(6000)
        wander = np.convolve(draw.normal(0.0, 0.01, 6100), np.ones(101) / 10.0, "valid") / 5.0
        tooth = 80 + 5 * seed
        for values in (
            0.7 + draw.normal(0.0, 0.05, 6000),
            0.7 + wander[:6000],
            0.5 + 0.3 * (steps % tooth) / tooth + draw.normal(0.0, 0.01, 6000),
        ):
            forecaster = Forecaster(ForecastConfig())
            for step, value in enumerate(values.tolist()):
                forecaster.take(value, 1.0, float(step))
            tally.add(forecaster.tally)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    tallies: dict[str, Tally] = {kind: simulated(kind, options.seeds) for kind in KINDS}
    tallies["clean series"] = clean(20 * options.seeds)
    figures = {
        name: {"made": each.made, "held": each.held, "missed": each.missed}
        for name, each in tallies.items()
    }
    if options.output == "json":
        print(json.dumps(figures, indent=1))
        return
    print(f"{'':18}{'made':>8}{'held':>8}{'missed':>8}")
    for name, each in figures.items():
        print(f"{name:18}{each['made']:8}{each['held']:8}{each['missed']:8}")


if __name__ == "__main__":
    main()
