"""Whether mendel becomes better: incidents in a row on estates of one shape, learning kept.

    python benchmarks/campaign.py [--incidents 30] [--shape shop] [--level full] [--jobs 1]
        [--split training|validation] [--output json|text]

Each incident is a course of `healing.py`, of a kind drawn from the seed; the same courses are
healed twice: once with what was learned in those before, once by somebody who begins anew each
time. Told are the scores of the first and of the last third; the difference between the two healers
in the last third is what learning is worth, for courses differ in how hard they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

# Run as a script: its neighbours are found beside it.
from healing import CACHE, find_verdicts
from judging import NOBODY, ORACLE, Cache, Ends, Task, Verdict, judge_campaign, together
from mendel.core.levels import LEVELS
from mendel.scenarios.catalogue import CATALOGUE
from mendel.scenarios.simulator import SPLITS, candidates, draw_estate
from msgspec import structs

_STREAM = 7
# What can be cured: where nothing is to be done, nothing is to be learned.
_KINDS = [kind for kind, entry in CATALOGUE.items() if entry.cures]


def main() -> int:
    options = _options()
    tasks = list(tasks_of(options))
    policies = (NOBODY, ORACLE, options.level)
    asked = [structs.replace(task, policy=each) for task in tasks for each in policies]
    verdicts = find_verdicts(asked, Cache(CACHE), options.jobs)
    by_policy = {each: [v for v in verdicts if v.policy == each] for each in policies}
    pairs = zip(by_policy[NOBODY], by_policy[ORACLE], strict=True)
    ends = [Ends(null.harm, best.harm) for null, best in pairs]
    report = {
        "level": options.level,
        "incidents": len(tasks),
        "learning": thirds(judge_campaign(tasks), ends),
        "anew": thirds(by_policy[options.level], ends),
    }
    if options.output == "json":
        print(json.dumps(report, indent=2))
        return 0
    print(f"{len(tasks)} incidents, {options.split} {options.shape}, {options.level}")
    for name in ("learning", "anew"):
        first, last = report[name]
        print(f"{name:9} first third {first:6.1f}   last third {last:6.1f}")
    return 0


def tasks_of(options: argparse.Namespace) -> Sequence[Task]:
    """One incident after the other, each of a kind that can befall its estate."""
    split = SPLITS[options.split]
    rng = np.random.default_rng((split.seeds[0], _STREAM))
    tasks = []
    for seed in range(split.seeds[0], split.seeds[0] + options.incidents):
        estate = draw_estate(options.shape, seed)
        possible = [kind for kind in _KINDS if candidates(kind, estate)]
        tasks.append(
            Task(
                split=split.name,
                shape=options.shape,
                seed=seed,
                group=(possible[int(rng.integers(len(possible)))],),
                until_s=options.until_s,
                policy=options.level,
            )
        )
    return tasks


def thirds(verdicts: Sequence[Verdict], ends: Sequence[Ends]) -> tuple[float, float]:
    """Scores of the first and of the last third."""
    third = max(1, len(verdicts) // 3)
    return (
        together(verdicts[:third], ends[:third]).score,
        together(verdicts[-third:], ends[-third:]).score,
    )


def _options() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--incidents", type=int, default=30)
    parser.add_argument("--split", choices=tuple(SPLITS), default="training")
    parser.add_argument("--shape", default="shop")
    parser.add_argument("--level", choices=tuple(LEVELS), default="full")
    parser.add_argument("--until-s", type=float, default=900.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", choices=("json", "text"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
