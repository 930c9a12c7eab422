"""Recovery: carries out recovery actions, each once, many at a time.

A command that comes twice runs once: its intent is known. When Recovery itself was interrupted,
its next life goes on with the actions that were under way.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ..bus.messages import ActionFinished, RunAction
from .agent import Agent, AgentConfig, on
from .execution import Execution
from .ledger import Ledger
from .ports import World


class RecoveryConfig(AgentConfig, frozen=True, kw_only=True):
    """How Recovery works.

    Attributes:
        remembered: how many finished actions are remembered, to answer a repeated command.
    """

    remembered: Annotated[int, Meta(ge=1)] = 10_000


class Recovery(Agent[RecoveryConfig]):
    """Run actions on the Coordinator's word.

    Args:
        config: how it works.
        world: where the actions are.
        ledger: outlives the agent.
    """

    Config = RecoveryConfig
    name = "recovery"

    def __init__(self, config: RecoveryConfig, world: World, ledger: Ledger) -> None:
        super().__init__(config)
        self._world = world
        self._ledger = ledger

    async def on_start(self) -> None:
        """Go on with what an earlier life, or an earlier process, left unfinished."""
        for name, execution in self._ledger.take_up(self._world).items():
            self.spawn(self._go_on(execution), name=f"go on with {name}")

    @on(RunAction)
    async def run_action(self, command: RunAction) -> None:
        """Begin an action, unless it is known already."""
        match self._ledger.accept(command, self._world):
            case ActionFinished() as finished:
                await self.publish(finished)
            case Execution() as execution:
                self.spawn(self._go_on(execution), name=f"run {command.intent}")

    async def _go_on(self, execution: Execution) -> None:
        finished = await execution.go_on(self.journal, self.publish, self._clock)
        self._ledger.remember(finished, self.config.remembered)

    def _clock(self) -> float:
        return self.now_s
