"""Agents of users, put through the contract that all agents keep."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from msgspec import Struct, to_builtins

from ..agents.registry import LoadedAgent, load_agent, load_agents
from ..scenarios.contracts import AgentContract, Verdict, verdicts


class Report(Struct, frozen=True):
    """What came of one agent.

    Attributes:
        name: of the agent.
        place: where it was found.
        kept: whether every rule is kept.
        verdicts: rule by rule.
    """

    name: str
    place: str
    kept: bool
    verdicts: tuple[Verdict, ...]


def check_agents(target: str = "") -> list[Report]:
    """Check one agent, or all that installed packages bring.

    Args:
        target: ``package.module:Class``; empty for all that are installed.

    Raises:
        PluginError: one cannot be loaded.
    """
    with _current_folder():
        if target:
            return [_report(load_agent(target))]
        found = load_agents()
    if found.problems:
        raise found.problems[0]
    return [_report(each) for each in found.agents]


def _report(loaded: LoadedAgent) -> Report:
    class Suite(AgentContract):
        agent_class: ClassVar = loaded.agent_class
        settings: ClassVar = to_builtins(loaded.config)

    found = tuple(verdicts(Suite))
    kept = all(each.kept for each in found)
    return Report(loaded.name, loaded.place, kept=kept, verdicts=found)


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Modules of the current folder can be named, as they can for ``python -m``."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
