"""What every probe keeps, whatever it looks at: our own are listed, a new one joins the list."""

import asyncio
import inspect
import math
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from mendel.agents.ports import Probe, Sample
from mendel.errors import NoData
from mendel.runtime.specs import ComponentSpec, ProbeSpec, ProcessSpec
from mendel.runtime.world import RealWorld

Make = Callable[..., Any]  # A fixture that makes what a test needs.

TIMEOUT_S = 0.2
PATIENCE_S = 10.0  # Of looks that should succeed, however busy the machine is.
METRIC = re.compile(r"[a-z][a-z0-9_]*")

# A healthy target and a sick one for each kind of probe; {ok} and {mute} are local servers.
HEALTHY = {
    "http": {"http": "http://127.0.0.1:{ok}/"},
    "tcp": {"tcp": "127.0.0.1:{ok}"},
    "exec": {"exec": ("sh", "-c", "echo queue_items=3")},
    "process": {"process": True},
    "pid file": {"process": "{folder}/own.pid"},
    "heartbeat": {"heartbeat_s": 60.0},
}
SICK = {
    "http": {"http": "http://127.0.0.1:{mute}/"},
    "tcp": {"tcp": "127.0.0.1:1"},
    "exec": {"exec": ("sh", "-c", "sleep 601 & sleep 602")},
    "pid file": {"process": "{folder}/none.pid"},
    "heartbeat": {"heartbeat_s": 0.000001},
}
GOOD_SIGNS = {"ok", "answered", "alive"}


async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.read(1):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def be_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.transport.abort()


@pytest.fixture
async def a_probe(tmp_path: Path) -> AsyncIterator[Make]:
    """Make a probe in a world that is entered."""
    ok = await asyncio.start_server(serve_http, "127.0.0.1", 0)
    mute = await asyncio.start_server(be_mute, "127.0.0.1", 0)
    (tmp_path / "own.pid").write_text(str(os.getpid()))
    places = {
        "ok": ok.sockets[0].getsockname()[1],
        "mute": mute.sockets[0].getsockname()[1],
        "folder": tmp_path,
    }
    worlds: list[RealWorld] = []

    async def build(ways: dict[str, object]) -> Probe:
        filled = {k: v.format(**places) if isinstance(v, str) else v for k, v in ways.items()}
        spec = ComponentSpec(
            name="cart",
            process=ProcessSpec(exec=("sleep", "603")) if filled.get("process") is True else None,
            probes=(ProbeSpec(**({"timeout_s": TIMEOUT_S} | filled)),),
        )
        world = RealWorld([spec], state=tmp_path / ".mendel", base=tmp_path)
        await world.__aenter__()
        worlds.append(world)
        world.heartbeat("cart", {"queue_items": 1.0})
        return world.probes[0]

    yield build
    for world in worlds:
        await world.__aexit__()
    ok.close()
    mute.close()


async def look(probe: Probe) -> Sample:
    seen = probe.read()
    return await seen if inspect.isawaitable(seen) else seen


async def look_or_miss(probe: Probe) -> Sample | NoData:
    try:
        return await look(probe)
    except NoData as missing:
        return missing


def check(sample: Sample) -> None:
    assert isinstance(sample, Sample)
    assert sample.metrics
    assert [name for name in sample.metrics if not METRIC.fullmatch(name)] == []
    assert [value for value in sample.metrics.values() if not math.isfinite(value)] == []
    assert "\n" not in sample.detail


@pytest.mark.parametrize("ways", HEALTHY.values(), ids=HEALTHY)
class TestHealthy:
    async def test_it_says_whom_it_looks_at_and_when(
        self, a_probe: Make, ways: dict[str, object]
    ) -> None:
        probe = await a_probe(ways | {"timeout_s": PATIENCE_S})

        assert (probe.target, probe.timeout_s) == ("cart", PATIENCE_S)
        assert probe.name
        assert probe.every_s > 0

    async def test_good_signs_are_good_and_need_no_words(
        self, a_probe: Make, ways: dict[str, object]
    ) -> None:
        sample = await look(await a_probe(ways | {"timeout_s": PATIENCE_S}))

        check(sample)
        signs = {name: sample.metrics[name] for name in GOOD_SIGNS & sample.metrics.keys()}
        assert signs
        assert set(signs.values()) == {1.0}
        assert sample.detail == ""

    async def test_looks_do_not_disturb_each_other(
        self, a_probe: Make, ways: dict[str, object]
    ) -> None:
        probe = await a_probe(ways | {"timeout_s": PATIENCE_S})

        for sample in await asyncio.gather(*(look(probe) for _ in range(5))):
            check(sample)


@pytest.mark.parametrize("ways", SICK.values(), ids=SICK)
class TestSick:
    async def test_it_ends_in_time_with_bad_signs_in_words_or_no_data(
        self, a_probe: Make, ways: dict[str, object]
    ) -> None:
        probe = await a_probe(ways)
        began_s = asyncio.get_running_loop().time()

        seen = await look_or_miss(probe)

        if isinstance(seen, Sample):
            check(seen)
            assert 0.0 in {seen.metrics.get(name) for name in GOOD_SIGNS}
            assert seen.detail
        else:
            assert str(seen)

        # The margin is for a machine that is busy otherwise; a probe adds next to nothing.
        assert asyncio.get_running_loop().time() - began_s < TIMEOUT_S + 1.0

    async def test_a_cancellation_passes_through_and_leaves_nothing_behind(
        self, a_probe: Make, ways: dict[str, object]
    ) -> None:
        probe = await a_probe(ways)
        before = children()
        looking = asyncio.ensure_future(look(probe))
        await asyncio.sleep(0)
        looking.cancel()

        await asyncio.wait([looking])

        assert looking.cancelled() or looking.done()
        deadline_s = asyncio.get_running_loop().time() + 5.0
        while children() - before and asyncio.get_running_loop().time() < deadline_s:
            await asyncio.sleep(0.005)
        assert children() - before == set()


def children() -> set[int]:
    """All living descendants of the tests."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found
