"""Publishing and subscribing: who hears what, in which order, and what a full mailbox does."""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator

import pytest
from mendel.bus import DeadReason, Envelope, LocalBus, MailboxStats, Message, Overflow
from mendel.bus.consumers import Handler
from mendel.errors import BusClosed, SubjectError
from mendel.scenarios.virtual_time import settle

pytestmark = pytest.mark.virtual_time


class Note(Message, frozen=True, kw_only=True):
    n: int = 0
    target: str = ""


class Alert(Note, frozen=True, kw_only=True):
    topic = "system.alert"


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    async with LocalBus() as bus:
        yield bus


class Listener:
    """Keeps what it hears; handles nothing while its gate is shut."""

    def __init__(self, *, shut: bool = False) -> None:
        self.heard: list[int] = []
        self.envelopes: list[Envelope] = []
        self.gate = asyncio.Event()
        if not shut:
            self.gate.set()

    async def __call__(self, envelope: Envelope) -> None:
        await self.gate.wait()
        self.envelopes.append(envelope)
        self.heard.append(envelope.message.n)  # type: ignore[attr-defined]


async def send(bus: LocalBus, *numbers: int) -> list[asyncio.Future[None]]:
    """Publish without waiting for room; after each message, let everything happen that can."""
    sends: list[asyncio.Future[None]] = []
    for number in numbers:
        sends.append(asyncio.ensure_future(bus.publish(Note(n=number))))
        await settle()
    return sends


def dead(bus: LocalBus) -> list[tuple[int, str]]:
    return [(letter.envelope.message.n, str(letter.reason)) for letter in bus.dead_letters]  # type: ignore[attr-defined]


class TestSubscribing:
    async def test_a_message_reaches_all_whose_pattern_matches(self, bus: LocalBus) -> None:
        one, tree, everything, other = Listener(), Listener(), Listener(), Listener()
        bus.subscribe("note.cart", one)
        bus.subscribe("note.>", tree)
        bus.subscribe(">", everything)
        bus.subscribe("note.*.deep", other)

        await bus.publish(Note(n=1, target="cart"))
        await bus.publish(Note(n=2, target="db"))
        await settle()

        assert (one.heard, tree.heard, everything.heard, other.heard) == ([1], [1, 2], [1, 2], [])

    async def test_a_message_can_be_sent_to_another_subject(self, bus: LocalBus) -> None:
        listener = Listener()
        bus.subscribe("elsewhere", listener)

        await bus.publish(Note(n=1), subject="elsewhere")
        await settle()

        assert listener.heard == [1]

    @pytest.mark.parametrize("kind", ["function", "method", "partial", "coroutine function"])
    async def test_any_callable_can_listen(self, bus: LocalBus, kind: str) -> None:
        heard: list[Envelope] = []

        async def listen(into: list[Envelope], envelope: Envelope) -> None:
            into.append(envelope)

        async def listen_here(envelope: Envelope) -> None:
            heard.append(envelope)

        handlers: dict[str, Handler] = {
            "function": lambda envelope: heard.append(envelope),
            "method": heard.append,
            "partial": functools.partial(listen, heard),
            "coroutine function": listen_here,
        }
        bus.subscribe("note", handlers[kind])

        await bus.publish(Note())
        await settle()

        assert len(heard) == 1

    async def test_a_message_published_by_a_handler_knows_its_cause(self, bus: LocalBus) -> None:
        last = Listener()

        async def pass_on(envelope: Envelope) -> None:
            await bus.publish(Note(n=2), subject="second", cause=envelope, sender="relay")

        bus.subscribe("note", pass_on)
        bus.subscribe("second", last)
        await bus.publish(Note(n=0), subject="unrelated")
        await asyncio.sleep(5.0)
        await bus.publish(Note(n=1))
        await settle()

        assert last.envelopes == [
            Envelope(3, "second", Note(n=2), sent_s=5.0, cause=2, trace=2, sender="relay")
        ]

    async def test_who_unsubscribes_hears_nothing_more(self, bus: LocalBus) -> None:
        listener, other = Listener(), Listener()
        subscription = bus.subscribe("note", listener)
        bus.subscribe("note", other)
        await send(bus, 1)

        subscription.unsubscribe()
        subscription.unsubscribe()
        await send(bus, 2)

        assert (listener.heard, other.heard) == ([1], [1, 2])
        assert [mailbox.name for mailbox in bus.stats().mailboxes] == ["note"]

    async def test_what_waits_when_somebody_unsubscribes_is_dead_and_what_is_in_hand_is_not(
        self, bus: LocalBus
    ) -> None:
        listener = Listener(shut=True)
        subscription = bus.subscribe("note", listener)
        await send(bus, 1, 2, 3)

        subscription.unsubscribe()
        listener.gate.set()
        await settle()

        assert listener.heard == [1]
        assert dead(bus) == [(2, "closed"), (3, "closed")]

    async def test_a_handler_may_unsubscribe_itself(self, bus: LocalBus) -> None:
        heard: list[int] = []

        async def once(envelope: Envelope) -> None:
            heard.append(envelope.id)
            subscription.unsubscribe()

        subscription = bus.subscribe("note", once)
        await send(bus, 1)
        await send(bus, 2)

        assert heard == [1]
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "note"]

    async def test_a_bad_pattern_leaves_nothing_behind(self, bus: LocalBus) -> None:
        with pytest.raises(SubjectError, match="empty token"):
            bus.subscribe("a..b", Listener())

        assert bus.stats().mailboxes == ()

    async def test_a_bad_subject_is_the_senders_error(self, bus: LocalBus) -> None:
        with pytest.raises(SubjectError, match="whitespace"):
            bus.publish(Note(target="two words"))

        assert bus.stats().published == 0

    async def test_a_mailbox_holds_at_least_one_message(self, bus: LocalBus) -> None:
        with pytest.raises(ValueError, match="capacity of mailbox 'note' is 0"):
            bus.subscribe("note", Listener(), capacity=0)

    async def test_it_can_be_asked_whether_anybody_would_hear(self, bus: LocalBus) -> None:
        bus.subscribe("note.>", Listener(), queue="workers")

        assert bus.has_subscribers("note.cart") is True
        assert bus.has_subscribers("note") is False


class TestOrder:
    async def test_messages_of_one_sender_keep_their_order_even_if_it_never_waits(
        self, bus: LocalBus
    ) -> None:
        listener = Listener()
        bus.subscribe("note", listener, capacity=2)

        for number in range(20):
            bus.publish(Note(n=number))
        await settle()

        assert listener.heard == list(range(20))

    async def test_the_system_lane_goes_first_and_is_never_full(self, bus: LocalBus) -> None:
        listener = Listener(shut=True)
        bus.subscribe(">", listener, capacity=1, overflow=Overflow.DROP_NEWEST)
        await send(bus, 0, 1)  # The first is in hand, the second fills the mailbox.

        for number in range(100, 110):
            bus.publish(Alert(n=number))
        (stats,) = bus.stats().mailboxes
        listener.gate.set()
        await settle()

        assert (stats.depth, stats.system_depth) == (1, 10)
        assert listener.heard == [0, *range(100, 110), 1]

    async def test_other_tasks_get_a_turn_while_a_mailbox_is_never_empty(
        self, bus: LocalBus
    ) -> None:
        handled = 0

        async def again(envelope: Envelope) -> None:
            nonlocal handled
            handled += 1
            if not stopped:
                bus.publish(Note(), cause=envelope)

        def again_at_once(envelope: Envelope) -> None:
            bus.publish(Note(), subject="other", cause=envelope)

        stopped = False
        bus.subscribe("note", again)
        synchronous = bus.subscribe("other", again_at_once)
        bus.publish(Note())
        bus.publish(Note(), subject="other")
        for _ in range(5):
            await asyncio.sleep(0)
        stopped = True
        synchronous.unsubscribe()

        assert handled >= 512


class TestBursts:
    async def test_a_burst_arrives_in_order_wherever_its_messages_go(self, bus: LocalBus) -> None:
        notes, alerts, everything = Listener(), Listener(), Listener()
        bus.subscribe("note.>", notes, capacity=2)
        bus.subscribe("system.>", alerts)
        bus.subscribe("note.b", everything, queue="workers")
        burst = [
            Note(n=0, target="a"),
            Note(n=1, target="a"),
            Note(n=2, target="b"),
            Alert(n=3),
            Note(n=4, target="a"),
            Note(n=5, target="a"),
            Note(n=6, target="a"),
        ]

        bus.publish_many(burst)
        await settle()

        assert notes.heard == [0, 1, 2, 4, 5, 6]
        assert (alerts.heard, everything.heard) == ([3], [2])

    async def test_its_sender_waits_until_the_last_one_has_room(self, bus: LocalBus) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note", listener, capacity=2)

        burst = asyncio.ensure_future(bus.publish_many(Note(n=n) for n in range(6)))
        await settle()
        assert burst.done() is False

        listener.gate.set()
        await settle()
        assert (burst.done(), listener.heard) == (True, list(range(6)))

    async def test_it_costs_nothing_to_send_nothing(self, bus: LocalBus) -> None:
        await bus.publish_many([])

        assert bus.stats().published == 0

    async def test_one_bad_subject_and_nothing_is_sent(self, bus: LocalBus) -> None:
        bus.subscribe("note.>", Listener())

        with pytest.raises(SubjectError):
            bus.publish_many([Note(target="a"), Note(target="two words")])

        assert bus.stats().published == 0

    async def test_its_messages_know_their_cause_and_are_tapped(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        bus.tap(heard.extend)

        def pass_on(envelope: Envelope) -> None:
            bus.publish_many([Note(n=1), Note(n=2)], cause=envelope, sender="relay")

        bus.subscribe("start", pass_on)
        bus.publish(Note(), subject="start")
        await settle()

        assert [(e.id, e.cause, e.trace, e.sender) for e in heard] == [
            (1, 0, 1, ""),
            (2, 1, 1, "relay"),
            (3, 1, 1, "relay"),
        ]

    async def test_a_closed_bus_takes_none(self) -> None:
        bus = LocalBus()
        await bus.close(1.0)

        with pytest.raises(BusClosed):
            bus.publish_many([Note()])


class TestBlocking:
    async def test_a_sender_waits_until_there_is_room(self, bus: LocalBus) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note", listener, capacity=2)

        sends = await send(bus, 0, 1, 2, 3, 4)  # 0 is in hand; 1 and 2 wait; 3 and 4 are parked.
        assert [each.done() for each in sends] == [True, True, True, False, False]
        assert bus.stats().mailboxes == (
            MailboxStats(
                name="note",
                depth=4,
                system_depth=0,
                parked=2,
                high_water=4,
                age_s=0.0,
                taken=1,
                dropped={},
            ),
        )

        listener.gate.set()
        await settle()
        assert listener.heard == [0, 1, 2, 3, 4]
        assert all(each.done() for each in sends)

    async def test_a_sender_that_is_cancelled_while_it_waits_has_lost_nothing(
        self, bus: LocalBus
    ) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note", listener, capacity=1)
        sends = await send(bus, 0, 1, 2, 3)

        sends[2].cancel()
        listener.gate.set()
        await settle()

        assert listener.heard == [0, 1, 2, 3]
        assert [each.cancelled() for each in sends] == [False, False, True, False]

    async def test_a_sender_waits_for_the_slowest_of_all(self, bus: LocalBus) -> None:
        slow, slower, quick = Listener(shut=True), Listener(shut=True), Listener()
        for listener in (slow, slower, quick):
            bus.subscribe("note", listener, capacity=1)
        sends = await send(bus, 0, 1, 2)

        slow.gate.set()
        await settle()
        assert (quick.heard, slow.heard, slower.heard) == ([0, 1, 2], [0, 1, 2], [])
        assert sends[2].done() is False

        slower.gate.set()
        await settle()
        assert sends[2].done() is True

    async def test_who_never_waits_loses_what_cannot_be_parked_any_more(
        self, bus: LocalBus
    ) -> None:
        listener = Listener(shut=True)
        mailbox = bus.subscribe("note", listener, capacity=1).mailbox
        mailbox.parked_limit = 2

        await send(bus, 0, 1, 2, 3, 4, 5)
        listener.gate.set()
        await settle()

        assert listener.heard == [0, 1, 2, 3]
        assert dead(bus) == [(4, "parked_full"), (5, "parked_full")]

    async def test_unsubscribing_lets_waiting_senders_go_on(self, bus: LocalBus) -> None:
        subscription = bus.subscribe("note", Listener(shut=True), capacity=1)
        sends = await send(bus, 0, 1, 2)

        subscription.unsubscribe()
        await settle()

        assert sends[2].done() is True


class TestDropping:
    async def test_drop_newest_keeps_what_came_first(self, bus: LocalBus) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note", listener, capacity=2, overflow=Overflow.DROP_NEWEST)
        await send(bus, 0, 1, 2, 3, 4)

        listener.gate.set()
        await settle()

        assert listener.heard == [0, 1, 2]
        assert dead(bus) == [(3, "mailbox_full"), (4, "mailbox_full")]

    async def test_drop_oldest_keeps_what_came_last(self, bus: LocalBus) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note", listener, capacity=2, overflow=Overflow.DROP_OLDEST)
        await send(bus, 0, 1, 2, 3, 4)

        listener.gate.set()
        await settle()

        assert listener.heard == [0, 3, 4]
        assert dead(bus) == [(1, "dropped_oldest"), (2, "dropped_oldest")]

    async def test_latest_keeps_one_message_per_key_in_the_place_of_the_first(
        self, bus: LocalBus
    ) -> None:
        listener = Listener(shut=True)
        bus.subscribe(
            "note.>", listener, overflow=Overflow.LATEST, key=lambda envelope: envelope.subject
        )
        bus.publish(Note(n=0, target="x"))
        await settle()  # In hand, so it is not replaced any more.
        for number, target in ((1, "cart"), (2, "db"), (3, "cart"), (4, "x"), (5, "cart")):
            bus.publish(Note(n=number, target=target))

        listener.gate.set()
        await settle()

        assert listener.heard == [0, 5, 2, 4]
        assert bus.stats().dead == {"superseded": 2}
        assert bus.stats().mailboxes[0].dropped == {"superseded": 2}
        assert dead(bus) == []  # Counted, but not worth keeping.

    async def test_latest_goes_by_the_subject_and_drops_the_oldest_key_when_full(
        self, bus: LocalBus
    ) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note.>", listener, overflow=Overflow.LATEST, capacity=2)
        for number, target in ((0, "x"), (1, "a"), (2, "b"), (3, "c"), (4, "b")):
            bus.publish(Note(n=number, target=target))
            await settle()

        listener.gate.set()
        await settle()

        assert listener.heard == [0, 4, 3]
        assert dead(bus) == [(1, "dropped_oldest")]


class TestOneMailboxWithSeveralSubscriptions:
    async def test_a_message_that_two_patterns_match_comes_once(self, bus: LocalBus) -> None:
        mailbox = bus.mailbox("actor")
        bus.attach(mailbox, "note.>")
        bus.attach(mailbox, "note.cart")
        bus.attach(mailbox, "*.cart", queue="workers")

        bus.publish(Note(n=1, target="cart"))

        assert len(mailbox) == 1

    async def test_each_subscription_drops_its_own_messages_only(self, bus: LocalBus) -> None:
        mailbox = bus.mailbox("actor", capacity=3)
        bus.attach(mailbox, "command")
        bus.attach(mailbox, "note", overflow=Overflow.DROP_OLDEST)
        bus.publish(Note(n=1), subject="command")
        bus.publish(Note(n=2))
        bus.publish(Note(n=3), subject="command")

        bus.publish(Note(n=4))  # Takes the place of 2, not of 1.
        bus.publish(Note(n=5), subject="command")  # Parked.
        waiting = [mailbox.take() for _ in range(4)]

        assert [e.message.n for e in waiting if e] == [1, 3, 4, 5]  # type: ignore[attr-defined]
        assert dead(bus) == [(2, "dropped_oldest")]

    async def test_a_droppable_message_is_dropped_itself_when_nothing_else_may_be(
        self, bus: LocalBus
    ) -> None:
        mailbox = bus.mailbox("actor", capacity=1)
        bus.attach(mailbox, "command")
        bus.attach(mailbox, "note", overflow=Overflow.DROP_OLDEST)
        bus.publish(Note(n=1), subject="command")

        bus.publish(Note(n=2))

        assert dead(bus) == [(2, "mailbox_full")]

    async def test_what_waits_beyond_a_number_can_be_given_up_oldest_first(
        self, bus: LocalBus
    ) -> None:
        mailbox = bus.mailbox("actor", capacity=3)
        bus.attach(mailbox, "note")
        bus.publish(Alert(n=9), subject="system.x")
        rooms = [bus.publish(Note(n=number)) for number in range(5)]  # Two are parked.

        assert mailbox.shed(2) == 3
        waiting = [mailbox.take() for _ in range(2)]
        await asyncio.gather(*rooms)

        assert [e.message.n for e in waiting if e] == [3, 4]  # type: ignore[attr-defined]
        assert dead(bus) == [(number, "dropped_oldest") for number in range(3)]
        assert mailbox.shed(2) == 0

    async def test_one_subscription_can_end_before_the_others(self, bus: LocalBus) -> None:
        mailbox = bus.mailbox("actor")
        subscription = bus.attach(mailbox, "note")
        bus.attach(mailbox, "other")

        subscription.unsubscribe()
        bus.publish(Note(n=1))
        bus.publish(Note(n=2), subject="other")

        assert len(mailbox) == 1

    async def test_a_discarded_mailbox_hears_nothing_more(self, bus: LocalBus) -> None:
        mailbox = bus.mailbox("actor")
        bus.attach(mailbox, "note")
        bus.publish(Alert(n=1), subject="system.x")
        bus.publish(Note(n=1))

        bus.discard(mailbox)
        bus.discard(mailbox)
        bus.publish(Note(n=2))

        assert dead(bus) == [(1, "closed")]
        assert len(mailbox) == 0


class TestQueueGroups:
    async def test_members_take_turns(self, bus: LocalBus) -> None:
        members = [Listener() for _ in range(3)]
        for member in members:
            bus.subscribe("note", member, queue="workers")

        await send(bus, *range(7))

        assert [member.heard for member in members] == [[0, 3, 6], [1, 4], [2, 5]]

    async def test_turns_go_on_from_subject_to_subject(self, bus: LocalBus) -> None:
        members = [Listener() for _ in range(2)]
        for member in members:
            bus.subscribe("note.>", member, queue="workers")

        for number in range(4):
            bus.publish(Note(n=number, target=f"t{number}"))
        await settle()

        assert [member.heard for member in members] == [[0, 2], [1, 3]]

    async def test_a_full_member_is_passed_over_while_another_has_room(self, bus: LocalBus) -> None:
        full, free = Listener(shut=True), Listener()
        bus.subscribe("note", full, queue="workers", capacity=1)
        bus.subscribe("note", free, queue="workers")

        for number in range(7):
            await send(bus, number)
        full.gate.set()
        await settle()

        assert (full.heard, free.heard) == ([0, 2], [1, 3, 4, 5, 6])

    async def test_when_all_are_full_the_next_one_decides_by_its_policy(
        self, bus: LocalBus
    ) -> None:
        members = [Listener(shut=True) for _ in range(2)]
        for member in members:
            bus.subscribe(
                "note", member, queue="workers", capacity=1, overflow=Overflow.DROP_NEWEST
            )

        for number in range(6):
            await send(bus, number)

        assert dead(bus) == [(4, "mailbox_full"), (5, "mailbox_full")]

    async def test_each_group_and_each_plain_listener_gets_it(self, bus: LocalBus) -> None:
        groups = [[Listener(), Listener()] for _ in range(2)]
        plain = Listener()
        bus.subscribe("note", plain)
        for number, group in enumerate(groups):
            for member in group:
                bus.subscribe("note", member, queue=f"group {number}")

        await send(bus, 1)

        assert plain.heard == [1]
        assert [sum(len(member.heard) for member in group) for group in groups] == [1, 1]

    async def test_the_rest_goes_on_when_a_member_leaves(self, bus: LocalBus) -> None:
        stays, leaves = Listener(), Listener()
        bus.subscribe("note", stays, queue="workers")
        subscription = bus.subscribe("note", leaves, queue="workers")
        await send(bus, 0, 1)

        subscription.unsubscribe()
        await send(bus, 2, 3)

        assert (stays.heard, leaves.heard) == ([0, 2, 3], [1])


class TestFailingHandlers:
    async def test_a_failing_handler_costs_its_message_only(self, bus: LocalBus) -> None:
        heard: list[int] = []

        async def fail_on_one(envelope: Envelope) -> None:
            if envelope.message == Note(n=1):
                raise ValueError("no ones please")
            heard.append(envelope.id)

        bus.subscribe("note", fail_on_one, name="picky")
        await send(bus, 0, 1, 2)

        (letter,) = bus.dead_letters
        assert heard == [1, 3]
        assert (letter.reason, letter.mailbox, letter.detail) == (
            DeadReason.HANDLER_FAILED,
            "picky",
            "ValueError: no ones please",
        )
        assert bus.stats().mailboxes[0].dropped == {"handler_failed": 1}

    async def test_so_does_a_failing_plain_function(self, bus: LocalBus) -> None:
        heard: list[int] = []

        def fail_on_one(envelope: Envelope) -> None:
            if envelope.message == Note(n=1):
                raise ValueError
            heard.append(envelope.id)

        bus.subscribe("note", fail_on_one)
        await send(bus, 0, 1, 2)

        assert heard == [1, 3]
        assert [letter.detail for letter in bus.dead_letters] == ["ValueError"]

    async def test_a_plain_function_that_returns_a_coroutine_is_told_so(
        self, bus: LocalBus
    ) -> None:
        listener = Listener()
        bus.subscribe("note", lambda envelope: listener(envelope))

        await send(bus, 1)

        (letter,) = bus.dead_letters
        assert "make it async" in letter.detail
        assert listener.heard == []


class TestDeadLetters:
    async def test_only_the_newest_are_kept_but_all_are_counted(self) -> None:
        async with LocalBus(dead_letters_kept=2) as bus:
            bus.subscribe("note", Listener(shut=True), capacity=1, overflow=Overflow.DROP_NEWEST)
            await send(bus, *range(7))

            assert [n for n, _ in dead(bus)] == [5, 6]
            assert len(bus.dead_letters) == 2
            assert bus.stats().dead == {"mailbox_full": 5}

    async def test_listeners_are_told_until_they_leave(self, bus: LocalBus) -> None:
        told: list[DeadReason] = []
        leave = bus.dead_letters.listen(lambda letter: told.append(letter.reason))
        bus.subscribe("note", Listener(shut=True), capacity=1, overflow=Overflow.DROP_NEWEST)
        await send(bus, 0, 1, 2)

        leave()
        await send(bus, 3)

        assert told == [DeadReason.MAILBOX_FULL]

    async def test_the_log_has_one_line_per_reason_and_second(
        self, bus: LocalBus, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "mendel.bus")
        bus.subscribe("note", Listener(shut=True), capacity=1, overflow=Overflow.DROP_NEWEST)
        await send(bus, *range(10))  # Eight too many.
        await asyncio.sleep(1.0)
        await send(bus, 10, 11)

        assert [record.getMessage() for record in caplog.records] == [
            "dead letter (mailbox_full) at note: Note on note; "
            "0 more of this kind not logged before it",
            "dead letter (mailbox_full) at note: Note on note; "
            "7 more of this kind not logged before it",
        ]


class TestWhetherATopicIsHeard:
    @pytest.mark.parametrize(
        ("pattern", "heard"),
        [
            ("note.cart", True),
            ("note.>", True),
            ("*.cart", True),
            ("note.*.deep", True),
            ("*.*.deep", True),
            (">", True),
            ("notes.cart", False),
            ("other.>", False),
        ],
    )
    async def test_by_those_whose_pattern_may_meet_it(
        self, bus: LocalBus, pattern: str, heard: bool
    ) -> None:
        assert not bus.is_heard("note")

        subscription = bus.subscribe(pattern, Listener())
        assert bus.is_heard("note") is heard
        subscription.unsubscribe()
        assert not bus.is_heard("note")

        tap = bus.tap(lambda _: None, pattern)
        assert bus.is_heard("note") is heard
        tap.close()
        assert not bus.is_heard("note")

    async def test_not_by_taps_that_do_without_it(self, bus: LocalBus) -> None:
        bus.tap(lambda _: None, without="note.>")
        assert not bus.is_heard("note")

        bus.tap(lambda _: None, without="other.>")
        assert bus.is_heard("note")

    async def test_for_many_topics_in_bounded_memory(self) -> None:
        async with LocalBus(routes_kept=4) as bus:
            assert not any(bus.is_heard(f"topic{number}") for number in range(10))
            assert len(bus._routes._reached) <= 4


class TestTaps:
    async def test_a_tap_hears_everything_in_batches_and_in_order(self, bus: LocalBus) -> None:
        batches: list[list[int]] = []
        bus.tap(lambda batch: batches.append([envelope.id for envelope in batch]))
        bus.subscribe("note", Listener())

        bus.publish(Note(n=1))
        bus.publish(Note(n=2), subject="unheard")
        await settle()
        bus.publish(Note(n=3))
        await settle()

        assert batches == [[1, 2], [3]]

    async def test_a_tap_may_listen_to_a_pattern(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        bus.tap(heard.extend, "note.*")

        bus.publish(Note(target="cart"))
        bus.publish(Note())
        await settle()

        assert [envelope.subject for envelope in heard] == ["note.cart"]

    async def test_a_tap_may_do_without_some_of_what_it_hears(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        bus.tap(heard.extend, without="note.>")

        bus.publish(Note(target="cart"))
        bus.publish(Note())
        await settle()

        assert [envelope.subject for envelope in heard] == ["note"]

    async def test_what_it_does_without_has_to_be_a_pattern(self, bus: LocalBus) -> None:
        with pytest.raises(SubjectError):
            bus.tap(lambda _: None, without="note..x")

    async def test_a_closed_tap_hears_what_was_sent_before_and_nothing_after(
        self, bus: LocalBus
    ) -> None:
        heard: list[Envelope] = []
        tap = bus.tap(heard.extend)
        bus.publish(Note(n=1))

        tap.close()
        tap.close()
        bus.publish(Note(n=2))
        await settle()

        assert [envelope.id for envelope in heard] == [1]

    async def test_what_a_tap_cannot_take_is_counted_and_slows_nobody(self, bus: LocalBus) -> None:
        heard: list[Envelope] = []
        listener = Listener()
        bus.subscribe("note", listener)
        tap = bus.tap(heard.extend, capacity=3)

        for number in range(8):
            bus.publish(Note(n=number))
        await settle()
        dropped = bus.stats().tap_dropped
        tap.close()

        assert ([envelope.id for envelope in heard], dropped) == ([1, 2, 3], 5)
        assert listener.heard == list(range(8))
        assert bus.stats().tap_dropped == 5

    async def test_a_tap_that_raises_harms_nobody_and_is_tried_again(
        self, bus: LocalBus, caplog: pytest.LogCaptureFixture
    ) -> None:
        other: list[Envelope] = []

        def fail(batch: list[Envelope]) -> None:
            raise RuntimeError("disk full")

        tap = bus.tap(fail)
        bus.tap(other.extend)
        for number in range(3):
            await send(bus, number)

        assert (tap.failures, len(other)) == (3, 3)
        assert [record.getMessage() for record in caplog.records] == [
            "tap on '>' raised, 1 times so far",
            "tap on '>' raised, 2 times so far",
        ]


class TestRoutes:
    async def test_a_new_subscription_is_heard_at_once(self, bus: LocalBus) -> None:
        first, second = Listener(), Listener()
        bus.subscribe("note", first)
        await send(bus, 1)

        bus.subscribe("note", second)
        await send(bus, 2)

        assert (first.heard, second.heard) == ([1, 2], [2])

    async def test_the_number_of_kept_routes_is_bounded(self) -> None:
        async with LocalBus(routes_kept=10) as bus:
            listener = Listener()
            bus.subscribe("note.>", listener)
            for number in range(100):
                bus.publish(Note(n=number, target=f"t{number}"))
            await settle()

            assert len(bus._routes.by_subject) <= 10
            assert listener.heard == list(range(100))


class TestStatistics:
    async def test_they_tell_what_waits_and_how_long(self, bus: LocalBus) -> None:
        bus.subscribe("note", Listener(shut=True), name="slow")
        await send(bus, 0, 1, 2)
        bus.publish(Note(), subject="nobody")
        await asyncio.sleep(2.5)

        stats = bus.stats()

        assert (stats.published, stats.unheard, stats.asks, stats.late_answers) == (4, 1, 0, 0)
        (mailbox,) = stats.mailboxes
        assert (mailbox.name, mailbox.depth, mailbox.age_s, mailbox.taken) == ("slow", 2, 2.5, 1)

    async def test_the_age_is_that_of_the_oldest_in_either_lane(self, bus: LocalBus) -> None:
        mailbox = bus.mailbox("actor")
        bus.attach(mailbox, ">", overflow=Overflow.DROP_OLDEST)
        bus.publish(Note())
        await asyncio.sleep(1.0)
        bus.publish(Alert())
        await asyncio.sleep(1.0)

        assert mailbox.stats().age_s == 2.0


class TestClosing:
    async def test_drain_waits_until_everything_is_handled(self, bus: LocalBus) -> None:
        heard: list[float] = []

        async def slowly(envelope: Envelope) -> None:
            await asyncio.sleep(1.0)
            heard.append(asyncio.get_running_loop().time())

        bus.subscribe("note", slowly)
        bus.subscribe("note", lambda envelope: None)
        for number in range(3):
            bus.publish(Note(n=number))

        assert await bus.drain(10.0) is True
        assert heard == [1.0, 2.0, 3.0]

    async def test_drain_gives_up_in_time(self, bus: LocalBus) -> None:
        bus.subscribe("note", Listener(shut=True))
        await send(bus, 1)

        assert await bus.drain(10.0) is False
        assert asyncio.get_running_loop().time() == 10.0

    async def test_several_may_wait_and_one_may_give_up(self, bus: LocalBus) -> None:
        listener = Listener(shut=True)
        bus.subscribe("note", listener)
        await send(bus, 1)
        patient = asyncio.ensure_future(bus.drain(10.0))
        assert await bus.drain(1.0) is False

        listener.gate.set()

        assert await patient is True

    async def test_a_closed_bus_takes_nothing(self) -> None:
        bus = LocalBus()
        await bus.close(1.0)
        await bus.close(1.0)

        with pytest.raises(BusClosed):
            bus.publish(Note())
        with pytest.raises(BusClosed):
            bus.subscribe("note", Listener())
        with pytest.raises(BusClosed):
            await bus.request(Note(), timeout_s=1.0)

    async def test_while_it_closes_only_consequences_are_taken(self) -> None:
        bus = LocalBus()
        last = Listener()
        refused: list[str] = []

        async def pass_on(envelope: Envelope) -> None:
            await asyncio.sleep(1.0)
            await bus.publish(Note(n=2), subject="second", cause=envelope)
            try:
                await bus.publish(Note(n=3), subject="second")
            except BusClosed as error:
                refused.append(str(error))

        bus.subscribe("note", pass_on)
        bus.subscribe("second", last)
        bus.publish(Note(n=1))
        await bus.close(5.0)

        assert (last.heard, len(refused)) == ([2], 1)

    async def test_closing_takes_bounded_time_and_leaves_no_task(self) -> None:
        bus = LocalBus()
        bus.subscribe("note", Listener(shut=True), name="stuck")
        await send(bus, 1, 2)

        await bus.close(3.0)

        assert asyncio.get_running_loop().time() == 3.0
        assert dead(bus) == [(2, "closed")]
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "stuck"]

    async def test_a_handler_that_ignores_its_cancellation_does_not_hold_it_up(self) -> None:
        bus = LocalBus()
        release = asyncio.Event()

        async def stubborn(envelope: Envelope) -> None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        bus.subscribe("note", stubborn)
        await send(bus, 1)
        await bus.close(1.0)

        assert asyncio.get_running_loop().time() == pytest.approx(1.2)
        release.set()
        await settle()

    async def test_a_handler_may_close_the_bus(self) -> None:
        bus = LocalBus()
        closed = asyncio.Event()

        async def close(envelope: Envelope) -> None:
            await bus.close(0.0)
            closed.set()

        bus.subscribe("note", close)
        bus.publish(Note())
        await closed.wait()

        with pytest.raises(BusClosed):
            bus.publish(Note())

    async def test_a_failing_block_closes_it_at_once(self) -> None:
        async def fail() -> None:
            async with LocalBus() as bus:
                bus.subscribe("note", Listener(shut=True))
                await send(bus, 1)
                raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            await fail()

        assert asyncio.get_running_loop().time() == 0.0

    async def test_drain_waits_for_what_is_in_hand_of_those_who_have_left(
        self, bus: LocalBus
    ) -> None:
        listener = Listener(shut=True)
        subscription = bus.subscribe("note", listener)
        await send(bus, 1)
        subscription.unsubscribe()
        asyncio.get_running_loop().call_later(1.0, listener.gate.set)

        assert await bus.drain(10.0) is True
        assert listener.heard == [1]
