"""What mendel itself uses: measured, shown, and kept within its limits (`mendel.core.pressure`)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..core.pressure import Pressure, Usage
from .views import AgentUsage, ComponentUsage, ResourcesView

if TYPE_CHECKING:
    from .system import System

_log = logging.getLogger("mendel.resources")


class Gauge:
    """Measures the process and the event loop that it runs in.

    Attributes:
        usage: as last measured.
    """

    def __init__(self) -> None:
        import psutil  # A program that heals in virtual time never needs it.

        self.usage = Usage()
        self._process = psutil.Process()
        self._cpu_s = self._spent_s()
        self._read_s = asyncio.get_running_loop().time()

    def read(self, system: System, due_s: float) -> Usage:
        """Measure.

        Args:
            system: whose mailboxes are looked at.
            due_s: when this should have been called; how much later it is, is the lag.
        """
        now_s, cpu_s = asyncio.get_running_loop().time(), self._spent_s()
        passed_s = max(now_s - self._read_s, 1e-9)
        self.usage = Usage(
            cpu_share=(cpu_s - self._cpu_s) / passed_s,
            memory_bytes=self._process.memory_info().rss,
            tasks=len(asyncio.all_tasks()),
            lag_s=max(0.0, now_s - due_s),
            mailbox_age_s=max((each.age_s for each in system.bus.stats().mailboxes), default=0.0),
        )
        self._cpu_s, self._read_s = cpu_s, now_s
        return self.usage

    def _spent_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


class Steward:
    """Measures once in a while, and has the system do without things while it is tight.

    Args:
        system: which one.
        gauge: measures.
    """

    def __init__(self, system: System, gauge: Gauge | None = None) -> None:
        self._system = system
        self._gauge = gauge or Gauge()
        self._pressure = Pressure(system.config.resources)
        self._task: asyncio.Task[None] | None = None
        self._busy_s: dict[str, float] = {}
        self._busy_share: dict[str, float] = {}

    async def __aenter__(self) -> Steward:
        self._task = asyncio.create_task(self._watch(), name="resources")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None, "it was entered"
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            config = self._pressure.config = self._system.config.resources
            due_s = loop.time() + config.every_s
            await asyncio.sleep(config.every_s)
            usage = self._gauge.read(self._system, due_s)
            self._share_out(config.every_s)
            if self._pressure.update(usage, loop.time()):
                reasons = self._pressure.reasons
                _log.warning(
                    "step %d: %s", self._pressure.relief.step, "; ".join(reasons) or "calm"
                )
                await self._system.relieve(self._pressure.relief, reasons, aside=asyncio.to_thread)

    def _share_out(self, period_s: float) -> None:
        for name, seat in self._system.seats.items():
            busy_s = seat.meter.busy_s
            self._busy_share[name] = (busy_s - self._busy_s.get(name, 0.0)) / period_s
            self._busy_s[name] = busy_s

    def view(self) -> ResourcesView:
        """What is used at present, by whom, and what mendel does without."""
        system, usage, limits = self._system, self._gauge.usage, self._pressure.config
        boxes = {each.name: each for each in system.bus.stats().mailboxes}
        return ResourcesView(
            cpu_share=usage.cpu_share,
            memory_bytes=usage.memory_bytes,
            tasks=usage.tasks,
            lag_s=usage.lag_s,
            mailbox_age_s=usage.mailbox_age_s,
            limits={
                name: limit
                for name in Usage.__struct_fields__
                if (limit := getattr(limits, name)) is not None
            },
            step=system.relief.step,
            stretch=system.relief.stretch,
            ceiling=system.relief.ceiling,
            reasons=self._pressure.reasons,
            agents=tuple(
                AgentUsage(
                    name=name,
                    cpu_share=self._busy_share.get(name, 0.0),
                    cpu_s=seat.meter.busy_s,
                    tasks=seat.meter.tasks,
                    depth=boxes[name].depth,
                    age_s=boxes[name].age_s,
                )
                for name, seat in system.seats.items()
            ),
            components=tuple(
                self._component(name) for name in system.parts.casebook.topology.components
            ),
        )

    def _component(self, name: str) -> ComponentUsage:
        parts, now_s = self._system.parts, asyncio.get_running_loop().time()
        return ComponentUsage(
            name=name,
            looks=parts.charts[name].rows.count,
            actions=parts.policy.spent(name, now_s),
            running=parts.policy.running(name),
        )
