"""What every agent, probe, action and world keeps, as suites that anybody can run on their own.

A suite is a class: subclass it, say what is to be tested, and pytest finds the tests in it::

    from mendel.scenarios.testing import AgentContract

    class TestDrainFirst(AgentContract):
        agent_class = DrainFirst

Its tests are plain functions that run their own event loop, so they need no plug-in and no mark;
``mendel agents test`` runs them without pytest, by `verdicts`.
"""

from .action import ActionContract
from .agent import AgentContract
from .base import Contract, Verdict, verdicts
from .probe import ProbeContract
from .world import WorldContract

__all__ = [
    "ActionContract",
    "AgentContract",
    "Contract",
    "ProbeContract",
    "Verdict",
    "WorldContract",
    "verdicts",
]
