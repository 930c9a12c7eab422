"""Requests: every one of them ends, with an answer or with the reason why there is none."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from mendel.bus import Envelope, LocalBus, Message, Overflow
from mendel.errors import AskCycle, BusClosed, NoResponders, RequestFailed, RequestTimeout
from mendel.scenarios.virtual_time import settle

pytestmark = pytest.mark.virtual_time


class Question(Message, frozen=True, kw_only=True):
    n: int = 0
    target: str = ""


class Reply(Message, frozen=True, kw_only=True):
    n: int = 0


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    async with LocalBus() as bus:
        yield bus


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def double(envelope: Envelope) -> Message:
    assert isinstance(envelope.message, Question)
    return Reply(n=2 * envelope.message.n)


async def say_nothing(envelope: Envelope) -> None:
    pass


async def fail(envelope: Envelope) -> None:
    raise ValueError("out of order")


def answering(n: int, after_s: float):  # type: ignore[no-untyped-def]
    async def answer(envelope: Envelope) -> Message:
        await asyncio.sleep(after_s)
        return Reply(n=n)

    return answer


class TestOneAnswer:
    async def test_what_the_handler_returns_is_the_answer(self, bus: LocalBus) -> None:
        bus.subscribe("question", double)

        assert await bus.request(Question(n=21), timeout_s=1.0) == Reply(n=42)

    async def test_a_plain_function_answers_as_well(self, bus: LocalBus) -> None:
        bus.subscribe("question", lambda envelope: Reply(n=7))

        assert await bus.request(Question(), timeout_s=1.0) == Reply(n=7)

    async def test_the_first_answer_wins(self, bus: LocalBus) -> None:
        bus.subscribe("question", answering(1, after_s=3.0))
        bus.subscribe("question", answering(2, after_s=1.0))
        bus.subscribe("question", say_nothing)

        assert await bus.request(Question(), timeout_s=5.0) == Reply(n=2)
        assert now_s() == 1.0

    async def test_one_member_of_a_queue_group_answers(self, bus: LocalBus) -> None:
        for n in (1, 2):
            bus.subscribe("question", answering(n, after_s=1.0), queue="workers")

        answers = [await bus.request(Question(), timeout_s=5.0) for _ in range(3)]

        assert answers == [Reply(n=1), Reply(n=2), Reply(n=1)]

    async def test_nobody_listening_is_told_at_once(self, bus: LocalBus) -> None:
        with pytest.raises(NoResponders) as caught:
            await bus.request(Question(target="cart"), timeout_s=60.0)

        assert (caught.value.subject, now_s()) == ("question.cart", 0.0)

    async def test_no_answer_in_time_is_a_timeout(self, bus: LocalBus) -> None:
        bus.subscribe("question", answering(1, after_s=3.0))

        with pytest.raises(RequestTimeout) as caught:
            await bus.request(Question(), timeout_s=2.0)

        assert (caught.value.subject, caught.value.timeout_s, now_s()) == ("question", 2.0, 2.0)

    async def test_an_answer_that_comes_too_late_is_counted(self, bus: LocalBus) -> None:
        bus.subscribe("question", answering(1, after_s=3.0))
        with pytest.raises(RequestTimeout):
            await bus.request(Question(), timeout_s=2.0)

        await bus.drain(5.0)

        assert (bus.stats().late_answers, bus.stats().asks) == (1, 0)

    async def test_a_failing_handler_is_told_at_once(self, bus: LocalBus) -> None:
        bus.subscribe("question", fail, name="oracle")

        with pytest.raises(RequestFailed) as caught:
            await bus.request(Question(), timeout_s=60.0)

        assert caught.value.reason == "oracle: handler_failed: ValueError: out of order"
        assert now_s() == 0.0

    async def test_handling_it_without_an_answer_is_told_at_once(self, bus: LocalBus) -> None:
        bus.subscribe("question", say_nothing, name="mute")

        with pytest.raises(RequestFailed, match="mute: handled it without an answer"):
            await bus.request(Question(), timeout_s=60.0)

    async def test_one_failure_of_several_is_no_failure(self, bus: LocalBus) -> None:
        bus.subscribe("question", fail)
        bus.subscribe("question", answering(1, after_s=1.0))

        assert await bus.request(Question(), timeout_s=60.0) == Reply(n=1)

    @pytest.mark.parametrize(
        ("overflow", "reason"),
        [(Overflow.DROP_NEWEST, "mailbox_full"), (Overflow.DROP_OLDEST, "dropped_oldest")],
    )
    async def test_being_dropped_is_told_at_once(
        self, bus: LocalBus, overflow: Overflow, reason: str
    ) -> None:
        bus.subscribe(
            "question", answering(1, after_s=1.0), capacity=1, overflow=overflow, name="busy"
        )
        asks = []
        for _ in range(3):
            asks.append(asyncio.ensure_future(bus.request(Question(), timeout_s=60.0)))
            await settle()
        lost = [ask for ask in asks if ask.done()]

        assert [str(ask.exception()) for ask in lost] == [
            f"request to 'question' failed: busy: {reason}"
        ]
        await asyncio.gather(*(ask for ask in asks if ask not in lost))

    async def test_an_asker_that_gives_up_leaves_nothing_behind(self, bus: LocalBus) -> None:
        bus.subscribe("question", answering(1, after_s=3.0))
        ask = asyncio.ensure_future(bus.request(Question(), timeout_s=60.0))
        await settle()

        ask.cancel()
        await settle()

        assert bus.stats().asks == 0

    async def test_closing_the_bus_ends_open_requests(self, bus: LocalBus) -> None:
        bus.subscribe("question", answering(1, after_s=30.0))
        ask = asyncio.ensure_future(bus.request(Question(), timeout_s=60.0))
        ask_all = asyncio.ensure_future(bus.request_all(Question(), timeout_s=60.0))
        await settle()

        await bus.close(1.0)

        with pytest.raises(BusClosed):
            await ask
        with pytest.raises(BusClosed):
            await ask_all

    async def test_taps_hear_question_and_answer(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        bus.tap(heard.extend)
        bus.subscribe("question", double, name="calculator")

        await bus.request(Question(n=1), timeout_s=1.0)
        await settle()

        question, answer = heard
        assert (question.subject, question.reply, question.deadline_s) == ("question", True, 1.0)
        assert answer == Envelope(
            2, "reply", Reply(n=2), sent_s=0.0, cause=1, trace=1, sender="calculator"
        )

    async def test_an_answer_goes_to_the_asker_alone(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        bus.subscribe("reply", heard.append)
        bus.tap(lambda batch: None, "other")
        bus.subscribe("question", double)

        await bus.request(Question(), timeout_s=1.0)
        await settle()

        assert heard == []


class TestDeadlines:
    async def test_an_earlier_deadline_is_passed_on(self, bus: LocalBus) -> None:
        seen: list[float | None] = []

        async def note_deadline(envelope: Envelope) -> Message:
            seen.append(envelope.deadline_s)
            return Reply()

        async def ask_on(envelope: Envelope) -> Message:
            await bus.request(Question(), subject="deep", timeout_s=60.0, cause=envelope)
            return await bus.request(Question(), subject="deep", timeout_s=1.0, cause=envelope)

        bus.subscribe("question", ask_on)
        bus.subscribe("deep", note_deadline)
        await bus.request(Question(), timeout_s=5.0)

        assert seen == [5.0, 1.0]

    async def test_a_request_that_expired_while_it_waited_is_not_handled(
        self, bus: LocalBus
    ) -> None:
        bus.subscribe("question", answering(1, after_s=3.0), name="slow")
        first = asyncio.ensure_future(bus.request(Question(), timeout_s=60.0))
        await settle()

        with pytest.raises(RequestTimeout):
            await bus.request(Question(), timeout_s=2.0)
        await first
        await bus.drain(5.0)

        assert bus.stats().dead == {"expired": 1}
        assert bus.stats().mailboxes[0].taken == 1

    async def test_a_deadline_in_the_past_is_a_timeout_and_no_work(self, bus: LocalBus) -> None:
        bus.subscribe("question", double)

        with pytest.raises(RequestTimeout):
            await bus.request(Question(), timeout_s=0.0)

        assert bus.stats().mailboxes[0].taken == 0

    async def test_without_a_deadline_it_waits_as_long_as_somebody_may_answer(
        self, bus: LocalBus
    ) -> None:
        bus.subscribe("question", answering(1, after_s=1e6))

        assert await bus.request(Question(), timeout_s=math.inf) == Reply(n=1)

    async def test_events_have_no_deadline(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []

        async def tell(envelope: Envelope) -> Message:
            await bus.publish(Reply(), cause=envelope)
            return Reply()

        bus.subscribe("question", tell)
        bus.subscribe("reply", heard.append)
        await bus.request(Question(), timeout_s=1.0)
        await bus.drain(1.0)

        assert [(each.deadline_s, each.reply, each.cause) for each in heard] == [(None, False, 1)]

    async def test_what_its_asker_has_given_up_is_no_more_of_anybodys_business(
        self, bus: LocalBus
    ) -> None:
        bus.subscribe("question", answering(1, after_s=3.0))
        bus.subscribe("question", fail)
        given_up = [
            asyncio.ensure_future(bus.request(Question(), timeout_s=60.0)),
            asyncio.ensure_future(bus.request_all(Question(), timeout_s=60.0)),
        ]
        await settle()
        for ask in given_up:
            ask.cancel()

        await bus.drain(60.0)

        assert (bus.stats().late_answers, bus.stats().asks) == (2, 0)


class TestAllAnswers:
    async def test_everybody_answers_once(self, bus: LocalBus) -> None:
        for n in (1, 2, 3):
            bus.subscribe("question", answering(n, after_s=4.0 - n))

        assert await bus.request_all(Question(), timeout_s=60.0) == [
            Reply(n=3),
            Reply(n=2),
            Reply(n=1),
        ]
        assert now_s() == 3.0

    async def test_nobody_is_an_empty_list_at_once(self, bus: LocalBus) -> None:
        assert await bus.request_all(Question(), timeout_s=60.0) == []
        assert now_s() == 0.0

    async def test_it_does_not_wait_for_those_who_fail_or_say_nothing(self, bus: LocalBus) -> None:
        bus.subscribe("question", fail)
        bus.subscribe("question", say_nothing)
        bus.subscribe("question", answering(1, after_s=1.0))

        assert await bus.request_all(Question(), timeout_s=60.0) == [Reply(n=1)]
        assert now_s() == 1.0

    async def test_at_the_deadline_it_takes_what_is_there(self, bus: LocalBus) -> None:
        bus.subscribe("question", answering(1, after_s=1.0))
        bus.subscribe("question", answering(2, after_s=9.0))

        assert await bus.request_all(Question(), timeout_s=5.0) == [Reply(n=1)]
        assert now_s() == 5.0


class TestAskCycles:
    """Actors that would wait for each other forever are told so at once."""

    async def ask_around(self, bus: LocalBus, *ring: str) -> BaseException | None:
        """Let each actor of a ring ask the next one; tell what the first to fail was told."""
        failures: list[BaseException] = []

        def asks(following: str):  # type: ignore[no-untyped-def]
            async def ask(envelope: Envelope) -> Message:
                try:
                    return await bus.request(
                        Question(), subject=following, timeout_s=60.0, cause=envelope
                    )
                except AskCycle as error:
                    failures.append(error)
                    return Reply(n=-1)

            return ask

        for actor, following in zip(ring, ring[1:] + ring[:1], strict=True):
            bus.subscribe(actor, asks(following), name=actor)
        await bus.request(Question(), subject=ring[0], timeout_s=60.0)
        assert now_s() == 0.0
        return failures[0] if failures else None

    async def test_asking_oneself(self, bus: LocalBus) -> None:
        failure = await self.ask_around(bus, "a")

        assert isinstance(failure, AskCycle)
        assert failure.path == ("a", "a")

    async def test_asking_each_other(self, bus: LocalBus) -> None:
        failure = await self.ask_around(bus, "a", "b")

        assert isinstance(failure, AskCycle)
        assert failure.path == ("b", "a", "b")

    async def test_asking_around_a_long_ring(self, bus: LocalBus) -> None:
        ring = [f"actor-{number}" for number in range(1500)]

        failure = await self.ask_around(bus, *ring)

        assert isinstance(failure, AskCycle)
        assert failure.path == (ring[-1], *ring)

    async def test_two_that_ask_each_other_on_their_own_account(self, bus: LocalBus) -> None:
        outcomes: list[str] = []

        def asks(other: str):  # type: ignore[no-untyped-def]
            async def ask(envelope: Envelope) -> Message | None:
                if envelope.reply:
                    return Reply(n=1)
                await asyncio.sleep(1.0)
                try:
                    await bus.request(Question(), subject=other, timeout_s=9.0, cause=envelope)
                    outcomes.append("answered")
                except AskCycle:
                    outcomes.append("cycle")
                return None

            return ask

        bus.subscribe("a", asks("b"), name="a")
        bus.subscribe("b", asks("a"), name="b")
        bus.publish(Question(), subject="a")
        bus.publish(Question(), subject="b")
        await bus.drain(60.0)

        assert (sorted(outcomes), now_s()) == (["answered", "cycle"], 1.0)

    async def test_asking_together_is_found_too(self, bus: LocalBus) -> None:
        failures: list[BaseException] = []

        async def ask_both(envelope: Envelope) -> Message:
            asks = [
                bus.request(Question(), subject=subject, timeout_s=5.0, cause=envelope)
                for subject in ("free", "back")
            ]
            _, back = await asyncio.gather(*asks, return_exceptions=True)
            assert isinstance(back, BaseException)
            failures.append(back)
            return Reply()

        async def ask_back(envelope: Envelope) -> Message:
            return await bus.request(Question(), subject="a", timeout_s=5.0, cause=envelope)

        bus.subscribe("a", ask_both, name="a")
        bus.subscribe("free", double)
        bus.subscribe("back", ask_back, name="back")
        await bus.request(Question(), subject="a", timeout_s=60.0)

        assert "ask cycle: back -> a -> back" in str(failures[0])

    async def test_somebody_who_is_free_to_answer_is_no_cycle(self, bus: LocalBus) -> None:
        async def ask_all(envelope: Envelope) -> Message:
            if envelope.subject == "any":
                return Reply(n=-1)
            return await bus.request(Question(n=4), subject="any", timeout_s=5.0, cause=envelope)

        a = bus.subscribe("a", ask_all, name="a")
        bus.attach(a.mailbox, "any")
        bus.subscribe("any", double, name="free")

        assert await bus.request(Question(), subject="a", timeout_s=60.0) == Reply(n=8)

    async def test_asking_the_same_one_twice_is_no_cycle(self, bus: LocalBus) -> None:
        async def ask_twice(envelope: Envelope) -> Message:
            for _ in range(2):
                await bus.request(Question(), subject="b", timeout_s=5.0, cause=envelope)
            return Reply(n=9)

        bus.subscribe("a", ask_twice, name="a")
        bus.subscribe("b", double, name="b")

        assert await bus.request(Question(), subject="a", timeout_s=60.0) == Reply(n=9)

    async def test_an_envelope_tells_who_waits_for_its_answer(self, bus: LocalBus) -> None:
        chains: list[tuple[str, ...]] = []

        async def note_chain(envelope: Envelope) -> Message:
            chains.append(envelope.asking)
            return Reply()

        def asks(following: str):  # type: ignore[no-untyped-def]
            async def ask(envelope: Envelope) -> Message:
                return await bus.request(
                    Question(), subject=following, timeout_s=5.0, cause=envelope
                )

            return ask

        bus.subscribe("a", asks("b"), name="a")
        bus.subscribe("b", asks("c"), name="b")
        bus.subscribe("c", note_chain, name="c")
        await bus.request(Question(), subject="a", timeout_s=5.0)

        assert chains == [("a", "b")]
