"""Plug-ins: agents found by entry point, or by ``package:Class`` in the configuration.

Each is loaded on its own: one that cannot be loaded gives a `PluginError` with its place and the
reason, next to those that can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from ..errors import PluginError
from .agent import Agent, AgentConfig, convert_config

GROUP = "mendel.agents"

_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class LoadedAgent(NamedTuple):
    """An agent that can be started.

    Attributes:
        name: how it will be addressed.
        place: where it was named.
        agent_class: what it is.
        config: its checked config.
    """

    name: str
    place: str
    agent_class: type[Agent[Any]]
    config: AgentConfig


class LoadedAgents(NamedTuple):
    """What became of all plug-ins.

    Attributes:
        agents: those that can be started, in the order in which they were named.
        problems: the others, each with its place and reason.
    """

    agents: tuple[LoadedAgent, ...]
    problems: tuple[PluginError, ...]


def load_agents(
    places: Iterable[str] = (),
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    taken: Iterable[str] = (),
    group: str = GROUP,
) -> LoadedAgents:
    """Load the agents of all installed plug-ins and those that a configuration names.

    Args:
        places: ``package.module:Class``, as a configuration names them.
        settings: fields of their configs by agent name, as they stand in a file.
        taken: names that other agents of the system have already.
        group: entry point group of the installed ones.
    """
    agents: dict[str, LoadedAgent] = {}
    problems: list[PluginError] = []
    reserved = set(taken)
    for place, target in _candidates(places, group):
        try:
            agent = _load(place, target, settings or {})
            if agent.name in reserved or agent.name in agents:
                raise PluginError(place, _duplicate(agent.name, agents))
            agents[agent.name] = agent
        except PluginError as problem:
            problems.append(problem)
    return LoadedAgents(tuple(agents.values()), tuple(problems))


def load_agent(place: str, settings: Mapping[str, Any] | None = None) -> LoadedAgent:
    """Load one agent by ``package.module:Class``.

    Raises:
        PluginError: it cannot be loaded, is no agent, or its settings are wrong.
    """
    agent_class = _agent_class(place, place)
    return _configured(place, agent_class, settings or {})


def _candidates(places: Iterable[str], group: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        seen.add(point.value)
        yield f"entry point {point.name!r} ({point.value})", point.value
    for place in places:
        if place not in seen:  # Installed and named as well is one agent, not a duplicate.
            seen.add(place)
            yield place, place


def _load(place: str, target: str, settings: Mapping[str, Mapping[str, Any]]) -> LoadedAgent:
    agent_class = _agent_class(place, target)
    return _configured(place, agent_class, settings.get(agent_class.name, {}))


def _agent_class(place: str, target: str) -> type[Agent[Any]]:
    if not _PLACE.fullmatch(target):
        raise PluginError(place, f"{target!r} is not of the form 'package.module:Class'")
    module_name, _, path = target.partition(":")
    found: object = _import(place, module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise PluginError(place, f"module {module_name!r} has no {path!r}")
        found = getattr(found, name)
    if not (isinstance(found, type) and issubclass(found, Agent)):
        kind = found.__name__ if isinstance(found, type) else type(found).__name__
        raise PluginError(place, f"{kind} is not a subclass of mendel.agents.Agent")
    _check_config(place, found)
    return found


def _import(place: str, module_name: str) -> object:
    try:
        return import_module(module_name)
    except (Exception, SystemExit) as error:  # Foreign code: anything may come.
        raise PluginError(place, f"import failed: {_first_line(error)}") from error


def _check_config(place: str, agent_class: type[Agent[Any]]) -> None:
    config: object = agent_class.Config
    if not (isinstance(config, type) and issubclass(config, AgentConfig)):
        raise PluginError(
            place, f"Config of {agent_class.__name__} is {config!r}; it must subclass AgentConfig"
        )


def _configured(
    place: str, agent_class: type[Agent[Any]], settings: Mapping[str, Any]
) -> LoadedAgent:
    try:
        config = convert_config(agent_class, settings)
    except Exception as error:  # Its __post_init__ is foreign code.
        raise PluginError(place, f"bad settings: {_first_line(error)}") from error
    return LoadedAgent(agent_class.name, place, agent_class, config)


def _duplicate(name: str, agents: Mapping[str, LoadedAgent]) -> str:
    other = f"by {agents[name].place}" if name in agents else "by mendel itself"
    return f"the name {name!r} is taken {other}; give the class another `name`"


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
