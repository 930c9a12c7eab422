"""What another level would take away from a configuration, and what it would add.

A level is a row of abilities (`mendel.core.levels`) and a layer of settings. So what is lost by
going to another one is what the abilities carried, what is written for them and then has no effect,
and what the layer of the old level said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, structs

from ..core.levels import LEVELS, Level
from .changes import between
from .config import Config, Loaded
from .provenance import BUILT_IN, provenance

# What each ability carries, as a sentence that follows "is lost:" or "is gained:".
_MEANING: Mapping[str, str] = {
    "adapts": "metrics are compared with their own past without being named",
    "diagnoses": "replicas, edges, deployments and symptoms are weighed to find what is wrong",
    "ranks": "what helped before is tried first",
    "controls_load": "load is shed and retries are limited during an overload",
    "forecasts": "a trend is acted on before it reaches its limit",
    "recognises": "what incidents looked like is recognised when it comes back",
    "evolves": "configurations are bred from incidents",
}
# Settings that do nothing without an ability, by the beginning of their field.
_CARRIED: Mapping[str, str] = {"watch.load": "controls_load", "relief": "controls_load"}


class Translation(Struct, frozen=True):
    """What going to another level means for one component.

    Attributes:
        component: which.
        before: level that it is on.
        after: level that it would be on.
        lost: abilities that it would lose, in words.
        gained: abilities that it would gain, in words.
        idle: settings that somebody has written and that would have no effect, with their place.
        changed: settings that would be others, because they are said for a level.
    """

    component: str
    before: Level
    after: Level
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def translate(loaded: Loaded, level: Level) -> list[Translation]:
    """What it would mean for each component to be on a level; those that are on it are left out."""
    return list(_translations(loaded, loaded.config, level))


def _translations(loaded: Loaded, config: Config, level: Level) -> Iterator[Translation]:
    after = structs.asdict(LEVELS[level])
    layers = config.layers
    for spec in config.components:
        present = layers.level_of(spec.kind, spec.level)
        if present == level:
            continue
        before = structs.asdict(LEVELS[present])
        lost = {name for name, has in before.items() if has and not after[name]}
        here, there = (layers.settle(spec.kind, spec.layer, each) for each in (present, level))
        there = structs.replace(there, level=present)
        yield Translation(
            component=spec.name,
            before=present,
            after=level,
            lost=tuple(_MEANING[name] for name in before if name in lost),
            gained=tuple(_MEANING[name] for name in after if after[name] and not before[name]),
            idle=tuple(_idle(loaded, spec.name, lost)),
            changed=tuple(str(each) for each in between(here, there, ())),
        )


def _idle(loaded: Loaded, component: str, lost: set[str]) -> Iterator[str]:
    for beginning, ability in _CARRIED.items():
        if ability in lost:
            for each in provenance(loaded, f"components.{component}.{beginning}"):
                if each.origin.source != BUILT_IN:
                    field = each.field.removeprefix(f"components.{component}.")
                    yield f"{field} = {each.value} ({each.origin.source})"
