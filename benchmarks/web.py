"""What the page costs: CPU of a runtime with many open streams, and how long it takes to stop.

    python benchmarks/web.py [--streams 200] [--events-per-s 20] [--seconds 10] [--output json]

A runtime in a process of its own publishes so many events a second; this process holds the streams
open, half of them as pages do and half as programs do, and reads what they bring. CPU is that of
the runtime's process, as a share of one core, with and without the streams.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import psutil

CONFIG = """\
[web]
port = 0
streams = 1000
reads_per_s = 10000

[[components]]
name = "cart"
probes = [{ heartbeat = "600s" }]
"""


async def serve(folder: Path, events_per_s: float) -> None:
    """The runtime: says where it is, then publishes until its stdin ends."""
    from mendel.bus.messages import AnomalyCleared
    from mendel.runtime.launch import launch

    async with launch(folder / "mendel.toml") as system:
        print(system.url, flush=True)
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(None, sys.stdin.read)
        due_s = loop.time()
        while not ended.done():
            message = AnomalyCleared(target="cart", metric="latency_s", cleared_s=loop.time())
            await system.bus.publish(message)
            due_s += 1.0 / events_per_s
            await asyncio.sleep(max(0.0, due_s - loop.time()))
        began_s = time.perf_counter()
    print(time.perf_counter() - began_s, flush=True)


async def read(session: aiohttp.ClientSession, url: str, counts: dict[str, int]) -> None:
    async with session.get(url) as response:
        async for line in response.content:
            counts["events"] += line.startswith(b"event:")
            counts["bytes"] += len(line)


async def share(process: psutil.Process, seconds: float) -> float:
    """CPU of a process over a while, as a share of one core."""
    before, began_s = sum(process.cpu_times()[:2]), time.perf_counter()
    await asyncio.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began_s)


async def measure(options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mendel.toml").write_text(CONFIG)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--serve",
            folder,
            "--events-per-s",
            str(options.events_per_s),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        url = (await child.stdout.readline()).decode().strip()
        process = psutil.Process(child.pid)
        alone = await share(process, options.seconds)
        counts = {"events": 0, "bytes": 0}
        async with AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=None)
            session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=connector, timeout=timeout)
            )
            paths = ("/v1/stream", "/v1/events?limit=0")
            tasks = [
                asyncio.create_task(read(session, url + paths[number % 2], counts))
                for number in range(options.streams)
            ]
            await asyncio.sleep(2.0)
            counts.update(events=0, bytes=0)
            busy = await share(process, options.seconds)
            heard = dict(counts)
            child.stdin.close()
            stopped_s = float((await child.stdout.readline()).decode())
            await asyncio.gather(*tasks, return_exceptions=True)
        await child.wait()
    return {
        "streams": options.streams,
        "events_per_s": options.events_per_s,
        "cpu_alone": alone,
        "cpu_with_streams": busy,
        "cpu_of_streams": busy - alone,
        "events_heard_per_s": heard["events"] / options.seconds,
        "bytes_per_s": heard["bytes"] / options.seconds,
        "stop_with_streams_s": stopped_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--events-per-s", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve, options.events_per_s))
        return
    found = asyncio.run(measure(options))
    if options.output == "json":
        print(json.dumps(found))
        return
    print(f"{options.streams} streams, {options.events_per_s:g} events/s, {os.cpu_count()} cores")
    print(f"  CPU of the runtime: {found['cpu_alone']:.1%} of a core without them")
    print(f"                      {found['cpu_with_streams']:.1%} with them (target: 15 % more)")
    print(f"  heard: {found['events_heard_per_s']:.0f} events/s, {found['bytes_per_s']:.0f} B/s")
    print(f"  stopped with all of them open in {found['stop_with_streams_s']:.2f} s (target: 2 s)")


if __name__ == "__main__":
    main()
