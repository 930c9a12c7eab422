"""A running system goes over to another configuration: wholly, at once, or not at all.

::

    read --wrong--> refused
     |                 ^
     v                 |
    prepared --> agents asked --one says no--> agents get their old settings back
                       |
                       v
                    in force --> processes of new components started, those of old ones ended

Everything that can fail comes before the one step that cannot: probes and actions are made, every
care and watch is worked out, agents have taken their settings. The step itself only exchanges what
was prepared, without an await, so nobody ever decides by half of a configuration. What is known
stays: detectors whose line stays, open incidents, circuits, pauses, what limits have counted.

Stopping the agents and building the system anew was turned down: it loses what is in their hands.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import msgspec
from msgspec import Struct, structs

from ..agents.agent import convert_config
from ..agents.guards.guard import GuardConfig
from ..agents.ports import World
from ..agents.registry import LoadedAgent
from ..bus.local import LocalBus
from ..bus.messages import (
    ConfigChanged,
    LevelsChanged,
    Message,
    Reconfigure,
    Reconfigured,
    ResourcesChanged,
)
from ..core.incidents.treatment import Care
from ..core.levels import Ceiling, Level
from ..core.policy import Pause
from ..core.pressure import Relief
from ..core.watching.rounds import Chart
from ..core.watching.watch import WatchConfig
from ..documents.document import format_path
from ..errors import ConfigError, MendelError, Problem
from .changes import differences, fixed
from .config import Config
from .factory import Design, Parts, design
from .pauses import announced_anew
from .specs import ComponentSpec

_log = logging.getLogger("mendel.revision")

# An agent answers in microseconds, unless it is busy or being restarted.
_AGENT_S = 2.0
_WORLDLY = ("name", "kind", "depends_on", "group", "process", "probes", "actions")
# A log line or an event that lists more is not read; the store has both texts.
_CHANGES_SHOWN = 100
_NO_CEILING = Ceiling()


class ChangeableWorld(World, Protocol):
    """A world whose components can be others from one moment to the next."""

    def prepare(self, specs: Sequence[Any]) -> Any:
        """Make what other components come to, without changing anything."""
        ...

    def change(self, equipment: Any) -> None:
        """Go over to it, in one step that cannot fail."""
        ...

    async def settle(self) -> None:
        """Start and end what the change calls for."""
        ...


class Settings(Struct, frozen=True):
    """What an agent is to be told, and what to tell it when another agent says no."""

    agent: str
    new: dict[str, Any]
    old: dict[str, Any]


class Charts(Struct, frozen=True):
    """What becomes of the charts: only what differs costs anything in the step.

    Attributes:
        gone: targets that nobody looks at any more.
        fresh: charts of new targets.
        others: those with other probes, which have to know at once.
        revised: those with other settings, which take them with their next sample.
    """

    gone: Sequence[str]
    fresh: Mapping[str, Chart]
    others: Sequence[tuple[Chart, WatchConfig, Mapping[str, float]]]
    revised: Sequence[tuple[Chart, WatchConfig]]


class Revision(Struct, frozen=True):
    """All that a new configuration comes to, ready to be put into force.

    Attributes:
        old: the configuration that holds.
        new: the one that is to hold.
        design: of all components.
        equipment: for a world that changes with it, or None.
        charts: what becomes of them.
        levels: the former and the new one of components for which they differ.
        agents: those whose settings are others.
        guards: settings of guards that are others, by target.
        fresh: components that were not there before.
        changes: what is different, in words.
    """

    old: Config
    new: Config
    design: Design
    equipment: Any
    charts: Charts
    levels: Mapping[str, tuple[Level, Level]]
    agents: Sequence[Settings]
    guards: Mapping[str, GuardConfig]
    fresh: Sequence[ComponentSpec]
    changes: tuple[str, ...]


class Aside(Protocol):
    """Carries out a function somewhere: `asyncio.to_thread`, or here and now."""

    def __call__(
        self, function: Callable[..., Revision], /, *arguments: Any
    ) -> Awaitable[Revision]:
        """What the function returns, when it is done."""
        ...


async def inline(function: Callable[..., Revision], /, *arguments: Any) -> Revision:
    """Here and now, for virtual time, where there are no threads."""
    return function(*arguments)


def prepare(
    old: Config,
    new: Config,
    parts: Parts,
    world: World,
    plugins: Iterable[LoadedAgent],
    own: Iterable[Any],
    ceiling: Ceiling = _NO_CEILING,
) -> Revision:
    """Make everything that the new configuration comes to; nothing changes yet.

    Args:
        old: the configuration that holds.
        new: the one that is to hold.
        parts: the cores.
        world: what is healed.
        plugins: that run and go on, as the new configuration has them.
        own: classes of the system's own agents.
        ceiling: highest levels that are carried out for now.

    Raises:
        ConfigError: it cannot come into force while mendel runs, or not at all.
    """
    _check_fixed(old, new)
    equipment = None
    components, probes, actions = world.components, world.probes, world.actions
    # Whoever made a world of his own decides himself what is in it.
    if _is_changeable(world) and _of_world(old.components) != _of_world(new.components):
        equipment = world.prepare(new.components)
        components, probes = equipment.components, equipment.probes
        actions = equipment.actions.__getitem__
    before = {each.name: each.guard for each in old.components}
    plan = _with_known(design(new, components, probes, actions, ceiling=ceiling), parts)
    return Revision(
        old=old,
        new=new,
        design=plan,
        equipment=equipment,
        charts=_charts(parts.charts, plan),
        levels=_levels(parts.casebook.cares, plan.cares),
        agents=_settings(old, new, own, plugins),
        guards={
            each.name: each.guard
            for each in new.components
            if each.guard is not None and each.guard != before.get(each.name)
        },
        fresh=[each for each in new.components if each.name not in before],
        changes=_changes(old, new),
    )


async def ask_agents(bus: LocalBus, agents: Sequence[Settings]) -> None:
    """Give every agent its settings; when one says no, those before it get their old ones back.

    Raises:
        ConfigError: one says no, or does not answer.
    """
    for number, each in enumerate(agents):
        reason = await _tell(bus, each.agent, each.new)
        if reason:
            for told in agents[: number + 1]:  # Late is not never: it may still take them.
                await _tell(bus, told.agent, told.old)
            raise ConfigError(f"agent {each.agent} does not take its settings: {reason}")


def put_into_force(
    revision: Revision, parts: Parts, world: World, publish: Callable[[Message], None], now_s: float
) -> None:
    """Exchange what was prepared for what holds; one step, which cannot fail."""
    plan, policy = revision.design, parts.policy
    if revision.equipment is not None and _is_changeable(world):
        world.change(revision.equipment)
    policy.reconfigure(revision.new.policy, plan.modes)
    policy.pauses = _pauses(revision, policy.pauses, now_s)
    parts.casebook.experience.config = revision.new.ranking
    is_same = revision.equipment is None
    parts.casebook.reconfigure(plan.cares, None if is_same else plan.topology)
    for name in revision.charts.gone:
        del parts.charts[name]
    for chart in revision.charts.fresh.values():
        chart.watch.expect_from(now_s)
    parts.charts.update(revision.charts.fresh)
    for chart, watch, silences in revision.charts.others:
        for event in chart.reconfigure(watch, silences, now_s):
            publish(event)
    for chart, watch in revision.charts.revised:
        chart.revise(watch)
    for problem in parts.board.configure(revision.guards):
        _log.warning("%s", problem)


def in_force(
    revision: Revision, *, who: str, reason: str, source: str, began_s: float, now_s: float
) -> ConfigChanged:
    """The news of it."""
    return ConfigChanged(
        changes=revision.changes,
        source=source,
        who=who,
        reason=reason,
        took_s=now_s - began_s,
        changed_s=now_s,
    )


def relieved(relief: Relief, reasons: Sequence[str], now_s: float) -> ResourcesChanged:
    """The news that mendel does without other things now."""
    return ResourcesChanged(
        step=relief.step,
        evolves=relief.evolves,
        stretch=relief.stretch,
        ceiling=relief.ceiling,
        reasons=tuple(reasons),
        changed_s=now_s,
    )


def levels_changed(
    revision: Revision, *, who: str, reason: str, now_s: float
) -> LevelsChanged | None:
    """The news that components are healed on other levels; None when none is.

    Args:
        revision: what is in force now.
        who: the person or program that wants it so.
        reason: why.
        now_s: loop time.
    """
    found = revision.levels
    if not found:
        return None
    shown: dict[str, tuple[str, str]] = dict(list(found.items())[:_CHANGES_SHOWN])
    return LevelsChanged(
        components=len(found), levels=shown, who=who, reason=reason, changed_s=now_s
    )


def turnover(
    have: Sequence[LoadedAgent], wanted: Sequence[LoadedAgent], taken: Container[str]
) -> tuple[list[LoadedAgent], list[str]]:
    """Plug-ins that come, and the names of those that go; one of another class does both.

    Raises:
        ConfigError: an agent that was added by hand has the name already.
    """
    kinds = {each.name: each.agent_class for each in have}
    come = [each for each in wanted if kinds.get(each.name) is not each.agent_class]
    stay = {each.name for each in wanted} - {each.name for each in come}
    go = [name for name in kinds if name not in stay]
    for each in come:
        if each.name in taken and each.name not in go:
            raise ConfigError(f"there is an agent {each.name!r} already")
    return come, go


def excuse_booting(
    specs: Iterable[ComponentSpec], parts: Parts, world: World, now_s: float
) -> None:
    """What mendel has only just started is not sick for not answering yet."""
    for spec in specs:
        restart = world.actions(spec.name).get("restart")
        if spec.process is not None and restart is not None:
            parts.charts[spec.name].watch.on_booting(now_s + restart.settle_s, now_s)


async def settle(world: World) -> None:
    """Start and end the processes that the change calls for."""
    if _is_changeable(world):
        await world.settle()


def _changes(old: Config, new: Config) -> tuple[str, ...]:
    found = [str(each) for each in differences(old, new)]
    more = len(found) - _CHANGES_SHOWN
    return tuple(found[:_CHANGES_SHOWN]) + ((f"and {more} more",) if more > 0 else ())


def _with_known(plan: Design, parts: Parts) -> Design:
    """The same with the cares of now where they are equal: letting go of them all takes time."""
    known = parts.casebook.cares
    cares = {
        name: known[name] if known.get(name) == care else care for name, care in plan.cares.items()
    }
    return structs.replace(plan, cares=cares)


def _levels(
    before: Mapping[str, Care], after: Mapping[str, Care]
) -> dict[str, tuple[Level, Level]]:
    known = (
        (name, before[name].level, care.level) for name, care in after.items() if name in before
    )
    return {name: (old, new) for name, old, new in known if old != new}


def _charts(charts: Mapping[str, Chart], plan: Design) -> Charts:
    others: list[tuple[Chart, WatchConfig, Mapping[str, float]]] = []
    revised: list[tuple[Chart, WatchConfig]] = []
    for name, watch in plan.watches.items():
        chart, silences = charts.get(name), plan.silences[name]
        if chart is None:
            continue
        if chart.watch.silent_after_s != silences:
            others.append((chart, watch, silences))
        elif chart.config != watch:
            revised.append((chart, watch))
    return Charts(
        gone=[name for name in charts if name not in plan.watches],
        fresh={name: plan.chart(name) for name in plan.watches if name not in charts},
        others=others,
        revised=revised,
    )


def _check_fixed(old: Config, new: Config) -> None:
    found = fixed(old, new)
    problems = [
        Problem("MD160", f"cannot change while mendel runs: {why}", place=format_path(path))
        for path, why in found
    ]
    if problems:
        places = ", ".join(each.place for each in problems)
        raise ConfigError(f"{places} cannot change while mendel runs", problems)


def _settings(
    old: Config, new: Config, own: Iterable[Any], plugins: Iterable[LoadedAgent]
) -> list[Settings]:
    kinds = {kind.name: kind for kind in own} | {each.name: each.agent_class for each in plugins}
    found = []
    for name, kind in kinds.items():
        before, after = (convert_config(kind, config.agent.get(name, {})) for config in (old, new))
        if before != after:
            found.append(Settings(name, msgspec.to_builtins(after), msgspec.to_builtins(before)))
    return found


async def _tell(bus: LocalBus, agent: str, settings: dict[str, Any]) -> str:
    """Reason why an agent does not take settings; empty when it does."""
    try:
        answer = await bus.request(Reconfigure(agent=agent, settings=settings), timeout_s=_AGENT_S)
    except MendelError as error:
        return str(error)
    return answer.reason if isinstance(answer, Reconfigured) and not answer.accepted else ""


def _pauses(revision: Revision, pauses: Sequence[Pause], now_s: float) -> list[Pause]:
    old, new = revision.old.maintenance, revision.new.maintenance
    return announced_anew(pauses, old, new, now_s=now_s, now_utc=time.time())


def _of_world(specs: Sequence[ComponentSpec]) -> list[tuple[Any, ...]]:
    """What of the components is the world's; the rest is for those who heal it."""
    return [tuple(getattr(spec, name) for name in _WORLDLY) for spec in specs]


def _is_changeable(world: World) -> TypeGuard[ChangeableWorld]:
    return hasattr(world, "prepare") and hasattr(world, "change") and hasattr(world, "settle")
