"""Recovery: carries out recovery actions, each once, many at a time.

A command that comes twice runs once: its intent is known. When Recovery itself was interrupted,
its next life asks the world what became of the actions that were under way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from ..bus.messages import ActionFinished, RunAction
from ..core.records import IntentRecord
from .agent import Agent, AgentConfig, on
from .execution import execute, settle
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
        inherited: those of them that are not settled yet, by intent.
        under_way: commands that were accepted and are not finished, by intent.
        finished: how the others ended, oldest first; bounded, the oldest go.
    """

    def __init__(self, inherited: Sequence[IntentRecord] = ()) -> None:
        self.inherited = {each.intent: each for each in inherited}
        self.under_way: dict[str, RunAction] = {}
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
        """Settle what an earlier life, or an earlier process, left unfinished."""
        ledger = self._ledger
        recorded = {each.intent: each for each in self.journal.unfinished_intents()}
        begun = {name: recorded[name] for name in ledger.under_way if name in recorded}
        for intent in (ledger.inherited | begun).values():
            self.spawn(self._settle(intent), name=f"settle {intent.intent}")
        for name, command in ledger.under_way.items():
            if name not in begun:  # Interrupted before its intent was on record.
                self.spawn(self._run_once(command), name=f"run {name}")

    @on(RunAction)
    async def run_action(self, command: RunAction) -> None:
        """Begin an action, unless it is known already."""
        ledger = self._ledger
        if command.intent in ledger.finished:
            await self.publish(ledger.finished[command.intent])
        elif command.intent not in ledger.under_way:
            ledger.under_way[command.intent] = command
            self.spawn(self._run_once(command), name=f"run {command.intent}")

    async def _run_once(self, command: RunAction) -> None:
        action = self._world.actions(command.target).get(command.action)
        if action is None:
            finished = _not_run(command, self.now_s)
            await self.publish(finished)
        else:
            finished = await execute(command, action, self.journal, self.publish, self._clock)
        self._remember(finished)

    async def _settle(self, intent: IntentRecord) -> None:
        action = self._world.actions(intent.target).get(intent.action)
        finished = await settle(intent, action, self.journal, self.publish, self._clock)
        self._remember(finished)

    def _clock(self) -> float:
        return self.now_s

    def _remember(self, finished: ActionFinished) -> None:
        ledger = self._ledger
        ledger.under_way.pop(finished.intent, None)
        ledger.inherited.pop(finished.intent, None)
        ledger.finished[finished.intent] = finished
        while len(ledger.finished) > self.config.remembered:
            ledger.finished.popitem(last=False)


def _not_run(command: RunAction, now_s: float) -> ActionFinished:
    return ActionFinished(
        target=command.target,
        intent=command.intent,
        incident=command.incident,
        action=command.action,
        outcome="not_run",
        detail=f"{command.target} has no action {command.action}",
        duration_s=0.0,
        finished_s=now_s,
    )
