"""Consumers and askers are woken many in one turn of the event loop, and nobody is left out."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar, copy_context

import pytest
from mendel.bus import Envelope, LocalBus, Message
from mendel.bus.wakes import WAKES_IN_A_ROW, Answer, Wakes
from mendel.scenarios.virtual_time import settle

pytestmark = pytest.mark.virtual_time


class Step(Message, frozen=True, kw_only=True):
    pass


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    async with LocalBus() as bus:
        yield bus


def wakes() -> Wakes:
    loop = asyncio.get_running_loop()
    return Wakes(loop, loop.time)


class Sleeper:
    def __init__(self, log: list[str], name: str, error: BaseException | None = None) -> None:
        self.log = log
        self.name = name
        self.error = error

    def rouse(self) -> None:
        self.log.append(self.name)
        if self.error is not None:
            raise self.error


async def chain(bus: LocalBus, length: int, reached: list[int]) -> None:
    def link(number: int):  # type: ignore[no-untyped-def]
        async def pass_on(envelope: Envelope) -> None:
            reached.append(number)
            await bus.publish(Step(), envelope, f"link.{number + 1}")

        return pass_on

    for number in range(length):
        bus.subscribe(f"link.{number}", link(number))
    await settle()


class TestOneTurn:
    async def test_a_message_goes_through_a_chain_of_actors_in_one_turn(
        self, bus: LocalBus
    ) -> None:
        reached: list[int] = []
        await chain(bus, 10, reached)

        bus.publish(Step(), subject="link.0")
        await asyncio.sleep(0)

        assert reached == list(range(10))

    async def test_everything_else_gets_its_turn_within_a_long_chain(self, bus: LocalBus) -> None:
        reached: list[int] = []
        await chain(bus, WAKES_IN_A_ROW + 10, reached)

        bus.publish(Step(), subject="link.0")
        await asyncio.sleep(0)

        assert len(reached) == WAKES_IN_A_ROW
        await settle()
        assert len(reached) == WAKES_IN_A_ROW + 10

    async def test_a_chain_ends_when_its_time_is_up(self) -> None:
        times_s = iter([0.0, 0.0004, 0.0006])
        log: list[str] = []
        slow = Wakes(asyncio.get_running_loop(), lambda: next(times_s, 0.0))
        for number in range(40):
            slow.add(Sleeper(log, str(number)))

        await asyncio.sleep(0)

        assert len(log) == 32  # The clock is looked at after each 16.
        await settle()
        assert len(log) == 40

    async def test_a_consumer_that_raises_does_not_stop_the_others(self) -> None:
        log: list[str] = []
        row = wakes()
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context["exception"])
        )
        error = RuntimeError("a consumer that does not catch")
        row.add(Sleeper(log, "first", error))
        row.add(Sleeper(log, "second"))

        await settle()
        row.add(Sleeper(log, "third"))
        await settle()

        assert log == ["first", "second", "third"]
        assert reported == [error]

    async def test_a_plain_function_does_not_see_the_context_of_who_sends(
        self, bus: LocalBus
    ) -> None:
        whose: ContextVar[str] = ContextVar("whose", default="nobody's")
        seen: list[str] = []
        bus.subscribe("step", lambda envelope: seen.append(whose.get()))

        whose.set("the sender's")
        bus.publish(Step())
        await settle()

        assert seen == ["nobody's"]


class TestAnswer:
    async def test_it_wakes_every_task_that_waits_for_it(self) -> None:
        answer = Answer(wakes())

        async def wait() -> str:
            return str(await answer)

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await settle()
        answer.set_result("yes")

        assert await asyncio.gather(*tasks) == ["yes", "yes", "yes"]

    async def test_it_may_be_awaited_when_it_is_done(self) -> None:
        answer = Answer(wakes())
        answer.set_result("yes")

        assert await answer == "yes"

    async def test_it_calls_plain_callbacks_too(self) -> None:
        answer = Answer(wakes())
        called: list[object] = []
        answer.add_done_callback(called.append)

        answer.set_exception(ValueError("no"))
        await settle()

        assert called == [answer]
        assert isinstance(answer.exception(), ValueError)

    async def test_a_task_that_is_cancelled_while_it_waits_ends(self) -> None:
        answer = Answer(wakes())

        async def wait() -> None:
            await answer

        task = asyncio.create_task(wait())
        await settle()
        task.cancel()
        await settle()

        assert task.cancelled()
        assert answer.cancelled()

    async def test_wait_for_and_gather_and_shield_take_it_for_a_future(self, bus: LocalBus) -> None:
        async def echo(envelope: Envelope) -> Message:
            return envelope.message

        bus.subscribe("step", echo)

        one = await asyncio.wait_for(bus.request(Step(), timeout_s=1.0), 1.0)
        two = await asyncio.gather(*(bus.request(Step(), timeout_s=1.0) for _ in range(2)))
        three = await asyncio.shield(bus.request(Step(), timeout_s=1.0))

        assert [one, *two, three] == [Step()] * 4

    async def test_a_callback_with_a_context_can_be_taken_back(self) -> None:
        answer = Answer(wakes())
        called: list[object] = []
        callback = called.append
        answer.add_done_callback(callback, context=copy_context())

        assert answer.remove_done_callback(callback) == 1
        answer.set_result("yes")
        await settle()

        assert called == []


class TestCancelledConsumer:
    async def test_a_message_that_comes_with_the_cancellation_is_not_lost(
        self, bus: LocalBus
    ) -> None:
        mailbox = bus.mailbox("reader")
        bus.attach(mailbox, "step")

        async def read() -> object:
            while (envelope := mailbox.take()) is None:
                await mailbox.arrival()
            return envelope.message

        first = asyncio.create_task(read())
        await settle()
        first.cancel()
        bus.publish(Step())
        await settle()

        assert first.cancelled()
        assert await asyncio.create_task(read()) == Step()
