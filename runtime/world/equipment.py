"""What a configuration comes to in the real world: components, probes, actions, processes.

It is made as a whole, so that a world can go from one equipment to the next in a single step. What
a new configuration leaves as it was is the same object in both: a probe goes on counting, a process
goes on running, an action that is under way is the one that can still be asked about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from ...agents.ports import Action, Probe
from ...core.topology import Component
from ...errors import ConfigError
from ..specs import ActionSpec, ComponentSpec, ProbeSpec
from .actions import ConfiguredAction, ExecAction, NotifyAction, ProcessAction, WebhookAction
from .http import HttpClient
from .ledger import Ledger
from .managed import ManagedProcess
from .probes import ExecProbe, HeartbeatProbe, HttpProbe, TcpProbe
from .process_probe import ProcessProbe, managed, pid_file

# What a component gets that is a process of ours and says nothing about it: a look at a process
# costs a few microseconds, so twice a second is cheap, and a crash is seen at once.
DEFAULT_PROBE = ProbeSpec(process=True, every_s=0.5)
DEFAULT_RESTART = ActionSpec(process="restart")


class Tools(Struct, frozen=True):
    """What everything in a world is made with.

    Attributes:
        base: folder of the configuration, where relative paths start.
        client: for HTTP.
        ledger: of the processes.
    """

    base: Path
    client: HttpClient
    ledger: Ledger


class Equipment(Struct, frozen=True):
    """Everything that a list of components comes to.

    Attributes:
        specs: of the components, by name.
        components: names, kinds and dependencies.
        processes: those that mendel runs, by component.
        probes: all probes of all components.
        of: the same by component.
        actions: by component and name.
        requests: how many HTTP requests may be under way at once.
    """

    specs: Mapping[str, ComponentSpec]
    components: Sequence[Component]
    processes: Mapping[str, ManagedProcess]
    probes: Sequence[Probe]
    of: Mapping[str, Sequence[Probe]]
    actions: Mapping[str, Mapping[str, Action]]
    requests: int


def equip(
    specs: Sequence[ComponentSpec], tools: Tools, former: Equipment | None = None
) -> Equipment:
    """Make everything that the components come to; nothing is started.

    Args:
        specs: the components; their dependencies are among them.
        tools: what it is made with.
        former: whose parts are used again where nothing has changed.

    Raises:
        ConfigError: a probe or action cannot be made from its specification.
    """
    kept = former.processes if former is not None else {}
    processes = {
        spec.name: kept.get(spec.name)
        or ManagedProcess(spec.name, spec.process, base=tools.base, ledger=tools.ledger)
        for spec in specs
        if spec.process is not None
    }
    outfitter = _Outfitter(tools, processes)
    probes: dict[str, Sequence[Probe]] = {}
    actions: dict[str, Mapping[str, Action]] = {}
    same = _unchanged(specs, former)
    for spec in specs:
        if former is not None and spec.name in same:
            probes[spec.name], actions[spec.name] = former.of[spec.name], former.actions[spec.name]
            continue
        looks, deeds = _known(spec, former)
        found = _probe_specs(spec).items()
        probes[spec.name] = [
            looks.get(name) or outfitter.probe(spec.name, name, each) for name, each in found
        ]
        actions[spec.name] = {
            name: deeds.get(name) or outfitter.action(spec.name, name, each)
            for name, each in _action_specs(spec).items()
        }
    return Equipment(
        specs={spec.name: spec for spec in specs},
        components=tuple(same.get(spec.name) or _component(spec) for spec in specs),
        processes=processes,
        probes=tuple(each for found in probes.values() for each in found),
        of=probes,
        actions=actions,
        requests=sum(map(_count_requests, specs)),
    )


class _Outfitter:
    def __init__(self, tools: Tools, processes: Mapping[str, ManagedProcess]) -> None:
        self._base, self._client = tools.base, tools.client
        self._processes = processes

    def probe(self, target: str, name: str, spec: ProbeSpec) -> Probe:
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

    def action(self, target: str, name: str, spec: ActionSpec) -> ConfiguredAction:
        if spec.process is not None:
            process = self._process_of(target, f"action {name!r}")
            return ProcessAction(target, name, spec, base=self._base, process=process)
        if spec.exec is not None:
            return ExecAction(target, name, spec, base=self._base)
        if spec.webhook is not None:
            return WebhookAction(target, name, spec, base=self._base, client=self._client)
        return NotifyAction(target, name, spec, base=self._base, client=self._client)

    def _process_of(self, target: str, user: str) -> ManagedProcess:
        process = self._processes.get(target)
        if process is None:
            raise ConfigError(
                f"{user} of {target!r} needs a process that mendel runs; give the component "
                "`process = { exec = [...] }`, or name a pid file or a command instead"
            )
        return process


def _unchanged(specs: Sequence[ComponentSpec], former: Equipment | None) -> Mapping[str, Component]:
    """Components of which everything stays, so that what was made for them is used again whole."""
    if former is None:
        return {}
    known = {each.name: each for each in former.components}
    return {spec.name: known[spec.name] for spec in specs if former.specs.get(spec.name) == spec}


def _known(
    spec: ComponentSpec, former: Equipment | None
) -> tuple[Mapping[str, Probe], Mapping[str, Action]]:
    """Probes and actions of a component that its new specification leaves as they are, by name."""
    before = former.specs.get(spec.name) if former is not None else None
    if former is None or before is None or (before.process is None) != (spec.process is None):
        return {}, {}
    looks, deeds = _probe_specs(before), _action_specs(before)
    same_looks = {name for name, each in _probe_specs(spec).items() if looks.get(name) == each}
    same_deeds = {name for name, each in _action_specs(spec).items() if deeds.get(name) == each}
    return (
        {each.name: each for each in former.of[spec.name] if each.name in same_looks},
        {name: former.actions[spec.name][name] for name in same_deeds},
    )


def _component(spec: ComponentSpec) -> Component:
    return Component(name=spec.name, kind=spec.kind, depends_on=spec.depends_on, group=spec.group)


def _probe_specs(spec: ComponentSpec) -> dict[str, ProbeSpec]:
    """Every probe of a component by its name."""
    specs = list(spec.probes)
    if spec.process is not None and all(each.process is None for each in specs):
        specs.append(DEFAULT_PROBE)
    seen: Counter[str] = Counter()
    named = {}
    for each in specs:
        way = _way(each)
        seen[way] += 1
        named[way if seen[way] == 1 else f"{way}-{seen[way]}"] = each
    return named


def _action_specs(spec: ComponentSpec) -> dict[str, ActionSpec]:
    """Every action of a component by its name."""
    implied = {"restart": DEFAULT_RESTART} if spec.process is not None else {}
    return spec.actions | {name: implied[name] for name in implied if name not in spec.actions}


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
