"""Our own probes keep the contract for probes; a new one joins the list."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from mendel.agents.ports import Probe
from mendel.errors import NoData
from mendel.runtime.specs import ComponentSpec, ProbeSpec, ProcessSpec
from mendel.runtime.world import RealWorld
from mendel.scenarios.contracts.base import demand
from mendel.scenarios.testing import ProbeContract
from msgspec import structs
from patients import filled, ports

TIMEOUT_S = 0.2
PATIENCE_S = 10.0  # Of looks that should succeed, however busy the machine is.
GOOD_SIGNS = {"ok", "answered", "alive"}


@asynccontextmanager
async def a_probe(template: ProbeSpec, timeout_s: float) -> AsyncIterator[Probe]:
    """A probe in a world that is entered; {ok} and {mute} are local servers."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own.pid").write_text(str(os.getpid()))
        async with ports() as places:
            probe = filled(template, folder=folder, **places)
            sleeper = ProcessSpec(exec=("sleep", "603")) if probe.process is True else None
            probe = structs.replace(probe, timeout_s=timeout_s)
            spec = ComponentSpec(name="cart", process=sleeper, probes=(probe,))
            async with RealWorld([spec], state=folder / ".mendel", base=folder) as world:
                world.heartbeat("cart", {"queue_items": 1.0})
                yield world.probes[0]


class OurProbe(ProbeContract):
    """A healthy target and a sick one of one kind."""

    well: ClassVar[ProbeSpec]
    ill: ClassVar[ProbeSpec | None] = None

    def healthy(self) -> AbstractAsyncContextManager[Probe]:
        return a_probe(self.well, PATIENCE_S)

    def sick(self) -> AbstractAsyncContextManager[Probe] | None:
        return a_probe(self.ill, TIMEOUT_S) if self.ill is not None else None

    def test_good_signs_are_good_and_bad_ones_bad(self) -> None:
        """Ours tell by certain metrics whether all is well."""

        async def body() -> None:
            async with self.healthy() as probe:
                signs = await self._signs(probe)
                demand(set(signs) == {1.0}, f"of a healthy target it says {signs}")
            sick = self.sick()
            if sick is not None:
                async with sick as probe:
                    signs = await self._signs(probe)
                    demand(not signs or 0.0 in signs, f"of a sick target it says {signs}")

        self.run(body())

    async def _signs(self, probe: Probe) -> list[float]:
        try:
            found = probe.read()
            sample = await found if inspect.isawaitable(found) else found
        except NoData:
            return []
        return [value for name, value in sample.metrics.items() if name in GOOD_SIGNS]


class TestHttp(OurProbe):
    well = ProbeSpec(http="http://127.0.0.1:{ok}/")
    ill = ProbeSpec(http="http://127.0.0.1:{mute}/")


class TestTcp(OurProbe):
    well = ProbeSpec(tcp="127.0.0.1:{ok}")
    ill = ProbeSpec(tcp="127.0.0.1:1")


class TestExec(OurProbe):
    well = ProbeSpec(exec=("sh", "-c", "echo queue_items=3"))
    ill = ProbeSpec(exec=("sh", "-c", "sleep 601 & sleep 602"))


class TestProcess(OurProbe):
    well = ProbeSpec(process=True)


class TestPidFile(OurProbe):
    well = ProbeSpec(process="{folder}/own.pid")
    ill = ProbeSpec(process="{folder}/none.pid")


class TestHeartbeat(OurProbe):
    well = ProbeSpec(heartbeat_s=60.0)
    ill = ProbeSpec(heartbeat_s=0.000001)
