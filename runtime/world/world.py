"""The real world, put together from the configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...agents.ports import Action, Probe
from ...core.topology import Component
from ...errors import EnvironmentProblem
from ..specs import ComponentSpec
from .equipment import Equipment, Tools, equip
from .http import HttpClient
from .identity import Identity
from .ledger import Ledger
from .managed import ManagedProcess
from .probes import HeartbeatProbe

logger = logging.getLogger(__name__)

# Everything must have ended within two seconds; killing and closing take some of them.
PARTING_S = 1.2
CLOSING_S = 0.3
ROTATION_S = 1.0


class RealWorld:
    """Components, how they are looked at and what can be done to them, as configured.

    Entering it starts the managed processes, those that others depend on first, or takes over the
    ones that a former mendel has left. A component whose process cannot be started does not keep
    the others from it: it is logged, its process probe says why, and ``restart`` tries again.
    Leaving it ends them within two seconds, except detached ones; ``stop_s`` is shortened to that.

    Args:
        specs: the components; their dependencies are among them.
        state: folder for ``processes.json`` and ``logs/``; it belongs to one mendel at a time.
        base: folder of the configuration, where relative paths start.

    Attributes:
        stray_heartbeats: how many heartbeats came from nobody who is expected to send any.

    Raises:
        ConfigError: a probe or action cannot be made from its specification.
    """

    def __init__(self, specs: Sequence[ComponentSpec], *, state: Path, base: Path) -> None:
        self.stray_heartbeats = 0
        self._ledger = Ledger(state)
        self._client = HttpClient()
        self._tools = Tools(base, self._client, self._ledger)
        self._equipment = equip(specs, self._tools)
        self._parting: dict[str, ManagedProcess] = {}  # No component has them any more.
        self._arriving: list[str] = []  # Their processes are to be started.
        self._last_resort: dict[str, Mapping[str, Action]] = {}
        self._rotation: asyncio.Task[None] | None = None

    @property
    def components(self) -> Sequence[Component]:
        """Names, kinds and dependencies."""
        return self._equipment.components

    @property
    def probes(self) -> Sequence[Probe]:
        """All probes of all components."""
        return self._equipment.probes

    def actions(self, target: str) -> Mapping[str, Action]:
        """Actions of a component by name; none for an empty or unknown target.

        A component that is gone can still be let go of (``release``): nobody else would.
        """
        known = self._equipment.actions.get(target)
        return known if known is not None else self._last_resort.get(target, {})

    def process(self, name: str) -> Identity | None:
        """The process that mendel runs for a component, while it runs."""
        managed_process = self._equipment.processes.get(name)
        return None if managed_process is None else managed_process.identity

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """Take a report of a component; one that nobody expects is counted and ignored."""
        probes = self._equipment.of.get(target, ())
        expected = [each for each in probes if isinstance(each, HeartbeatProbe)]
        for probe in expected:
            probe.beat(metrics)
        self.stray_heartbeats += not expected

    # --- changes ------------------------------------------------------------------------------

    def prepare(self, specs: Sequence[ComponentSpec]) -> Equipment:
        """Make what other components come to; nothing changes yet.

        Raises:
            ConfigError: a probe or action cannot be made from its specification.
        """
        return equip(specs, self._tools, self._equipment)

    def change(self, equipment: Equipment) -> None:
        """Go over to what was prepared, in one step; then `settle` sees to the processes.

        A process whose settings are others goes on as it runs, and gets them when it is started
        next: a change of a file restarts nobody's service.
        """
        former, self._equipment = self._equipment, equipment
        self._client.allow(equipment.requests)
        for name, process in former.processes.items():
            if equipment.processes.get(name) is not process:
                self._parting[name] = process
        self._arriving += [name for name in equipment.processes if name not in former.processes]
        for name, process in equipment.processes.items():
            process.reconfigure(equipment.specs[name].process or process.spec)
        for name, actions in former.actions.items():
            if "release" in actions:
                self._last_resort[name] = {"release": actions["release"]}

    async def settle(self) -> None:
        """Part with processes whose components are gone, and start those of new ones."""
        for name in list(self._parting):
            await self._parting[name].leave(PARTING_S)
            del self._parting[name]
        arriving, self._arriving = self._arriving, []
        for component in _by_dependency(self.components):
            if component.name in arriving:
                await self._start(component.name)

    # --- start and end ------------------------------------------------------------------------

    async def __aenter__(self) -> RealWorld:
        await self._ledger.open()
        try:
            self._client.allow(self._equipment.requests)
            for component in _by_dependency(self.components):
                await self._start(component.name)
            self._rotation = asyncio.create_task(self._rotate_logs())
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def _start(self, name: str) -> None:
        process = self._equipment.processes.get(name)
        if process is None:
            return
        self._ledger.path.with_name("logs").mkdir(mode=0o700, exist_ok=True)
        try:
            await process.take_over_or_start()
        except EnvironmentProblem as problem:
            logger.error("%s is not started: %s", name, problem, extra={"target": name})

    async def _leave(self) -> None:
        """End everything; whatever happens on the way, nothing is left that should not be."""
        try:
            if self._rotation is not None:
                self._rotation.cancel()
            names = [each.name for each in reversed(_by_dependency(self.components))]
            processes = self._equipment.processes
            leaving = [processes[name] for name in names if name in processes]
            leaving += self._parting.values()
            await asyncio.gather(*(process.leave(PARTING_S) for process in leaving))
            async with asyncio.timeout(CLOSING_S):
                await self._client.close()
        except TimeoutError:
            logger.warning("connections did not close within %s s", CLOSING_S)
        finally:
            for name, process in [*self._equipment.processes.items(), *self._parting.items()]:
                try:
                    process.leave_at_once()
                except EnvironmentProblem as problem:
                    about = {"target": name}
                    logger.error("%s is left running: %s", name, problem, extra=about)
            self._ledger.close()

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATION_S)
            for process in self._equipment.processes.values():
                if process.log.is_full:
                    await asyncio.to_thread(process.log.rotate)


def _by_dependency(components: Sequence[Component]) -> list[Component]:
    """Dependencies before those who need them; a cycle is cut where it is entered."""
    by_name = {each.name: each for each in components}
    ordered: dict[str, Component] = {}
    entered: set[str] = set()
    waiting = [each.name for each in reversed(components)]
    while waiting:
        name = waiting.pop()
        if name in ordered:
            continue
        if name in entered:
            ordered[name] = by_name[name]
            continue
        entered.add(name)
        waiting.append(name)
        waiting.extend(each for each in reversed(by_name[name].depends_on) if each not in entered)
    return list(ordered.values())
