"""How well the adaptive detector finds anomalies, and how fast, beside simple floors.

    python benchmarks/detection.py [--nab PATH] [--seeds tuning|reported] [--output text|json]

`factory()` makes the detector of the live Monitor, in its default configuration, for a scorer that
feeds samples one by one. With ``--nab`` it is scored on Numenta's corpus by the ``score.py`` that
lies in that folder; the corpus is not ours to ship. The second set is our own (`labelled.py`):
short incidents that come back, in daily traffic, with one threshold for all series. The speed of
each detector is measured in turn, round by round, and each figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mendel.core.detection.detect_adaptive import AdaptiveDetection, AdaptiveDetector
from mendel.core.detection.lanes import Many, One
from mendel.core.detection.scorer import LEVEL, LEVEL_TOLD_AGAIN, Scorer

sys.path.insert(0, str(Path(__file__).parent))
from labelled import DAY, REPORTED, TUNING, Series, average_precision, labelled

# A score of 50 becomes one half: any place does, as long as great scores do not run together.
_HALF = 50.0
TARGETS = {"nab": 70.0, "precision_ratio": 1.2, "one_us": 20.0, "many_per_s": 200_000.0}
# Every fourth file of the corpus was kept away from tuning.
HELD_OUT = 3


class Online(Protocol):
    def update(self, timestamp: float, value: float) -> float: ...


class Adaptive:
    """The live detector, as a score from 0 to 1."""

    def __init__(self) -> None:
        self._detector = AdaptiveDetector(AdaptiveDetection())

    def update(self, timestamp: float, value: float) -> float:
        self._detector.update(value, timestamp)
        score = self._detector.raw_score
        return score / (score + _HALF)


class Surprises:
    """The detector without its term for records: what that term costs where incidents repeat."""

    def __init__(self) -> None:
        self._scorer = Scorer(One())

    def update(self, timestamp: float, value: float) -> float:
        self._scorer.update(value, timestamp, True)
        surprises = self._scorer.surprises
        total = sum(surprises) - LEVEL_TOLD_AGAIN * surprises[LEVEL]
        return total / (total + _HALF)


class HoltWinters:
    """Floor: level and daily season by exponential smoothing, residual in mean deviations.

    Its constants are the best of a grid of sixteen on the tuning seeds of our own set.
    """

    def __init__(self, level: float = 0.1, season: float = 0.1, spread: float = 0.001) -> None:
        self._shares = level, season, spread
        self._level, self._spread = 0.0, 0.0
        self._season = [0.0] * DAY
        self._seen = 0

    def update(self, timestamp: float, value: float) -> float:
        level, season, spread = self._shares
        part = int(timestamp // 60.0) % DAY
        if not self._seen:
            self._level = value
        residual = value - self._level - self._season[part]
        ratio = abs(residual) / (self._spread + 1e-9)
        self._level += level * residual
        self._season[part] += (season if self._seen >= DAY else 1.0) * residual
        self._spread += max(spread, 1.0 / (self._seen + 1)) * (abs(residual) - self._spread)
        self._seen += 1
        return ratio / (ratio + 10.0)


class Deviations:
    """Floor: distance from a running mean, in running standard deviations."""

    def __init__(self) -> None:
        self._mean, self._square = 0.0, 0.0
        self._seen = 0

    def update(self, timestamp: float, value: float) -> float:
        self._seen += 1
        share = max(0.01, 1.0 / self._seen)
        off = value - self._mean
        score = abs(off) / (math.sqrt(self._square) + 1e-9)
        self._mean += share * off
        self._square += share * (off * off - self._square)
        return score / (score + 10.0)


class Chance:
    """Floor: a number at random. Whoever it does well by measures nothing."""

    def __init__(self) -> None:
        self._draw = random.Random(1)

    def update(self, timestamp: float, value: float) -> float:
        return self._draw.random()


class Constant:
    """Floor: always the same."""

    def update(self, timestamp: float, value: float) -> float:
        return 1.0


def factory() -> Adaptive:
    """A detector as the live Monitor has it."""
    return Adaptive()


DETECTORS: dict[str, Callable[[], Online]] = {
    "adaptive": factory,
    "surprises": Surprises,
    "holt_winters": HoltWinters,
    "deviations": Deviations,
    "chance": Chance,
    "constant": Constant,
}


def precision(series: list[Series]) -> dict[str, float]:
    return {
        name: average_precision(series, [_scores(make(), each) for each in series])
        for name, make in DETECTORS.items()
    }


def _scores(detector: Online, series: Series) -> Any:
    pairs = zip(series.times_s.tolist(), series.values.tolist(), strict=True)
    return np.array([detector.update(stamp_s, value) for stamp_s, value in pairs])


def nab(folder: Path) -> dict[str, float]:
    """Scores of all files, of those that were used in tuning, and of those that were not."""
    scorer = _module(folder / "score.py")
    corpus = scorer.load_corpus(str(folder))
    profiles = scorer.load_profiles(str(folder))
    scores, _, _ = scorer.run_detector(corpus, factory)
    report = scorer.evaluate(corpus, scores, profiles, cv=True)
    figures = {name: entry["score"] for name, entry in report.items()}
    figures["standard, threshold from other files"] = report["standard"]["cv_score"]
    line = report["standard"]["threshold"]
    parts = {"tuned on": lambda n: n % 4 != HELD_OUT, "held out": lambda n: n % 4 == HELD_OUT}
    for name, chosen in parts.items():
        files = [each for number, each in enumerate(corpus) if chosen(number)]
        part = scorer.evaluate(files, scores, profiles, threshold=line)
        figures[f"standard, files {name}"] = part["standard"]["score"]
    return figures


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("nab_score", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded; --nab wants the folder with score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def speed(rounds: int) -> dict[str, float]:
    """CPU time of a sample one at a time, in microseconds, and samples a second as arrays."""
    found: dict[str, list[float]] = {}
    timed: dict[str, Callable[[], float]] = {
        "adaptive_us": lambda: _one_us(factory()),
        "holt_winters_us": lambda: _one_us(HoltWinters()),
        "deviations_us": lambda: _one_us(Deviations()),
        "adaptive_1000_lanes_per_s": lambda: _many_per_s(1_000),
        "adaptive_10000_lanes_per_s": lambda: _many_per_s(10_000),
    }
    for _ in range(rounds):
        for name, measure in timed.items():
            found.setdefault(name, []).append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def _one_us(detector: Online, samples: int = 6_000) -> float:
    draw = random.Random(1)
    values = [10.0 + draw.gauss(0, 1) for _ in range(samples)]
    begin_s = time.process_time()
    for number, value in enumerate(values):
        detector.update(number * 60.0, value)
    return 1e6 * (time.process_time() - begin_s) / samples


def _many_per_s(lanes: int, samples: int = 300) -> float:
    values = np.random.default_rng(1).normal(10.0, 1.0, (samples, lanes))
    scorer = Scorer(Many(lanes, np))
    stamps_s, learns = np.zeros(lanes), np.ones(lanes, bool)
    begin_s = time.process_time()
    for number in range(samples):
        scorer.update(values[number], stamps_s + number * 60.0, learns)
    return lanes * samples / (time.process_time() - begin_s)


def report(figures: dict[str, dict[str, float]]) -> str:
    lines = []
    for group, values in figures.items():
        lines.append(group)
        lines += [f"  {name:44} {value:12.3f}" for name, value in values.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nab", type=Path, help="folder with the corpus and its score.py")
    parser.add_argument("--seeds", choices=("tuning", "reported"), default="reported")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()

    figures = {"speed": speed(options.rounds)}
    series = labelled(TUNING if options.seeds == "tuning" else REPORTED)
    figures["average precision"] = precision(series)
    if options.nab:
        figures["nab"] = nab(options.nab)
    figures["targets"] = TARGETS
    print(json.dumps(figures, indent=1) if options.output == "json" else report(figures))


if __name__ == "__main__":
    main()
