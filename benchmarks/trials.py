"""How fast evolution judges candidates by recorded incidents, and how much arrays gain.

    python benchmarks/trials.py [--generations 25] [--level basic] [--output json|text]

The setting: 40 candidates a generation, 200 incidents of 600 readings with three metrics, one of
which is bad now and then from the start, so that hardly a lane can be skipped. Speed does not
depend on what the readings mean, so they are drawn from a seed. Beside the arrays, the detectors
that work live take the same readings, sample by sample, for some of the pairs; both have to come to
the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import time

import numpy as np
from mendel.core.detection.detect import Threshold, ThresholdDetector
from mendel.core.incidents.triage import TriageConfig
from mendel.core.incidents.verify import VerifyConfig
from mendel.core.levels import LEVELS
from mendel.core.playbook import DEFAULT_PLANS, PlaybookConfig
from mendel.core.policy import ActionFacts
from mendel.core.ranking.ranking import RankingConfig
from mendel.core.records import Ailment, ExperienceRecord
from mendel.core.topology import Kind
from mendel.core.watching.watch import WatchConfig
from mendel.genome.detection import Signals
from mendel.genome.evaluate import HealingTrial
from mendel.genome.history import History, Means, PastIncident
from mendel.genome.space import Genome, Space
from mendel.genome.walk import TrialConfig

CANDIDATES, INCIDENTS, ROWS, TROUBLE_ROWS = 40, 200, 600, 60
KINDS: tuple[Kind, ...] = ("service", "database", "cache")
LINES = {
    "ok": Threshold(below=0.5),
    "error_rate": Threshold(above=0.1),
    "answered": Threshold(below=0.5),
}
# So many pairs are taken sample by sample; all of them would take minutes.
SCALAR_PAIRS = 200
TARGET_S, TARGET_RATIO = 20.0, 8.0


def an_incident(number: int, rng: random.Random) -> PastIncident:
    """Ten minutes of readings, the last one of them in trouble."""
    kind, calm = KINDS[number % len(KINDS)], ROWS - TROUBLE_ROWS
    ailment = Ailment(kind=kind, signature=f"s{number % 6}")
    tried = []
    for action in DEFAULT_PLANS[kind]:
        verdict = "helped" if rng.random() < 0.5 else "no_effect"
        tried.append(
            ExperienceRecord(
                incident=f"1-{number}",
                target="cart",
                action=action,
                ailment=ailment,
                verdict=verdict,
                took_s=rng.uniform(5.0, 20.0),
                at_s=float(ROWS),
            )
        )
        if verdict == "helped":
            break
    shares = [0.02] * calm + [0.7] * TROUBLE_ROWS
    return PastIncident(
        incident=f"1-{number}",
        target="cart",
        ailment=ailment,
        utc=float(number),
        onset_s=float(calm),
        opened_s=calm + 2.0,
        acted_s=float(ROWS),
        times_s=tuple(map(float, range(ROWS))),
        metrics={
            "ok": tuple(float(rng.random() >= share) for share in shares),
            "error_rate": tuple(0.2 * float(rng.random() < share) for share in shares),
            "answered": (1.0,) * ROWS,
        },
        tried=tuple(tried),
    )


def a_history() -> History:
    rng = random.Random(1)
    means: dict[str, dict[str, Means]] = {
        kind: {
            name: Means(facts=ActionFacts(name=name, settle_s=5.0), run_s=3.0)
            for name in DEFAULT_PLANS[kind]
        }
        for kind in KINDS
    }
    incidents = tuple(an_incident(number, rng) for number in range(INCIDENTS))
    return History(incidents=incidents, means=means)


def a_genome() -> Genome:
    playbooks = {f"playbook/{kind}": PlaybookConfig(plan=DEFAULT_PLANS[kind]) for kind in KINDS}
    return {
        "watch": WatchConfig(thresholds=LINES),
        "triage": TriageConfig(),
        "verify": VerifyConfig(),
        "ranking": RankingConfig(),
        **playbooks,
    }


def judge(generations: int, level: str) -> dict[str, float]:
    """Processor time of a whole evolution's trials."""
    history = a_history()
    space = Space(a_genome())
    began_s = time.process_time()
    trial = HealingTrial(
        space,
        history.incidents,
        history,
        TrialConfig(level=level),  # type: ignore[arg-type]
    )
    rng = np.random.default_rng(1)
    for _ in range(generations):
        trial(space.canonical(rng.random((CANDIDATES, space.dimensions))))
    seconds = time.process_time() - began_s
    return {
        "genes": len(space.loci),
        "seconds": seconds,
        "genomes_per_s": trial.judged / seconds,
    }


def compare() -> dict[str, float]:
    """Time of a pair of candidate and incident, by arrays and sample by sample."""
    history, space = a_history(), Space(a_genome())
    points = space.canonical(np.random.default_rng(2).random((CANDIDATES, space.dimensions)))
    watches = [space.decode(point)["watch"] for point in points]
    assert all(isinstance(each, WatchConfig) for each in watches)
    signals = Signals(history.incidents, watches[0])  # type: ignore[arg-type]
    began_s = time.process_time()
    noticed = signals.noticed(watches)  # type: ignore[arg-type]
    array_s = (time.process_time() - began_s) / (CANDIDATES * INCIDENTS)
    pairs = [(n % CANDIDATES, n * 7 % INCIDENTS) for n in range(SCALAR_PAIRS)]
    began_s = time.process_time()
    live = [alarm_s(watches[one], history.incidents[other]) for one, other in pairs]  # type: ignore[arg-type]
    scalar_s = (time.process_time() - began_s) / SCALAR_PAIRS
    assert live == [noticed.at_s[one, other] for one, other in pairs], "they decide differently"
    return {"array_us": array_s * 1e6, "scalar_us": scalar_s * 1e6, "ratio": scalar_s / array_s}


def alarm_s(watch: WatchConfig, incident: PastIncident) -> float:
    """When the live detectors see the trouble."""
    found_s = math.inf
    for metric, values in incident.metrics.items():
        detector = ThresholdDetector(watch.thresholds[metric])
        for time_s, value in zip(incident.times_s, values, strict=True):
            assert value is not None
            detector.update(value, time_s)
            if detector.alarmed and time_s >= incident.onset_s:
                found_s = min(found_s, time_s)
                break
    return found_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", type=int, default=25)
    parser.add_argument("--level", choices=tuple(LEVELS), default="basic")
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    judged, compared = judge(options.generations, options.level), compare()
    report = {
        "machine": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "cores": os.cpu_count(),
        },
        "setting": {
            "candidates": CANDIDATES,
            "generations": options.generations,
            "incidents": INCIDENTS,
            "samples": ROWS,
            "level": options.level,
        },
        "judged": judged,
        "detection_of_a_pair": compared,
        "met": judged["seconds"] * 25 / options.generations <= TARGET_S
        and compared["ratio"] >= TARGET_RATIO,
    }
    if options.output == "json":
        print(json.dumps(report))
        return
    print(
        f"{options.generations} generations of {CANDIDATES} candidates with {judged['genes']} genes"
        f" by {INCIDENTS} incidents: {judged['seconds']:.1f} s of processor time,"
        f" {judged['genomes_per_s']:.0f} candidates/s"
    )
    print(
        f"a candidate notices an incident of {ROWS} readings: {compared['array_us']:.1f} us by"
        f" arrays, {compared['scalar_us']:.0f} us sample by sample, {compared['ratio']:.0f} times"
    )
    print(
        f"targets {TARGET_S:.0f} s for 25 generations and {TARGET_RATIO:.0f} times: {report['met']}"
    )


if __name__ == "__main__":
    main()
