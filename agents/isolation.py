"""Keeping calls away from one target, and letting them in again, by the actions of the world.

It works towards what is wished *now*: an isolation that is revoked before it took place is left
out, and what was begun is gone on with by whoever drives it next.
"""

from __future__ import annotations

import logging

from ..bus.messages import IsolateTarget, ReleaseTarget, RunAction
from .execution import Clock, Execution, Tell
from .ports import Journal, World

_log = logging.getLogger(__name__)

Wish = IsolateTarget | ReleaseTarget


class Isolation:
    """What is wished and what is done for one target.

    Args:
        wish: the first command.

    Attributes:
        wish: the newest command.
        doing: the command that is being carried out, or was last.
        done: the command that was carried out last, or ``None``.
        execution: the action under way for it, if any.
        count: how many actions were run for it, part of their intents' names.
        failures: how often the present wish has failed.
    """

    __slots__ = ("count", "doing", "done", "execution", "failures", "wish")

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.doing = wish
        self.done: Wish | None = None
        self.execution: Execution | None = None
        self.count = 0
        self.failures = 0

    def want(self, wish: Wish) -> None:
        """Take a new command; it has failed never."""
        self.wish, self.failures = wish, 0

    def wait_s(self, first_s: float) -> float:
        """How long to wait before the next try: twice as long after each failure."""
        return first_s * 2.0 ** (self.failures - 1)


class Isolator:
    """Carries wishes out.

    Args:
        world: where ``isolate`` and ``release`` actions are.
        run: number of this run of mendel, part of the names of intents.
        tries: how often a release that fails is tried, before the target is left isolated.
    """

    def __init__(self, world: World, run: int, tries: int) -> None:
        self._world = world
        self._run = run
        self._tries = tries

    async def work(self, isolation: Isolation, journal: Journal, tell: Tell, clock: Clock) -> bool:
        """Carry out what is wished.

        Returns:
            Whether that is done; else it has to be tried again some time later, because nobody
            else would ever let calls in.
        """
        while isolation.wish is not isolation.done:
            if isolation.execution is None:
                isolation.doing = isolation.wish
                isolation.execution = self._begin(isolation)
            if not await self._carry_out(isolation, journal, tell, clock):
                return False
        return True

    def _begin(self, isolation: Isolation) -> Execution | None:
        wish = isolation.wish
        name = "isolate" if isinstance(wish, IsolateTarget) else "release"
        action = self._world.actions(wish.target).get(name)
        if action is None:
            return None
        isolation.count += 1
        command = RunAction(
            target=wish.target,
            intent=f"{wish.incident}.{name}.{self._run}.{isolation.count}",
            incident=wish.incident,
            action=name,
            attempt=isolation.failures + 1,
            timeout_s=action.timeout_s,
        )
        return Execution(command, action)

    async def _carry_out(
        self, isolation: Isolation, journal: Journal, tell: Tell, clock: Clock
    ) -> bool:
        wish, execution = isolation.doing, isolation.execution
        if execution is None:
            isolation.done = wish
            return True
        finished = await execution.go_on(journal, tell, clock)
        isolation.execution = None
        if execution.interrupted and finished.outcome == "failed":
            return True  # It did not take place, so it is still to be done, unless wished no more.
        keeps_out = isinstance(wish, ReleaseTarget) and finished.outcome != "succeeded"
        if keeps_out and wish is isolation.wish:
            isolation.failures += 1
            if isolation.failures < self._tries:
                return False
            about = {"target": wish.target, "incident": wish.incident}
            _log.error("%s stays isolated: release %s", wish.target, finished.detail, extra=about)
        isolation.done = wish
        return True
