"""How much of a target's capacity a limit on calls in flight saves under overload.

    python benchmarks/adaptive_limit.py --output json

A target works on so many calls at once as its capacity says, in order of arrival; its callers give
up after 250 ms, but the target does not know that and does their work all the same. Without a limit
such a target does nothing but work for callers who have left. Everything runs in virtual time, as a
simulation of events, against the same decisions that a guard takes.

``goodput`` is the share of the calls that could have been answered in time that were; ``p99_s`` is
over all calls that were sent, those given up included with the 250 ms that their callers waited.
The oracle is a limit that always equals the true capacity. The shapes of load and capacity are not
those that the defaults were tuned on (those are ``--tuning``); the first three had been looked at
while the algorithm was worked on, the last three were written after it was finished.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple, Protocol

from mendel.core.circuits.circuit import Outcome
from mendel.core.circuits.concurrency import AdaptiveLimit, AdaptiveLimitConfig
from mendel.core.circuits.limits import Bulkhead, BulkheadConfig

DEADLINE_S = 0.25
SERVICE_S = 0.1
GOODPUT_TARGET = 0.95  # Of what is possible.
P99_TARGET = 1.3  # Times the oracle's.


class Shape(NamedTuple):
    """Course of one run.

    Attributes:
        capacity: calls worked on at once, by time.
        load: calls arriving per second, by time.
        spread: standard deviation of the logarithm of the service time.
        duration_s: how long it lasts.
    """

    capacity: Callable[[float], int]
    load: Callable[[float], float]
    spread: float
    duration_s: float = 60.0


def full(capacity: float, share: float) -> float:
    """Calls per second that are ``share`` times what a capacity can do."""
    return share * capacity / SERVICE_S


SHAPES = {
    "step": Shape(lambda _: 40, lambda t: full(40, 2.0 if 15 <= t < 45 else 0.5), 0.2),
    "ramp": Shape(lambda _: 40, lambda t: full(40, 0.3 + 2.7 * t / 60.0), 0.2),
    "capacity drop and return": Shape(
        lambda t: 10 if 20 <= t < 40 else 40, lambda _: full(40, 2.0), 0.2
    ),
    "two steps": Shape(
        lambda _: 32, lambda t: full(32, 1.8 if 10 <= t < 25 else 2.5 if 35 <= t < 50 else 0.6), 0.2
    ),
    "capacity fades and returns": Shape(
        lambda t: int(48 - 32 * min(max((t - 15) / 20, 0), 1)) if t < 45 else 48,
        lambda _: full(48, 1.5),
        0.2,
    ),
    "bursts": Shape(lambda _: 24, lambda t: full(24, 3.0 if t % 8 < 2 else 0.7), 0.25),
}
TUNING = {
    "steady": Shape(lambda _: 25, lambda _: full(25, 1.6), 0.3),
    "waves": Shape(lambda _: 60, lambda t: full(60, 1.2 + 0.8 * math.sin(t / 3.0)), 0.2),
    "capacity crash": Shape(
        lambda t: 12 if 10 <= t < 25 or 40 <= t < 50 else 50, lambda _: full(50, 1.6), 0.25
    ),
    "capacity steps": Shape(
        lambda t: (60, 20, 35, 80)[min(int(t // 15), 3)], lambda _: full(80, 1.5), 0.25
    ),
}


class Limit(Protocol):
    """What a run needs of a limit."""

    def enter(self) -> bool: ...
    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None: ...


class Oracle:
    """Knows the capacity."""

    def __init__(self, shape: Shape) -> None:
        self._capacity = shape.capacity
        self._in_flight = 0
        self.now_s = 0.0

    def enter(self) -> bool:
        if self._in_flight >= self._capacity(self.now_s):
            return False
        self._in_flight += 1
        return True

    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None:
        self._in_flight -= 1


class Unlimited:
    def enter(self) -> bool:
        return True

    def leave(self, duration_s: float, outcome: Outcome, now_s: float) -> None:
        pass


class Call:
    __slots__ = ("began_s", "ended")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.ended = False


class Run:
    """One course of events: arrivals, the target's work, and callers giving up."""

    def __init__(self, shape: Shape, limit: Limit, seed: int) -> None:
        self._shape = shape
        self._limit = limit
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, str, Call | None]] = []
        self._order = count()
        self._queue: deque[Call] = deque()
        self._working = 0
        self.possible = 0.0
        self.answered = 0
        self.latencies_s: list[float] = []

    def play(self) -> None:
        """Run to the end."""
        shape = self._shape
        for tick in range(int(shape.duration_s * 100)):
            at_s = tick / 100
            self.possible += 0.01 * min(shape.load(at_s), shape.capacity(at_s) / SERVICE_S)
        self._at(0.0, "arrive")
        self._at(0.1, "capacity")
        while self._events:
            now_s, _, what, call = heapq.heappop(self._events)
            if isinstance(self._limit, Oracle):
                self._limit.now_s = now_s
            match what:
                case "arrive":
                    self._arrive(now_s)
                case "capacity":
                    if now_s < shape.duration_s:
                        self._work(now_s)
                        self._at(now_s + 0.1, "capacity")
                case "done":
                    assert call is not None
                    self._working -= 1
                    self._end(call, now_s, Outcome.SUCCESS)
                    self._work(now_s)
                case _:
                    assert call is not None
                    self._end(call, now_s, Outcome.FAILURE)

    def _at(self, time_s: float, what: str, call: Call | None = None) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), what, call))

    def _arrive(self, now_s: float) -> None:
        if now_s >= self._shape.duration_s:
            return
        self._at(now_s + self._random.expovariate(self._shape.load(now_s)), "arrive")
        if self._limit.enter():
            call = Call(now_s)
            self._at(now_s + DEADLINE_S, "give up", call)
            self._queue.append(call)
            self._work(now_s)

    def _work(self, now_s: float) -> None:
        while self._queue and self._working < self._shape.capacity(now_s):
            call = self._queue.popleft()
            self._working += 1
            spread = self._shape.spread
            service_s = SERVICE_S * self._random.lognormvariate(-0.5 * spread**2, spread)
            self._at(now_s + service_s, "done", call)

    def _end(self, call: Call, now_s: float, outcome: Outcome) -> None:
        if call.ended:
            return
        call.ended = True
        self._limit.leave(now_s - call.began_s, outcome, now_s)
        self.latencies_s.append(now_s - call.began_s)
        self.answered += outcome is Outcome.SUCCESS

    def result(self) -> dict[str, float]:
        """Goodput and 99th percentile."""
        self.latencies_s.sort()
        p99_s = self.latencies_s[int(0.99 * (len(self.latencies_s) - 1))]
        return {"goodput": self.answered / self.possible, "p99_s": p99_s}


def limits_of(shape: Shape, config: AdaptiveLimitConfig) -> dict[str, Limit]:
    """The limits to compare."""
    return {
        "none": Unlimited(),
        "static 10": Bulkhead(BulkheadConfig(max_calls=10)),
        "static 25": Bulkhead(BulkheadConfig(max_calls=25)),
        "oracle": Oracle(shape),
        "mendel": AdaptiveLimit(config),
    }


def measure(shape: Shape, config: AdaptiveLimitConfig, seeds: int) -> dict[str, dict[str, float]]:
    """Mean over the seeds of each limit's figures."""
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        for name, limit in limits_of(shape, config).items():
            run = Run(shape, limit, seed)
            run.play()
            results.setdefault(name, []).append(run.result())
    return {
        name: {key: sum(each[key] for each in runs) / seeds for key in ("goodput", "p99_s")}
        for name, runs in results.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tuning", action="store_true", help="run the shapes used for tuning")
    options = parser.parse_args()
    report: dict[str, Any] = {}
    for name, shape in (TUNING if options.tuning else SHAPES).items():
        limits = measure(shape, AdaptiveLimitConfig(), options.seeds)
        ours, oracle = limits["mendel"], limits["oracle"]
        p99_ratio = ours["p99_s"] / oracle["p99_s"]
        report[name] = {
            "limits": limits,
            "p99_to_oracle": p99_ratio,
            "reached": ours["goodput"] >= GOODPUT_TARGET and p99_ratio <= P99_TARGET,
        }
    if options.output == "json":
        print(json.dumps(report, indent=2))
        return
    for name, entry in report.items():
        print(f"{name}: {'reached' if entry['reached'] else 'missed'}")
        for limit, figures in entry["limits"].items():
            print(f"  {limit:10} goodput {figures['goodput']:6.1%}  p99 {figures['p99_s']:.3f} s")


if __name__ == "__main__":
    main()
