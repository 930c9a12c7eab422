"""Wiring: what a configuration and a world come to, as the parts that agents are made of.

Everything that must outlive the crash of an agent is made here, once, and handed to each of its
lives: the casebook, the charts, the switchboard and the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from ..agents.ledger import Ledger
from ..agents.ports import Action, Journal, Probe, World
from ..agents.switchboard import Switchboard
from ..bus.messages import Status
from ..core.health import of_component
from ..core.incidents.casebook import Casebook
from ..core.incidents.treatment import Care
from ..core.levels import LEVELS, Ceiling
from ..core.playbook import plan_of
from ..core.policy import ActionFacts, Mode, Pause, Policy
from ..core.ranking.ranking import Experience, RankingConfig
from ..core.topology import Component, Topology, home_of
from ..core.watching.rounds import Chart
from ..core.watching.watch import TargetWatch, WatchConfig, fitted
from .config import Config
from .layers import DefaultsConfig, Layer

# A probe that missed three turns in a row is silent; one or two may be a busy moment.
_MISSED_TURNS = 3
_NOTHING_SAID = DefaultsConfig()
_NO_CEILING = Ceiling()


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
    charts: dict[str, Chart]
    board: Switchboard
    ledger: Ledger

    def statuses(self) -> dict[str, Status]:
        """Health of each component with all that is looked at of it, in their order."""
        charts, topology = self.charts, self.casebook.topology
        return {
            name: of_component(
                charts[name].watch.status,
                {part: charts[part].watch.status for part in topology.parts(name)},
            )
            for name in topology.components
        }


class Design(Struct, frozen=True):
    """What a configuration says of every component, all layers taken together.

    Attributes:
        topology: the components, and what is looked at of them.
        cares: how each component is healed.
        watches: how each target is watched.
        silences: for each, the silence of each of its probes that makes it unknown, in seconds.
        modes: of the components for which it is not simply that of the estate.
    """

    topology: Topology
    cares: Mapping[str, Care]
    watches: Mapping[str, WatchConfig]
    silences: Mapping[str, Mapping[str, float]]
    modes: Mapping[str, Mode]

    def chart(self, name: str) -> Chart:
        """An empty chart for a component."""
        return Chart(TargetWatch(name, self.watches[name], self.silences[name]))


def design(
    config: Config,
    components: Sequence[Component],
    probes: Iterable[Probe],
    actions: Callable[[str], Mapping[str, Action]],
    *,
    ceiling: Ceiling = _NO_CEILING,
) -> Design:
    """Work out what a configuration says of the components of a world.

    Args:
        config: the configuration.
        components: of the world; they need not be in the configuration.
        probes: of the world.
        actions: of a component, by name.
        ceiling: highest levels that are carried out, whatever the configuration says.

    Raises:
        ConfigError: settings from several layers do not go together.
    """
    settings = settings_of(config, components, ceiling=ceiling)
    looks: dict[str, list[Probe]] = {name: [] for name in settings}
    for probe in probes:
        looks.setdefault(probe.target, []).append(probe)
    # What is no part of any component is watched as if it were one without settings.
    watches = {name: _watch_of(settings.get(home_of(name), _NOTHING_SAID)) for name in looks}
    topology = Topology(components, looks)
    return Design(
        topology=topology,
        cares={
            each.name: care_of(
                each,
                settings[each.name],
                actions(each.name),
                {part: actions(part) for part in topology.parts(each.name)},
            )
            for each in components
        },
        watches=watches,
        silences={name: _silences(watch, looks[name]) for name, watch in watches.items()},
        modes=modes_of(config),
    )


def build(
    config: Config,
    world: World,
    journal: Journal,
    *,
    run: int,
    pauses: Iterable[Pause] = (),
    earlier: Iterable[tuple[str, float]] = (),
) -> Parts:
    """Make the parts of a system.

    Args:
        config: how it heals.
        world: what it heals; its components need not be in the configuration.
        journal: what an earlier run left behind.
        run: number of this run, first part of every incident's name.
        pauses: of components that nothing may be done to for now.
        earlier: actions of earlier runs that limits count: target and loop time, oldest first.
    """
    plan = design(config, world.components, world.probes, world.actions)
    policy = Policy(config.policy, plan.modes)
    for pause in pauses:
        policy.pause(pause)
    for target, at_s in earlier:
        policy.remember(target, at_s)
    casebook = Casebook(
        plan.topology,
        plan.cares,
        policy,
        run=run,
        left_open=journal.open_incidents(),
        unsettled=journal.unfinished_intents(),
        isolations=journal.isolations(),
        experience=_experience(config.ranking, journal),
    )
    return Parts(
        casebook=casebook,
        policy=policy,
        charts={name: plan.chart(name) for name in plan.watches},
        board=Switchboard(run),
        ledger=Ledger(journal.unfinished_intents()),
    )


def settings_of(
    config: Config, components: Iterable[Component], *, ceiling: Ceiling = _NO_CEILING
) -> dict[str, DefaultsConfig]:
    """What holds for each component, all layers taken together; by name."""
    specs = {spec.name: spec for spec in config.components}
    layers, nothing = config.layers, Layer()
    settings = {}
    for component in components:
        spec, kind = specs.get(component.name), component.kind
        own = spec.layer if spec is not None else nothing
        level = layers.level_of(kind, spec.level if spec is not None else None)
        settings[component.name] = layers.settle(kind, own, ceiling.under(component.name, level))
    return settings


def modes_of(config: Config) -> dict[str, Mode]:
    """The mode of each component for which it is not simply that of the estate."""
    modes = {spec.name: config.layers.mode_of(spec.kind, spec.mode) for spec in config.components}
    return {name: mode for name, mode in modes.items() if mode is not None}


def care_of(
    component: Component,
    settings: DefaultsConfig,
    actions: Mapping[str, Action],
    parts: Mapping[str, Mapping[str, Action]] = {},
) -> Care:
    """How one component is healed.

    Args:
        component: which.
        settings: what holds for it, all layers taken together.
        actions: what can be done to it.
        parts: what can be done to its replicas and to edges to it, by target.
    """
    facts = {name: _facts(action) for name, action in actions.items()}
    plan = plan_of(component.kind, settings.playbook, facts)
    return Care(
        # A plan for many components may name what only some of them have.
        plan=tuple(name for name in plan if name in facts),
        actions=facts,
        parts={
            part: {name: _facts(action) for name, action in its.items()}
            for part, its in parts.items()
            if its
        },
        incident=settings.incident,
        triage=settings.triage,
        playbook=settings.playbook,
        verify=settings.verify,
        relief=settings.relief,
        level=settings.level,
        drawn=tuple(settings.watch.thresholds),
    )


def _experience(config: RankingConfig, journal: Journal) -> Experience:
    """What was learned so far."""
    experience = Experience(config)
    for record in journal.experiences():
        experience.learn(record)
    return experience


def _facts(action: Action) -> ActionFacts:
    return ActionFacts(
        name=action.name,
        disruptive=action.disruptive,
        timeout_s=action.timeout_s,
        settle_s=action.settle_s,
        undo=action.undo,
    )


def _watch_of(settings: DefaultsConfig) -> WatchConfig:
    return fitted(settings.watch, LEVELS[settings.level])


def _silences(watch: WatchConfig, probes: Sequence[Probe]) -> dict[str, float]:
    return {
        probe.name: max(watch.silent_s, _MISSED_TURNS * probe.every_s + probe.timeout_s)
        for probe in probes
    }
