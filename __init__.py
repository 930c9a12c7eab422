"""mendel heals running systems: it watches, isolates, recovers, verifies and learns.

Public names are loaded when they are first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agents.agent import Agent, AgentConfig, on
    from .agents.guards.config import GuardConfig
    from .agents.guards.guard import Guard
    from .agents.guards.registry import guard, guards
    from .agents.ports import Action, ActionResult, IntentStatus, Probe, Sample, World
    from .bus.local import LocalBus
    from .bus.messages import Advice, Message, RecoveryProposed
    from .core.circuits.circuit import Circuit, CircuitConfig
    from .core.gene import Gene
    from .core.topology import Component
    from .errors import CallNotPermitted, MendelError
    from .runtime.config import Config, load
    from .runtime.healing.create import create
    from .runtime.healing.protocol import SelfHealing
    from .runtime.healing.recommend import Recommendation, Traits, recommend
    from .runtime.launch import launch
    from .runtime.replay import replay
    from .runtime.system import System

_HOMES = {
    "Action": ".agents.ports",
    "ActionResult": ".agents.ports",
    "Advice": ".bus.messages",
    "Agent": ".agents.agent",
    "AgentConfig": ".agents.agent",
    "CallNotPermitted": ".errors",
    "Circuit": ".core.circuits.circuit",
    "CircuitConfig": ".core.circuits.circuit",
    "Component": ".core.topology",
    "Config": ".runtime.config",
    "Gene": ".core.gene",
    "Guard": ".agents.guards.guard",
    "GuardConfig": ".agents.guards.config",
    "IntentStatus": ".agents.ports",
    "LocalBus": ".bus.local",
    "MendelError": ".errors",
    "Message": ".bus.messages",
    "Probe": ".agents.ports",
    "RecoveryProposed": ".bus.messages",
    "Recommendation": ".runtime.healing.recommend",
    "Sample": ".agents.ports",
    "SelfHealing": ".runtime.healing.protocol",
    "System": ".runtime.system",
    "Traits": ".runtime.healing.recommend",
    "World": ".agents.ports",
    "create": ".runtime.healing.create",
    "guard": ".agents.guards.registry",
    "guards": ".agents.guards.registry",
    "launch": ".runtime.launch",
    "load": ".runtime.config",
    "on": ".agents.agent",
    "recommend": ".runtime.healing.recommend",
    "replay": ".runtime.replay",
}

__all__ = [
    "Action",
    "ActionResult",
    "Advice",
    "Agent",
    "AgentConfig",
    "CallNotPermitted",
    "Circuit",
    "CircuitConfig",
    "Component",
    "Config",
    "Gene",
    "Guard",
    "GuardConfig",
    "IntentStatus",
    "LocalBus",
    "MendelError",
    "Message",
    "Probe",
    "Recommendation",
    "RecoveryProposed",
    "Sample",
    "SelfHealing",
    "System",
    "Traits",
    "World",
    "create",
    "guard",
    "guards",
    "launch",
    "load",
    "on",
    "recommend",
    "replay",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
