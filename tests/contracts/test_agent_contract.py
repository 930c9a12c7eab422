"""Agents that come with mendel to be copied, and what a guide shows, keep the contract."""

from __future__ import annotations

from mendel.agents import Agent, AgentConfig, on
from mendel.bus.messages import Advice, RecoveryProposed
from mendel.scenarios.testing import AgentContract


class Plain(Agent[AgentConfig]):
    """The least agent that answers."""

    @on(RecoveryProposed)
    def advise(self, proposal: RecoveryProposed) -> Advice:
        return Advice(before=("drain",) if proposal.action == "restart" else ())


class TestPlain(AgentContract):
    agent_class = Plain
