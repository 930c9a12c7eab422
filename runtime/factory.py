"""Wiring: what a configuration and a world come to, as the parts that agents are made of.

Everything that must outlive the crash of an agent is made here, once, and handed to each of its
lives: the casebook, the charts, the switchboard and the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from ..agents.monitor import Chart
from ..agents.ports import Action, Journal, Probe, World
from ..agents.recovery import Ledger
from ..agents.switchboard import Switchboard
from ..core.casebook import Casebook
from ..core.levels import Level
from ..core.playbook import plan_of
from ..core.policy import ActionFacts, Policy
from ..core.topology import Component, Topology
from ..core.treatment import Care
from ..core.watch import TargetWatch, WatchConfig
from .config import Config, DefaultsConfig
from .specs import ComponentSpec

# A probe that missed three turns in a row is silent; one or two may be a busy moment.
_MISSED_TURNS = 3


class Parts(Struct, frozen=True):
    """What outlives the agents of one system.

    Attributes:
        casebook: every decision.
        policy: what may be done; the casebook asks it.
        charts: what is known of each target.
        board: what is isolated, and the guards of the program.
        ledger: actions that are under way or done.
    """

    casebook: Casebook
    policy: Policy
    charts: Mapping[str, Chart]
    board: Switchboard
    ledger: Ledger


def build(
    config: Config,
    world: World,
    journal: Journal,
    *,
    run: int,
) -> Parts:
    """Make the parts of a system.

    Args:
        config: how it heals.
        world: what it heals; its components need not be in the configuration.
        journal: what an earlier run left behind.
        run: number of this run, first part of every incident's name.
    """
    specs = {spec.name: spec for spec in config.components}
    topology = Topology(world.components)
    modes = {name: spec.mode for name, spec in specs.items() if spec.mode is not None}
    policy = Policy(config.policy, modes)
    cares = {
        component.name: care_of(
            component,
            specs.get(component.name),
            config.defaults,
            world.actions(component.name),
        )
        for component in world.components
    }
    casebook = Casebook(
        topology,
        cares,
        policy,
        run=run,
        left_open=journal.open_incidents(),
        unsettled=journal.unfinished_intents(),
        isolations=journal.isolations(),
    )
    return Parts(
        casebook=casebook,
        policy=policy,
        charts=_charts(config, specs, world),
        board=Switchboard(run),
        ledger=Ledger(journal.unfinished_intents()),
    )


def care_of(
    component: Component,
    spec: ComponentSpec | None,
    defaults: DefaultsConfig,
    actions: Mapping[str, Action],
) -> Care:
    """How one component is healed.

    Args:
        component: which.
        spec: what the configuration says of it, if anything.
        defaults: what holds for all.
        actions: what can be done to it.
    """
    facts = {name: _facts(action) for name, action in actions.items()}
    own_plan = spec.plan if spec is not None else ()
    playbook = structs.replace(defaults.playbook, plan=own_plan or defaults.playbook.plan)
    plan = plan_of(component.kind, playbook, facts)
    return Care(
        # A plan for the whole estate may name what only some components have.
        plan=plan if own_plan else tuple(name for name in plan if name in facts),
        actions=facts,
        incident=defaults.incident,
        triage=defaults.triage,
        playbook=playbook,
        verify=defaults.verify,
        level=level_of(spec, defaults),
    )


def level_of(spec: ComponentSpec | None, defaults: DefaultsConfig) -> Level:
    """The level that holds for a component."""
    own = spec.level if spec is not None else None
    return own or defaults.level


def _facts(action: Action) -> ActionFacts:
    return ActionFacts(
        name=action.name,
        disruptive=action.disruptive,
        timeout_s=action.timeout_s,
        settle_s=action.settle_s,
        undo=action.undo,
    )


def _charts(config: Config, specs: Mapping[str, ComponentSpec], world: World) -> dict[str, Chart]:
    probes: dict[str, list[Probe]] = {}
    for probe in world.probes:
        probes.setdefault(probe.target, []).append(probe)
    charts = {}
    for component in world.components:
        name = component.name
        watch = _watch_config(config.defaults.watch, specs.get(name))
        silent_s = _silences(watch, probes.get(name, ()))
        charts[name] = Chart(TargetWatch(name, watch, silent_s))
    return charts


def _watch_config(defaults: WatchConfig, spec: ComponentSpec | None) -> WatchConfig:
    if spec is None:
        return defaults
    return structs.replace(
        defaults,
        thresholds=defaults.thresholds | spec.thresholds,
        adaptive=defaults.adaptive | spec.adaptive,
    )


def _silences(watch: WatchConfig, probes: Sequence[Probe]) -> dict[str, float]:
    return {
        probe.name: max(watch.silent_s, _MISSED_TURNS * probe.every_s + probe.timeout_s)
        for probe in probes
    }
