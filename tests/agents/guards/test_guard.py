"""Blocks, calls by hand, blocking code, threads, the registry."""

import asyncio
import functools
import operator
import pickle
import sys
import threading
from collections.abc import Iterator

import mendel
import pytest
from mendel import CallNotPermitted, CircuitConfig, Guard, GuardConfig, guard, guards
from mendel.agents.guards import registry
from mendel.agents.guards.events import listen
from mendel.agents.guards.last_good import LastGood
from mendel.agents.guards.retry_after import retry_after_s
from mendel.agents.guards.rules import Rules
from mendel.core.circuits.circuit import State
from mendel.core.circuits.limits import BulkheadConfig
from mendel.core.circuits.retry import RetryConfig
from mendel.errors import ConfigError


class Broken(Exception):
    """The target failed."""


STRICT = CircuitConfig(minimum_calls=2, window_calls=2, permitted_calls=1, ramp_calls=0)


def fail_in(block: Guard) -> None:
    with pytest.raises(Broken), block:
        raise Broken


@pytest.mark.virtual_time
class TestBlocks:
    async def test_successes_and_failures_of_blocks_count(self) -> None:
        block = Guard("db", GuardConfig(circuit=STRICT))
        for _ in range(3):
            with block:
                await asyncio.sleep(0)

        fail_in(block)

        assert (block.circuit.calls, block.state) == (4, State.OPEN)
        with pytest.raises(CallNotPermitted), block:
            pass

    async def test_blocks_of_an_earlier_era_decide_nothing(self) -> None:
        block = Guard("db", GuardConfig(circuit=STRICT))
        go = asyncio.Event()

        async def late(error: Exception | None) -> None:
            with block:
                await go.wait()
                if error is not None:
                    raise error

        earlier = [asyncio.ensure_future(late(error)) for error in (Broken(), None, Broken())]
        await asyncio.sleep(0)
        fail_in(block)
        fail_in(block)
        await asyncio.sleep(6.0)
        with block:  # The trial.
            pass
        assert block.state is State.CLOSED

        with block:  # Inside of a block of the new era those of the old one end.
            go.set()
            await asyncio.gather(*earlier, return_exceptions=True)

        assert (block.state, block.circuit.counts.late) == (State.CLOSED, 2)
        assert block.circuit.era.calls == 1

    async def test_blocks_stand_within_each_other(self) -> None:
        block = Guard("db", GuardConfig(circuit=STRICT))
        block.force_open("test")
        block.release()

        with block, pytest.raises(CallNotPermitted), block:
            pass  # Only one trial is permitted.

        assert block.state is State.CLOSED
        with block, block:
            pass
        assert block.circuit.era.calls == 2

    async def test_slow_blocks_count_as_slow(self) -> None:
        block = Guard(
            "db",
            GuardConfig(circuit=CircuitConfig(minimum_calls=2, window_calls=2, slow_call_s=1.0)),
        )
        for _ in range(2):
            async with block:
                await asyncio.sleep(1.0)

        assert block.state is State.OPEN

    async def test_an_asynchronous_block_fails_with_its_own_error(self) -> None:
        block = Guard("db", GuardConfig(bulkhead=BulkheadConfig(max_calls=1)))

        async def use_it_twice() -> None:
            async with block:
                with pytest.raises(CallNotPermitted):
                    await block.__aenter__()
                raise Broken

        with pytest.raises(Broken):
            await use_it_twice()
        async with block:
            pass

        assert (block.circuit.calls, block.circuit.counts.failures) == (2, 1)


@pytest.mark.virtual_time
class TestByHand:
    async def test_a_call_is_allowed_and_its_outcome_recorded(self) -> None:
        breaker = Guard("db", GuardConfig(circuit=STRICT))

        for error in (Broken(), Broken()):
            granted = breaker.allow()
            assert granted is not None
            breaker.record(granted, error)

        assert breaker.allow() is None

    async def test_a_long_call_counts_as_slow(self) -> None:
        circuit = CircuitConfig(minimum_calls=2, window_calls=2, slow_call_s=1.0)
        breaker = Guard("db", GuardConfig(circuit=circuit))

        for _ in range(2):
            granted = breaker.allow()
            assert granted is not None
            breaker.record(granted, duration_s=1.0)

        assert breaker.state is State.OPEN

    async def test_the_state_survives_a_restart(self) -> None:
        old = Guard("db", GuardConfig(circuit=STRICT))
        fail_in(old)
        fail_in(old)

        new = Guard("db", GuardConfig(circuit=STRICT))
        new.restore(old.record_of())

        assert new.state is State.OPEN
        assert repr(new) == "<Guard 'db' open>"


class TestBlockingCode:
    def test_functions_and_classes_that_block_are_guarded(self) -> None:
        breaker = Guard("db", GuardConfig(circuit=STRICT))

        @breaker
        def divide(number: int, *, by: int = 1) -> float:
            return number / by

        assert divide(6, by=3) == 2.0
        with pytest.raises(ZeroDivisionError):
            divide(1, by=0)
        with pytest.raises(CallNotPermitted):
            divide(6)

    def test_functions_whose_signature_cannot_be_read_are_guarded_too(self) -> None:
        breaker = Guard("db")

        assert breaker(functools.partial(operator.add, 1))(2) == 3
        assert breaker(dict)(a=1) == {"a": 1}

    def test_it_retries_and_limits_and_falls_back(self) -> None:
        retry = RetryConfig(attempts=2, backoff_s=0.001, budget_per_s=9.0)
        config = GuardConfig(retry=retry, bulkhead=BulkheadConfig(max_calls=1))
        breaker = Guard("db", config, fallback=lambda error: f"instead of {error!r}")
        calls = 0

        @breaker
        def work(fails: int) -> str:
            nonlocal calls
            calls += 1
            if calls <= fails:
                raise Broken
            return work.__name__

        assert (work(1), calls) == ("work", 2)
        assert work(99) == "instead of Broken()"

        @breaker
        def nested() -> str:
            return work(0)

        assert nested().startswith("instead of CallNotPermitted('db', 'full'")

    def test_what_needs_an_event_loop_is_refused_when_it_is_wrapped(self) -> None:
        async def fallback(error: Exception) -> None:
            """Never runs."""

        with pytest.raises(ConfigError, match="guard 'db' has timeout_s, which <built-in"):
            Guard("db", GuardConfig(timeout_s=1.0))(len)
        with pytest.raises(ConfigError, match="guard 'db' has an asynchronous fallback"):
            Guard("db", fallback=fallback)(len)

    def test_the_last_good_result_answers_for_blocking_code_too(self) -> None:
        breaker = Guard("db", fallback=LastGood(max_age_s=60.0))
        answers = iter([1])

        @breaker
        def work() -> int:
            return next(answers)

        with pytest.raises(StopIteration):
            Guard("other")(functools.partial(next, iter(())))()
        assert [work(), work()] == [1, 1]

    def test_many_threads_lose_no_call(self) -> None:
        circuit = CircuitConfig(failure_rate=1.0, minimum_calls=20)  # Each thread begins badly.
        plain = Guard("plain", GuardConfig(circuit=circuit))
        limited = Guard("limited", GuardConfig(circuit=circuit, bulkhead=BulkheadConfig()))
        each, threads = 400, 8

        @limited
        @plain
        def work(number: int) -> None:
            if number % 10 == 0:
                raise Broken

        def loop() -> None:
            for number in range(each):
                if number % 10 == 0:
                    with pytest.raises(Broken):
                        work(number)
                else:
                    work(number)
                with plain:
                    pass

        old = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            workers = [threading.Thread(target=loop) for _ in range(threads)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            sys.setswitchinterval(old)

        assert plain.circuit.calls == 2 * each * threads
        assert limited.circuit.calls == each * threads
        assert plain.circuit.counts.failures == each * threads // 10
        assert limited.steps is not None
        assert limited.steps.gate.slots.in_flight == 0


class TestRegistry:
    def test_one_name_is_one_guard(self) -> None:
        assert guard("db") is guard("db")
        assert guards()["db"] is guard("db")

    def test_the_first_use_decides_on_the_settings(self) -> None:
        first = guard("db", timeout_s=2.0, ignored=(KeyError,))

        assert guard("db") is first
        assert guard("db", GuardConfig(timeout_s=2.0), ignored=(KeyError,)) is first
        with pytest.raises(ConfigError, match="already been made with other settings"):
            guard("db", timeout_s=3.0)
        with pytest.raises(ConfigError, match="already been made with other settings"):
            guard("db", ignored=(OSError,))

    def test_unknown_and_doubled_settings_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="no part 'retries'; parts are circuit, retry"):
            guard("db", retries=3)
        with pytest.raises(ConfigError, match="not both"):
            guard("db", GuardConfig(), timeout_s=1.0)

    def test_there_is_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "GUARDS_MAX", 2)
        guard("a")
        guard("b")

        with pytest.raises(ConfigError, match="name targets after services"):
            guard("c")

    def test_one_listener_hears_all_circuits_until_it_is_taken_away(self) -> None:
        heard: list[tuple[str, str]] = []
        stop = listen(lambda change: heard.append((change.target, change.state)))

        guard("a").force_open("test")
        guard("b").force_open("test")
        stop()
        guard("c").force_open("test")

        assert heard == [("a", "forced_open"), ("b", "forced_open")]

    def test_public_names_load_when_they_are_asked_for(self) -> None:
        assert set(mendel.__all__) <= set(dir(mendel))
        assert mendel.guard is guard
        with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
            _ = mendel.no_such_name


class Response(Exception):
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Wrapped(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Broken(), 0.0),
        (CallNotPermitted("db", "open", 2.5), 2.5),
        (Response(Retry_After="120"), 120.0),
        (Wrapped(Response(Retry_After="1.5")), 1.5),
        (
            Response(
                Retry_After="Wed, 21 Oct 2015 07:28:10 GMT", Date="Wed, 21 Oct 2015 07:28:00 GMT"
            ),
            10.0,
        ),
        (Response(Retry_After="Wed, 21 Oct 2015 07:28:10 GMT"), 0.0),
        (Response(Retry_After="soon"), 0.0),
        (Response(Retry_After="-3"), 0.0),
    ],
)
def test_how_long_the_target_asked_to_be_left_alone(error: Exception, seconds: float) -> None:
    assert retry_after_s(error) == seconds


def test_a_refusal_travels_between_processes() -> None:
    refusal = pickle.loads(pickle.dumps(CallNotPermitted("db", "open", 2.0)))

    assert (refusal.target, refusal.state, refusal.retry_after_s) == ("db", "open", 2.0)


def test_types_made_at_run_time_do_not_pile_up() -> None:
    rules = Rules()
    for index in range(1_000):
        rules.of_error(type(f"Error{index}", (Exception,), {})(), 0.0, CircuitConfig())

    assert len(rules.known) <= 256


def test_without_atomic_increments_every_call_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mendel.agents.guards.guard._INCREMENTS_ARE_ATOMIC", False)
    breaker = Guard("db")

    @breaker
    def rows() -> Iterator[int]:
        yield 1

    with breaker:
        list(rows())

    assert breaker.circuit.plain is None
    assert breaker.circuit.calls == 2
