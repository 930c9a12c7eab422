"""The agents that a configuration asks for beside mendel's own, and the settings of all."""

from __future__ import annotations

from ..agents.registry import LoadedAgents, load_agents
from ..errors import ConfigError, PluginError, Problem
from .config import Loaded
from .system import OWN_AGENTS


def load_plugins(loaded: Loaded) -> LoadedAgents:
    """Load what can be loaded; the rest is told and does not stop it.

    Raises:
        ConfigError: settings of mendel's own agents are wrong, without which nothing heals.
    """
    problems = _own_settings(loaded)
    if problems:
        raise ConfigError(f"{loaded.document.name}: settings of agents are wrong", problems)
    settings = loaded.config.agent
    own = [kind.name for kind in OWN_AGENTS]
    agents, failed = load_agents(loaded.config.agents, settings=settings, taken=own)
    known = {*own, *(each.name for each in agents)}
    orphans = [
        PluginError(_section(name), "no agent of this name is loaded")
        for name in settings
        if name not in known
    ]
    return LoadedAgents(agents, (*failed, *orphans))


def check_plugins(loaded: Loaded) -> list[Problem]:
    """Everything that is wrong with agents and their settings, with its place in the file."""
    try:
        _, failed = load_plugins(loaded)
    except ConfigError as error:
        return list(error.problems)
    paths: dict[str, tuple[str | int, ...]] = {
        place: ("agents", index) for index, place in enumerate(loaded.config.agents)
    }
    paths |= {_section(name): ("agent", name) for name in loaded.config.agent}
    return [
        loaded.document.problem("MD126", f"{each.place}: {each.reason}", paths.get(each.place, ()))
        for each in failed
    ]


def _own_settings(loaded: Loaded) -> list[Problem]:
    problems: list[Problem] = []
    for kind in OWN_AGENTS:
        try:
            loaded.agent_settings(kind.name, kind.Config)
        except ConfigError as error:
            problems += error.problems
    return problems


def _section(agent: str) -> str:
    return f"[agent.{agent}]"
