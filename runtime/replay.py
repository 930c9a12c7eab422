"""Replay with a whole system: the agents, bus, supervisor and decisions that run live."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from msgspec import structs

from ..agents.journal import MemoryJournal
from ..agents.monitor import Monitor
from ..agents.ports import World
from ..agents.registry import LoadedAgent
from ..core.levels import Level
from ..core.policy import Pause
from ..errors import ConfigError
from ..scenarios import replay as replaying
from ..scenarios.recorded import RecordedWorld
from ..scenarios.replay import Outcome
from ..scenarios.scoring import Broken
from .config import Config, Loaded, load
from .healing.direct import DirectSystem
from .levels import at_level
from .plugins import load_plugins
from .system import System

_TICK_S = 1e-9


def replay(
    world: World,
    config: Config | Loaded | str | os.PathLike[str] | None = None,
    *,
    until_s: float,
    seed: int = 0,
    broken: Sequence[Broken] | None = None,
) -> Outcome:
    """Heal a world in virtual time and tell what was decided.

    Same world, same configuration, same seed: same outcome, to the last byte.

    Args:
        world: any object that keeps `mendel.World`: a simulation, a recording, one of your own.
            Each run needs a fresh one.
        config: how it is healed: a file, what was read from it, or `Config`; the defaults when it
            is left out. Plug-ins are loaded from files only.
        until_s: how long to follow it.
        seed: of everything random in mendel (jitter).
        broken: what is known to be wrong and when; with it, false alarms and unneeded actions are
            told, and times are counted from the start of the fault.

    Raises:
        ConfigError: the configuration is invalid.
        PluginError: a plug-in of it cannot be loaded.
        GaveUp: mendel itself could not go on.
        RuntimeError: an event loop is running already.

    Example:
        ``mendel.replay(MyWorld(), "mendel.toml", until_s=3600.0, seed=7).measures.recovery``
    """
    if not isinstance(world, RecordedWorld):
        return replaying.replay(world, builder(config, seed), until_s, seed, broken=broken)
    contents = world.contents
    return replaying.replay(
        world,
        builder(config, seed, run=contents.run),
        until_s,
        seed,
        start_s=contents.start_s,
        broken=contents.broken if broken is None else broken,
        inputs=contents.inputs,
        notes=contents.notes,
    )


def builder(
    config: Config | Loaded | str | os.PathLike[str] | None = None,
    seed: int = 0,
    *,
    pauses: Sequence[Pause] = (),
    level: Level | None = None,
    run: int = 1,
    direct: bool = False,
    journal: MemoryJournal | None = None,
) -> Callable[[World], System | DirectSystem]:
    """What makes a system for a world, as `mendel.scenarios.replay` wants it.

    Args:
        config: how the world is healed; see `replay`.
        seed: of everything random.
        pauses: announced maintenance, in virtual time.
        level: of every component, whatever the configuration says; ``None`` leaves that to it.
        run: number of the run, first part of the names of incidents.
        direct: by calling the cores, without bus and agents: the same decisions for less.
        journal: what an earlier run left behind, and where this one writes; a fresh one each time
            when it is left out.

    Raises:
        ConfigError: the configuration is invalid, or has plug-ins, which need a bus.
        PluginError: a plug-in of it cannot be loaded; without it, it would be another replay.
    """
    if isinstance(config, str | os.PathLike):
        config = load(config)
    plugins: tuple[LoadedAgent, ...] = ()
    if isinstance(config, Loaded):
        plugins, problems = load_plugins(config)
        if problems:
            raise problems[0]
        config = config.config
    config = config or Config()
    seeded = structs.replace(config, runtime=structs.replace(config.runtime, seed=seed))
    if level is not None:
        seeded = at_level(seeded, level)

    if direct and seeded.agents:
        raise ConfigError(
            f"plug-ins ({', '.join(seeded.agents)}) live on a bus; without one they are not heard"
        )

    def build(world: World) -> System | DirectSystem:
        fitting = _row_by_row(seeded) if isinstance(world, RecordedWorld) else seeded
        memory = MemoryJournal() if journal is None else journal
        if direct:
            return DirectSystem(fitting, world, memory, run=run, pauses=pauses)
        return System(fitting, world, memory, run=run, plugins=plugins, pauses=pauses)

    return build


def _row_by_row(config: Config) -> Config:
    """Looks that are due close together begin one by one.

    A row that follows another one may be what the Monitor asked for because of that other one; a
    look that had begun with it would be too old to be the answer.
    """
    monitor = {**config.agent.get(Monitor.name, {}), "tick_s": _TICK_S}
    return structs.replace(config, agent={**config.agent, Monitor.name: monitor})
