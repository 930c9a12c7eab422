"""The Breaker: keeps calls away from a target on the Coordinator's word, and lets them in again.

It holds the circuits of guarded calls, and drives the world's ``isolate`` and ``release`` actions
of targets that have them. It works towards what is wished *now*: an isolation that is revoked
before it took place is left out, and whatever an earlier life of the agent did not finish is
taken up by the next.
"""

from __future__ import annotations

from collections.abc import Callable

from ..bus.messages import CircuitChanged, IsolateTarget, ReleaseTarget, RunAction
from ..core.circuit import Circuit, CircuitConfig
from .agent import Agent, AgentConfig, on
from .execution import execute
from .ports import World


class BreakerConfig(AgentConfig, frozen=True, kw_only=True):
    """The Breaker's own settings: none; each circuit has its own."""


class Isolation:
    """What is wished and what is done for one target.

    Attributes:
        wish: the newest command.
        done: the command that was carried out last, or ``None``.
        count: how many actions were run for it, part of their intents' names.
    """

    __slots__ = ("count", "done", "wish")

    def __init__(self) -> None:
        self.wish: IsolateTarget | ReleaseTarget | None = None
        self.done: IsolateTarget | ReleaseTarget | None = None
        self.count = 0


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
        self._want(wish)

    @on(ReleaseTarget)
    async def release(self, wish: ReleaseTarget) -> None:
        """Let calls in again; a trial shows how guarded ones go."""
        self._board.circuit_of(wish.target).release(self.now_s, wish.reason)
        self._want(wish)

    def _want(self, wish: IsolateTarget | ReleaseTarget) -> None:
        self._board.isolations.setdefault(wish.target, Isolation()).wish = wish
        self._work_on(wish.target)

    def _work_on(self, target: str) -> None:
        if target not in self._busy:
            self._busy.add(target)
            self.spawn(self._work(target), name=f"isolate {target}")

    async def _work(self, target: str) -> None:
        isolation = self._board.isolations[target]
        try:
            while (wish := isolation.wish) is not isolation.done and wish is not None:
                await self._enact(wish, isolation)
                isolation.done = wish
        finally:
            self._busy.discard(target)

    async def _enact(self, wish: IsolateTarget | ReleaseTarget, isolation: Isolation) -> None:
        name = "isolate" if isinstance(wish, IsolateTarget) else "release"
        action = self._world.actions(wish.target).get(name)
        if action is None:
            return
        isolation.count += 1
        command = RunAction(
            target=wish.target,
            intent=f"{wish.incident}.{name}.{isolation.count}",
            incident=wish.incident,
            action=name,
            attempt=1,
            timeout_s=action.timeout_s,
        )
        await execute(command, action, self.journal, self.publish, self._clock)

    def _clock(self) -> float:
        return self.now_s
