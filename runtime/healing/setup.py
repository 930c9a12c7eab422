"""What a program says of the components that it wants healed, before it begins."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from msgspec import structs

from ...agents.journal import MemoryJournal
from ...agents.ports import Action, World
from ...core.detection.detect import Threshold
from ...core.levels import Level
from ...core.records import ExperienceRecord, Record
from ...core.topology import Component, Kind
from ...documents.kinds import did_you_mean
from ...errors import ConfigError
from ..config import Config, Loaded, load, told
from ..specs import ComponentSpec
from .told import Deed, Manner, ToldWorld

Source = Config | Loaded | str | os.PathLike[str] | Mapping[str, Any] | None


class Memory(MemoryJournal):
    """A journal in memory that passes on what is learned."""

    def __init__(self, tell: Callable[[ExperienceRecord], None]) -> None:
        super().__init__()
        self._tell = tell

    def note(self, record: Record) -> None:
        """Keep a record."""
        super().note(record)
        if isinstance(record, ExperienceRecord):
            self._tell(record)


class Setup:
    """The configuration and the world of one healer.

    Args:
        source: settings: a file, what was read from it, its content as a mapping, or a `Config`.
        level: of the components for which the settings name none.
        world: one with probes and actions of its own; by default that of the settings'
            components, if they name any.

    Attributes:
        config: settings, with what the program has said.
        world: what is healed.
        has_world: whether there is one beside what is told, so that it has to be entered.
    """

    def __init__(self, source: Source, level: Level, world: World | None) -> None:
        config, state, base = _config(source)
        defaults = structs.replace(config.defaults, level=checked_level(level))
        self.config = structs.replace(config, defaults=defaults)
        if world is None and config.components:
            from ..world import RealWorld  # Late: most programs tell and act themselves.

            world = RealWorld(config.components, state=state, base=base)
        self.has_world = world is not None
        self.world = ToldWorld(world)

    def watch(
        self,
        target: str,
        actions: Mapping[str, Deed | Action] | None,
        *,
        kind: Kind,
        depends_on: tuple[str, ...],
        every_s: float,
        plan: tuple[str, ...],
        thresholds: Mapping[str, Threshold | Mapping[str, Any]],
        manner: Manner,
    ) -> None:
        """Take in a component; see `mendel.runtime.healing.watched.Watched.watch`."""
        if not every_s > 0.0 or every_s == math.inf:
            raise ConfigError(f"every_s={every_s:g} of {target!r} must be a time greater than 0")
        said: dict[str, Any] = {"name": target, "kind": kind, "depends_on": depends_on}
        said |= {"plan": plan, "thresholds": thresholds}
        spec = told(said, ComponentSpec, f"component {target!r}")
        known = {each.name for each in self.config.components}
        if target not in known:
            components = (*self.config.components, spec)
            self.config = structs.replace(self.config, components=components)
        component = Component(name=target, kind=kind, depends_on=depends_on)
        self.world.add(component, actions or {}, manner)
        self.world.expect(target, every_s)

    def check(self) -> None:
        """Refuse dependencies on nobody, now that all components are known.

        Raises:
            ConfigError: there is one.
        """
        known = [each.name for each in self.world.components]
        for component in self.world.components:
            for name in component.depends_on:
                if name not in known:
                    help_ = did_you_mean(name, known, "components")
                    raise ConfigError(f"{component.name!r} depends on unknown {name!r}; {help_}")


def checked_level(level: str) -> Level:
    """A level of that name.

    Raises:
        ConfigError: there is none.
    """
    for known in get_args(Level):
        if level == known:
            found: Level = known
            return found
    help_ = did_you_mean(str(level), list(get_args(Level)), "levels")
    raise ConfigError(f"there is no level {level!r}; {help_}")


def checked_metrics(target: str, metrics: Any) -> dict[str, float]:
    """Metrics as numbers.

    Raises:
        ConfigError: there are none, or one is no number.
    """
    if not isinstance(metrics, Mapping) or not metrics:
        raise ConfigError(f"metrics of {target!r} are {metrics!r}; expected at least one value")
    found = {}
    for name, value in metrics.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"a metric of {target!r} is called {name!r}; expected a text")
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"{name} of {target!r} is {value!r}; expected a finite number")
        found[name] = float(value)
    return found


def checked_time(now_s: Any) -> float:
    """A time.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(now_s, int | float) or not math.isfinite(now_s):
        raise ConfigError(f"now_s is {now_s!r}; expected a finite number of seconds")
    return float(now_s)


def _config(source: Source) -> tuple[Config, Path, Path]:
    """Settings, and the state folder and base of relative paths that go with them."""
    if isinstance(source, str | os.PathLike):
        source = load(source)
    if isinstance(source, Loaded):
        return source.config, source.state, source.base
    if isinstance(source, Mapping):
        source = told(source, Config)
    config = source or Config()
    return config, Path(config.runtime.state), Path()
