"""Another level for a component while it is being healed; nothing that is known gets lost.

A level is a row of abilities, so a change exchanges settings and no object: incidents, detectors,
circuits, limits and experience are where they were (`mendel.runtime.revision`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs

from ..agents.ports import World
from ..bus.messages import Message
from ..core.levels import LEVELS, Level
from ..core.topology import Component
from ..documents.kinds import did_you_mean
from ..errors import ConfigError
from .config import Config
from .factory import Parts
from .revision import prepare, put_into_force
from .specs import ComponentSpec


def exchange(
    config: Config,
    parts: Parts,
    world: World,
    component: str,
    level: Level,
    *,
    publish: Callable[[Message], None],
    now_s: float,
) -> Config:
    """Heal a component on another level from now on, where no agent has to be asked.

    Args:
        config: that holds.
        parts: the cores.
        world: what is healed.
        component: its name.
        level: which.
        publish: gets what follows from it.
        now_s: loop time.

    Returns:
        The configuration that holds from now on.

    Raises:
        ConfigError: there is no such component.
    """
    new = with_level(config, known_component(parts, component), level)
    put_into_force(prepare(config, new, parts, world, (), ()), parts, world, publish, now_s)
    return new


def known_component(parts: Parts, name: str) -> Component:
    """The component of a name.

    Raises:
        ConfigError: there is none.
    """
    components = parts.casebook.topology.components
    if name not in components:
        help_ = did_you_mean(name, list(components), "components")
        raise ConfigError(f"there is no component {name!r}; {help_}")
    return components[name]


def with_level(config: Config, component: Component, level: Level) -> Config:
    """The configuration with one component on a level of its own."""
    known = {each.name for each in config.components}
    specs = config.components
    if component.name not in known:
        # A world of somebody's own: the configuration need not have heard of its components.
        specs = (*specs, ComponentSpec(name=component.name, kind=component.kind))
    changed = tuple(
        structs.replace(each, level=level) if each.name == component.name else each
        for each in specs
    )
    return structs.replace(config, components=changed)


def with_levels_by_hand(
    config: Config, was: Config, by_hand: Mapping[str, Level], components: Mapping[str, Component]
) -> tuple[Config, dict[str, Level]]:
    """A new version of a configuration, with the levels that people have set meanwhile.

    What is written later wins: where the new version gives a component another level than the old
    one, that holds, and what was set by hand is forgotten.

    Args:
        config: the new version, as it is written.
        was: the version before it, as it was written.
        by_hand: levels that people have set.
        components: all that are known.

    Returns:
        The configuration, and those levels that still hold.
    """
    names = {each.name for each in config.components}
    kept = {
        name: level
        for name, level in by_hand.items()
        if (name in names) == (name in {each.name for each in was.components})
        and _written_level(config, name) == _written_level(was, name)
    }
    for name, level in kept.items():
        config = with_level(config, components[name], level)
    return config, kept


def _written_level(config: Config, name: str) -> Level:
    layers = config.layers
    for spec in config.components:
        if spec.name == name:
            return layers.level_of(spec.kind, spec.level)
    return layers.defaults.level


def evolves(config: Config) -> bool:
    """Whether the level of any component says that configurations are bred."""
    layers = config.layers
    levels = (layers.level_of(each.kind, each.level) for each in config.components)
    return any(LEVELS[level].evolves for level in levels)


def at_level(config: Config, level: Level) -> Config:
    """The same configuration with every component on one level."""
    return structs.replace(
        config,
        defaults=structs.replace(config.defaults, level=level),
        kinds={name: structs.replace(each, level=None) for name, each in config.kinds.items()},
        components=tuple(structs.replace(each, level=None) for each in config.components),
    )
