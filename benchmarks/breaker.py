"""What a guarded call costs, beside a bare await and beside other libraries.

    python benchmarks/breaker.py --output json

All cases run interleaved in one process: one short turn of each, many rounds, and every figure is
the median over the rounds of its CPU time divided by that of the bare call of the same round. So a
machine that slows down slows all of them. Peers that are not installed are left out
(``pip install mendel[bench]`` has them).

Columns: ``closed`` a successful call through a closed circuit; ``with`` the same as a block;
``failing`` a call that raises, divided by a bare call that raises; ``rejected`` a call that an open
circuit refuses; ``retry``, ``bulkhead`` the success path of one part; ``pipeline`` limit, circuit,
retry and timeout together.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import platform
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from mendel.agents.guards.config import GuardConfig
from mendel.agents.guards.guard import Guard
from mendel.core.circuits.circuit import CircuitConfig
from mendel.core.circuits.limits import BulkheadConfig
from mendel.core.circuits.retry import RetryConfig

Turn = Callable[[int], Awaitable[None]]

TARGETS = {
    "closed: mendel": 3.0,
    "closed: mendel, generic": 3.5,
    "closed: mendel, slow-call rate": 5.0,
    "with: mendel": 3.5,
    "failing: mendel": 4.0,
    "rejected: mendel": 10.0,
    "retry: mendel": 3.0,
    "bulkhead: mendel": 3.0,
    "pipeline: mendel": 8.0,
}
ALLOW_NS_TARGET = 100.0  # Where a bare await takes 65 ns; scaled with what it takes here.
BYTES_TARGET = 320


class Broken(Exception):
    pass


async def answer(number: int) -> int:
    return number


async def fail(number: int) -> int:
    raise Broken


def calls_of(function: Callable[[int], Awaitable[int]]) -> Turn:
    async def turn(calls: int) -> None:
        for _ in range(calls):
            await function(1)

    return turn


def failures_of(
    function: Callable[[int], Awaitable[int]], error: type[BaseException] = Broken
) -> Turn:
    """Call what raises; a plain try statement, as ``suppress`` would cost more than the call."""

    async def turn(calls: int) -> None:
        for _ in range(calls):
            try:  # noqa: SIM105
                await function(1)
            except error:
                pass

    return turn


# --- ours ---------------------------------------------------------------------------------------


async def generic(*args: Any) -> int:
    return 1


def ours() -> dict[str, Turn]:
    tolerant = CircuitConfig(failure_rate=1.0, window_calls=1_000, minimum_calls=1_000)
    strict = CircuitConfig(window_calls=1, minimum_calls=1, open_s=3_600, open_s_max=3_600)
    closed, slow = Guard("closed"), Guard("slow", GuardConfig(circuit=CircuitConfig(slow_call_s=5)))
    failing, opened = (
        Guard("failing", GuardConfig(circuit=tolerant)),
        Guard("open", GuardConfig(circuit=strict)),
    )
    opened.record(opened.begin(), Broken())
    retry = Guard("retry", GuardConfig(retry=RetryConfig()))
    bulkhead = Guard("bulkhead", GuardConfig(bulkhead=BulkheadConfig()))
    parts = GuardConfig(retry=RetryConfig(), bulkhead=BulkheadConfig(), timeout_s=5.0)
    pipeline = Guard("pipeline", parts)

    async def block(calls: int) -> None:
        for _ in range(calls):
            with closed:
                await answer(1)

    only_failures, one_success = failures_of(failing(fail)), failing(answer)

    async def failures(calls: int) -> None:
        for _ in range(0, calls, 900):
            await one_success(1)  # In a window of 1,000 calls: the rate stays below 1.0.
            await only_failures(900)

    return {
        "closed: mendel": calls_of(closed(answer)),
        "closed: mendel, generic": calls_of(closed(generic)),
        "closed: mendel, slow-call rate": calls_of(slow(answer)),
        "with: mendel": block,
        "failing: mendel": failures,
        "rejected: mendel": failures_of(opened(answer), Exception),
        "retry: mendel": calls_of(retry(answer)),
        "bulkhead: mendel": calls_of(bulkhead(answer)),
        "pipeline: mendel": calls_of(pipeline(answer)),
    }


# --- peers --------------------------------------------------------------------------------------


def pass_through() -> dict[str, Turn]:
    def wrap(function: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
        async def wrapper(*args: Any, **kwargs: Any) -> int:
            return await function(*args, **kwargs)

        return wrapper

    return {
        "closed: pass-through wrapper": calls_of(wrap(answer)),
        "failing: pass-through wrapper": failures_of(wrap(fail)),
    }


async def circuitbreaker() -> dict[str, Turn]:
    library = importlib.import_module("circuitbreaker")
    closed = library.CircuitBreaker(name="closed", expected_exception=Exception)
    failing = library.CircuitBreaker(failure_threshold=10**9, name="failing")
    opened = library.CircuitBreaker(failure_threshold=1, recovery_timeout=3600, name="open")
    refused = opened(fail)
    await _open(refused)
    return {
        "closed: circuitbreaker": calls_of(closed(answer)),
        "failing: circuitbreaker": failures_of(failing(fail)),
        "rejected: circuitbreaker": failures_of(refused, Exception),
    }


async def hyx() -> dict[str, Turn]:
    library = importlib.import_module("hyx.circuitbreaker")

    def breaker(threshold: int) -> Any:
        return library.consecutive_breaker(
            exceptions=(Exception,), failure_threshold=threshold, recovery_time_secs=3600
        )

    closed, refused = breaker(5), breaker(1)(fail)
    await _open(refused)

    async def block(calls: int) -> None:
        for _ in range(calls):
            async with closed:
                await answer(1)

    return {
        "closed: hyx": calls_of(closed(answer)),
        "with: hyx": block,
        "failing: hyx": failures_of(breaker(10**9)(fail)),
        "rejected: hyx": failures_of(refused, Exception),
    }


async def aiobreaker() -> dict[str, Turn]:
    library = importlib.import_module("aiobreaker")
    hour = timedelta(hours=1)
    refused = library.CircuitBreaker(fail_max=1, timeout_duration=hour)(fail)
    await _open(refused)
    return {
        "closed: aiobreaker": calls_of(library.CircuitBreaker()(answer)),
        "failing: aiobreaker": failures_of(library.CircuitBreaker(fail_max=10**9)(fail)),
        "rejected: aiobreaker": failures_of(refused, Exception),
    }


async def purgatory() -> dict[str, Turn]:
    library = importlib.import_module("purgatory")
    factory = library.AsyncCircuitBreakerFactory(default_threshold=10**9, default_ttl=3600)
    one = library.AsyncCircuitBreakerFactory(default_threshold=1, default_ttl=3600)
    refused = one("open")(fail)
    await _open(refused)
    breaker = await factory.get_breaker("block")

    async def block(calls: int) -> None:
        for _ in range(calls):
            async with breaker:
                await answer(1)

    return {
        "closed: purgatory": calls_of(factory("closed")(answer)),
        "with: purgatory": block,
        "failing: purgatory": failures_of(factory("failing")(fail)),
        "rejected: purgatory": failures_of(refused, Exception),
    }


async def pybreaker() -> dict[str, Turn]:
    library = importlib.import_module("pybreaker")
    importlib.import_module("tornado")  # Its asynchronous calls are tornado's.
    closed = library.CircuitBreaker()
    failing = library.CircuitBreaker(fail_max=10**9)
    opened = library.CircuitBreaker(fail_max=1, reset_timeout=3600)

    def under(breaker: Any, function: Any) -> Callable[[int], Awaitable[int]]:
        return lambda number: breaker.call_async(function, number)

    refused = under(opened, fail)
    await _open(refused)
    return {
        "closed: pybreaker": calls_of(under(closed, answer)),
        "failing: pybreaker": failures_of(under(failing, fail)),
        "rejected: pybreaker": failures_of(refused, Exception),
    }


async def retries() -> dict[str, Turn]:
    stamina, tenacity = importlib.import_module("stamina"), importlib.import_module("tenacity")
    three = tenacity.stop_after_attempt(3)
    return {
        "retry: stamina": calls_of(stamina.retry(on=Broken, attempts=3)(answer)),
        "retry: tenacity": calls_of(tenacity.retry(stop=three)(answer)),
    }


async def bulkheads() -> dict[str, Turn]:
    anyio = importlib.import_module("anyio")
    semaphore, limiter = asyncio.Semaphore(25), anyio.CapacityLimiter(25)

    def under(limit: Any) -> Turn:
        async def turn(calls: int) -> None:
            for _ in range(calls):
                async with limit:
                    await answer(1)

        return turn

    return {
        "bulkhead: asyncio.Semaphore": under(semaphore),
        "bulkhead: anyio.CapacityLimiter": under(limiter),
    }


PEERS = (circuitbreaker, hyx, aiobreaker, purgatory, pybreaker, retries, bulkheads)


async def _open(refused: Callable[[int], Awaitable[int]]) -> None:
    for _ in range(2):
        with suppress(Exception):
            await refused(1)


# --- measuring ----------------------------------------------------------------------------------


async def measure(rounds: int, calls: int) -> tuple[dict[str, float], float, float]:
    """Median ratios, nanoseconds of a bare call, and nanoseconds of ``allow()``."""
    turns: dict[str, Turn] = {"bare": calls_of(answer), "bare failing": failures_of(fail)}
    turns |= ours() | pass_through()
    for peer in PEERS:
        try:
            turns |= await peer()
        except ImportError as error:
            print(f"left out: {error.name}")
    allow = Guard("allow").allow
    ratios: dict[str, list[float]] = {name: [] for name in turns}
    bare_ns: list[float] = []
    allow_ns: list[float] = []
    empty_ns: list[float] = []
    for _ in range(rounds):
        spent = {name: await _time(name, turn, calls) for name, turn in turns.items()}
        for name, seconds in spent.items():
            failing = name.startswith("failing")
            ratios[name].append(seconds / spent["bare failing" if failing else "bare"])
        bare_ns.append(spent["bare"] * 1e9)
        allow_ns.append(_repeat(allow, calls))
        empty_ns.append(_repeat(None, calls))
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    net_ns = statistics.median(each - empty for each, empty in zip(allow_ns, empty_ns, strict=True))
    return medians, statistics.median(bare_ns), net_ns


async def _time(name: str, turn: Turn, calls: int) -> float:
    """Seconds of CPU per call; expensive peers get fewer calls, so that no round takes long."""
    calls -= calls % 900  # The failing calls come in portions of 900.
    heavy = "pybreaker" in name or name in ("retry: stamina", "retry: tenacity")
    count = calls // 20 if heavy else calls
    begun = time.process_time()
    await turn(count)
    return (time.process_time() - begun) / count


def _repeat(function: Callable[[], object] | None, calls: int) -> float:
    """Nanoseconds of CPU per call in a loop; without a function, of the loop itself."""
    begun = time.process_time()
    if function is None:
        for _ in range(calls):
            pass
    else:
        for _ in range(calls):
            function()
    return (time.process_time() - begun) / calls * 1e9


def bytes_of_a_guard(count: int = 2_000) -> float:
    """Memory of one guard that has not been used, all it refers to and does not share included."""
    guards: list[Any] = [None] * count
    names = [f"target-{index}" for index in range(count)]
    Guard("warm-up")
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for index, name in enumerate(names):
        guards[index] = Guard(name)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def soak(calls: int) -> dict[str, float]:
    """Bytes that guards have gained after many calls and a tenth as many refusals."""
    guard, shut = Guard("soak"), Guard("shut")
    shut.force_open("benchmark")

    async def play(count: int) -> None:
        await calls_of(guard(answer))(count)
        await failures_of(shut(answer), Exception)(count // 10)

    asyncio.run(play(10_000))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    asyncio.run(play(calls))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"calls": calls, "refusals": calls // 10, "bytes_gained": after - before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=18_000)
    parser.add_argument("--soak", type=int, metavar="CALLS", help="only look for lost memory")
    options = parser.parse_args()
    if options.soak:
        print(json.dumps(soak(options.soak)))
        return
    ratios, bare_ns, allow_ns = asyncio.run(measure(options.rounds, options.calls))
    size = bytes_of_a_guard()
    allow_limit_ns = ALLOW_NS_TARGET * bare_ns / 65.0
    reached = {name: ratios[name] <= limit for name, limit in TARGETS.items()}
    reached["allow"] = allow_ns <= allow_limit_ns
    reached["bytes"] = round(size) <= BYTES_TARGET
    result = {
        "python": platform.python_version(),
        "bare_await_ns": round(bare_ns, 1),
        "allow_ns": round(allow_ns, 1),
        "allow_ns_limit": round(allow_limit_ns, 1),
        "bytes": round(size),
        "ratios": {name: round(value, 2) for name, value in sorted(ratios.items())},
        "targets": TARGETS | {"bytes": BYTES_TARGET},
        "reached": reached,
    }
    if options.output == "json":
        print(json.dumps(result, indent=2))
        return
    for name, ratio in sorted(ratios.items()):
        limit = f"  (target {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:40} {ratio:8.2f}{limit}")
    print(f"{'allow()':40} {allow_ns:8.1f} ns  (target {allow_limit_ns:.0f})")
    print(f"{'bytes of a fresh guard':40} {size:8.0f}     (target {BYTES_TARGET})")


if __name__ == "__main__":
    main()
