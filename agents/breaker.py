"""The Breaker: keeps calls away from a target on the Coordinator's word, and lets them in again.

It holds the circuits of guarded calls, and drives the world's ``isolate`` and ``release`` actions
of targets that have them. It works towards what is wished *now*: an isolation that is revoked
before it took place is left out, and whatever an earlier life of the agent did not finish is
taken up by the next. A release that fails is tried again: nobody else would ever let calls in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from ..bus.messages import CircuitChanged, IsolateTarget, ReleaseTarget, RunAction
from ..core.circuit import Circuit, CircuitConfig
from ..core.effects import CancelTimer, StartTimer
from .agent import Agent, AgentConfig, on
from .execution import Execution
from .ports import World
from .timers import Timer

_log = logging.getLogger(__name__)

Wish = IsolateTarget | ReleaseTarget


class BreakerConfig(AgentConfig, frozen=True, kw_only=True):
    """How the Breaker works; each circuit has a config of its own.

    Attributes:
        release_tries: how often a release that fails is tried, before the target is left isolated
            and that is logged.
        retry_s: wait before the second try; it doubles with each further one.
    """

    release_tries: Annotated[int, Meta(ge=1, le=20)] = 8
    retry_s: Annotated[float, Meta(gt=0)] = 1.0


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


class Switchboard:
    """Circuits and isolations of all targets; it outlives the agent.

    Args:
        now_s: loop time.
        on_change: told of each transition of a circuit.

    Attributes:
        circuits: by target; made when first needed.
        isolations: what is wished and done, by target.
    """

    def __init__(self, now_s: float, on_change: Callable[[CircuitChanged], object]) -> None:
        self.circuits: dict[str, Circuit] = {}
        self.isolations: dict[str, Isolation] = {}
        self._now_s = now_s
        self._on_change = on_change

    def circuit_of(self, target: str) -> Circuit:
        """The circuit of a target."""
        if target not in self.circuits:
            circuit = Circuit(target, CircuitConfig(), self._now_s, on_change=self._on_change)
            self.circuits[target] = circuit
        return self.circuits[target]

    def state_of(self, target: str) -> str:
        """State of the circuit of a target; empty when it has none."""
        circuit = self.circuits.get(target)
        return circuit.state if circuit is not None else ""


class Breaker(Agent[BreakerConfig]):
    """Isolate and release targets.

    Args:
        config: its settings.
        world: where ``isolate`` and ``release`` actions are.
        board: circuits and isolations.
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
        self._board.circuit_of(wish.target).force_open(self.now_s, wish.reason)
        await self._want(wish)

    @on(ReleaseTarget)
    async def release(self, wish: ReleaseTarget) -> None:
        """Let calls in again; a trial shows how guarded ones go."""
        self._board.circuit_of(wish.target).release(self.now_s, wish.reason)
        await self._want(wish)

    async def on_timer(self, timer: Timer) -> None:
        """Try a release again."""
        self._work_on(timer.key)

    async def _want(self, wish: Wish) -> None:
        isolation = self._board.isolations.setdefault(wish.target, Isolation(wish))
        isolation.wish, isolation.failures = wish, 0
        await self.perform([CancelTimer("retry", wish.target)])
        self._work_on(wish.target)

    def _work_on(self, target: str) -> None:
        if target not in self._busy:
            self._busy.add(target)
            self.spawn(self._work(target), name=f"isolate {target}")

    async def _work(self, target: str) -> None:
        isolation = self._board.isolations[target]
        try:
            while isolation.wish is not isolation.done:
                if isolation.execution is None:
                    isolation.doing = isolation.wish
                    isolation.execution = self._begin(isolation.wish, isolation)
                if not await self._carry_out(isolation):
                    await self._try_later(isolation)
                    return
        finally:
            self._busy.discard(target)

    def _begin(self, wish: Wish, isolation: Isolation) -> Execution | None:
        name = "isolate" if isinstance(wish, IsolateTarget) else "release"
        action = self._world.actions(wish.target).get(name)
        if action is None:
            return None
        isolation.count += 1
        command = RunAction(
            target=wish.target,
            intent=f"{wish.incident}.{name}.{isolation.count}",
            incident=wish.incident,
            action=name,
            attempt=isolation.failures + 1,
            timeout_s=action.timeout_s,
        )
        return Execution(command, action)

    async def _carry_out(self, isolation: Isolation) -> bool:
        """Carry out what was begun; False when that has to be tried again some time later."""
        wish, execution = isolation.doing, isolation.execution
        if execution is None:
            isolation.done = wish
            return True
        finished = await execution.go_on(self.journal, self.publish, self._clock)
        isolation.execution = None
        if execution.interrupted and finished.outcome == "failed":
            return True  # It did not take place, so it is still to be done, unless wished no more.
        keeps_out = isinstance(wish, ReleaseTarget) and finished.outcome != "succeeded"
        if keeps_out and wish is isolation.wish:
            isolation.failures += 1
            if isolation.failures < self.config.release_tries:
                return False
            _log.error("%s stays isolated: release %s", wish.target, finished.detail)
        isolation.done = wish
        return True

    async def _try_later(self, isolation: Isolation) -> None:
        wait_s = self.config.retry_s * 2.0 ** (isolation.failures - 1)
        timer = StartTimer("retry", isolation.wish.target, self.now_s + wait_s)
        await self.perform([timer])

    def _clock(self) -> float:
        return self.now_s
