import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest
from mendel import CallNotPermitted, CircuitConfig, Guard, GuardConfig
from mendel.agents.guards.gate import priority
from mendel.agents.guards.last_good import LastGood
from mendel.agents.guards.rules import Rules
from mendel.core.circuits.circuit import State
from mendel.core.circuits.concurrency import AdaptiveLimitConfig
from mendel.core.circuits.limits import BulkheadConfig, RateConfig, ThrottleConfig
from mendel.core.circuits.retry import HedgeConfig, RetryConfig
from mendel.errors import ConfigError

pytestmark = pytest.mark.virtual_time


class Broken(Exception):
    """The target failed."""


class AskedForPatience(Broken):
    headers: ClassVar[dict[str, str]] = {"Retry-After": "3"}


def now_s() -> float:
    return asyncio.get_running_loop().time()


def failing_first(times: int, error: Exception) -> Callable[[], Awaitable[str]]:
    calls = 0

    async def function() -> str:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        return f"call {calls}"

    return function


class TestTimeout:
    async def test_a_call_that_takes_too_long_fails_exactly_then(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0))

        with pytest.raises(TimeoutError):
            await guard(asyncio.sleep)(60.0)

        assert now_s() == 2.0
        assert guard.circuit.counts.failures == 1

    async def test_each_of_many_calls_has_its_own_time(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0, circuit=CircuitConfig(mode="disabled")))
        ends: list[tuple[float, bool]] = []

        async def one(begin_s: float, duration_s: float) -> None:
            await asyncio.sleep(begin_s)
            try:
                await guard(asyncio.sleep)(duration_s)
                ends.append((now_s(), True))
            except TimeoutError:
                ends.append((now_s(), False))

        await asyncio.gather(one(0.0, 60.0), one(0.5, 1.0), one(1.0, 60.0), one(1.5, 1.9))

        assert ends == [(1.5, True), (2.0, False), (3.0, False), (3.4, True)]

    async def test_a_cancellation_from_outside_stays_one(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0))
        call = asyncio.ensure_future(guard(asyncio.sleep)(60.0))
        await asyncio.sleep(1.0)

        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        assert guard.circuit.counts.neutral == 1

    async def test_a_cancellation_in_the_moment_of_the_timeout_is_not_swallowed(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0))
        call = asyncio.ensure_future(guard(asyncio.sleep)(60.0))
        asyncio.get_running_loop().call_later(2.0, call.cancel)

        await asyncio.wait([call])

        assert call.cancelled()

    async def test_a_call_inside_of_a_call_is_timed_by_the_outer_one(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0))
        inner = guard(asyncio.sleep)

        async def outer() -> None:
            await asyncio.sleep(1.0)
            await inner(60.0)

        with pytest.raises(TimeoutError):
            await guard(outer)()

        assert now_s() == 2.0

    async def test_a_shorter_timeout_counts_from_the_next_call_on(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=10.0))
        slow = asyncio.ensure_future(guard(asyncio.sleep)(60.0))
        await asyncio.sleep(1.0)
        guard.reconfigure(GuardConfig(timeout_s=2.0))

        with pytest.raises(TimeoutError):
            await guard(asyncio.sleep)(60.0)
        assert now_s() == 3.0
        with pytest.raises(TimeoutError):
            await slow

        assert now_s() == 10.0

    async def test_a_shorter_timeout_leaves_calls_in_flight_their_own(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=10.0))
        slow = asyncio.ensure_future(guard(asyncio.sleep)(60.0))
        await asyncio.sleep(1.0)

        guard.reconfigure(GuardConfig(timeout_s=2.0))
        with pytest.raises(TimeoutError):
            await slow

        assert now_s() == 10.0

    async def test_a_block_has_its_time_too(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0))

        with pytest.raises(TimeoutError):
            async with guard:
                await asyncio.sleep(60.0)

        assert now_s() == 2.0

    async def test_each_attempt_has_its_own_time(self) -> None:
        config = GuardConfig(
            timeout_s=2.0,
            rate=RateConfig(burst=10),
            retry=RetryConfig(attempts=3, backoff_s=0.001, budget_per_s=9.0),
        )

        with pytest.raises(TimeoutError):
            await Guard("db", config)(asyncio.sleep)(60.0)

        assert now_s() == pytest.approx(6.0, abs=0.01)

    async def test_a_call_that_swallows_its_cancellation_returns_what_it_has(self) -> None:
        guard = Guard("db", GuardConfig(timeout_s=2.0))

        async def stubborn() -> str:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                return "late"
            return "in time"

        assert await guard(stubborn)() == "late"
        await asyncio.sleep(1.0)  # The task itself is not being cancelled.


def test_loops_in_two_threads_share_a_guard_with_a_timeout() -> None:
    guard = Guard("db", GuardConfig(timeout_s=0.2))
    both = threading.Barrier(2, timeout=10.0)
    ends: list[str] = []

    @guard
    async def work(duration_s: float) -> None:
        both.wait()  # Both loops are inside of a call now.
        await asyncio.sleep(duration_s)

    async def main() -> None:
        await work(0.001)
        ends.append("in time")
        with pytest.raises(TimeoutError):
            await work(60.0)
        ends.append("timed out")

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ends) == ["in time", "in time", "timed out", "timed out"]
    assert guard.steps is not None
    assert guard.steps.deadlines is not None
    assert guard.steps.deadlines.timed_out == 2


class TestRetry:
    async def test_a_call_that_fails_twice_succeeds_at_the_third_attempt(self) -> None:
        guard = Guard("db", GuardConfig(retry=RetryConfig(budget_per_s=9.0)))

        assert await guard(failing_first(2, Broken()))() == "call 3"
        assert guard.circuit.calls == 3

    async def test_the_last_error_reaches_the_caller(self) -> None:
        guard = Guard("db", GuardConfig(retry=RetryConfig(attempts=2)))
        error = Broken()

        with pytest.raises(Broken) as caught:
            await guard(failing_first(2, error))()

        assert caught.value is error

    async def test_ignored_errors_and_cancellations_are_not_tried_again(self) -> None:
        guard = Guard("db", GuardConfig(retry=RetryConfig()), rules=Rules(ignored=(KeyError,)))
        calls = 0

        async def not_found() -> None:
            nonlocal calls
            calls += 1
            raise KeyError

        with pytest.raises(KeyError):
            await guard(not_found)()

        assert calls == 1

    async def test_an_open_circuit_ends_the_attempts(self) -> None:
        circuit = CircuitConfig(window_calls=2, minimum_calls=2)
        guard = Guard(
            "db", GuardConfig(circuit=circuit, retry=RetryConfig(attempts=9, budget_per_s=9.0))
        )

        with pytest.raises(CallNotPermitted):
            await guard(failing_first(99, Broken()))()

        assert guard.circuit.calls == 2

    async def test_what_the_target_asks_for_is_waited(self) -> None:
        guard = Guard("db", GuardConfig(retry=RetryConfig()))

        await guard(failing_first(1, AskedForPatience()))()

        assert 3.0 <= now_s() <= 3.1

    async def test_a_call_cancelled_in_its_back_off_is_gone(self) -> None:
        guard = Guard("db", GuardConfig(retry=RetryConfig()))
        call = asyncio.ensure_future(guard(failing_first(1, AskedForPatience()))())
        await asyncio.sleep(1.0)

        call.cancel()
        await asyncio.wait([call])

        assert call.cancelled()

    async def test_a_target_that_fails_altogether_is_not_flooded(self) -> None:
        guard = Guard(
            "db",
            GuardConfig(
                circuit=CircuitConfig(mode="disabled"),
                retry=RetryConfig(budget_per_s=0.0, budget=0.2, budget_max=1.0),
            ),
        )
        calls = 0

        async def fail() -> None:
            nonlocal calls
            calls += 1
            raise Broken

        for _ in range(100):
            with pytest.raises(Broken):
                await guard(fail)()

        assert calls == 100


class TestBulkhead:
    async def test_more_calls_than_slots_are_refused_and_say_nothing_about_the_target(
        self,
    ) -> None:
        guard = Guard("db", GuardConfig(bulkhead=BulkheadConfig(max_calls=2)))

        outcomes = await asyncio.gather(
            *(guard(asyncio.sleep)(1.0) for _ in range(5)), return_exceptions=True
        )

        refused = [each for each in outcomes if isinstance(each, CallNotPermitted)]
        assert [each.state for each in refused] == ["full"] * 3
        assert (guard.circuit.calls, guard.state) == (2, State.CLOSED)

    async def test_callers_may_wait_for_a_slot_in_their_order(self) -> None:
        bulkhead = BulkheadConfig(max_calls=1, max_waiting=2, wait_s=60.0)
        guard = Guard("db", GuardConfig(bulkhead=bulkhead))
        order: list[int] = []

        async def work(number: int) -> None:
            await asyncio.sleep(1.0)
            order.append(number)

        outcomes = await asyncio.gather(
            *(guard(work)(number) for number in range(4)), return_exceptions=True
        )

        assert order == [0, 1, 2]
        assert isinstance(outcomes[3], CallNotPermitted)
        assert now_s() == 3.0

    async def test_nobody_waits_longer_than_wanted(self) -> None:
        bulkhead = BulkheadConfig(max_calls=1, max_waiting=2, wait_s=0.5)
        guard = Guard("db", GuardConfig(bulkhead=bulkhead))
        first = asyncio.ensure_future(guard(asyncio.sleep)(1.0))
        await asyncio.sleep(0.0)

        with pytest.raises(CallNotPermitted):
            await guard(asyncio.sleep)(1.0)

        assert now_s() == 0.5
        await first
        assert guard.steps is not None
        assert guard.steps.gate.slots.in_flight == 0

    @pytest.mark.parametrize("moment_s", [0.5, 1.0])
    async def test_a_waiting_caller_that_is_cancelled_takes_no_slot_with_it(
        self, moment_s: float
    ) -> None:
        """At 1 s the slot is just being handed over."""
        bulkhead = BulkheadConfig(max_calls=1, max_waiting=2, wait_s=60.0)
        guard = Guard("db", GuardConfig(bulkhead=bulkhead))
        first = asyncio.ensure_future(guard(asyncio.sleep)(1.0))
        await asyncio.sleep(0.0)
        waiting = asyncio.ensure_future(guard(asyncio.sleep)(1.0))
        await asyncio.sleep(moment_s)

        waiting.cancel()
        await asyncio.wait([first, waiting])

        assert guard.steps is not None
        assert (guard.steps.gate.slots.in_flight, len(guard.steps.gate.queue)) == (0, 0)
        await guard(asyncio.sleep)(0.0)

    async def test_more_slots_let_waiting_callers_in_at_once(self) -> None:
        small = BulkheadConfig(max_calls=1, max_waiting=9, wait_s=60.0)
        guard = Guard("db", GuardConfig(bulkhead=small))
        calls = [asyncio.ensure_future(guard(asyncio.sleep)(1.0)) for _ in range(5)]
        await asyncio.sleep(0.5)

        guard.reconfigure(GuardConfig(bulkhead=BulkheadConfig(max_calls=5, max_waiting=9)))
        await asyncio.gather(*calls)

        assert now_s() == 1.5


class TestOtherLimits:
    async def test_calls_beyond_the_rate_wait_their_turn_or_are_refused(self) -> None:
        rate = RateConfig(calls=1, period_s=1.0, burst=1, wait_s=2.0)
        guard = Guard("db", GuardConfig(rate=rate))
        begun_s: list[float] = []

        async def work() -> None:
            begun_s.append(now_s())

        outcomes = await asyncio.gather(*(guard(work)() for _ in range(4)), return_exceptions=True)

        assert begun_s == [0.0, 1.0, 2.0]
        refusal = outcomes[3]
        assert isinstance(refusal, CallNotPermitted)
        assert (refusal.state, refusal.retry_after_s) == ("rate_limited", 1.0)

    async def test_a_target_that_refuses_is_spared_most_calls(self) -> None:
        config = GuardConfig(circuit=CircuitConfig(mode="disabled"), throttle=ThrottleConfig())
        guard = Guard("db", config)
        calls = 0

        async def overloaded() -> None:
            nonlocal calls
            calls += 1
            raise Broken

        for _ in range(500):
            with pytest.raises((Broken, CallNotPermitted)):
                await guard(overloaded)()

        assert calls < 100

    async def test_the_adaptive_limit_keeps_a_target_out_of_its_queue(self) -> None:
        """The target works on ten calls at once; callers come with three times that."""
        config = GuardConfig(limit=AdaptiveLimitConfig(maximum=100), timeout_s=1.0)
        guard = Guard("db", config)
        slots = asyncio.Semaphore(10)
        answered = 0

        async def target() -> None:
            async with slots:
                await asyncio.sleep(0.1)

        async def caller() -> None:
            nonlocal answered
            try:
                await guard(target)()
                answered += 1
            except CallNotPermitted:
                await asyncio.sleep(0.05)

        async def client() -> None:
            while now_s() < 8.0:
                await caller()

        await asyncio.gather(*(client() for _ in range(30)))

        assert guard.steps is not None
        assert guard.steps.gate.slots.limit <= 16
        assert answered >= 0.9 * 8.0 * 10 / 0.1

    async def test_unimportant_calls_make_room_for_important_ones(self) -> None:
        guard = Guard("db", GuardConfig(limit=AdaptiveLimitConfig(initial=10)))
        important = priority.get()
        priority.set(3)
        unimportant = [asyncio.ensure_future(guard(asyncio.sleep)(1.0)) for _ in range(10)]
        await asyncio.sleep(0.5)
        priority.set(important)
        later = [asyncio.ensure_future(guard(asyncio.sleep)(1.0)) for _ in range(10)]

        outcomes = await asyncio.gather(*unimportant, *later, return_exceptions=True)

        passed = [each is None for each in outcomes]
        assert (sum(passed[:10]), sum(passed[10:])) == (7, 3)


class TestFallback:
    async def test_a_value_or_a_function_answers_for_a_target_that_fails(self) -> None:
        async def ask_cache(error: Exception) -> str:
            return f"cached after {type(error).__name__}"

        fail = failing_first(99, Broken())

        assert await Guard("a", fallback="nothing")(fail)() == "nothing"
        assert await Guard("b", fallback=lambda error: repr(error))(fail)() == "Broken()"
        assert await Guard("c", fallback=ask_cache)(fail)() == "cached after Broken"
        assert await Guard("d", fallback=None)(fail)() is None

    async def test_it_answers_for_an_open_circuit_but_not_for_ignored_errors(self) -> None:
        guard = Guard("db", rules=Rules(ignored=(KeyError,)), fallback="nothing")

        with pytest.raises(KeyError):
            await guard(failing_first(1, KeyError()))()
        guard.force_open("maintenance")

        assert await guard(failing_first(0, Broken()))() == "nothing"

    async def test_the_last_good_result_for_the_same_arguments(self) -> None:
        guard = Guard("db", fallback=LastGood(max_age_s=60.0, size=2))
        broken = False

        @guard
        async def query(key: object) -> str:
            if broken:
                raise Broken
            return f"{key} at {now_s()}"

        for key in ("a", "b", "c"):
            await query(key)
        await query(["not hashable"])
        broken = True
        await asyncio.sleep(60.0)

        assert await query("c") == "c at 0.0"
        with pytest.raises(Broken):
            await query("a")
        with pytest.raises(Broken):
            await query(["not hashable"])
        await asyncio.sleep(1.0)
        with pytest.raises(Broken):
            await query("c")

    def test_impossible_settings_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="must both be positive"):
            LastGood(max_age_s=0.0)


class TestHedge:
    async def test_a_late_call_gets_a_second_one_and_the_first_answer_counts(self) -> None:
        guard = Guard("db", GuardConfig(hedge=HedgeConfig(delay_s=0.1)))
        durations_s = [60.0, 0.2]

        async def work() -> str:
            duration_s = durations_s.pop(0)
            await asyncio.sleep(duration_s)
            return f"after {duration_s} s"

        assert await guard(work)() == "after 0.2 s"
        assert now_s() == pytest.approx(0.3)
        assert guard.circuit.counts.neutral == 1  # The loser was cancelled.

    async def test_a_call_that_is_in_time_gets_none(self) -> None:
        guard = Guard("db", GuardConfig(hedge=HedgeConfig(delay_s=0.1)))

        await guard(asyncio.sleep)(0.05)

        assert guard.circuit.calls == 1

    async def test_when_both_fail_the_first_error_counts(self) -> None:
        guard = Guard("db", GuardConfig(hedge=HedgeConfig(delay_s=0.1)))
        errors = [Broken("first"), Broken("second")]

        async def work() -> None:
            error = errors.pop(0)
            await asyncio.sleep(0.2)
            raise error

        with pytest.raises(Broken, match="first"):
            await guard(work)()

    async def test_the_budget_for_second_calls_is_small(self) -> None:
        guard = Guard("db", GuardConfig(hedge=HedgeConfig(delay_s=0.1, budget=0.0)))

        for _ in range(3):
            await guard(asyncio.sleep)(0.2)

        assert guard.steps is not None
        assert guard.steps.hedges is not None
        assert guard.steps.hedges.hedged == 1  # Everybody has one to begin with.

    async def test_a_cancelled_call_leaves_none_behind(self) -> None:
        guard = Guard("db", GuardConfig(hedge=HedgeConfig(delay_s=0.1)))
        call = asyncio.ensure_future(guard(asyncio.sleep)(60.0))
        await asyncio.sleep(1.0)

        call.cancel()
        await asyncio.wait([call])

        assert len(asyncio.all_tasks()) == 1
        assert guard.circuit.counts.neutral == 2


class TestAll:
    async def test_everything_together(self) -> None:
        guard = Guard(
            "db",
            GuardConfig(
                retry=RetryConfig(budget_per_s=9.0),
                hedge=HedgeConfig(delay_s=0.5),
                timeout_s=2.0,
                bulkhead=BulkheadConfig(),
                rate=RateConfig(),
                throttle=ThrottleConfig(),
            ),
            fallback="nothing",
        )

        assert await guard(failing_first(2, Broken()))() == "call 3"
        assert await guard(failing_first(99, Broken()))() == "nothing"

    @pytest.mark.parametrize("steps", range(12))
    async def test_cancelled_at_any_await_it_gives_everything_back(self, steps: int) -> None:
        bulkhead = BulkheadConfig(max_calls=1, max_waiting=1, wait_s=9.0)
        config = GuardConfig(
            bulkhead=bulkhead, timeout_s=5.0, rate=RateConfig(calls=1, wait_s=5.0, burst=1)
        )
        guard = Guard("db", config)

        async def work() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        calls = [asyncio.ensure_future(guard(work)()) for _ in range(2)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for each in calls:
            each.cancel()
        await asyncio.wait(calls)

        assert guard.steps is not None
        assert guard.steps.deadlines is not None
        assert (guard.steps.gate.slots.in_flight, len(guard.steps.gate.queue)) == (0, 0)
        assert not guard.steps.deadlines.due_s


class TestSettings:
    def test_impossible_combinations_are_refused_when_they_are_made(self) -> None:
        with pytest.raises(ConfigError, match="choose one"):
            GuardConfig(bulkhead=BulkheadConfig(), limit=AdaptiveLimitConfig())
        with pytest.raises(ConfigError, match="retry=3 must be a RetryConfig"):
            GuardConfig(retry=3)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"timeout_s=0 must be > 0"):
            GuardConfig(timeout_s=0)
        with pytest.raises(ConfigError, match="not <class 'KeyboardInterrupt'>"):
            Rules(failures=(KeyboardInterrupt,))  # type: ignore[arg-type]

    async def test_parts_neither_appear_nor_vanish(self) -> None:
        with pytest.raises(ConfigError, match="was made with a circuit only"):
            Guard("db").reconfigure(GuardConfig(timeout_s=1.0))
        with pytest.raises(ConfigError, match="was made without retry"):
            Guard("db", GuardConfig(timeout_s=1.0)).reconfigure(GuardConfig(retry=RetryConfig()))
        with pytest.raises(ConfigError, match="was made with timeout_s"):
            Guard("db", GuardConfig(timeout_s=1.0)).reconfigure(GuardConfig())

    async def test_all_parts_take_new_settings(self) -> None:
        def settings(calls: int) -> GuardConfig:
            return GuardConfig(
                retry=RetryConfig(attempts=calls),
                hedge=HedgeConfig(delay_s=calls),
                limit=AdaptiveLimitConfig(maximum=100 * calls),
                rate=RateConfig(calls=calls),
                throttle=ThrottleConfig(window_s=calls),
            )

        guard = Guard("db", settings(2))
        guard.reconfigure(settings(5))

        steps = guard.steps
        assert steps is not None
        parts: list[Any] = [
            steps.retries,
            steps.hedges,
            steps.gate.slots,
            steps.rate,
            steps.throttle,
        ]
        new = settings(5)
        assert [part.config for part in parts] == [
            new.retry,
            new.hedge,
            new.limit,
            new.rate,
            new.throttle,
        ]

    async def test_a_block_cannot_be_tried_again(self) -> None:
        with pytest.raises(ConfigError, match="has retry, but a block cannot be made again"):
            async with Guard("db", GuardConfig(retry=RetryConfig())):
                pass
        with pytest.raises(ConfigError, match="has hedge"):
            async with Guard("db", GuardConfig(hedge=HedgeConfig(delay_s=1))):
                pass
        with pytest.raises(ConfigError, match="has fallback"):
            async with Guard("db", fallback=1):
                pass
        with (
            pytest.raises(ConfigError, match="use `async with`"),
            Guard("db", GuardConfig(timeout_s=1.0)),
        ):
            pass
