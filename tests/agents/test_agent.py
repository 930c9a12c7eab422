"""What a class of agents declares, and what an agent can do while it handles a message."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar

import pytest
from mendel.agents import Agent, AgentConfig, Seat, Timer, on
from mendel.bus import Envelope, LocalBus, Message, Overflow
from mendel.bus.messages import Reconfigure, Reconfigured, RecoveryProposed
from mendel.core.effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from mendel.core.records import IncidentRecord
from mendel.errors import AskCycle, ConfigError, RequestTimeout
from mendel.scenarios.virtual_time import settle
from msgspec import Meta

pytestmark = pytest.mark.virtual_time


class Poke(Message, frozen=True, kw_only=True):
    n: int = 0
    target: str = ""


class HardPoke(Poke, frozen=True, kw_only=True):
    pass


class Ouch(Message, frozen=True, kw_only=True):
    n: int = 0


class SkinConfig(AgentConfig, frozen=True, kw_only=True):
    thickness_s: Annotated[float, Meta(gt=0)] = 1.0
    low: int = 1
    high: int = 5

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError(f"low={self.low} exceeds high={self.high}")


class ThickSkin(Agent[SkinConfig]):
    """Answers each poke, and notes all that happens to it."""

    def __init__(self, config: SkinConfig | None = None) -> None:
        super().__init__(config)
        self.seen: list[Any] = []

    @on(Poke)
    async def poke(self, poke: Poke) -> Ouch:
        self.seen.append(poke)
        return Ouch(n=poke.n)

    async def on_timer(self, timer: Timer) -> None:
        self.seen.append((timer.name, timer.key, self.now_s))

    def on_reconfigured(self, old: SkinConfig) -> None:
        self.seen.append((old.thickness_s, self.config.thickness_s))


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    async with LocalBus() as bus:
        yield bus


@asynccontextmanager
async def living(bus: LocalBus, agent: Agent[Any], **options: Any) -> AsyncIterator[Seat[Any]]:
    """Let an agent live on a seat of its own for a while."""
    seat = Seat(bus, type(agent), agent.config, **options)
    life = asyncio.create_task(seat.run(agent))
    await settle()
    try:
        yield seat
    finally:
        seat.stop()
        await life
        seat.close()


def published(bus: LocalBus, pattern: str = ">") -> list[Message]:
    heard: list[Message] = []
    bus.tap(lambda batch: heard.extend(envelope.message for envelope in batch), pattern)
    return heard


class TestDeclaration:
    def test_the_name_is_the_class_name_in_kebab_case_unless_given(self) -> None:
        class HTTPProbeAgent(Agent):
            pass

        class Named(Agent):
            name = "something-else"

        assert (ThickSkin.name, HTTPProbeAgent.name, Named.name) == (
            "thick-skin",
            "http-probe-agent",
            "something-else",
        )

    def test_the_config_is_the_nested_class_or_the_type_argument(self) -> None:
        class Nested(Agent):
            class Config(AgentConfig, frozen=True, kw_only=True):
                drain_s: float = 3.0

        class Heir(ThickSkin):
            pass

        assert Nested().config.drain_s == 3.0
        assert isinstance(Nested().config, Nested.Config)
        assert (ThickSkin.Config, Heir.Config) == (SkinConfig, SkinConfig)
        assert ThickSkin().config == SkinConfig()

    def test_two_methods_for_one_message_type_are_refused(self) -> None:
        with pytest.raises(TypeError, match=r"Torn\.one and \.two both handle Poke"):

            class Torn(Agent):
                @on(Poke)
                async def one(self, poke: Poke) -> None: ...

                @on(Poke)
                async def two(self, poke: Poke) -> None: ...

    async def test_a_subclass_may_override_a_handler_without_declaring_it_again(
        self, bus: LocalBus
    ) -> None:
        class Softer(ThickSkin):
            async def poke(self, poke: Poke) -> Ouch:
                return Ouch(n=-1)

        async with living(bus, Softer()):
            assert await bus.request(Poke(n=3), timeout_s=1.0) == Ouch(n=-1)

    async def test_a_subclass_may_handle_it_with_another_method(self, bus: LocalBus) -> None:
        class Other(ThickSkin):
            @on(Poke)
            def answer(self, poke: Poke) -> Ouch:
                return Ouch(n=-2)

        async with living(bus, Other()):
            assert await bus.request(Poke(n=3), timeout_s=1.0) == Ouch(n=-2)


class TestHandlers:
    @pytest.mark.parametrize("target", ["", "cart", "cart/2", "web>cart", "eu.cart"])
    async def test_a_type_is_heard_under_its_topic_and_everything_below(
        self, bus: LocalBus, target: str
    ) -> None:
        agent = ThickSkin()
        async with living(bus, agent):
            bus.publish(Poke(target=target))
            await settle()

        assert agent.seen == [Poke(target=target)]

    async def test_a_subclass_of_the_type_is_handled_too(self, bus: LocalBus) -> None:
        agent = ThickSkin()
        async with living(bus, agent):
            bus.publish(HardPoke(n=1), subject="poke")
            bus.publish(HardPoke(n=2), subject="poke")
            await settle()

        assert agent.seen == [HardPoke(n=1), HardPoke(n=2)]

    async def test_the_nearest_type_decides(self, bus: LocalBus) -> None:
        class Precise(Agent):
            @on(Poke)
            def poke(self, poke: Poke) -> Ouch:
                return Ouch(n=1)

            @on(HardPoke)
            def hard_poke(self, poke: HardPoke) -> Ouch:
                return Ouch(n=2)

        async with living(bus, Precise()):
            assert await bus.request(Poke(), timeout_s=1.0) == Ouch(n=1)
            assert await bus.request(HardPoke(), timeout_s=1.0) == Ouch(n=2)

    async def test_one_method_may_handle_several_types(self, bus: LocalBus) -> None:
        seen: list[Message] = []

        class Broad(Agent):
            @on(Poke)
            @on(Ouch)
            async def note(self, message: Message) -> None:
                seen.append(message)

        async with living(bus, Broad()):
            bus.publish(Poke())
            bus.publish(Ouch())
            await settle()

        assert seen == [Poke(), Ouch()]

    async def test_a_subject_can_be_chosen_and_hold_the_agents_name(self, bus: LocalBus) -> None:
        seen: list[Message] = []

        class Picky(Agent):
            @on(Poke, subject="for.{name}")
            async def note(self, poke: Poke) -> None:
                seen.append(poke)

        async with living(bus, Picky(), name="me"):
            bus.publish(Poke(n=1))
            bus.publish(Poke(n=2), subject="for.me")
            bus.publish(Poke(n=3), subject="for.picky")
            await settle()

        assert seen == [Poke(n=2)]

    async def test_a_message_without_a_handler_is_a_dead_letter(self, bus: LocalBus) -> None:
        async with living(bus, ThickSkin()):
            bus.publish(Ouch(), subject="poke.x")
            await settle()

        (letter,) = bus.dead_letters
        assert (letter.reason, letter.detail) == ("no_handler", "ThickSkin has no handler for Ouch")

    async def test_overflow_and_queue_group_are_those_of_the_handler(self, bus: LocalBus) -> None:
        class Worker(ThickSkin):
            @on(Poke, queue="workers", overflow=Overflow.DROP_NEWEST)
            async def poke(self, poke: Poke) -> Ouch:
                self.seen.append(poke.n)
                return Ouch()

        seats = [Seat(bus, Worker, name=f"worker-{n}", capacity=1) for n in range(2)]
        agents = [Worker(), Worker()]
        for n in range(3):
            bus.publish(Poke(n=n))
        lives = [
            asyncio.create_task(seat.run(agent)) for seat, agent in zip(seats, agents, strict=True)
        ]
        await settle()
        for seat in seats:
            seat.stop()
        await asyncio.gather(*lives)

        assert [agent.seen for agent in agents] == [[0], [1]]
        assert bus.stats().dead == {"mailbox_full": 1}

    async def test_messages_are_handled_one_at_a_time(self, bus: LocalBus) -> None:
        running = 0
        most = 0

        class Slow(Agent):
            @on(Poke)
            async def poke(self, poke: Poke) -> None:
                nonlocal running, most
                running += 1
                most = max(most, running)
                await asyncio.sleep(1.0)
                running -= 1

        async with living(bus, Slow()):
            for _ in range(5):
                bus.publish(Poke())
            assert await bus.drain(60.0)

        assert (most, asyncio.get_running_loop().time()) == (1, 5.0)


class TestTalking:
    async def test_what_it_publishes_is_caused_by_the_message_in_hand(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        bus.subscribe("ouch", heard.append)

        class Loud(Agent):
            @on(Poke)
            async def poke(self, poke: Poke) -> None:
                await self.publish(Ouch(n=poke.n))

        async with living(bus, Loud()):
            bus.publish(Poke(n=1))
            await settle()

        assert heard == [Envelope(2, "ouch", Ouch(n=1), 0.0, cause=1, trace=1, sender="loud")]

    async def test_a_spawned_task_speaks_for_the_message_that_it_was_spawned_for(
        self, bus: LocalBus
    ) -> None:
        heard: list[Envelope] = []
        bus.subscribe("ouch", heard.append)

        class Later(Agent):
            @on(Poke)
            async def poke(self, poke: Poke) -> Ouch:
                self.spawn(self._later(poke.n), name="later")
                return Ouch()

            async def _later(self, n: int) -> None:
                await asyncio.sleep(10.0)
                await self.publish(Ouch(n=n))

        async with living(bus, Later()):
            await bus.request(Poke(n=1), timeout_s=1.0)
            await bus.request(Poke(n=2), timeout_s=1.0)
            await asyncio.sleep(11.0)

        assert {(e.message, e.cause) for e in heard} == {(Ouch(n=1), 1), (Ouch(n=2), 2)}

    async def test_it_asks_with_the_deadline_of_the_request_in_hand(self, bus: LocalBus) -> None:
        class Front(Agent):
            @on(Poke)
            async def poke(self, poke: Poke) -> Message:
                return await self.request(Ouch(), timeout_s=60.0)

        async def think(envelope: Envelope) -> None:
            deadlines.append(envelope.deadline_s)
            await asyncio.sleep(10.0)

        deadlines: list[float | None] = []
        bus.subscribe("ouch", think)
        seat = Seat(bus, Front)
        life = asyncio.create_task(seat.run(Front()))
        with pytest.raises(RequestTimeout):
            await bus.request(Poke(), timeout_s=2.0)

        assert deadlines == [2.0]
        with pytest.raises(RequestTimeout):
            await life

    async def test_agents_that_ask_each_other_are_told_at_once(self, bus: LocalBus) -> None:
        told: list[tuple[str, ...]] = []

        class Left(Agent):
            @on(Poke)
            async def poke(self, poke: Poke) -> Message:
                return await self.request(Ouch(), timeout_s=60.0)

        class Right(Agent):
            @on(Ouch)
            async def ouch(self, ouch: Ouch) -> Message:
                try:
                    return await self.request(Poke(), timeout_s=60.0)
                except AskCycle as error:
                    told.append(error.path)
                    return Ouch(n=7)

        async with living(bus, Left()), living(bus, Right()):
            assert await bus.request(Poke(), timeout_s=60.0) == Ouch(n=7)

        assert told == [("right", "left", "right")]

    async def test_a_spawned_task_may_ask_back_because_the_mailbox_is_free(
        self, bus: LocalBus
    ) -> None:
        class Asker(ThickSkin):
            async def on_start(self) -> None:
                self.spawn(self._ask(), name="ask")

            async def _ask(self) -> None:
                self.seen += await self.request_all(Ouch(), timeout_s=60.0)

        async def ask_back(envelope: Envelope) -> Message:
            return await bus.request(Poke(n=5), timeout_s=60.0, cause=envelope)

        bus.subscribe("ouch", ask_back)
        agent = Asker()
        async with living(bus, agent):
            pass

        assert agent.seen == [Poke(n=5), Ouch(n=5)]


class Journal:
    def __init__(self) -> None:
        self.notes: list[object] = []

    def note(self, record: object) -> None:
        self.notes.append(record)


class Doer(ThickSkin):
    """Performs what it is made with at the first poke."""

    def __init__(self, config: SkinConfig | None = None, effects: tuple[Effect, ...] = ()) -> None:
        super().__init__(config)
        self.effects = effects

    async def poke(self, poke: Poke) -> Ouch:
        await self.perform(self.effects)
        self.seen.append("performed")
        return Ouch()

    def consult(self, proposal: RecoveryProposed) -> None:
        self.seen.append(proposal.action)


class TestEffects:
    async def test_all_are_carried_out_in_order(self, bus: LocalBus) -> None:
        record = IncidentRecord(
            incident="i", target="cart", stage="open", reason="", at_s=0.0, onset_s=0.0
        )
        proposal = RecoveryProposed(
            target="cart", incident="i", action="restart", attempt=1, deadline_s=9.0
        )
        journal = Journal()
        heard = published(bus, "ouch")
        agent = Doer(
            effects=(
                Record(record),
                Publish(Ouch(n=1)),
                StartTimer("verify", "cart", 10.0),
                StartTimer("verify", "db", 20.0),
                CancelTimer("verify", "cart"),
                Publish(Ouch(n=2)),
                Consult(proposal),
            )
        )
        async with living(bus, agent, journal=journal):
            bus.publish(Poke())
            await asyncio.sleep(60.0)

        assert journal.notes == [record]
        assert heard == [Ouch(n=1), Ouch(n=2)]
        assert agent.seen == ["restart", "performed", ("verify", "db", 20.0)]

    async def test_a_list_is_never_half_done_even_if_the_agent_is_killed_while_it_waits(
        self, bus: LocalBus
    ) -> None:
        hold = asyncio.Event()
        heard: list[int] = []

        async def slowly(envelope: Envelope) -> None:
            heard.append(envelope.id)
            await hold.wait()

        bus.subscribe("ouch", slowly, capacity=1)
        agent = Doer(effects=(*(Publish(Ouch(n=n)) for n in range(5)), StartTimer("t", "", 50.0)))
        seat = Seat(bus, Doer)
        life = asyncio.create_task(seat.run(agent))
        bus.publish(Poke())
        await settle()
        assert agent.seen == []  # It waits for room.

        life.cancel()
        with pytest.raises(asyncio.CancelledError):
            await life
        hold.set()
        await settle()

        assert heard == [2, 3, 4, 5, 6]
        assert len(seat.timers) == 1

    async def test_a_record_needs_a_journal(self, bus: LocalBus) -> None:
        record = IncidentRecord(
            incident="i", target="cart", stage="open", reason="", at_s=0.0, onset_s=0.0
        )
        seat = Seat(bus, Doer)
        bus.publish(Poke())

        with pytest.raises(AssertionError, match="doer was given no journal"):
            await seat.run(Doer(effects=(Record(record),)))

    async def test_an_agent_that_cannot_consult_says_so(self, bus: LocalBus) -> None:
        proposal = RecoveryProposed(
            target="cart", incident="i", action="restart", attempt=1, deadline_s=9.0
        )

        class Alone(Agent):
            @on(Poke)
            async def poke(self, poke: Poke) -> None:
                await self.perform([Consult(proposal)])

        seat = Seat(bus, Alone)
        bus.publish(Poke())

        with pytest.raises(NotImplementedError, match="alone cannot consult others"):
            await seat.run(Alone())

    async def test_an_unknown_effect_is_a_bug(self, bus: LocalBus) -> None:
        seat = Seat(bus, Doer)
        bus.publish(Poke())

        with pytest.raises(AssertionError):
            await seat.run(Doer(effects=("wish",)))  # type: ignore[arg-type]

    async def test_timers_can_be_started_without_a_core(self, bus: LocalBus) -> None:
        agent = ThickSkin()
        async with living(bus, agent):
            agent.start_timer("a", 10.0)
            agent.start_timer("b", 20.0, key="x")
            agent.cancel_timer("a")
            await asyncio.sleep(60.0)

        assert agent.seen == [("b", "x", 20.0)]


class TestReconfiguring:
    async def ask(self, bus: LocalBus, **settings: Any) -> Message:
        wish = Reconfigure(agent="thick-skin", settings=settings)
        return await bus.request(wish, timeout_s=1.0)

    async def test_fields_are_changed_together_and_the_agent_is_told(self, bus: LocalBus) -> None:
        agent = ThickSkin(SkinConfig(low=2))
        async with living(bus, agent) as seat:
            answer = await self.ask(bus, thickness_s=3, high=9)

        assert answer == Reconfigured(agent="thick-skin", accepted=True)
        assert agent.config == SkinConfig(thickness_s=3.0, low=2, high=9)
        assert seat.config == agent.config
        assert agent.seen == [(1.0, 3.0)]

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"thickness_s": 0}, "Expected `float` > 0.0 - at `$.thickness_s`"),
            ({"low": 4, "thinness": 1.0}, "Object contains unknown field `thinness`"),
            ({"low": "many"}, "Expected `int`, got `str` - at `$.low`"),
            ({"thickness_s": 2.0, "low": 9}, "low=9 exceeds high=5"),
        ],
    )
    async def test_one_wrong_field_leaves_the_old_config_whole(
        self, bus: LocalBus, settings: dict[str, Any], reason: str
    ) -> None:
        agent = ThickSkin()
        async with living(bus, agent):
            answer = await self.ask(bus, **settings)

        assert answer == Reconfigured(agent="thick-skin", accepted=False, reason=reason)
        assert (agent.config, agent.seen) == (SkinConfig(), [])

    async def test_the_agent_itself_may_refuse(self, bus: LocalBus) -> None:
        class Stubborn(ThickSkin):
            name = "thick-skin"

            def on_reconfigured(self, old: SkinConfig) -> None:
                raise ConfigError("not while an action runs")

        agent = Stubborn()
        async with living(bus, agent):
            answer = await self.ask(bus, low=2)

        assert answer == Reconfigured(
            agent="thick-skin", accepted=False, reason="not while an action runs"
        )
        assert agent.config == SkinConfig()

    async def test_a_bug_while_it_changes_crashes_it_and_the_next_life_has_the_old_config(
        self, bus: LocalBus
    ) -> None:
        class Buggy(ThickSkin):
            name = "thick-skin"

            def on_reconfigured(self, old: SkinConfig) -> None:
                raise KeyError("bug")

        seat = Seat(bus, Buggy)
        life = asyncio.create_task(seat.run(Buggy()))
        bus.publish(Reconfigure(agent="thick-skin", settings={"low": 2}))

        with pytest.raises(KeyError):
            await life
        assert seat.config == SkinConfig()

    async def test_without_an_asker_the_outcome_is_published(self, bus: LocalBus) -> None:
        heard = published(bus, "reconfigured")
        async with living(bus, ThickSkin()):
            bus.publish(Reconfigure(agent="thick-skin", settings={"low": 2}))
            bus.publish(Reconfigure(agent="somebody-else", settings={"low": 2}))
            await settle()

        assert heard == [Reconfigured(agent="thick-skin", accepted=True)]


def test_handlers_are_found_once_per_class() -> None:
    class Traced(Agent):
        calls: ClassVar[list[str]] = []

        @on(Poke)
        async def poke(self, poke: Poke) -> None: ...

    def handlers() -> Iterator[object]:
        yield Traced.handler_of(HardPoke)
        yield Traced.handler_of(Poke)
        yield Traced.handler_of(Ouch)

    assert list(handlers()) == list(handlers()) == [*[Traced.handlers[Poke]] * 2, None]
