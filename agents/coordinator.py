"""The Coordinator: hands what it hears to the casebook, and carries out what that wishes."""

from __future__ import annotations

from ..bus.messages import (
    ActionFinished,
    Advice,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalGiven,
    HealthChanged,
    Message,
    PauseTarget,
    RecoveryProposed,
    ResumeTarget,
    TargetProbed,
)
from ..core.casebook import Casebook
from ..errors import BusError
from .agent import Agent, AgentConfig, Timer, on
from .ports import Journal


class CoordinatorConfig(AgentConfig, frozen=True, kw_only=True):
    """The Coordinator's own settings: none; what it decides by is the casebook's."""


class Coordinator(Agent[CoordinatorConfig]):
    """Drive the casebook.

    Args:
        config: its settings.
        casebook: every decision; it outlives the agent.
        journal: where the casebook's records go.
    """

    Config = CoordinatorConfig
    name = "coordinator"

    def __init__(self, config: CoordinatorConfig, casebook: Casebook, journal: Journal) -> None:
        super().__init__(config)
        self._casebook = casebook
        self.journal = journal

    @on(AnomalyDetected)
    @on(AnomalyCleared)
    @on(HealthChanged)
    @on(TargetProbed)
    @on(ActionFinished)
    @on(PauseTarget)
    @on(ResumeTarget)
    @on(ApprovalGiven)
    async def decide(self, message: Message) -> None:
        """Whatever concerns an incident is the casebook's to decide."""
        await self.perform(self._casebook.on_message(message, self.now_s))

    async def on_timer(self, timer: Timer) -> None:
        """So are its timers."""
        await self.perform(self._casebook.on_timer(timer.name, timer.key, self.now_s))

    async def consult(self, proposal: RecoveryProposed) -> None:
        """Ask plug-ins; when there are none, the answer is there at once."""
        if self.bus.has_subscribers(proposal.subject):
            self.spawn(self._gather_advice(proposal), name=f"consult {proposal.incident}")
        else:
            await self._advise(proposal, [])

    async def _gather_advice(self, proposal: RecoveryProposed) -> None:
        timeout_s = max(0.0, proposal.deadline_s - self.now_s)
        try:
            answers = await self.bus.request_all(proposal, timeout_s=timeout_s)
        except BusError:
            answers = []  # Advice is welcome, never needed.
        await self._advise(proposal, [each for each in answers if isinstance(each, Advice)])

    async def _advise(self, proposal: RecoveryProposed, advice: list[Advice]) -> None:
        await self.perform(self._casebook.on_advice(proposal.target, advice, self.now_s))
