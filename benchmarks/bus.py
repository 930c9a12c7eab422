"""Bus and agents against their peers: the same work, in turns, in one process.

    python benchmarks/bus.py [--rounds N] [--output text|json]

The reference is `asyncio.Queue(1024)` with awaited put and get. Everybody moves the same message
object through the same number of tasks. Each round runs all contenders of a workload one after the
other and compares them with the reference of that round; what is shown is the median over the
rounds: on a shared machine a ratio taken within one round is worth more than any number of seconds.

A peer that is not installed is shown as such (``pip install -e '.[bench]'``).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import platform
import sys
import tracemalloc
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from math import inf
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import anyio
from mendel.agents import Agent, Seat, on
from mendel.bus import Envelope, LocalBus, Message

CAPACITY = 1024


class Ping(Message, frozen=True, kw_only=True):
    n: int = 0


PING = Ping()
Work = Callable[[int], Awaitable[float] | float]


# --- the reference ------------------------------------------------------------------------------


async def queue_fan(count: int, receivers: int) -> float:
    queues: list[asyncio.Queue[Ping]] = [asyncio.Queue(CAPACITY) for _ in range(receivers)]

    async def receive(queue: asyncio.Queue[Ping]) -> None:
        for _ in range(count):
            await queue.get()

    tasks = [asyncio.create_task(receive(queue)) for queue in queues]
    await asyncio.sleep(0)
    begin = perf_counter()
    for _ in range(count):
        for queue in queues:
            await queue.put(PING)
    await asyncio.gather(*tasks)
    return perf_counter() - begin


async def queue_ask(count: int) -> list[float]:
    questions: asyncio.Queue[Ping] = asyncio.Queue(CAPACITY)
    answers: asyncio.Queue[Ping] = asyncio.Queue(CAPACITY)

    async def answer() -> None:
        while True:
            await answers.put(await questions.get())

    async def ask() -> None:
        await questions.put(PING)
        await answers.get()

    return await timed_asks(ask, count, asyncio.create_task(answer()))


async def queue_ring(actors: int, laps: int) -> float:
    queues: list[asyncio.Queue[Ping]] = [asyncio.Queue(CAPACITY) for _ in range(actors)]
    rest = 0
    done = asyncio.Event()

    async def pass_on(mine: asyncio.Queue[Ping], following: asyncio.Queue[Ping]) -> None:
        nonlocal rest
        while True:
            token = await mine.get()
            rest -= 1
            if rest <= 0:
                done.set()
            else:
                await following.put(token)

    pairs = zip(queues, queues[1:] + queues[:1], strict=True)
    tasks = [asyncio.create_task(pass_on(mine, following)) for mine, following in pairs]
    await asyncio.sleep(0)
    for turns in (1, laps):  # The first lap warms up.
        rest = actors * turns
        done.clear()
        begin = perf_counter()
        await queues[0].put(PING)
        await done.wait()
        took_s = perf_counter() - begin
    await cancel(tasks)
    return took_s


# --- the floor: a deque and a future, no features -----------------------------------------------


class Floor:
    """A bus with nothing but delivery: no bound, no names, no failures."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.waiter: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        self.items.append(item)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def arrival(self) -> asyncio.Future[None]:
        self.waiter = asyncio.get_running_loop().create_future()
        return self.waiter


async def floor_fan(count: int, receivers: int) -> float:
    floors = [Floor() for _ in range(receivers)]

    async def receive(floor: Floor) -> None:
        received = 0
        while received < count:
            while floor.items:
                floor.items.popleft()
                received += 1
            if received < count:
                await floor.arrival()

    tasks = [asyncio.create_task(receive(floor)) for floor in floors]
    await asyncio.sleep(0)
    begin = perf_counter()
    for number in range(count):
        for floor in floors:
            floor.put(PING)
        if number % CAPACITY == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return perf_counter() - begin


async def floor_ask(count: int) -> list[float]:
    floor = Floor()

    async def answer() -> None:
        while True:
            while floor.items:
                message, answered = floor.items.popleft()
                answered.set_result(message)
            await floor.arrival()

    async def ask() -> None:
        answered = asyncio.get_running_loop().create_future()
        floor.put((PING, answered))
        await answered

    return await timed_asks(ask, count, asyncio.create_task(answer()))


async def floor_ring(actors: int, laps: int) -> float:
    floors = [Floor() for _ in range(actors)]
    rest = 0
    done = asyncio.Event()

    async def pass_on(mine: Floor, following: Floor) -> None:
        nonlocal rest
        while True:
            while mine.items:
                token = mine.items.popleft()
                rest -= 1
                if rest <= 0:
                    done.set()
                else:
                    following.put(token)
            await mine.arrival()

    pairs = zip(floors, floors[1:] + floors[:1], strict=True)
    tasks = [asyncio.create_task(pass_on(mine, following)) for mine, following in pairs]
    await asyncio.sleep(0)
    for turns in (1, laps):
        rest = actors * turns
        done.clear()
        begin = perf_counter()
        floors[0].put(PING)
        await done.wait()
        took_s = perf_counter() - begin
    await cancel(tasks)
    return took_s


# --- mendel -------------------------------------------------------------------------------------


async def receive_async(envelope: Envelope) -> None:
    pass


def receive_sync(envelope: Envelope) -> None:
    pass


def record(batch: list[Envelope]) -> None:
    len(batch)


class Receiver(Agent):
    @on(Ping)
    async def ping(self, ping: Ping) -> None:
        pass


async def mendel_fan(
    count: int, receivers: int, handler: Any = receive_async, *, tap: bool = False, many: int = 0
) -> float:
    async with LocalBus() as bus:
        if tap:
            bus.tap(record)
        for _ in range(receivers):
            bus.subscribe("ping", handler, capacity=CAPACITY)
        await asyncio.sleep(0)
        begin = perf_counter()
        if many:
            burst = [PING] * many
            for _ in range(count // many):
                await bus.publish_many(burst)
        else:
            for _ in range(count):
                await bus.publish(PING)
        assert await bus.drain(60.0)
        return perf_counter() - begin


async def mendel_agent(count: int) -> float:
    async with LocalBus() as bus:
        seat = Seat(bus, Receiver, capacity=CAPACITY)
        life = asyncio.create_task(seat.run(Receiver()))
        await asyncio.sleep(0)
        begin = perf_counter()
        for _ in range(count):
            await bus.publish(PING)
        assert await bus.drain(60.0)
        took_s = perf_counter() - begin
        seat.stop()
        await life
        return took_s


async def mendel_ask(count: int, timeout_s: float, *, tap: bool = False) -> list[float]:
    async def answer(envelope: Envelope) -> Message:
        return envelope.message

    async with LocalBus() as bus:
        if tap:
            bus.tap(record)
        bus.subscribe("ping", answer, capacity=CAPACITY)

        async def ask() -> None:
            await bus.request(PING, timeout_s=timeout_s)

        return await timed_asks(ask, count)


async def mendel_ring(actors: int, laps: int) -> float:
    rest = 0
    done = asyncio.Event()

    def actor(following: str) -> Callable[[Envelope], Awaitable[None]]:
        async def pass_on(envelope: Envelope) -> None:
            nonlocal rest
            rest -= 1
            if rest <= 0:
                done.set()
            else:
                await bus.publish(envelope.message, envelope, following)

        return pass_on

    async with LocalBus() as bus:
        for number in range(actors):
            bus.subscribe(f"actor.{number}", actor(f"actor.{(number + 1) % actors}"))
        await asyncio.sleep(0)
        for turns in (1, laps):
            rest = actors * turns
            done.clear()
            begin = perf_counter()
            await bus.publish(PING, subject="actor.0")
            await done.wait()
            took_s = perf_counter() - begin
        return took_s


async def mendel_routing(count: int, subscriptions: int) -> float:
    bus = LocalBus()
    for number in range(subscriptions // 2):
        bus.subscribe(f"component.{number}.up", receive_sync)
        bus.subscribe(f"component.{number}.*", receive_sync)
    subjects = [f"component.{number}.up" for number in range(100)]
    await asyncio.sleep(0)
    took_s = 0.0
    for number in range(count):
        begin = perf_counter()
        for subject in subjects:
            bus.publish(PING, subject=subject)
        took_s += perf_counter() - begin
        if number % 4 == 3:  # What the handlers cost is not routing.
            await bus.drain(60.0)
    await bus.close(1.0)
    return took_s


# --- the peers ----------------------------------------------------------------------------------


async def anyio_fan(count: int, receivers: int) -> float:
    streams = [anyio.create_memory_object_stream[Ping](CAPACITY) for _ in range(receivers)]

    async def receive(stream: Any) -> None:
        for _ in range(count):
            await stream.receive()

    tasks = [asyncio.create_task(receive(stream)) for _, stream in streams]
    await asyncio.sleep(0)
    begin = perf_counter()
    for _ in range(count):
        for stream, _ in streams:
            await stream.send(PING)
    await asyncio.gather(*tasks)
    took_s = perf_counter() - begin
    for sender, receiver in streams:
        sender.close()
        receiver.close()
    return took_s


async def anyio_ask(count: int) -> list[float]:
    ask_in, ask_out = anyio.create_memory_object_stream[Ping](CAPACITY)
    answer_in, answer_out = anyio.create_memory_object_stream[Ping](CAPACITY)

    async def answer() -> None:
        while True:
            await answer_in.send(await ask_out.receive())

    async def ask() -> None:
        await ask_in.send(PING)
        await answer_out.receive()

    latencies = await timed_asks(ask, count, asyncio.create_task(answer()))
    for stream in (ask_in, ask_out, answer_in, answer_out):
        stream.close()
    return latencies


def pykka_actors(count: int) -> list[Any]:
    import pykka

    class PykkaActor(pykka.ThreadingActor):
        use_daemon_thread = True

        def on_receive(self, message: Any) -> Any:
            return message

    return [PykkaActor.start() for _ in range(count)]


def pykka_fan(count: int, receivers: int) -> float:
    actors = pykka_actors(receivers)
    begin = perf_counter()
    for _ in range(count):
        for actor in actors:
            actor.tell(PING)
    for actor in actors:
        actor.ask(PING)
    took_s = perf_counter() - begin
    for actor in actors:
        actor.stop()
    return took_s


def pykka_ask(count: int) -> list[float]:
    (actor,) = pykka_actors(1)
    latencies = []
    for _ in range(count):
        begin = perf_counter()
        actor.ask(PING)
        latencies.append(perf_counter() - begin)
    actor.stop()
    return latencies


def pymitter_routing(count: int, subscriptions: int) -> float:
    import pymitter

    emitter: Any = pymitter.EventEmitter(wildcard=True, delimiter=".")
    for number in range(subscriptions // 2):
        emitter.on(f"component.{number}.up", receive_sync)
        emitter.on(f"component.{number}.*", receive_sync)
    begin = perf_counter()
    for _ in range(count):
        for number in range(100):
            emitter.emit(f"component.{number}.up", PING)
    return perf_counter() - begin


# --- measuring ----------------------------------------------------------------------------------


async def timed_asks(
    ask: Callable[[], Awaitable[None]], count: int, answering: asyncio.Task[Any] | None = None
) -> list[float]:
    await asyncio.sleep(0)
    latencies = []
    for _ in range(count):
        begin = perf_counter()
        await ask()
        latencies.append(perf_counter() - begin)
    if answering is not None:
        await cancel([answering])
    return latencies


async def cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def idle_bytes(make: Callable[[LocalBus, int], Any], actors: int = 1000) -> float:
    """Bytes that an actor holds once it has handled a message and waits for the next."""
    async with LocalBus() as bus:
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        kept = [make(bus, number) for number in range(actors)]
        for number in range(actors):
            await bus.publish(PING, subject=f"actor.{number}")
        await bus.drain(60.0)
        # What is not the actors': the routes of the bus, which it would drop at the next change.
        bus.subscribe("other", receive_sync)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for each in kept:
            if isinstance(each, asyncio.Task):
                each.cancel()
        await asyncio.sleep(0)
    return (after - before) / actors


def make_async(bus: LocalBus, number: int) -> Any:
    return bus.subscribe(f"actor.{number}", receive_async)


def make_sync(bus: LocalBus, number: int) -> Any:
    return bus.subscribe(f"actor.{number}", receive_sync)


class Addressed(Agent):
    @on(Ping, subject="{name}")
    async def ping(self, ping: Ping) -> None:
        pass


def make_agent(bus: LocalBus, number: int) -> Any:
    seat = Seat(bus, Addressed, name=f"actor.{number}")
    return asyncio.create_task(seat.run(Addressed()))


class Contender(NamedTuple):
    """One way to do the work of a workload; the first one of each is the reference.

    Attributes:
        workload: what is done.
        name: who does it.
        run: one round of it; seconds, or for asks the latency of each.
        share: how much of the reference's work a round does; slow peers do less.
        needs: distribution that has to be installed, or empty.
    """

    workload: str
    name: str
    run: Callable[[], Any]
    share: float = 1.0
    needs: str = ""


FAN = 20_000
WIDE = 2_000
ASKS = 2_000
LAPS = 10

CONTENDERS = [
    Contender("one to one", "asyncio.Queue", lambda: queue_fan(FAN, 1)),
    Contender("one to one", "mendel", lambda: mendel_fan(FAN, 1)),
    Contender("one to one", "mendel, recorder on", lambda: mendel_fan(FAN, 1, tap=True)),
    Contender("one to one", "mendel, plain function", lambda: mendel_fan(FAN, 1, receive_sync)),
    Contender(
        "one to one", "mendel, publish_many", lambda: mendel_fan(FAN, 1, receive_sync, many=100)
    ),
    Contender("one to one", "mendel, agent", lambda: mendel_agent(FAN)),
    Contender("one to one", "deque + future", lambda: floor_fan(FAN, 1)),
    Contender("one to one", "anyio stream", lambda: anyio_fan(FAN // 4, 1), 0.25),
    Contender("one to one", "pykka", lambda: pykka_fan(FAN // 4, 1), 0.25, "pykka"),
    Contender("one to ten", "asyncio.Queue", lambda: queue_fan(WIDE, 10)),
    Contender("one to ten", "mendel", lambda: mendel_fan(WIDE, 10)),
    Contender("one to ten", "mendel, recorder on", lambda: mendel_fan(WIDE, 10, tap=True)),
    Contender("one to ten", "mendel, plain function", lambda: mendel_fan(WIDE, 10, receive_sync)),
    Contender("one to ten", "deque + future", lambda: floor_fan(WIDE, 10)),
    Contender("one to ten", "anyio stream", lambda: anyio_fan(WIDE // 4, 10), 0.25),
    Contender("one to ten", "pykka", lambda: pykka_fan(WIDE // 4, 10), 0.25, "pykka"),
    Contender("ask", "asyncio.Queue", lambda: queue_ask(ASKS)),
    Contender("ask", "mendel", lambda: mendel_ask(ASKS, inf)),
    Contender("ask", "mendel, deadline", lambda: mendel_ask(ASKS, 5.0)),
    Contender("ask", "deque + future", lambda: floor_ask(ASKS)),
    Contender("ask", "anyio stream", lambda: anyio_ask(ASKS)),
    Contender("ask", "pykka", lambda: pykka_ask(ASKS // 4), 0.25, "pykka"),
    Contender("ring of 1,000", "asyncio.Queue", lambda: queue_ring(1000, LAPS)),
    Contender("ring of 1,000", "mendel", lambda: mendel_ring(1000, LAPS)),
    Contender("ring of 1,000", "deque + future", lambda: floor_ring(1000, LAPS)),
    Contender("routing", "pymitter", lambda: pymitter_routing(2, 1000), 1.0, "pymitter"),
    Contender("routing", "mendel", lambda: mendel_routing(40, 1000), 20.0, "pymitter"),
]

# Figures that are promised. A speed is the reference's time over ours, so more is better; for asks
# it is our time over the reference's, so less is.
TARGETS = {
    "one to one: mendel": (">=", 1.25),
    "one to one: mendel, publish_many": (">=", 2.0),
    "one to one: cost of the recorder": ("<=", 0.20),
    "one to ten: mendel": (">=", 2.0),
    "one to ten: cost of the recorder": ("<=", 0.10),
    "ask: mendel": ("<=", 0.85),
    "ask: mendel, deadline": ("<=", 0.90),
    "ask: mendel, p99 / p50": ("<=", 1.3),
    "ring of 1,000: mendel": (">=", 1.25),
    "routing: mendel": (">=", 30.0),
    "idle bytes: async handler": ("<=", 3_500),
    "idle bytes: agent": ("<=", 3_500),
    "idle bytes: plain function": ("<=", 700),
}


class Round(NamedTuple):
    """What one contender did in one round: seconds for a share of 1, and p99 / p50 of asks."""

    took_s: float
    tail: float


def run_once(contender: Contender) -> Round:
    gc.collect()
    result = contender.run()
    if asyncio.iscoroutine(result):
        result = asyncio.run(result)
    if isinstance(result, list):
        ordered = sorted(result)
        p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        return Round(p50, p99 / p50)
    return Round(result / contender.share, 1.0)


def run_rounds(rounds: int) -> dict[tuple[str, str], list[Round]]:
    """All contenders in turns; within a round those of one workload follow each other."""
    present = [each for each in CONTENDERS if not each.needs or is_installed(each.needs)]
    results: dict[tuple[str, str], list[Round]] = {}
    for number in range(rounds + 1):
        for contender in present:
            result = run_once(contender)
            if number:  # The first round warms up.
                results.setdefault((contender.workload, contender.name), []).append(result)
    return results


def figures(results: dict[tuple[str, str], list[Round]]) -> dict[str, float]:
    """Medians over the rounds of what is compared."""
    found: dict[str, float] = {}
    references = {workload: results[workload, name] for workload, name in reversed(results)}
    for (workload, name), own in results.items():
        reference = references[workload]
        ratios = [base.took_s / each.took_s for base, each in zip(reference, own, strict=True)]
        if workload == "ask":
            ratios = [1 / ratio for ratio in ratios]
            found[f"ask: {name}, p99 / p50"] = median(each.tail for each in own)
        found[f"{workload}: {name}"] = median(ratios)
    for workload in ("one to one", "one to ten"):
        plain, taped = results[workload, "mendel"], results[workload, "mendel, recorder on"]
        costs = [t.took_s / p.took_s - 1 for p, t in zip(plain, taped, strict=True)]
        found[f"{workload}: cost of the recorder"] = median(costs)
    return found


def idle_figures() -> dict[str, float]:
    makers = {"async handler": make_async, "agent": make_agent, "plain function": make_sync}
    return {f"idle bytes: {name}": asyncio.run(idle_bytes(make)) for name, make in makers.items()}


def is_installed(distribution: str) -> bool:
    return importlib.util.find_spec(distribution) is not None


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "mendel": version("mendel"),
    }


def report(rounds: int) -> dict[str, Any]:
    results = run_rounds(rounds)
    found = {**figures(results), **idle_figures()}
    peers = {
        name: version(name) if is_installed(name) else "unavailable"
        for name in ("anyio", "pykka", "pymitter", "tapio")
    }
    rows = []
    for name, value in found.items():
        relation, target = TARGETS.get(name, ("", None))
        met = None if target is None else (value >= target if relation == ">=" else value <= target)
        rows.append(
            {"figure": name, "value": value, "relation": relation, "target": target, "met": met}
        )
    medians_us = {
        f"{workload}: {name}": median(each.took_s for each in own) * 1e6
        for (workload, name), own in results.items()
    }
    return {
        "machine": machine(),
        "rounds": rounds,
        "peers": peers,
        "figures": rows,
        "median_us": medians_us,
        "met": all(row["met"] is not False for row in rows),
    }


def as_text(found: dict[str, Any]) -> str:
    lines = [", ".join(f"{key} {value}" for key, value in found["machine"].items())]
    lines.append("peers: " + ", ".join(f"{key} {value}" for key, value in found["peers"].items()))
    for row in found["figures"]:
        verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
        target = f"{row['relation']} {row['target']:g}" if row["relation"] else ""
        lines.append(f"{row['figure']:<42}{row['value']:>10.2f}  {target:<10}{verdict}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (default: 7)")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    options = parser.parse_args()
    found = report(options.rounds)
    print(json.dumps(found, indent=2) if options.output == "json" else as_text(found))


if __name__ == "__main__":
    # `python benchmarks/bus.py` puts this folder first on the path, where `bus` means this file.
    sys.path.pop(0)
    main()
