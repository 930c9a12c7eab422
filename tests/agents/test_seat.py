"""What survives a crash, what is blamed for it, and how a life ends."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mendel.agents import Agent, AgentConfig, Seat, Timer, on
from mendel.bus import Envelope, LocalBus, Message
from mendel.errors import RequestFailed
from mendel.scenarios.virtual_time import run, settle

pytestmark = pytest.mark.virtual_time


class Job(Message, frozen=True, kw_only=True):
    n: int = 0
    bad: int = 0
    takes_s: float = 0.0


class UrgentJob(Job, frozen=True, kw_only=True):
    topic = "system.urgent.job"


class JobDone(Message, frozen=True, kw_only=True):
    n: int


# How the jobs of a test went, over all lives of its worker.
class Log:
    def __init__(self) -> None:
        self.events: list[object] = []
        self.failures: dict[int, int] = {}


class Worker(Agent[AgentConfig]):
    """Does jobs; fails at a bad one as often as it says."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    async def on_start(self) -> None:
        self.log.events.append("start")

    async def on_stop(self) -> None:
        self.log.events.append("stop")

    @on(Job)
    @on(UrgentJob)
    async def job(self, job: Job) -> JobDone:
        await asyncio.sleep(job.takes_s)
        failures = self.log.failures.get(job.n, 0)
        if failures < job.bad:
            self.log.failures[job.n] = failures + 1
            raise ValueError(f"job {job.n} is bad")
        self.log.events.append(job.n)
        return JobDone(n=job.n)

    async def on_timer(self, timer: Timer) -> None:
        await self.job(Job(n=int(timer.key), bad=1))


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    async with LocalBus() as bus:
        yield bus


@pytest.fixture
def log() -> Log:
    return Log()


async def lives(seat: Seat[AgentConfig], log: Log) -> int:
    """Restart the worker at once whenever it crashes, until it is stopped; count the crashes."""
    crashes = 0
    while True:
        try:
            await seat.run(Worker(log))
        except ValueError:
            crashes += 1
        else:
            return crashes


class TestALife:
    async def test_it_starts_handles_and_stops(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, Worker)
        bus.publish(Job(n=1))  # It waits until there is somebody.
        life = asyncio.create_task(seat.run(Worker(log)))
        await settle()
        bus.publish(Job(n=2))
        await settle()

        seat.stop()
        await life

        assert log.events == ["start", 1, 2, "stop"]

    async def test_stopping_finishes_the_message_in_hand_and_leaves_the_others(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, Worker)
        for n in (1, 2):
            bus.publish(Job(n=n, takes_s=5.0))
        life = asyncio.create_task(seat.run(Worker(log)))
        await asyncio.sleep(1.0)

        seat.stop()
        await life

        assert log.events == ["start", 1, "stop"]
        assert len(seat.mailbox) == 1

    async def test_the_next_life_takes_up_what_waits(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, Worker)
        for n in (1, 2):
            bus.publish(Job(n=n))
        for _ in range(2):
            life = asyncio.create_task(seat.run(Worker(log)))
            seat.stop()
            await settle()
            seat.stop()
            await life

        assert log.events == ["start", 1, 2, "stop", "start", "stop"]

    async def test_two_lives_at_once_are_refused(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, Worker)
        life = asyncio.create_task(seat.run(Worker(log)))
        await settle()

        with pytest.raises(AssertionError, match="worker lives already"):
            await seat.run(Worker(log))
        seat.stop()
        await life

    async def test_a_stop_that_hangs_has_bounded_time(
        self, bus: LocalBus, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Slow(Agent):
            async def on_stop(self) -> None:
                await asyncio.sleep(3600.0)

        seat = Seat(bus, Slow, stop_s=2.0)
        life = asyncio.create_task(seat.run(Slow()))
        await settle()
        seat.stop()
        await life

        assert asyncio.get_running_loop().time() == 2.0
        assert "agent slow did not stop cleanly: TimeoutError" in caplog.text

    async def test_a_seat_that_is_closed_lets_nobody_wait(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, Worker)
        seat.timers.start("later", "1", 10.0)
        ask = asyncio.ensure_future(bus.request(Job(n=1), timeout_s=60.0))
        await settle()

        seat.close()

        with pytest.raises(RequestFailed, match="worker: closed"):
            await ask
        assert len(seat.timers) == 0
        assert bus.has_subscribers("job") is False

    async def test_a_busy_mailbox_does_not_keep_others_from_their_turn(self, bus: LocalBus) -> None:
        class Endless(Agent):
            @on(Job)
            def job(self, job: Job) -> None:
                self.publish(job)

        seat = Seat(bus, Endless)
        life = asyncio.create_task(seat.run(Endless()))
        bus.publish(Job())
        for _ in range(5):
            await asyncio.sleep(0)
        seat.stop()
        await life

        assert seat.mailbox.taken >= 512


class TestCrashes:
    async def test_a_message_gets_a_second_chance_before_all_others(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, Worker)
        for n in (1, 2, 3):
            bus.publish(Job(n=n, bad=1 if n == 1 else 0))

        with pytest.raises(ValueError, match="job 1 is bad"):
            await seat.run(Worker(log))
        assert (list(seat.crashes.values()), len(seat.mailbox)) == ([1], 3)

        life = asyncio.create_task(seat.run(Worker(log)))
        await settle()
        seat.stop()
        await life
        assert log.events == ["start", "stop", "start", 1, 2, 3, "stop"]
        assert seat.crashes == {}

    async def test_in_the_system_lane_too(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, Worker)
        bus.publish(Job(n=1))
        bus.publish(UrgentJob(n=2, bad=1))
        bus.publish(UrgentJob(n=3))
        supervised = asyncio.create_task(lives(seat, log))
        await settle()
        seat.stop()
        await supervised

        assert [event for event in log.events if isinstance(event, int)] == [2, 3, 1]

    async def test_at_the_second_crash_it_is_set_aside_and_its_asker_is_told(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, Worker)
        supervised = asyncio.create_task(lives(seat, log))

        with pytest.raises(RequestFailed, match="worker: poison: ValueError: job 1 is bad"):
            await bus.request(Job(n=1, bad=9), timeout_s=60.0)
        assert await bus.request(Job(n=2), timeout_s=60.0) == JobDone(n=2)
        seat.stop()

        assert await supervised == 2
        assert [letter.reason for letter in bus.dead_letters] == ["poison"]
        assert seat.crashes == {}

    async def test_an_asker_is_answered_by_the_life_that_succeeds(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, Worker)
        supervised = asyncio.create_task(lives(seat, log))

        assert await bus.request(Job(n=1, bad=1), timeout_s=60.0) == JobDone(n=1)
        seat.stop()
        assert await supervised == 1

    async def test_a_cancelled_life_blames_nobody(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, Worker)
        bus.publish(Job(n=1, takes_s=5.0))
        for _ in range(5):
            life = asyncio.create_task(seat.run(Worker(log)))
            await asyncio.sleep(1.0)
            life.cancel()
            with pytest.raises(asyncio.CancelledError):
                await life

        assert (seat.crashes, len(seat.mailbox), bus.stats().dead) == ({}, 1, {})
        assert log.events == ["start", "stop"] * 5

    async def test_a_crash_at_the_start_leaves_the_messages_alone(self, bus: LocalBus) -> None:
        class Unborn(Agent):
            async def on_start(self) -> None:
                raise OSError("no such port")

            @on(Job)
            async def job(self, job: Job) -> None: ...

        seat = Seat(bus, Unborn)
        bus.publish(Job(n=1))

        with pytest.raises(OSError, match="no such port"):
            await seat.run(Unborn())
        assert (seat.crashes, len(seat.mailbox)) == ({}, 1)

    async def test_a_failing_stop_does_not_hide_the_crash(
        self, bus: LocalBus, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Doomed(Worker):
            async def on_stop(self) -> None:
                raise OSError("and the file is gone too")

        seat = Seat(bus, Doomed)
        bus.publish(Job(n=1, bad=1))

        with pytest.raises(ValueError, match="job 1 is bad"):
            await seat.run(Doomed(Log()))
        assert "did not stop cleanly: OSError: and the file is gone too" in caplog.text

    async def test_timers_survive_and_a_timer_that_crashed_rings_again(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, Worker)
        seat.timers.start("job", "7", 10.0)
        supervised = asyncio.create_task(lives(seat, log))

        await asyncio.sleep(60.0)
        seat.stop()

        assert await supervised == 1
        assert log.events == ["start", "stop", "start", 7, "stop"]


class TestSpawnedTasks:
    class Parent(Worker):
        def __init__(self, log: Log, fails: bool) -> None:
            super().__init__(log)
            self.fails = fails

        async def on_start(self) -> None:
            self.spawn(self._beside(), name="beside")

        async def _beside(self) -> None:
            try:
                await asyncio.sleep(2.0)
            finally:
                self.log.events.append("child ends")
            if self.fails:
                raise OSError("child failed")

    async def test_a_failing_one_crashes_the_agent_and_blames_no_message(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, self.Parent)
        bus.publish(Job(n=1, takes_s=5.0))

        with pytest.raises(OSError, match="child failed"):
            await seat.run(self.Parent(log, fails=True))

        assert asyncio.get_running_loop().time() == 2.0
        assert (seat.crashes, len(seat.mailbox)) == ({}, 1)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    async def test_so_does_one_that_fails_while_the_agent_is_idle(
        self, bus: LocalBus, log: Log
    ) -> None:
        seat = Seat(bus, self.Parent)

        with pytest.raises(OSError, match="child failed"):
            await seat.run(self.Parent(log, fails=True))

    async def test_stopping_cancels_them(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, self.Parent)
        life = asyncio.create_task(seat.run(self.Parent(log, fails=True)))
        await settle()

        seat.stop()
        await life

        assert log.events == ["child ends", "stop"]

    async def test_one_that_ends_well_is_forgotten(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, self.Parent)
        life = asyncio.create_task(seat.run(self.Parent(log, fails=False)))
        await asyncio.sleep(3.0)
        bus.publish(Job(n=1))
        await settle()

        seat.stop()
        await life

        assert log.events == ["child ends", 1, "stop"]

    async def test_a_cancellation_from_outside_stays_one(self, bus: LocalBus, log: Log) -> None:
        seat = Seat(bus, self.Parent)
        life = asyncio.create_task(seat.run(self.Parent(log, fails=True)))
        asyncio.get_running_loop().call_at(2.0, life.cancel)
        await asyncio.wait([life])

        assert life.cancelled() is True

    async def test_one_that_fails_at_the_end_is_logged(
        self, bus: LocalBus, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Untidy(Agent):
            async def on_start(self) -> None:
                self.spawn(self._beside(), name="beside")
                await asyncio.sleep(0)

            async def _beside(self) -> None:
                try:
                    await asyncio.sleep(3600.0)
                finally:
                    raise OSError("could not tidy up")

        caplog.set_level(logging.ERROR)
        seat = Seat(bus, Untidy)
        life = asyncio.create_task(seat.run(Untidy()))
        await settle()
        seat.stop()
        await life

        assert "a task of agent untidy failed at its end: OSError: could not" in caplog.text


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), jobs=st.integers(1, 20), capacity=st.integers(1, 5))
def test_nothing_is_lost_however_often_and_whenever_an_agent_is_killed(
    seed: int, jobs: int, capacity: int
) -> None:
    chance = random.Random(seed)
    log = Log()
    dead: list[int] = []

    def letter(envelope: Envelope) -> int:
        assert isinstance(envelope.message, Job)
        return envelope.message.n

    async def one_life(seat: Seat[AgentConfig]) -> None:
        life = asyncio.create_task(seat.run(Worker(log)))
        killer = asyncio.get_running_loop().call_later(chance.expovariate(1.0), life.cancel)
        try:
            await life
        except (ValueError, asyncio.CancelledError):
            pass
        finally:
            killer.cancel()

    async def main() -> None:
        async with LocalBus() as bus:
            bus.dead_letters.listen(lambda one: dead.append(letter(one.envelope)))
            seat = Seat(bus, Worker, capacity=capacity)
            for n in range(jobs):
                job = Job(n=n, bad=chance.choice([0, 0, 0, 1, 2]), takes_s=chance.random() / 2)
                bus.publish(job)
            while len(seat.mailbox):
                await one_life(seat)

    run(main())
    done = [event for event in log.events if isinstance(event, int)]
    assert sorted(done + dead) == list(range(jobs))
    assert {n for n, failures in log.failures.items() if failures == 2} == set(dead)
