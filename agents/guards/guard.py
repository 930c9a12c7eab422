"""``guard("db")``: the call path to a target, behind a circuit breaker and limits.

A guard is a plain object that works without runtime, bus or store. It is used in four ways, all of
which share one circuit per target:

    @guard("db")                        # functions, coroutines, generators of both kinds, methods
    async def query(sql: str) -> list[Row]: ...

    with guard("db"):                   # around an await, or around blocking code
        rows = await connection.fetch(sql)

    async with guard("db"):             # the same for a guard that also limits or times out
        rows = await connection.fetch(sql)

    granted = guard("db").allow()       # by hand: None means "do not call"

A call that is not let through raises `CallNotPermitted`; everything else that a call raises reaches
the caller as it is. The parts of a guard stand in one order, from the outside in:

    fallback > retry > hedge > circuit > throttle > rate > bulkhead or adaptive limit > timeout

so each retry and each hedge asks the circuit anew, a call that a limit refuses says nothing about
the target's health, and only the time of one attempt is bounded.

Guards may be used from several threads: an ordinary success is one increment, all else happens
under a lock. A listener is told after the transition has been made, outside of that lock.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from msgspec import UNSET

from ...core.circuits.circuit import Circuit, CircuitConfig, CircuitRecord, Outcome, Pass, State
from ...core.circuits.eras import Closed, Disabled
from ...errors import CallNotPermitted, ConfigError
from .clock import clock
from .config import GuardConfig
from .events import Listener, acquire, changes, deliver, listen, lock, release
from .rules import Rules
from .steps import Block, Steps
from .wrap import wrap

__all__ = ["Guard", "GuardConfig"]

F = TypeVar("F", bound=Callable[..., Any])

# Clients of one target in different processes must not draw the same jitter.
_random = random.Random(os.getpid())  # noqa: S311  # Spreads load, keeps no secret.
# Bound once, since every circuit refers to them.
_draw, _announce = _random.random, changes.append
# Without the global interpreter lock an increment is no longer one step.
_INCREMENTS_ARE_ATOMIC: bool = getattr(sys, "_is_gil_enabled", lambda: True)()


_PLAIN = GuardConfig()
_FAILURE = Outcome.FAILURE
_RULES = Rules()


# No circuit is ever in this era, so that no block takes it for the present one.
_NO_ERA = Disabled(Circuit("", CircuitConfig()))


class _LongWay(Circuit):
    """A circuit whose callers report every call, successes too."""

    __slots__ = ()

    def _point(self) -> None:
        self.plain = self.timed = None
        self.shut_s = -math.inf


class Guard:
    """Protects calls to one target.

    Args:
        target: name of what is called; of one component it is the component's name.
        config: what the guard consists of.
        rules: which ends of calls count as failures.
        fallback: what a caller gets instead of an error; see `mendel.agents.guards.steps.Steps`.

    Attributes:
        circuit: its circuit breaker.
        rules: how it classifies the ends of calls.
        steps: the parts besides the circuit, or ``None``.
    """

    __slots__ = ("_blocks", "_era", "_plain", "circuit", "rules", "steps")

    def __init__(
        self,
        target: str,
        config: GuardConfig = _PLAIN,
        *,
        rules: Rules = _RULES,
        fallback: Any = UNSET,
    ) -> None:
        all_matter = config.adaptive is not None or rules.is_failed_result is not None
        kind = _LongWay if all_matter or not _INCREMENTS_ARE_ATOMIC else Circuit
        self.circuit = kind(target, config.circuit, clock.now_s(), draw=_draw, on_change=_announce)
        self.rules = rules
        has_steps = config.has_steps or fallback is not UNSET
        self.steps = Steps(self, config, fallback, _draw) if has_steps else None
        # Blocks (`with`) in progress: those of the era that let them pass plainly are only counted,
        # all others are found by the task or thread that they run in.
        self._era: Closed | Disabled = _NO_ERA
        self._plain = 0
        self._blocks: dict[object, list[Block]] | None = None

    @property
    def target(self) -> str:
        """What it protects."""
        return self.circuit.target

    @property
    def state(self) -> State:
        """State of its circuit."""
        return self.circuit.state

    def __repr__(self) -> str:
        return f"<Guard {self.target!r} {self.state}>"

    # --- a call, by whatever way ----------------------------------------------------------------

    def begin(self) -> Pass:
        """Ask the circuit; what it returns goes to `end`, once.

        Raises:
            CallNotPermitted: the circuit keeps calls away.
        """
        if clock.loop._thread_id is None:  # As in `clock.now_s`, without the call.
            clock.bind()
        now_s = clock.read()
        circuit = self.circuit
        if now_s < circuit.shut_s:
            circuit.counts.not_permitted += 1
            raise CallNotPermitted(circuit.target, circuit.era.state, circuit.shut_s - now_s)
        acquire()
        try:
            granted = circuit.acquire(now_s)
        finally:
            release()
        if changes:
            deliver()
        if granted is None:
            era = circuit.era
            raise CallNotPermitted(circuit.target, era.state, era.retry_after_s(now_s))
        return granted

    def end(
        self,
        granted: Pass,
        error: BaseException | None = None,
        started_s: float | None = None,
        result: Any = None,
    ) -> Outcome:
        """Tell the circuit how a call went; ``started_s`` as told by the guard's clock."""
        if clock.loop._thread_id is None:
            clock.bind()
        now_s = clock.read()
        duration_s = now_s - started_s if started_s is not None else 0.0
        if error is None:
            outcome = self.rules.of_result(result, duration_s, self.circuit.config)
        elif type(error) in self.rules.known:
            outcome = _FAILURE
        else:
            outcome = self.rules.of_error(error, duration_s, self.circuit.config)
        acquire()
        try:
            granted.record(outcome, now_s)
        finally:
            release()
        if changes:
            deliver()
        return outcome

    def failed(self, era: Closed | Disabled, error: BaseException) -> None:
        """Do what `end` does for a call by the short way; most failures need no more than this."""
        if type(error) not in self.rules.known:
            self.end(era, error)
            return
        acquire()
        try:
            reason = era.mark(_FAILURE)
            if reason:
                era.open(clock.now_s(), reason)
        finally:
            release()
        if changes:
            deliver()

    def __call__(self, function: F) -> F:
        """Guard a function; what comes back has its signature and is of its kind."""
        return wrap(self, function)  # type: ignore[return-value]

    def allow(self) -> Pass | None:
        """Ask by hand whether a call may be made; only the circuit is asked.

        Returns:
            What `record` wants to see with the outcome, or ``None``: do not call.
        """
        era = self.circuit.plain
        if era is not None:
            return era
        try:
            return self.begin()
        except CallNotPermitted:
            return None

    def record(
        self, granted: Pass, error: BaseException | None = None, *, duration_s: float = 0.0
    ) -> None:
        """Tell by hand how a call went that `allow` let pass, and how long it took."""
        self.end(granted, error, clock.now_s() - duration_s)

    # --- blocks ---------------------------------------------------------------------------------

    def __enter__(self) -> None:
        if self._era is self.circuit.plain:
            self._plain += 1
        else:
            self._enter_block()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is self._blocks:  # type: ignore[comparison-overlap]  # Both None: no error, and no other blocks than plain ones.
            self._plain -= 1
            self._era.calls += 1
        else:
            self._exit_block(error)

    async def __aenter__(self) -> None:
        if self.steps is None:
            self.__enter__()
            return
        self.steps.check_block()
        self._push(await self.steps.enter())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.steps is None:
            self.__exit__(kind, error, traceback)
            return
        block = self._pop()
        assert block is not None, "a block ended in another task than it began in"
        raised = self.steps.leave(block, error)
        if raised is not error and raised is not None:
            raise raised from error

    def _enter_block(self) -> None:
        if self.steps is not None:
            raise ConfigError(
                f"guard {self.target!r} does more than break the circuit; use `async with`"
            )
        if self._plain == 0 and self.circuit.plain is not None:
            self._era = self.circuit.plain
            self._plain = 1
            return
        granted = self.begin()
        self._push(Block(granted, clock.now_s(), None))

    def _exit_block(self, error: BaseException | None) -> None:
        block = self._pop()
        if block is not None:
            self.end(block.granted, error, block.started_s)
            return
        self._plain -= 1
        if error is None:
            self._era.calls += 1
        else:
            self.end(self._era, error)

    def _push(self, block: Block) -> None:
        with lock:
            if self._blocks is None:
                self._blocks = {}
            self._blocks.setdefault(_place(), []).append(block)

    def _pop(self) -> Block | None:
        """Find the newest block of this task or thread, if it has one that is not plain."""
        place = _place()
        with lock:
            here = self._blocks.get(place) if self._blocks is not None else None
            if self._blocks is None or here is None:
                return None
            block = here.pop()
            if not here:
                del self._blocks[place]
                if not self._blocks:
                    self._blocks = None
        return block

    def drop(self, granted: Pass) -> None:
        """Give back what `begin` granted for a call that was not made after all."""
        with lock:
            granted.record(Outcome.NEUTRAL, clock.now_s())
        if changes:
            deliver()

    # --- control --------------------------------------------------------------------------------

    def force_open(self, reason: str) -> None:
        """Keep all calls away until `release`."""
        self._command(lambda now_s: self.circuit.force_open(now_s, reason))

    def release(self, reason: str = "released") -> None:
        """End `force_open`; a trial follows."""
        self._command(lambda now_s: self.circuit.release(now_s, reason))

    def reset(self, reason: str = "reset") -> None:
        """Close the circuit and forget its window."""
        self._command(lambda now_s: self.circuit.reset(now_s, reason))

    def reconfigure(self, config: GuardConfig) -> None:
        """Swap the settings of all parts while calls are in flight.

        Raises:
            ConfigError: a part would appear or vanish; functions are wrapped for those there are.
        """
        if self.steps is not None:
            self.steps.check_parts(config)
        elif config.has_steps:
            raise ConfigError(f"guard {self.target!r} was made with a circuit only")
        self._command(lambda now_s: self.circuit.reconfigure(config.circuit, now_s))
        if self.steps is not None:
            self.steps.reconfigure(config)

    def record_of(self) -> CircuitRecord:
        """Tell what of its circuit to keep over a restart."""
        with lock:
            return self.circuit.record_of(clock.now_s())

    def restore(self, record: CircuitRecord) -> None:
        """Go on where the circuit of an earlier process stopped."""
        self._command(lambda now_s: self.circuit.restore(record, now_s))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call back after each transition; returns what ends that."""
        return listen(listener, self.target)

    def _command(self, command: Callable[[float], object]) -> None:
        with lock:
            command(clock.now_s())
        if changes:
            deliver()

    def names(self) -> dict[str, Any]:
        """What the texts of `mendel.agents.guards.wrap` refer to."""
        names: dict[str, Any] = {
            "_g_circuit": self.circuit,
            "_g_begin": self.begin,
            "_g_end": self.end,
            "_g_failed": self.failed,
            "_g_clock": clock,
        }
        return names | (self.steps.names() if self.steps is not None else {})


def _place() -> object:
    """Where a block runs: the current task, or the thread if there is none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task if task is not None else threading.get_ident()
