"""What mendel itself uses: measured, shown, and kept within its limits (`mendel.core.pressure`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from ..agents.breaker import Breaker
from ..agents.coordinator import Coordinator
from ..agents.monitor import Monitor
from ..agents.recovery import Recovery
from ..bus.mailbox import MailboxStats
from ..bus.messages import AllowanceExceeded
from ..core.pressure import (
    STEPS,
    WITHOUT_LEVELS,
    AgentAllowance,
    Excess,
    Portion,
    Portions,
    Pressure,
    ResourcesConfig,
    Usage,
)
from ..errors import OverLimit
from .accounts import Accounts
from .usage import AgentUsage, ComponentUsage, ResourcesView

if TYPE_CHECKING:
    from .system import System

_log = logging.getLogger("mendel.resources")

# Healing comes first: these are never held back, only told of.
HEALING = frozenset(kind.name for kind in (Coordinator, Recovery, Breaker, Monitor))
# An agent that was held back for so many measurements and still uses too much is ended.
AGENT_STEPS = 6
_KEEPS = "keeps to its limits again"


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
        self._accounts = Accounts(system)
        self._agents = Portions()
        self._components = Portions()
        self._task: asyncio.Task[None] | None = None

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
            self._accounts.read(loop.time() - due_s + config.every_s)
            self._see_to_agents(config, loop.time())
            excesses = self._see_to_components(config, loop.time())
            is_new = self._pressure.update(usage, loop.time())
            if is_new:
                step, reasons = self._pressure.relief.step, self._pressure.reasons
                _log.warning("step %d: %s", step, "; ".join(reasons) or "calm")
            if is_new or excesses:
                await self._relieve(excesses)

    async def _relieve(self, excesses: Sequence[Excess]) -> None:
        steps = self._components.steps
        own = [f"{each.name}: {reason}" for each in excesses for reason in each.reasons]
        await self._system.relieve(
            self._pressure.relief,
            (*self._pressure.reasons, *own),
            # Evolution, the first step of all, is nothing that one component takes.
            apart={name: STEPS[step + 1] for name, step in steps.items()},
            aside=asyncio.to_thread,
        )

    # --- one of many --------------------------------------------------------------------------

    def _see_to_agents(self, config: ResourcesConfig, now_s: float) -> None:
        used, seats = self._accounts.agents, self._system.seats
        for each in self._agents.update(used, config.agent, AGENT_STEPS, config, now_s):
            self._tell("agent", each, self._treat(each, config.agent), now_s)
        if config.agent.waiting is not None:
            for name in self._agents.steps.keys() - HEALING:
                seats[name].mailbox.shed(config.agent.waiting)

    def _treat(self, excess: Excess, allowed: AgentAllowance) -> str:
        """Hold an agent back, unless it heals; what was done, in words."""
        seat = self._system.seats[excess.name]
        if not excess.step:
            seat.hold_back(None)
            return _KEEPS
        if excess.name in HEALING:
            return "uses too much, and is not held back: it heals"
        seat.hold_back(allowed.cpu_share)
        # Of the processor it gets its share and no more from here on; what it keeps is its own.
        lasting = [each for each in excess.reasons if not each.startswith("cpu_share ")]
        if excess.step < AGENT_STEPS or not lasting:
            return "uses too much, and is held back"
        seat.crash(OverLimit("; ".join(lasting)))
        return "uses too much although it was held back, and is ended"

    def _see_to_components(self, config: ResourcesConfig, now_s: float) -> list[Excess]:
        most = (len(STEPS) - 1 if config.lower_levels else WITHOUT_LEVELS) - 1
        used = self._accounts.components
        found = self._components.update(used, config.component, most, config, now_s)
        for each in found:
            relief = STEPS[each.step + 1]
            done = f"uses too much, and is looked at {relief.stretch:g} times less often while well"
            if relief.ceiling != "full":
                done += f", on no level above {relief.ceiling}"
            self._tell("component", each, done if each.step else _KEEPS, now_s)
        return found

    def _tell(
        self, kind: Literal["agent", "component"], excess: Excess, done: str, now_s: float
    ) -> None:
        reasons = excess.reasons
        _log.warning("%s %s %s (%s)", kind, excess.name, done, "; ".join(reasons) or "calm")
        news = AllowanceExceeded(
            kind=kind,
            name=excess.name,
            step=excess.step,
            reasons=reasons,
            done=done,
            changed_s=now_s,
        )
        self._system.bus.publish(news)

    # --- shown --------------------------------------------------------------------------------

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
            limits=_limits(limits, Usage),
            agent_limits=_limits(limits.agent, Portion),
            component_limits=_limits(limits.component, Portion),
            step=system.relief.step,
            stretch=system.relief.stretch,
            ceiling=system.relief.ceiling,
            reasons=self._pressure.reasons,
            agents=tuple(self._agent(boxes[name]) for name in system.seats),
            components=tuple(
                self._component(name) for name in system.parts.casebook.topology.components
            ),
        )

    def _agent(self, box: MailboxStats) -> AgentUsage:
        used = self._accounts.agents.get(box.name, Portion())
        meter = self._system.seats[box.name].meter
        return AgentUsage(
            name=box.name,
            cpu_share=used.cpu_share,
            cpu_s=meter.busy_s,
            tasks=meter.tasks,
            depth=box.depth,
            age_s=box.age_s,
            memory_bytes=used.memory_bytes,
            step=self._agents.steps.get(box.name, 0),
            excesses=self._agents.excesses[box.name],
        )

    def _component(self, name: str) -> ComponentUsage:
        parts, now_s = self._system.parts, asyncio.get_running_loop().time()
        used = self._accounts.components.get(name, Portion())
        return ComponentUsage(
            name=name,
            looks=parts.charts[name].rows.count,
            actions=parts.policy.spent(name, now_s),
            running=parts.policy.running(name),
            cpu_share=used.cpu_share,
            cpu_s=self._accounts.spent_s(name),
            tasks=used.tasks,
            memory_bytes=used.memory_bytes,
            step=self._components.steps.get(name, 0),
            excesses=self._components.excesses[name],
        )


def _limits(limits: Struct, usage: type[Struct]) -> dict[str, float]:
    found = {name: getattr(limits, name, None) for name in usage.__struct_fields__}
    return {name: limit for name, limit in found.items() if limit is not None}
