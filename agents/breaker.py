"""The Breaker: keeps calls away from a target on the Coordinator's word, and lets them in again.

It holds the circuits of guarded calls, and drives the world's ``isolate`` and ``release`` actions
of targets that have them. It works towards what is wished *now*: an isolation that is revoked
before it took place is left out, and whatever an earlier life of the agent did not finish is
taken up by the next. A release that fails is tried again: nobody else would ever let calls in.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ..bus.messages import IsolateTarget, ReleaseTarget
from ..core.effects import CancelTimer, StartTimer
from .agent import Agent, AgentConfig, on
from .isolation import Isolation, Isolator, Wish
from .ports import World
from .switchboard import Switchboard
from .timers import Timer


class BreakerConfig(AgentConfig, frozen=True, kw_only=True):
    """How the Breaker works; each circuit has a config of its own.

    Attributes:
        release_tries: how often a release that fails is tried, before the target is left isolated
            and that is logged.
        retry_s: wait before the second try; it doubles with each further one.
    """

    release_tries: Annotated[int, Meta(ge=1, le=20)] = 8
    retry_s: Annotated[float, Meta(gt=0)] = 1.0


class Breaker(Agent[BreakerConfig]):
    """Isolate and release targets.

    Args:
        config: its settings.
        world: where ``isolate`` and ``release`` actions are.
        board: what is kept away from whom.
    """

    Config = BreakerConfig
    name = "breaker"

    def __init__(self, config: BreakerConfig, world: World, board: Switchboard) -> None:
        super().__init__(config)
        self._world = world
        self._board = board
        self._busy: set[str] = set()

    async def on_start(self) -> None:
        """Take up what an earlier life did not finish."""
        for target in self._board.isolations:
            self._work_on(target)

    @on(IsolateTarget)
    async def isolate(self, wish: IsolateTarget) -> None:
        """Refuse guarded calls at once, and keep other calls away as the world knows how to."""
        self._board.isolate(wish.target, wish.reason)
        await self._want(wish)

    @on(ReleaseTarget)
    async def release(self, wish: ReleaseTarget) -> None:
        """Let calls in again; a trial shows how guarded ones go."""
        self._board.release(wish.target, wish.reason)
        await self._want(wish)

    async def on_timer(self, timer: Timer) -> None:
        """Try a release again."""
        self._work_on(timer.key)

    async def _want(self, wish: Wish) -> None:
        isolation = self._board.isolations.setdefault(wish.target, Isolation(wish))
        isolation.want(wish)
        await self.perform([CancelTimer("retry", wish.target)])
        self._work_on(wish.target)

    def _work_on(self, target: str) -> None:
        if target not in self._busy:
            self._busy.add(target)
            self.spawn(self._work(target), name=f"isolate {target}")

    async def _work(self, target: str) -> None:
        isolation = self._board.isolations[target]
        isolator = Isolator(self._world, self._board.run, self.config.release_tries)
        try:
            if not await isolator.work(isolation, self.journal, self.publish, self._clock):
                await self._try_later(isolation)
        finally:
            self._busy.discard(target)

    async def _try_later(self, isolation: Isolation) -> None:
        due_s = self.now_s + isolation.wait_s(self.config.retry_s)
        await self.perform([StartTimer("retry", isolation.wish.target, due_s)])

    def _clock(self) -> float:
        return self.now_s
