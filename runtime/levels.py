"""Another level for a component while it is being healed; nothing that is known gets lost.

A level is a row of abilities, so a change exchanges settings and no object: incidents, detectors,
circuits, limits and experience are where they were (`mendel.runtime.revision`).
"""

from __future__ import annotations

from msgspec import structs

from ..core.levels import Level
from ..core.topology import Component
from .config import Config
from .specs import ComponentSpec


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


def at_level(config: Config, level: Level) -> Config:
    """The same configuration with every component on one level."""
    return structs.replace(
        config,
        defaults=structs.replace(config.defaults, level=level),
        kinds={name: structs.replace(each, level=None) for name, each in config.kinds.items()},
        components=tuple(structs.replace(each, level=None) for each in config.components),
    )
