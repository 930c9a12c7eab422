"""Doing what the cores have decided, by calling: what Recovery and the Breaker do on the bus."""

from __future__ import annotations

from collections.abc import Callable

from ...agents.breaker import BreakerConfig
from ...agents.execution import Execution
from ...agents.isolation import Isolation, Isolator, Wish
from ...agents.ports import Journal, World
from ...agents.recovery import RecoveryConfig
from ...bus.messages import ActionFinished, IsolateTarget, Message, RunAction
from ..factory import Parts


class Hands:
    """Carry out commands; each action runs once, however often it is asked for.

    Args:
        world: where the actions are.
        parts: ledger and switchboard.
        journal: where intents and outcomes go, before and after.
        tell: gets what Recovery and the Breaker would publish.
        now: loop time.
        recovery: settings of the one ...
        breaker: ... and of the other.
    """

    def __init__(
        self,
        world: World,
        parts: Parts,
        journal: Journal,
        *,
        tell: Callable[[Message], None],
        now: Callable[[], float],
        recovery: RecoveryConfig,
        breaker: BreakerConfig,
    ) -> None:
        self._world = world
        self._ledger = parts.ledger
        self._board = parts.board
        self._journal = journal
        self._tell_all = tell
        self._now = now
        self._remembered = recovery.remembered
        self._isolator = Isolator(world, parts.board.run, breaker.release_tries)
        self._retry_s = breaker.retry_s

    def left_over(self) -> list[Execution]:
        """What an earlier process left unfinished."""
        return list(self._ledger.take_up(self._world).values())

    def accept(self, command: RunAction) -> Execution | ActionFinished | None:
        """What there is to do for a command; see `mendel.agents.ledger.Ledger.accept`."""
        return self._ledger.accept(command, self._world)

    async def act(self, execution: Execution) -> ActionFinished:
        """Carry an action out to its end."""
        finished = await execution.go_on(self._journal, self._tell, self._now)
        self._ledger.remember(finished, self._remembered)
        return finished

    def want(self, wish: Wish) -> Isolation:
        """Let guards know at once; what else keeps calls away is `isolate`'s to do."""
        target, reason = wish.target, wish.reason
        if isinstance(wish, IsolateTarget):
            self._board.isolate(target, reason)
        else:
            self._board.release(target, reason)
        isolation = self._board.isolations.setdefault(target, Isolation(wish))
        isolation.want(wish)
        return isolation

    async def isolate(self, isolation: Isolation) -> float:
        """Bring about what is wished.

        Returns:
            In how many seconds to try again; 0.0 when it is done.
        """
        done = await self._isolator.work(isolation, self._journal, self._tell, self._now)
        return 0.0 if done else isolation.wait_s(self._retry_s)

    async def _tell(self, message: Message) -> None:
        self._tell_all(message)
