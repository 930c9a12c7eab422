"""The plan follows from the seed; each fault really happens to a real process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.runtime.demo.faults import (
    CATALOGUE,
    Fault,
    FaultKind,
    InjectionFailed,
    Injector,
    plan_faults,
)

if TYPE_CHECKING:
    from .conftest import Driver


def a_fault(kind: FaultKind, target: str) -> Fault:
    return Fault(kind=kind, target=target, at_s=0.0, window_s=8.0, seed=1)


class TestPlan:
    def test_a_minute_holds_each_of_the_six_kinds_once(self) -> None:
        assert sorted(fault.kind for fault in plan_faults(1, 60.0)) == sorted(FaultKind)

    def test_the_same_seed_gives_the_same_plan_and_another_one_another(self) -> None:
        assert plan_faults(1, 60.0) == plan_faults(1, 60.0)
        assert len({plan_faults(seed, 60.0) for seed in range(20)}) == 20

    @pytest.mark.parametrize(("duration_s", "faults"), [(0, 0), (13.9, 0), (14, 1), (32, 3)])
    def test_a_short_run_holds_as_many_as_fit(self, duration_s: float, faults: int) -> None:
        assert len(plan_faults(1, duration_s)) == faults

    @given(seed=st.integers(0, 2**32), duration_s=st.floats(0, 600))
    def test_faults_never_overlap_and_befall_only_whom_they_may(
        self, seed: int, duration_s: float
    ) -> None:
        plan = plan_faults(seed, duration_s)

        assert all(fault.target in CATALOGUE[fault.kind].targets for fault in plan)
        ends = [0.0, *(fault.at_s + fault.window_s for fault in plan)]
        assert all(fault.at_s > end for fault, end in zip(plan, ends, strict=False))
        assert ends[-1] <= max(0.0, duration_s - 5.0)

    def test_it_says_in_words_what_happens(self) -> None:
        assert a_fault(FaultKind.CRASH, "db").words == "kill -9 db"


class TestInjection:
    @pytest.fixture
    async def injector(self, driver: Driver) -> Injector:
        return Injector(driver.estate.urls, driver.estate.token, driver.pid_of)

    async def test_a_crash_ends_the_process(self, driver: Driver, injector: Injector) -> None:
        await driver.start("db")

        await injector.inject(a_fault(FaultKind.CRASH, "db"))

        assert await driver.processes["db"].wait() == -9

    async def test_a_hang_stops_the_process_and_lifting_lets_it_go_on(
        self, driver: Driver, injector: Injector
    ) -> None:
        await driver.start("cart")
        fault = a_fault(FaultKind.HANG, "cart")

        await injector.inject(fault)
        await driver.eventually(lambda: _state_of(driver.pid_of("cart")) == "T")
        await injector.lift(fault)

        assert (await driver.until("cart", lambda reply: reply.status != 0)).status == 503

    async def test_slow_is_800_ms_later(self, driver: Driver, injector: Injector) -> None:
        await driver.start("catalog")
        loop = asyncio.get_running_loop()

        await injector.inject(a_fault(FaultKind.SLOW, "catalog"))
        start_s = loop.time()
        reply = await driver.ask("catalog")
        took_s = loop.time() - start_s

        assert reply.status == 200
        assert 0.8 <= took_s < 2.0

    async def test_failing_is_four_requests_of_five(
        self, driver: Driver, injector: Injector
    ) -> None:
        await driver.start("payment")

        await injector.inject(a_fault(FaultKind.FAILING, "payment"))
        replies = [await driver.ask("payment") for _ in range(100)]

        assert {reply.status for reply in replies} == {200, 500}
        assert 65 <= sum(reply.status == 500 for reply in replies) <= 95

    async def test_a_leak_takes_real_memory_and_lifting_gives_it_back(
        self, driver: Driver, injector: Injector
    ) -> None:
        await driver.start("catalog")
        pid = driver.pid_of("catalog")
        before_bytes = _resident_bytes(pid)
        fault = a_fault(FaultKind.LEAK, "catalog")

        await injector.inject(fault)
        grown = before_bytes + 20_000_000
        await driver.eventually(lambda: _resident_bytes(pid) > grown)
        await injector.lift(fault)

        await driver.eventually(lambda: _resident_bytes(pid) < grown)

    async def test_a_service_that_is_down_refuses_connections_but_lives(
        self, driver: Driver, injector: Injector
    ) -> None:
        await driver.start("db")

        await injector.inject(
            Fault(kind=FaultKind.DEPENDENCY_DOWN, target="db", at_s=0.0, window_s=0.6, seed=1)
        )
        await driver.until("db", lambda reply: reply.detail == "connection refused")
        up = await driver.until("db", lambda reply: reply.status != 0)

        assert up.status == 200
        assert driver.pid_of("db") is not None

    async def test_every_kind_can_be_lifted_when_its_victim_is_gone(
        self, driver: Driver, injector: Injector
    ) -> None:
        for kind in FaultKind:
            await injector.lift(a_fault(kind, "db"))

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [(FaultKind.CRASH, "db does not run"), (FaultKind.SLOW, "connection refused")],
    )
    async def test_what_does_not_run_cannot_be_broken(
        self, driver: Driver, injector: Injector, kind: FaultKind, reason: str
    ) -> None:
        with pytest.raises(InjectionFailed) as failure:
            await injector.inject(a_fault(kind, "db"))

        assert failure.value.reason == reason

    async def test_a_process_that_has_just_gone_cannot_be_killed(self, driver: Driver) -> None:
        await driver.start("db")
        process = driver.processes["db"]
        process.kill()
        await process.wait()
        injector = Injector(driver.estate.urls, driver.estate.token, lambda name: process.pid)

        with pytest.raises(InjectionFailed) as failure:
            await injector.inject(a_fault(FaultKind.CRASH, "db"))

        assert failure.value.reason == f"db (pid {process.pid}) is gone"

    @pytest.mark.parametrize("kind", [FaultKind.CRASH, FaultKind.HANG])
    @pytest.mark.parametrize("pid", [0, 1])
    async def test_nobody_but_a_service_is_ever_signalled(self, kind: FaultKind, pid: int) -> None:
        injector = Injector({}, "", lambda name: pid)

        with pytest.raises(InjectionFailed, match="db does not run"):
            await injector.inject(a_fault(kind, "db"))

    async def test_a_wrong_token_is_told(self, driver: Driver) -> None:
        await driver.start("db")
        injector = Injector(driver.estate.urls, "guess", driver.pid_of)

        with pytest.raises(InjectionFailed, match="db answers 800 ms later: cannot be done: HTTP"):
            await injector.inject(a_fault(FaultKind.SLOW, "db"))


def _state_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def _resident_bytes(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
