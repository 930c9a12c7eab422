"""The real world, put together from the configuration."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...agents.ports import Action, Probe
from ...core.topology import Component
from ...errors import ConfigError, EnvironmentProblem
from ..specs import ActionSpec, ComponentSpec, ProbeSpec
from .actions import ConfiguredAction, ExecAction, NotifyAction, ProcessAction, WebhookAction
from .http import HttpClient
from .ledger import Ledger
from .managed import ManagedProcess
from .probes import ExecProbe, HeartbeatProbe, HttpProbe, TcpProbe
from .process_probe import ProcessProbe, managed, pid_file

logger = logging.getLogger(__name__)

# What a component gets that is a process of ours and says nothing about it: a look at a process
# costs a few microseconds, so twice a second is cheap, and a crash is seen at once.
DEFAULT_PROBE = ProbeSpec(process=True, every_s=0.5)
DEFAULT_RESTART = ActionSpec(process="restart")
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
        components: names, kinds and dependencies.
        probes: all probes of all components.
        stray_heartbeats: how many heartbeats came from nobody who is expected to send any.

    Raises:
        ConfigError: a probe or action cannot be made from its specification.
    """

    def __init__(self, specs: Sequence[ComponentSpec], *, state: Path, base: Path) -> None:
        self.components: Sequence[Component] = tuple(
            Component(name=spec.name, kind=spec.kind, depends_on=spec.depends_on, group=spec.group)
            for spec in specs
        )
        self.stray_heartbeats = 0
        self._base = base
        self._ledger = Ledger(state)
        self._client = HttpClient(requests=max(1, sum(map(_count_requests, specs))))
        self._needs_client = any(map(_count_requests, specs))
        self._managed = {
            spec.name: ManagedProcess(spec.name, spec.process, base=base, ledger=self._ledger)
            for spec in specs
            if spec.process is not None
        }
        self.probes: Sequence[Probe] = tuple(probe for spec in specs for probe in self._look(spec))
        self._actions = {spec.name: self._act(spec) for spec in specs}
        self._rotation: asyncio.Task[None] | None = None

    def actions(self, target: str) -> Mapping[str, Action]:
        """Actions of a component by name; none for an empty or unknown target."""
        return self._actions.get(target, {})

    def heartbeat(self, target: str, metrics: Mapping[str, float]) -> None:
        """Take a report of a component; one that nobody expects is counted and ignored."""
        expected = [
            probe
            for probe in self.probes
            if isinstance(probe, HeartbeatProbe) and probe.target == target
        ]
        for probe in expected:
            probe.beat(metrics)
        self.stray_heartbeats += not expected

    async def __aenter__(self) -> RealWorld:
        await self._ledger.open()
        try:
            if self._managed:
                self._ledger.path.with_name("logs").mkdir(mode=0o700, exist_ok=True)
            if self._needs_client:
                self._client.open()
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
        process = self._managed.get(name)
        if process is None:
            return
        try:
            await process.take_over_or_start()
        except EnvironmentProblem as problem:
            logger.error("%s is not started: %s", name, problem)

    async def _leave(self) -> None:
        """End everything; whatever happens on the way, nothing is left that should not be."""
        try:
            if self._rotation is not None:
                self._rotation.cancel()
            names = [each.name for each in reversed(_by_dependency(self.components))]
            leaving = [self._managed[name] for name in names if name in self._managed]
            await asyncio.gather(*(process.leave(PARTING_S) for process in leaving))
            async with asyncio.timeout(CLOSING_S):
                await self._client.close()
        except TimeoutError:
            logger.warning("connections did not close within %s s", CLOSING_S)
        finally:
            for name, process in self._managed.items():
                try:
                    process.leave_at_once()
                except EnvironmentProblem as problem:
                    logger.error("%s is left running: %s", name, problem)
            self._ledger.close()

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATION_S)
            for process in self._managed.values():
                if process.log.is_full:
                    await asyncio.to_thread(process.log.rotate)

    def _look(self, spec: ComponentSpec) -> list[Probe]:
        specs = list(spec.probes)
        if spec.process is not None and all(each.process is None for each in specs):
            specs.append(DEFAULT_PROBE)
        seen: Counter[str] = Counter()
        probes = []
        for each in specs:
            way = _way(each)
            seen[way] += 1
            name = way if seen[way] == 1 else f"{way}-{seen[way]}"
            probes.append(self._probe(spec.name, name, each))
        return probes

    def _probe(self, target: str, name: str, spec: ProbeSpec) -> Probe:
        if spec.http is not None:
            return HttpProbe(target, name, spec, client=self._client, base=self._base)
        if spec.tcp is not None:
            return TcpProbe(target, name, spec)
        if spec.exec is not None:
            return ExecProbe(target, name, spec, base=self._base)
        if spec.heartbeat_s is not None:
            return HeartbeatProbe(target, name, spec)
        if spec.process is False:
            raise ConfigError(
                f"{name} probe of {target!r}: process is true or a pid file, not false"
            )
        if isinstance(spec.process, str):
            return ProcessProbe(target, name, spec, pid_file(self._base / spec.process))
        return ProcessProbe(target, name, spec, managed(self._process_of(target, f"{name} probe")))

    def _act(self, spec: ComponentSpec) -> dict[str, Action]:
        specs = dict(spec.actions)
        if spec.process is not None:
            specs.setdefault("restart", DEFAULT_RESTART)
        return {name: self._action(spec.name, name, each) for name, each in specs.items()}

    def _action(self, target: str, name: str, spec: ActionSpec) -> ConfiguredAction:
        if spec.process is not None:
            process = self._process_of(target, f"action {name!r}")
            return ProcessAction(target, name, spec, base=self._base, process=process)
        if spec.exec is not None:
            return ExecAction(target, name, spec, base=self._base)
        if spec.webhook is not None:
            return WebhookAction(target, name, spec, base=self._base, client=self._client)
        return NotifyAction(target, name, spec, base=self._base, client=self._client)

    def _process_of(self, target: str, user: str) -> ManagedProcess:
        process = self._managed.get(target)
        if process is None:
            raise ConfigError(
                f"{user} of {target!r} needs a process that mendel runs; give the component "
                "`process = { exec = [...] }`, or name a pid file or a command instead"
            )
        return process


def _way(spec: ProbeSpec) -> str:
    ways = ("http", "tcp", "exec", "heartbeat_s")
    given = next((way for way in ways if getattr(spec, way) is not None), "process")
    return given.removesuffix("_s")


def _count_requests(spec: ComponentSpec) -> int:
    """How many HTTP requests a component can have under way at once."""
    probes = sum(probe.http is not None for probe in spec.probes)
    actions = spec.actions.values()
    urls = sum(each.webhook is not None or each.notify not in (None, "log") for each in actions)
    return probes + urls


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
