"""What a guard does around its circuit: retry, hedge, limit, time out, fall back."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from ...core.circuits.circuit import Outcome, Pass
from ...core.circuits.concurrency import AdaptiveLimit
from ...core.circuits.limits import Bulkhead, RateLimit, Throttle
from ...core.circuits.retry import Hedges, Retries
from ...errors import CallNotPermitted, ConfigError
from .clock import clock
from .deadlines import Deadlines
from .events import lock
from .gate import Gate, Unlimited
from .last_good import Call, LastGood
from .race import first_success
from .retry_after import retry_after_s

if TYPE_CHECKING:
    from .config import GuardConfig
    from .guard import Guard


class Block:
    """One attempt in progress: what has been taken for it and must be given back."""

    __slots__ = ("granted", "started_s", "task")

    def __init__(self, granted: Pass, started_s: float, task: asyncio.Task[Any] | None) -> None:
        self.granted = granted
        self.started_s = started_s
        self.task = task


class Steps:
    """The parts of one guard besides its circuit.

    Args:
        guard: whose.
        config: which parts there are, and their settings.
        fallback: a value; or a function of the error, which may be a coroutine function; or a
            `LastGood`; or ``UNSET``. It answers failures and refused calls, not ignored errors.
        draw: uniform random number from 0 to 1.
    """

    def __init__(
        self, guard: Guard, config: GuardConfig, fallback: Any, draw: Callable[[], float]
    ) -> None:
        self._guard = guard
        self._config = config
        self._draw = draw
        self._fallback = fallback
        self.retries = Retries(config.retry) if config.retry is not None else None
        self.hedges = Hedges(config.hedge) if config.hedge is not None else None
        self.throttle = Throttle(config.throttle) if config.throttle is not None else None
        self.rate = RateLimit(config.rate) if config.rate is not None else None
        slots: Bulkhead | AdaptiveLimit | Unlimited = Unlimited()
        if config.bulkhead is not None:
            slots = Bulkhead(config.bulkhead)
        elif config.limit is not None:
            slots = AdaptiveLimit(config.limit)
        self.gate = Gate(guard.target, slots)
        self.deadlines = Deadlines(config.timeout_s) if config.timeout_s is not None else None
        self.fallbacks = 0

    @property
    def limits(self) -> bool:
        """Whether calls need a slot."""
        return not isinstance(self.gate.slots, Unlimited)

    @property
    def inline(self) -> bool:
        """Whether the first attempt needs no more than a slot and a deadline."""
        return (
            not (self.hedges or self.throttle or self.rate)
            and not isinstance(self.gate.slots, AdaptiveLimit)
            and not isinstance(self._fallback, LastGood)
        )

    # --- one attempt ----------------------------------------------------------------------------

    async def enter(self) -> Block:
        """Take everything that one attempt needs, in order, or nothing.

        Raises:
            CallNotPermitted: the circuit or a limit refuses the call.
        """
        granted = self._guard.begin()
        try:
            wait_s = self._admit()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if not self.gate.enter():
                await self.gate.wait()
        except BaseException:
            self._guard.drop(granted)
            raise
        task = self.deadlines.watch() if self.deadlines is not None else None
        return Block(granted, clock.now_s(), task)

    def leave(
        self, block: Block, error: BaseException | None = None, result: Any = None
    ) -> BaseException | None:
        """Give everything back and tell how it went.

        Returns:
            The error of the attempt: the one given, or a `TimeoutError` if that is what it was.
        """
        if self.deadlines is not None and self.deadlines.unwatch(block.task):
            error = _timeout_of(error)
        outcome = self._guard.end(block.granted, error, block.started_s, result)
        now_s = clock.now_s()
        self.gate.leave(now_s - block.started_s, outcome, now_s)
        if self.throttle is not None and outcome is not Outcome.FAILURE:
            self.throttle.accepted(now_s)
        return error

    def _admit(self) -> float:
        """Ask throttle and rate; how long to wait for one's turn."""
        now_s = clock.now_s()
        with lock:
            if self.throttle is not None and not self.throttle.enter(now_s, self._draw()):
                raise CallNotPermitted(self._guard.target, "throttled", 0.0)
            if self.rate is None:
                return 0.0
            admitted, wait_s = self.rate.enter(now_s)
        if not admitted:
            raise CallNotPermitted(self._guard.target, "rate_limited", wait_s)
        return wait_s

    # --- attempt after attempt ------------------------------------------------------------------

    async def run(self, call: Call) -> Any:
        """Make the call, with all that belongs to it."""
        try:
            result = await self._attempt(call)
        except Exception as error:  # noqa: BLE001  # Raised again unless something can be done.
            return await self.recover(call, error)
        if isinstance(self._fallback, LastGood):
            self._fallback.keep(call, result)
        return result

    async def recover(self, call: Call, error: BaseException) -> Any:
        """Go on after the first attempt has failed: retry, fall back, or raise the error."""
        attempt = 1
        while isinstance(error, Exception):
            wait_s = self._wait_before_retry(error, attempt)
            if wait_s is None:
                return await self._fall_back(call, error)
            await asyncio.sleep(wait_s)
            attempt += 1
            try:
                return await self._attempt(call)
            except Exception as next_error:  # noqa: BLE001  # As above.
                error = next_error
        raise error

    async def _attempt(self, call: Call) -> Any:
        return await (self._once(call) if self.hedges is None else self._hedged(call))

    async def _once(self, call: Call) -> Any:
        block = await self.enter()
        try:
            result = await call()
        except BaseException as error:
            raised = self.leave(block, error)
            if raised is error:
                raise
            assert raised is not None
            raise raised from error
        self.leave(block, None, result)
        return result

    async def _hedged(self, call: Call) -> Any:
        """Send a second call when the first is late, and take whichever succeeds first."""
        hedges = self.hedges
        assert hedges is not None
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._once(call))]
        try:
            await asyncio.wait(tasks, timeout=hedges.config.delay_s)
            if not tasks[0].done() and hedges.grant(self._guard.circuit.calls):
                tasks.append(asyncio.ensure_future(self._once(call)))
            winner = await first_success(tasks)
            if winner is not tasks[0]:
                hedges.won += 1
            return winner.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wait_before_retry(self, error: Exception, attempt: int) -> float | None:
        guard = self._guard
        if self.retries is None:
            return None
        if guard.rules.of_error(error, 0.0, guard.circuit.config) is not Outcome.FAILURE:
            return None
        return self.retries.wait_s(
            attempt,
            calls=guard.circuit.calls,
            now_s=clock.now_s(),
            draw=self._draw(),
            retry_after_s=retry_after_s(error),
        )

    async def _fall_back(self, call: Call, error: Exception) -> Any:
        answer = self._answer(call, error)
        return await answer if inspect.isawaitable(answer) else answer

    def _answer(self, call: Call, error: Exception) -> Any:
        """What the fallback says to an error; the error itself where it has no say."""
        guard, fallback = self._guard, self._fallback
        outcome = guard.rules.of_error(error, 0.0, guard.circuit.config)
        refused = isinstance(error, CallNotPermitted)
        if fallback is UNSET or (outcome is Outcome.NEUTRAL and not refused):
            raise error
        self.fallbacks += 1
        if isinstance(fallback, LastGood):
            return fallback.find(call, error)
        return fallback(error) if callable(fallback) else fallback

    # --- the first attempt inline, see `guard_wrap` ---------------------------------------------

    def failed(
        self, granted: Pass, error: BaseException, task: asyncio.Task[Any] | None
    ) -> BaseException:
        """End an inline attempt that raised; what it raised, or the timeout that it was."""
        raised = self.leave(Block(granted, clock.now_s(), task), error)
        assert raised is not None
        return raised

    # --- blocking code --------------------------------------------------------------------------

    def check_block(self) -> None:
        """Refuse what cannot be done around a block of code.

        Raises:
            ConfigError: the guard retries, hedges or falls back.
        """
        parts = {"retry": self.retries, "hedge": self.hedges}
        wrong = [name for name, part in parts.items() if part is not None]
        if self._fallback is not UNSET:
            wrong.append("fallback")
        if wrong:
            raise ConfigError(
                f"guard {self._guard.target!r} has {wrong[0]}, but a block cannot be made again "
                "or replaced; decorate a function with the guard instead"
            )

    def check_parts(self, config: GuardConfig) -> None:
        """Refuse a configuration with other parts.

        Raises:
            ConfigError: a part would appear or vanish.
        """
        declared = self._config
        for name in ("retry", "hedge", "timeout_s", "bulkhead", "limit", "rate", "throttle"):
            if (getattr(config, name) is None) != (getattr(declared, name) is None):
                raise ConfigError(
                    f"guard {self._guard.target!r} was made "
                    f"with{'out' if getattr(declared, name) is None else ''} {name}; "
                    "its settings can change, but not its parts"
                )

    def reconfigure(self, config: GuardConfig) -> None:
        """Take new settings for the parts there are."""
        with lock:
            if self.retries is not None and config.retry is not None:
                self.retries.config = config.retry
            if self.hedges is not None and config.hedge is not None:
                self.hedges.config = config.hedge
            if self.throttle is not None and config.throttle is not None:
                self.throttle.config = config.throttle
            if self.rate is not None and config.rate is not None:
                self.rate.config = config.rate
            if self.deadlines is not None and config.timeout_s is not None:
                self.deadlines.change(config.timeout_s)
            if isinstance(self.gate.slots, Bulkhead) and config.bulkhead is not None:
                self.gate.slots.reconfigure(config.bulkhead)
            if isinstance(self.gate.slots, AdaptiveLimit) and config.limit is not None:
                self.gate.slots.config = config.limit
            self.gate.wake()

    def names(self) -> dict[str, Any]:
        """What the texts of `mendel.agents.guards.wrap` refer to."""
        names: dict[str, Any] = {
            "_g_slots": self.gate.slots,
            "_g_queue": self.gate.queue,
            "_g_run": self.run,
            "_g_run_sync": self.run_sync,
            "_g_recover": self.recover,
            "_g_attempt_failed": self.failed,
            "_g_wake": self.gate.wake,
        }
        if self.deadlines is not None:
            names |= {
                "_g_deadlines": self.deadlines,
                "_g_watch": self.deadlines.watch,
                "_g_ended": self.deadlines.ended,
            }
        return names

    def check_sync(self, function: Callable[..., Any]) -> None:
        """Refuse what cannot be done around a function that blocks.

        Raises:
            ConfigError: the guard has a timeout, a hedge or an asynchronous fallback.
        """
        wrong = "timeout_s" if self.deadlines is not None else "hedge" if self.hedges else ""
        if inspect.iscoroutinefunction(self._fallback):
            wrong = "an asynchronous fallback"
        if wrong:
            raise ConfigError(
                f"guard {self._guard.target!r} has {wrong}, which {function!r} cannot have: "
                "it blocks; make it a coroutine function or leave that out"
            )

    def run_sync(self, call: partial[Any]) -> Any:
        """Make a call that blocks, with all that belongs to it."""
        attempt = 1
        while True:
            try:
                result = self._once_sync(call)
            except Exception as error:  # noqa: BLE001  # Raised again unless something can be done.
                wait_s = self._wait_before_retry(error, attempt)
                if wait_s is None:
                    return self._answer(call, error)
                time.sleep(wait_s)
                attempt += 1
            else:
                if isinstance(self._fallback, LastGood):
                    self._fallback.keep(call, result)
                return result

    def _once_sync(self, call: partial[Any]) -> Any:
        granted = self._guard.begin()
        try:
            time.sleep(self._admit())
            if not self.gate.enter():
                raise self.gate.refusal()
        except BaseException:
            self._guard.drop(granted)
            raise
        block = Block(granted, clock.now_s(), None)
        try:
            result = call()
        except BaseException as error:
            self.leave(block, error)
            raise
        self.leave(block, None, result)
        return result


def _timeout_of(error: BaseException | None) -> TimeoutError | None:
    """A cancellation by our own deadline is a timeout; whatever else came of it stays."""
    if isinstance(error, asyncio.CancelledError):
        return TimeoutError("the call did not end in time")
    return error  # type: ignore[return-value]
