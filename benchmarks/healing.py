"""How well estates are healed: every kind of fault, estates of several shapes, several healers.

    python benchmarks/healing.py [--split training|validation] [--seeds 3] [--policies basic,full]
        [--faults crash,quiet,spike+limplock] [--shapes shop] [--jobs 2] [--output json|text]

A course is an estate and what befalls it, drawn from a seed. Each healer faces the same courses:
nobody, mendel at each level (or by a configuration, given as a path), and an operator who knows
what is to come. What counts is harm to users in error-minutes, with a price for every action; the
score is the share of the avoidable harm that was avoided (see `mendel.scenarios.scoring.score`).
``validation`` is for judging only: nothing is ever tuned on its shape or its seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import msgspec

# Run as a script: its neighbour is found beside it.
from judging import (
    POLICIES,
    Cache,
    Ends,
    Judged,
    Task,
    Verdict,
    by_group,
    ends_of,
    judge,
    together,
)
from mendel.errors import ConfigError
from mendel.scenarios.simulator import GROUPS, SPLITS, Group, name_of
from rich.console import Console
from rich.progress import track

T = TypeVar("T")
CACHE = Path(__file__).with_name(".cache") / "ends.jsonl"


def main() -> int:
    options = _options()
    groups = [each for each in GROUPS if not options.faults or name_of(each) in options.faults]
    try:
        tasks = list(tasks_of(options, groups))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        ends = find_ends(tasks, Cache(options.cache), pool)
        verdicts = _all(pool, judge, tasks, "runs")
    report = report_of(options, verdicts, [ends[_place(task)] for task in tasks])
    if options.output == "json":
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0


def tasks_of(options: argparse.Namespace, groups: Sequence[Group]) -> Iterator[Task]:
    """Every policy on every course."""
    split = SPLITS[options.split]
    courses = split.courses(
        groups, shapes=options.shapes, seeds=options.seeds, until_s=options.until_s
    )
    for group, course in courses:
        for policy in options.policies:
            yield Task(
                split=split.name,
                shape=course.estate.name,
                seed=course.seed,
                group=group,
                until_s=options.until_s,
                policy=policy,
                watch=options.watch,
            )


def find_ends(
    tasks: Sequence[Task], cache: Cache, pool: ProcessPoolExecutor
) -> dict[tuple[Any, ...], Ends]:
    """The two ends of each course, played where they are not known."""
    courses = {_place(task): task for task in tasks}
    known = {place: cache.get(task.course) for place, task in courses.items()}
    missing = [courses[place] for place, ends in known.items() if ends is None]
    found = _all(pool, ends_of, missing, "ends of the scale", lambda each: cache.put(*each))
    for task, (_, ends) in zip(missing, found, strict=True):
        known[_place(task)] = ends
    return {place: ends for place, ends in known.items() if ends is not None}


def report_of(
    options: argparse.Namespace, verdicts: Sequence[Verdict], ends: Sequence[Ends]
) -> dict[str, Any]:
    """Everything that is told, as plain data."""
    policies: dict[str, Any] = {}
    for policy in options.policies:
        own = [(v, e) for v, e in zip(verdicts, ends, strict=True) if v.policy == policy]
        groups = by_group([v for v, _ in own], [e for _, e in own])
        whole = together([v for v, _ in own], [e for _, e in own])
        policies[policy] = {
            # Each group counts the same, however much harm its faults do; those in which there is
            # nothing to avoid would flatter whoever does nothing, and stand apart.
            "score": _mean(each.score for each in groups.values() if each.avoidable),
            "calm": _mean(each.score for each in groups.values() if not each.avoidable),
            "worst_group": min(groups, key=lambda name: groups[name].score),
            "worst_group_score": min(each.score for each in groups.values()),
            "all_runs": msgspec.to_builtins(whole),
            "groups": {name: msgspec.to_builtins(each) for name, each in groups.items()},
        }
    return {
        "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
        "split": options.split,
        "seeds": options.seeds,
        "until_s": options.until_s,
        "watch": options.watch,
        "policies": policies,
        "runs": [
            {**msgspec.to_builtins(v), **msgspec.to_builtins(e)}
            for v, e in zip(verdicts, ends, strict=True)
        ],
    }


def _mean(scores: Iterable[float]) -> float | None:
    known = list(scores)
    return fmean(known) if known else None


# --- work and progress ----------------------------------------------------------------------------


def _all(
    pool: ProcessPoolExecutor,
    work: Callable[[Task], T],
    tasks: Sequence[Task],
    what: str,
    done: Callable[[T], None] = lambda _: None,
) -> list[T]:
    """Results in the order of the tasks; each is handed on as soon as it is there."""
    places: dict[Future[T], int] = {pool.submit(work, each): n for n, each in enumerate(tasks)}
    results: dict[int, T] = {}
    for future in _shown(as_completed(places), len(places), what):
        results[places[future]] = future.result()
        done(future.result())
    return [results[number] for number in range(len(tasks))]


def _shown(futures: Iterable[T], total: int, what: str) -> Iterable[T]:
    console = Console(stderr=True)
    return track(
        futures,
        description=what,
        total=total,
        console=console,
        disable=not (console.is_terminal and total),
        transient=True,
    )


def _place(task: Task) -> tuple[Any, ...]:
    return (task.split, task.shape, task.seed, task.group, task.until_s)


# --- for people -----------------------------------------------------------------------------------

_HEAD = (
    f"{'score':>6} {'calm':>5} {'worst group':>32} {'worse':>6} {'actions':>8} {'unneeded':>9} "
    f"{'false':>6} {'seen':>5} {'healed':>7} {'MTTD':>6} {'MTTR':>6}"
)


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    width = max(len(name) for name in report["policies"]) + 2
    print(f"{report['split']}, {report['seeds']} seeds, {report['until_s']:g} s each")
    print(f"{'':{width}}{_HEAD}")
    for name, each in report["policies"].items():
        print(f"{name:{width}}{_row(each)}")
    print("\nscore by group")
    groups = next(iter(report["policies"].values()))["groups"]
    print(f"{'':28}{''.join(f'{name[-11:]:>12}' for name in report['policies'])}")
    for group in groups:
        scores = [each["groups"][group]["score"] for each in report["policies"].values()]
        print(f"{group:28}{''.join(f'{score:12.0f}' for score in scores)}")


def _row(policy: dict[str, Any]) -> str:
    whole = msgspec.convert(policy["all_runs"], Judged)
    worst = f"{policy['worst_group']} {policy['worst_group_score']:.0f}"
    return (
        f"{_points(policy['score']):>6} {_points(policy['calm']):>5} {worst:>32} "
        f"{whole.worse:6.0%} {whole.actions:8.2f} {whole.unneeded:9.2f} "
        f"{whole.false_alarms:6.2f} {_share(whole.detected):>5} "
        f"{_share(whole.healed):>7} {_seconds(whole.detection_s):>6} "
        f"{_seconds(whole.recovery_s):>6}"
    )


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--split", choices=tuple(SPLITS), default="training")
    parser.add_argument("--policies", type=_names, default=POLICIES, help="names, or paths")
    parser.add_argument("--levels", type=_names, default=(), help="only these levels of mendel")
    parser.add_argument("--faults", type=_names, default=(), help="groups; all by default")
    parser.add_argument("--shapes", type=_names, default=())
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--until-s", type=float, default=900.0)
    parser.add_argument("--watch", type=_names, default=("components",))
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    if options.levels:
        options.policies = options.levels
    known = [name_of(each) for each in GROUPS]
    for name in options.faults:
        if name not in known:
            parser.error(f"no faults {name!r}; there are: {', '.join(known)}")
    for name in options.policies:
        if name not in POLICIES and not Path(name).is_file():
            parser.error(f"no policy {name!r}; there are: {', '.join(POLICIES)}, or a file")
    return options


def _names(text: str) -> tuple[str, ...]:
    return tuple(each for each in text.split(",") if each)


if __name__ == "__main__":
    sys.exit(main())
