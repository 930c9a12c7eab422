"""Recovery: carries out recovery actions, each once, many at a time.

A command that comes twice runs once: its intent is known. When Recovery itself was interrupted,
its next life goes on with the actions that were under way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from ..bus.messages import ActionFinished, RunAction
from ..core.records import IntentRecord
from .agent import Agent, AgentConfig, on
from .execution import Execution
from .ports import World


class RecoveryConfig(AgentConfig, frozen=True, kw_only=True):
    """How Recovery works.

    Attributes:
        remembered: how many finished actions are remembered, to answer a repeated command.
    """

    remembered: Annotated[int, Meta(ge=1)] = 10_000


class Ledger:
    """What Recovery knows of its actions between two of its lives.

    Args:
        inherited: intents that an earlier process left without an outcome.

    Attributes:
        inherited: those of them that are not taken up yet, by intent.
        under_way: what was accepted and is not told to be finished, by intent.
        finished: how the others ended, oldest first; bounded, the oldest go.
    """

    def __init__(self, inherited: Sequence[IntentRecord] = ()) -> None:
        self.inherited = {each.intent: each for each in inherited}
        self.under_way: dict[str, Execution] = {}
        self.finished: OrderedDict[str, ActionFinished] = OrderedDict()


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
        ledger = self._ledger
        for name, intent in ledger.inherited.items():
            action = self._world.actions(intent.target).get(intent.action)
            ledger.under_way[name] = Execution.inherited(intent, action)
        ledger.inherited.clear()
        for name, execution in ledger.under_way.items():
            self.spawn(self._go_on(execution), name=f"go on with {name}")

    @on(RunAction)
    async def run_action(self, command: RunAction) -> None:
        """Begin an action, unless it is known already."""
        ledger = self._ledger
        if command.intent in ledger.finished:
            await self.publish(ledger.finished[command.intent])
        elif command.intent not in ledger.under_way:
            action = self._world.actions(command.target).get(command.action)
            execution = ledger.under_way[command.intent] = Execution(command, action)
            self.spawn(self._go_on(execution), name=f"run {command.intent}")

    async def _go_on(self, execution: Execution) -> None:
        self._remember(await execution.go_on(self.journal, self.publish, self._clock))

    def _clock(self) -> float:
        return self.now_s

    def _remember(self, finished: ActionFinished) -> None:
        ledger = self._ledger
        ledger.under_way.pop(finished.intent, None)
        ledger.finished[finished.intent] = finished
        while len(ledger.finished) > self.config.remembered:
            ledger.finished.popitem(last=False)
