"""The Coordinator: hands what it hears to the casebook, and carries out what that wishes."""

from __future__ import annotations

from ..bus.messages import (
    ActionFinished,
    Advice,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalGiven,
    ConfigChanged,
    HealthChanged,
    LoadChanged,
    Message,
    PauseTarget,
    RecoveryProposed,
    ResumeTarget,
    TargetAnnotated,
    TargetProbed,
)
from ..core.incidents.casebook import Casebook
from .agent import Agent, AgentConfig, on
from .timers import Timer


class CoordinatorConfig(AgentConfig, frozen=True, kw_only=True):
    """The Coordinator's own settings: none; what it decides by is the casebook's."""


class Coordinator(Agent[CoordinatorConfig]):
    """Drive the casebook.

    Args:
        config: its settings.
        casebook: every decision; it outlives the agent.
    """

    Config = CoordinatorConfig
    name = "coordinator"

    def __init__(self, config: CoordinatorConfig, casebook: Casebook) -> None:
        super().__init__(config)
        self._casebook = casebook

    async def on_start(self) -> None:
        """Take up what an earlier run of mendel left open."""
        await self.perform(self._casebook.begin(self.now_s))

    @on(AnomalyDetected)
    @on(AnomalyCleared)
    @on(HealthChanged)
    @on(LoadChanged)
    @on(TargetProbed)
    @on(TargetAnnotated)
    @on(ActionFinished)
    @on(PauseTarget)
    @on(ResumeTarget)
    @on(ApprovalGiven)
    @on(ConfigChanged)
    async def decide(self, message: Message) -> None:
        """Whatever concerns an incident is the casebook's to decide."""
        await self.perform(self._casebook.on_message(message, self.now_s))

    async def on_timer(self, timer: Timer) -> None:
        """So are its timers."""
        await self.perform(self._casebook.on_timer(timer.name, timer.key, self.now_s))

    def consult(self, proposal: RecoveryProposed) -> None:
        """Hear plug-ins without keeping the mailbox waiting; none listening is heard at once."""
        self.spawn(self._hear_advice(proposal), name=f"consult about {proposal.target}")

    async def _hear_advice(self, proposal: RecoveryProposed) -> None:
        timeout_s = max(0.0, proposal.deadline_s - self.now_s)
        answers = await self.request_all(proposal, timeout_s=timeout_s)
        advice = [each for each in answers if isinstance(each, Advice)]
        effects = self._casebook.on_advice(proposal.target, advice, self.now_s, proposal.incident)
        await self.perform(effects)
