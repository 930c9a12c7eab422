"""Actors: they receive, ask the core and carry out its wishes."""

from .agent import Agent, AgentConfig, on
from .registry import LoadedAgent, LoadedAgents, load_agents
from .seat import Seat
from .timers import Timer

__all__ = [
    "Agent",
    "AgentConfig",
    "LoadedAgent",
    "LoadedAgents",
    "Seat",
    "Timer",
    "load_agents",
    "on",
]
