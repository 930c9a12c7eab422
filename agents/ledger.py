"""What is known of the actions that were asked for, so that each of them runs once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ..bus.messages import ActionFinished, RunAction
from ..core.records import IntentRecord
from .execution import Execution
from .ports import World


class Ledger:
    """Actions by intent; outlives whoever carries them out.

    Args:
        inherited: intents that an earlier process left without an outcome.

    Attributes:
        inherited: those of them that are not taken up yet, by intent.
        under_way: what was accepted and is not told to be finished, by intent.
        finished: how the others ended, oldest first; bounded by `remember`.
    """

    def __init__(self, inherited: Sequence[IntentRecord] = ()) -> None:
        self.inherited = {each.intent: each for each in inherited}
        self.under_way: dict[str, Execution] = {}
        self.finished: OrderedDict[str, ActionFinished] = OrderedDict()

    def take_up(self, world: World) -> dict[str, Execution]:
        """All that has to be gone on with, by intent, what an earlier process left included."""
        for name, intent in self.inherited.items():
            action = world.actions(intent.target).get(intent.action)
            self.under_way[name] = Execution.inherited(intent, action)
        self.inherited.clear()
        return dict(self.under_way)

    def accept(self, command: RunAction, world: World) -> Execution | ActionFinished | None:
        """Take a command, which may come twice.

        Returns:
            What to carry out; or how it ended, when that is known; or nothing while it is under
            way already.
        """
        if command.intent in self.finished:
            return self.finished[command.intent]
        if command.intent in self.under_way:
            return None
        action = world.actions(command.target).get(command.action)
        execution = self.under_way[command.intent] = Execution(command, action)
        return execution

    def remember(self, finished: ActionFinished, limit: int) -> None:
        """Note how an action ended; beyond the limit the oldest is forgotten."""
        self.under_way.pop(finished.intent, None)
        self.finished[finished.intent] = finished
        while len(self.finished) > limit:
            self.finished.popitem(last=False)
