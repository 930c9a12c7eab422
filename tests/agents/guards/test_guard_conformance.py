"""What a circuit breaker must do, whatever its brand; every case is one that some breaker fails."""

import asyncio
import gc
import inspect
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from mendel import CallNotPermitted, CircuitConfig, Guard, GuardConfig
from mendel.agents.guards.rules import Rules
from mendel.bus.messages import CircuitChanged
from mendel.core.circuits.circuit import State

pytestmark = pytest.mark.virtual_time


class Broken(Exception):
    """The target failed."""


def a_guard(rules: Rules | None = None, **settings: Any) -> Guard:
    """Opens at half of at least four calls, for 5 s; one trial; no jitter, no ramp."""
    config = {
        "minimum_calls": 4,
        "permitted_calls": 1,
        "open_jitter": 0.0,
        "ramp_calls": 0,
        **settings,
    }
    circuit = CircuitConfig(**config)
    return Guard("db", GuardConfig(circuit=circuit), rules=rules or Rules())


async def answer(value: int = 1) -> int:
    return value


async def fail() -> None:
    raise Broken


async def call(guard: Guard, function: Callable[..., Any], times: int = 1) -> None:
    """Call a function under guard; what it raises is not of interest."""
    for _ in range(times):
        with suppress(Broken, CallNotPermitted):
            await guard(function)()


async def an_open_guard(**settings: Any) -> Guard:
    guard = a_guard(**settings)
    await call(guard, fail, times=4)
    assert guard.state is State.OPEN
    return guard


async def half_open(guard: Guard) -> None:
    await asyncio.sleep(guard.circuit.retry_after_s(asyncio.get_running_loop().time()))


# --- what reaches the caller ---------------------------------------------------------------------


async def test_the_result_reaches_the_caller() -> None:
    assert await a_guard()(answer)(42) == 42


async def test_the_original_exception_reaches_the_caller() -> None:
    original = Broken("disk")

    async def raise_it() -> None:
        raise original

    with pytest.raises(Broken) as caught:
        await a_guard()(raise_it)()

    assert caught.value is original
    assert caught.value.__context__ is None


async def test_name_signature_and_documentation_stay() -> None:
    async def query(sql: str, /, *args: int, limit: int = 10, **options: str) -> list[str]:
        """Ask the database."""
        return [sql, str(args), str(limit), str(options)]

    guarded = a_guard()(query)

    assert inspect.signature(guarded) == inspect.signature(query)
    assert (guarded.__name__, guarded.__doc__) == ("query", "Ask the database.")
    assert inspect.iscoroutinefunction(guarded)
    assert await guarded("a", 1, 2, limit=3, x="y") == ["a", "(1, 2)", "3", "{'x': 'y'}"]


async def test_methods_are_guarded_per_class_and_keep_their_self() -> None:
    guard = a_guard()

    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        @guard
        async def who(self) -> str:
            return self.name

    assert [await Client("a").who(), await Client("b").who()] == ["a", "b"]
    assert guard.circuit.calls == 2


# --- opening -------------------------------------------------------------------------------------


async def test_interleaved_failures_of_half_of_the_calls_open_it() -> None:
    guard = a_guard(window_calls=100)

    for _ in range(2):
        await call(guard, answer)
        await call(guard, fail)

    assert guard.state is State.OPEN


async def test_too_few_calls_do_not_open_it() -> None:
    guard = a_guard()

    await call(guard, fail, times=3)

    assert guard.state is State.CLOSED


async def test_old_failures_are_forgotten() -> None:
    guard = a_guard(window_s=60.0)
    await call(guard, fail, times=3)
    await asyncio.sleep(60.0)

    await call(guard, fail)

    assert guard.state is State.CLOSED


async def test_slow_calls_open_it() -> None:
    guard = a_guard(slow_call_s=1.0, slow_call_rate=1.0)

    async def crawl() -> None:
        await asyncio.sleep(1.0)

    await call(guard, crawl, times=4)

    assert guard.state is State.OPEN


async def test_one_event_per_opening() -> None:
    guard = a_guard()
    events: list[CircuitChanged] = []
    stop = guard.listen(events.append)
    go = asyncio.Event()

    async def fail_together() -> None:
        await go.wait()
        raise Broken

    calls = [asyncio.ensure_future(guard(fail_together)()) for _ in range(100)]
    await asyncio.sleep(1.0)
    go.set()
    await asyncio.gather(*calls, return_exceptions=True)
    stop()
    guard.reset()

    assert [(event.state, event.changed_s) for event in events] == [("open", 1.0)]


async def test_an_open_circuit_makes_no_calls_and_tells_the_time_to_retry() -> None:
    guard = await an_open_guard()
    await asyncio.sleep(2.0)

    with pytest.raises(CallNotPermitted) as caught:
        await guard(answer)()

    refusal = caught.value
    assert (refusal.target, refusal.state, refusal.retry_after_s) == ("db", "open", 3.0)
    assert str(refusal) == "call to 'db' is not permitted (open); retry in 3 s"


async def test_each_refusal_is_an_exception_of_its_own() -> None:
    guard = await an_open_guard()
    refusals = await asyncio.gather(*(guard(answer)() for _ in range(2)), return_exceptions=True)

    assert refusals[0] is not refusals[1]


# --- what says nothing about the target ----------------------------------------------------------


async def test_a_cancellation_is_neither_success_nor_failure() -> None:
    guard = a_guard()
    calls = [asyncio.ensure_future(guard(asyncio.sleep)(60.0)) for _ in range(10)]
    await asyncio.sleep(1.0)

    for each in calls:
        each.cancel()
    await asyncio.gather(*calls, return_exceptions=True)

    assert (guard.state, guard.circuit.calls) == (State.CLOSED, 0)


async def test_a_cancellation_after_the_slow_duration_counts_as_slow() -> None:
    guard = a_guard(slow_call_s=1.0, slow_call_rate=1.0)

    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await guard(asyncio.sleep)(60.0)

    assert guard.state is State.OPEN


async def test_a_cancellation_after_the_slow_duration_says_nothing_if_that_is_wanted() -> None:
    guard = a_guard(slow_call_s=1.0, slow_call_rate=1.0, late_cancel_is_slow=False)

    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await guard(asyncio.sleep)(60.0)

    assert guard.state is State.CLOSED


@pytest.mark.parametrize("kind", [GeneratorExit, asyncio.CancelledError])
async def test_what_is_no_exception_says_nothing(kind: type[BaseException]) -> None:
    guard = a_guard()

    async def leave() -> None:
        raise kind

    for _ in range(10):
        with pytest.raises(kind):
            await guard(leave)()

    assert (guard.state, guard.circuit.calls) == (State.CLOSED, 0)


async def test_ignored_errors_say_nothing() -> None:
    guard = a_guard(Rules(ignored=(KeyError,)))

    async def not_found() -> None:
        raise KeyError("id")

    for _ in range(10):
        with pytest.raises(KeyError):
            await guard(not_found)()

    assert (guard.state, guard.circuit.calls, guard.circuit.counts.neutral) == (
        State.CLOSED,
        0,
        10,
    )


async def test_a_predicate_has_the_last_word_on_errors() -> None:
    guard = a_guard(Rules(failures=(OSError,), is_failure=lambda error: error.args[0] == 5))

    async def raise_error(number: int) -> None:
        raise OSError(number)

    async def raise_another() -> None:
        raise KeyError

    for number in (4, 4, 5, 5):
        with pytest.raises(OSError, match=str(number)):
            await guard(raise_error)(number)
    with pytest.raises(KeyError):
        await guard(raise_another)()

    assert guard.circuit.counts.failures == 2


async def test_a_result_may_be_a_failure() -> None:
    guard = a_guard(Rules(is_failed_result=lambda status: status >= 500))

    statuses = [await guard(answer)(503) for _ in range(4)]

    assert statuses == [503] * 4
    assert guard.state is State.OPEN


async def test_a_refusal_of_an_inner_guard_says_nothing_about_the_outer_target() -> None:
    outer, inner = a_guard(), Guard("cache")
    inner.force_open("maintenance")

    await call(outer, inner(answer), times=10)

    assert (outer.state, outer.circuit.calls) == (State.CLOSED, 0)


# --- late results --------------------------------------------------------------------------------


@pytest.mark.parametrize("later_s", [1.0, 6.0])
async def test_late_results_decide_nothing(later_s: float) -> None:
    """At 1 s the circuit is open, at 6 s it is half-open."""
    guard = a_guard(permitted_calls=2)
    go = asyncio.Event()

    async def fail_later() -> None:
        await go.wait()
        raise Broken

    late = [asyncio.ensure_future(guard(fail_later)()) for _ in range(8)]
    await asyncio.sleep(0)
    await call(guard, fail, times=4)
    await asyncio.sleep(later_s)
    await call(guard, answer)
    before = guard.state

    go.set()
    await asyncio.gather(*late, return_exceptions=True)

    assert guard.state is before
    assert guard.circuit.counts.late == 8


# --- half-open -----------------------------------------------------------------------------------


async def test_a_successful_trial_closes_it() -> None:
    guard = await an_open_guard()
    await half_open(guard)

    await call(guard, answer)

    assert guard.state is State.CLOSED


async def test_a_failed_trial_opens_it_again_for_longer() -> None:
    guard = await an_open_guard()
    await half_open(guard)

    await call(guard, fail)

    assert guard.state is State.OPEN
    assert guard.circuit.retry_after_s(5.0) == 10.0


async def test_of_a_thousand_callers_only_the_permitted_ones_run() -> None:
    guard = await an_open_guard(permitted_calls=3)
    await half_open(guard)
    running = 0

    async def count() -> None:
        nonlocal running
        running += 1
        await asyncio.sleep(1.0)

    outcomes = await asyncio.gather(*(guard(count)() for _ in range(1_000)), return_exceptions=True)

    assert running == 3
    assert sum(isinstance(each, CallNotPermitted) for each in outcomes) == 997
    assert guard.state is State.CLOSED


async def test_a_cancelled_trial_gives_its_permit_back_and_does_not_close_it() -> None:
    guard = await an_open_guard()
    await half_open(guard)
    trial = asyncio.ensure_future(guard(asyncio.sleep)(60.0))
    await asyncio.sleep(1.0)

    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)

    assert guard.state is State.HALF_OPEN
    await call(guard, answer)
    assert guard.circuit.state == "closed"


async def test_a_hung_trial_is_bounded_in_time() -> None:
    guard = await an_open_guard(permit_s=10.0)
    await half_open(guard)
    hung = asyncio.ensure_future(guard(asyncio.sleep)(3_600.0))
    await asyncio.sleep(9.0)
    with pytest.raises(CallNotPermitted):
        await guard(answer)()

    await asyncio.sleep(11.0)  # The permit ran out at 15 s; the circuit was open again until 25 s.
    await call(guard, answer)

    assert guard.state is State.CLOSED
    hung.cancel()


# --- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_s", [3_600.0, -3_600.0])
async def test_the_wall_clock_jumping_an_hour_changes_nothing(
    jump_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = await an_open_guard()
    wall_s = time.time()
    monkeypatch.setattr(time, "time", lambda: wall_s + jump_s)

    await asyncio.sleep(4.9)
    await call(guard, answer)
    still_open = guard.state
    await asyncio.sleep(0.1)
    await call(guard, answer)

    assert [still_open, guard.state] == [State.OPEN, State.CLOSED]


# --- listeners -----------------------------------------------------------------------------------


async def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    guard = a_guard()
    heard: list[str] = []

    def raise_error(change: CircuitChanged) -> None:
        raise RuntimeError("listener")

    stops = [guard.listen(raise_error), guard.listen(lambda change: heard.append(change.state))]
    await call(guard, fail, times=4)
    for stop in stops:
        stop()

    assert heard == ["open"]
    assert "a listener of the circuit of db failed" in caplog.text


async def test_a_listener_sees_the_new_state_and_may_use_the_guard() -> None:
    guard = a_guard()
    seen: list[tuple[str, object]] = []
    stop = guard.listen(lambda change: seen.append((guard.state, guard.allow())))

    await call(guard, fail, times=4)
    stop()

    assert seen == [("open", None)]


async def test_a_listener_that_would_have_to_be_awaited_is_refused() -> None:
    async def listener(change: CircuitChanged) -> None:
        """Never runs."""

    with pytest.raises(TypeError, match="coroutine function"):
        a_guard().listen(listener)  # type: ignore[arg-type]


# --- generators ----------------------------------------------------------------------------------


async def test_a_generator_is_guarded_from_its_first_item_to_its_end() -> None:
    guard = a_guard()

    @guard
    def rows(count: int) -> Iterator[int]:
        yield from range(count)
        raise Broken

    for _ in range(4):
        with pytest.raises(Broken):
            list(rows(3))

    assert guard.state is State.OPEN
    with pytest.raises(CallNotPermitted):
        next(rows(3))


async def test_an_asynchronous_generator_is_guarded_and_passes_on_what_is_sent_and_thrown() -> None:
    guard = a_guard()
    got: list[object] = []

    @guard
    async def rows() -> AsyncIterator[int]:
        try:
            got.append((yield 1))
        except KeyError as error:
            got.append(error.args)
        yield 2

    sent = rows()
    assert [await anext(sent), await sent.asend("a")] == [1, 2]  # type: ignore[attr-defined]
    thrown = rows()
    assert [await anext(thrown), await thrown.athrow(KeyError("b"))] == [1, 2]  # type: ignore[attr-defined]
    assert [item async for item in rows()] == [1, 2]

    assert got == ["a", ("b",), None]
    assert guard.circuit.calls == 1  # Of the other two nobody has seen the end yet.
    await sent.aclose()  # type: ignore[attr-defined]
    await thrown.aclose()  # type: ignore[attr-defined]
    assert guard.circuit.counts.neutral == 2


async def test_a_failing_asynchronous_generator_opens_it() -> None:
    guard = a_guard()

    @guard
    async def rows() -> AsyncIterator[int]:
        yield 1
        raise Broken

    for _ in range(4):
        with pytest.raises(Broken):
            _ = [item async for item in rows()]

    assert guard.state is State.OPEN


# --- control, memory -----------------------------------------------------------------------------


async def test_forced_open_refuses_until_released_and_then_tries() -> None:
    guard = a_guard()
    guard.force_open("db is restarted")

    with pytest.raises(CallNotPermitted, match="it has to be released first"):
        await guard(answer)()
    guard.release()
    await call(guard, answer)

    assert guard.state is State.CLOSED


async def test_the_configuration_changes_while_calls_are_in_flight() -> None:
    guard = a_guard()
    calls = [asyncio.ensure_future(guard(asyncio.sleep)(3.0)) for _ in range(100)]
    await asyncio.sleep(1.0)

    shadow = CircuitConfig(mode="shadow", minimum_calls=2, slow_call_s=2.0)
    guard.reconfigure(GuardConfig(circuit=shadow))
    await asyncio.gather(*calls)
    guard.reconfigure(GuardConfig(circuit=CircuitConfig(minimum_calls=2)))

    assert guard.circuit.calls == 100
    await call(guard, fail, times=101)
    assert guard.state is State.OPEN


async def test_refusals_leave_no_memory_behind() -> None:
    guard = await an_open_guard(open_s=3_600.0, open_s_max=3_600.0)
    refused = guard(answer)

    async def many(count: int) -> None:
        for _ in range(count):
            with pytest.raises(CallNotPermitted):
                await refused()

    await many(100)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    await many(2_000)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < 2_000  # Less than a byte for each.
