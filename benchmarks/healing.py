"""How well estates are healed: every kind of fault, estates of several shapes, several healers.

    python benchmarks/healing.py [--split training|validation] [--courses 2 | --seeds 3]
        [--skip 100] [--policies basic,full] [--faults crash,quiet,spike+limplock] [--shapes shop]
        [--minutes 5] [--jobs 2] [--output json|markdown|text]

A course is an estate and what befalls it, drawn from a seed. Each healer faces the same courses:
nobody, the policies of the field, mendel at each level (or by a configuration, given as a path),
and an operator who knows what is to come. What counts is harm to users in error-minutes, with a
price for every action; the score is the share of the avoidable harm that was avoided (see
`mendel.scenarios.scoring.score`). What others did is kept, for it does not change with mendel.
``--courses`` takes so many of each group of faults, in turn over the shapes; ``--seeds`` every
shape with each of so many seeds, which takes longer by the number of shapes. With ``--minutes``
it ends by then and tells what everybody has finished, the first course of each group first.
``validation`` is for judging only: nothing is ever tuned on its shape or its seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import msgspec

# Run as a script: its neighbour is found beside it.
from judging import (
    NOBODY,
    ORACLE,
    POLICIES,
    WATCH,
    Cache,
    Ends,
    Judged,
    Task,
    Verdict,
    by_group,
    judge,
    together,
)
from mendel.errors import ConfigError
from mendel.scenarios.simulator import GROUPS, SPLITS, Course, Group, Split, name_of
from msgspec import structs
from rich.console import Console
from rich.progress import track

T = TypeVar("T")
CACHE = Path(__file__).with_name(".cache") / "others.jsonl"


def main() -> int:
    options = _options()
    groups = [each for each in GROUPS if not options.faults or name_of(each) in options.faults]
    try:
        tasks = list(tasks_of(options, groups))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    verdicts = find_verdicts(tasks, Cache(options.cache), options.jobs, 60.0 * options.minutes)
    if not verdicts:
        print("no course was finished by everybody", file=sys.stderr)
        return 130
    report = report_of(options, verdicts)
    if options.output == "json":
        print(json.dumps(report, indent=2))
    elif options.output == "markdown":
        print("\n".join(_table(report)))
    else:
        show(report)
    return 0


def tasks_of(options: argparse.Namespace, groups: Sequence[Group]) -> Iterator[Task]:
    """Every policy on every course, and the two ends of the scale in any case."""
    split = SPLITS[options.split]
    for group, course in _courses_of(options, split, groups):
        for policy in dict.fromkeys((NOBODY, *options.policies, ORACLE)):
            yield Task(
                split=split.name,
                shape=course.estate.name,
                seed=course.seed,
                group=group,
                until_s=options.until_s,
                policy=policy,
                watch=options.watch,
            )


def _courses_of(
    options: argparse.Namespace, split: Split, groups: Sequence[Group]
) -> Iterator[tuple[Group, Course]]:
    if options.seeds:
        return split.courses(
            groups, shapes=options.shapes, seeds=options.seeds, until_s=options.until_s
        )
    return split.sample(
        groups,
        shapes=options.shapes,
        count=options.courses,
        skip=options.skip,
        until_s=options.until_s,
    )


def find_verdicts(
    tasks: Sequence[Task], kept: Cache, jobs: int, patience_s: float = 0.0
) -> list[Verdict]:
    """What came of each task, in their order; played where it is not known.

    Interrupted, or out of patience (0 for no end of it), it gives what there is of courses that
    everybody has had.
    """
    verdicts = {number: kept.get(task) for number, task in enumerate(tasks)}
    missing = [number for number, verdict in verdicts.items() if verdict is None]
    # The first course of each group before the second of any, so that no group is left out.
    missing.sort(key=lambda number: tasks[number].seed)
    with _pool(jobs) as pool:
        running = {pool.submit(judge, tasks[number]): number for number in missing}
        done = as_completed(running, timeout=patience_s or None)
        try:
            for future in _shown(done, len(running), "runs"):
                number = running[future]
                verdicts[number] = future.result()
                kept.put(tasks[number], future.result())
        except (KeyboardInterrupt, TimeoutError):
            print("not all is finished; told is what everybody has had", file=sys.stderr)
    return _finished(tasks, verdicts)


def _finished(tasks: Sequence[Task], verdicts: Mapping[int, Verdict | None]) -> list[Verdict]:
    """The verdicts of all courses of which none is missing."""
    missing = {
        structs.replace(tasks[n], policy="") for n, verdict in verdicts.items() if verdict is None
    }
    return [
        verdict
        for number, verdict in sorted(verdicts.items())
        if verdict is not None and structs.replace(tasks[number], policy="") not in missing
    ]


def ends_of(verdicts: Sequence[Verdict]) -> list[Ends]:
    """The two ends of the scale for each run."""

    def place(verdict: Verdict) -> tuple[str, str, int]:
        return (verdict.group, verdict.shape, verdict.seed)

    harms = {(place(each), each.policy): each.harm for each in verdicts}
    return [Ends(harms[place(v), NOBODY], harms[place(v), ORACLE]) for v in verdicts]


def report_of(options: argparse.Namespace, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything that is told, as plain data."""
    ends = ends_of(verdicts)
    policies: dict[str, Any] = {}
    for policy in options.policies:
        own = [(v, e) for v, e in zip(verdicts, ends, strict=True) if v.policy == policy]
        groups = by_group([v for v, _ in own], [e for _, e in own])
        whole = together([v for v, _ in own], [e for _, e in own])
        policies[policy] = {
            # Each group counts the same, however much harm its faults do, and none for worse than
            # doubling what could have been avoided; those in which there is nothing to avoid would
            # flatter whoever does nothing, and stand apart.
            "score": _mean(max(g.score, -100.0) for g in groups.values() if g.avoidable),
            "calm": _mean(max(g.score, -100.0) for g in groups.values() if not g.avoidable),
            "worst_group": min(groups, key=lambda name: groups[name].score),
            "worst_group_score": min(each.score for each in groups.values()),
            "all_runs": msgspec.to_builtins(whole),
            "groups": {name: msgspec.to_builtins(each) for name, each in groups.items()},
        }
    return {
        "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
        "split": options.split,
        "courses": len({(v.group, v.shape, v.seed) for v in verdicts}),
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


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, however it ends."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # As Ctrl-C.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


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


# --- for people -----------------------------------------------------------------------------------

_HEAD = (
    f"{'score':>6} {'calm':>5} {'worst group':>32} {'worse':>6} {'actions':>8} {'unneeded':>9} "
    f"{'false':>6} {'seen':>5} {'named':>6} {'healed':>7} {'MTTD':>6} {'MTTR':>6}"
)


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    width = max(len(name) for name in report["policies"]) + 2
    print(f"{report['split']}, {report['courses']} courses, {report['until_s']:g} s each")
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
        f"{_share(whole.named):>6} {_share(whole.healed):>7} {_seconds(whole.detection_s):>6} "
        f"{_seconds(whole.recovery_s):>6}"
    )


_COLUMNS = (
    "",
    "score",
    "calm",
    "worst group",
    "worse than nobody",
    "unneeded per run",
    "seen",
    "named",
    "healed",
    "MTTR",
)


def _table(report: dict[str, Any]) -> Iterator[str]:
    """The figures as a table for a page."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for name, each in report["policies"].items():
        whole = msgspec.convert(each["all_runs"], Judged)
        cells = (
            name,
            _points(each["score"]),
            _points(each["calm"]),
            f"{each['worst_group'].replace('_', ' ')} {each['worst_group_score']:.0f}",
            f"{whole.worse:.0%}",
            f"{whole.unneeded:.2f}",
            *map(_share, (whole.detected, whole.named, whole.healed)),
            _seconds(whole.recovery_s),
        )
        yield f"| {' | '.join(cells)} |"


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
    many = parser.add_mutually_exclusive_group()
    many.add_argument(
        "--courses", type=int, default=2, help="of each group, in turn over the shapes"
    )
    many.add_argument("--seeds", type=int, default=0, help="of every shape in each group")
    parser.add_argument("--skip", type=int, default=0, help="with --courses: seeds to leave out")
    parser.add_argument("--until-s", type=float, default=900.0)
    parser.add_argument("--minutes", type=float, default=0.0, help="end by then; 0 for no limit")
    parser.add_argument("--watch", type=_names, default=WATCH)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--output", choices=("json", "markdown", "text"), default="text")
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
