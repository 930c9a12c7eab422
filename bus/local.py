"""The bus in one process: publish, subscribe, request, taps, dead letters.

A message goes straight from its sender's call into the mailboxes of all who hear its subject; there
is no task in between. So the order of one sender's messages is the order of its calls, and what
`LocalBus.publish` has taken stays taken whatever becomes of its sender.

All time comes from the event loop, which may be virtual, and nothing here is random.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from math import inf
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from ..errors import AskCycle, BusClosed, BusError, NoResponders
from .asks import Ask, Asks, current_actor
from .consumers import Handler, consume
from .dead_letters import DeadLetter, DeadLetters, DeadReason
from .envelope import Envelope
from .mailbox import DEFAULT_CAPACITY, Mailbox, MailboxStats, Overflow
from .messages import Message
from .routes import Key, Put, Route, Routes, Subscription
from .taps import TAP_CAPACITY, Tap

# Enough for every subject of a thousand components; a route takes about 300 bytes.
ROUTES_KEPT = 8192
DEAD_LETTERS_KEPT = 256
# How long a cancelled handler may take to tidy up before the bus is closed without it.
CANCEL_S = 0.2


class BusStats(Struct, frozen=True):
    """How a bus is doing.

    Attributes:
        published: messages taken so far, requests included.
        unheard: those of them that nobody had subscribed to.
        asks: requests that wait for their answer.
        late_answers: answers that came when nobody waited any more.
        tap_dropped: messages that were too many for a tap.
        dead: dead letters so far, by reason.
        mailboxes: one line each, in the order of their creation.
    """

    published: int
    unheard: int
    asks: int
    late_answers: int
    tap_dropped: int
    dead: dict[str, int]
    mailboxes: tuple[MailboxStats, ...]


class _Room:
    """What a sender waits for when several mailboxes are full."""

    __slots__ = ("_rooms",)

    def __init__(self, rooms: Sequence[Awaitable[None]]) -> None:
        self._rooms = rooms

    def __await__(self) -> Generator[object, None, None]:
        for room in self._rooms:
            yield from room.__await__()


class LocalBus:
    """Delivers messages between the actors of one event loop; must be made inside it.

    Attributes:
        dead_letters: what was taken and not handled.
    """

    def __init__(
        self, *, routes_kept: int = ROUTES_KEPT, dead_letters_kept: int = DEAD_LETTERS_KEPT
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        # The base loop's clock is this function behind a method call, 25 ns for each message.
        real = type(loop).time is asyncio.BaseEventLoop.time
        self._time: Callable[[], float] = time.monotonic if real else loop.time
        self._published = 0
        self._unheard = 0
        self._routes = Routes(routes_kept)
        self._by_type = self._routes.by_type
        self._by_subject = self._routes.by_subject
        self._asks = Asks(loop)
        self._taps: dict[Tap, None] = {}
        self._tap_dropped = 0  # By taps that are closed.
        self._mailboxes: dict[Mailbox, asyncio.Task[None] | None] = {}
        self._leaving: dict[Mailbox, asyncio.Task[None]] = {}  # Unsubscribed, with one in hand.
        self._end_subscription = self._unsubscribe  # One bound method for all of them.
        self._closing = False
        self._closed = False
        self._done: asyncio.Future[None] = loop.create_future()
        self._done.set_result(None)
        self.dead_letters = DeadLetters(dead_letters_kept)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(0.0 if error else 1.0)

    @property
    def now_s(self) -> float:
        """Loop time in seconds."""
        return self._time()

    # --- sending ------------------------------------------------------------------------------

    def publish(
        self,
        message: Message,
        cause: Envelope | None = None,
        subject: str | None = None,
        sender: str = "",
    ) -> Awaitable[None]:
        """Send a message to all who have subscribed to its subject.

        A plain call: when it returns, the message has been taken. Awaiting what it returns only
        waits until there is room for it in every mailbox that blocks; a sender that is cancelled
        there has lost nothing, and one that does not await loses nothing up to the bound on parked
        messages, beyond which they become dead letters (``parked_full``).

        Args:
            message: what to send.
            cause: what is being handled; the new envelope joins its trace.
            subject: where to, instead of the message's own subject.
            sender: name of the agent that sends.

        Raises:
            BusClosed: the bus takes no more messages.
            SubjectError: the subject is not well formed.
        """
        # Written out where it costs: this call and `consumers._serve` are what a message costs.
        if self._closing:
            self._refuse(cause)
        route = (
            self._by_type.get(type(message)) or self._routes.of(message)
            if subject is None
            else self._by_subject.get(subject) or self._routes.find(subject)
        )
        self._published = number = self._published + 1
        if cause is None:
            envelope = Envelope(number, route.subject, message, self._time(), 0, number, sender)
        else:
            envelope = Envelope(
                number, route.subject, message, self._time(), cause.id, cause.trace, sender
            )
        if route.taps:
            for tap in route.taps:
                if len(tap.batch) < tap.mark:
                    tap.batch.append(envelope)
                else:
                    tap.put(envelope)
        if not route.blocking:
            return self._deliver(route, envelope)
        rooms: list[Awaitable[None]] | None = None
        for mailbox in route.blocking:
            if len(mailbox.lane) < mailbox.mark:
                mailbox.lane.append(envelope)
            elif (room := mailbox.put(envelope)) is not None:
                rooms = [room] if rooms is None else [*rooms, room]
        return self._done if rooms is None else _Room(rooms)

    def publish_many(
        self, messages: Iterable[Message], *, cause: Envelope | None = None, sender: str = ""
    ) -> Awaitable[None]:
        """Send messages in their order, as `publish` does, at half the price of one each.

        Raises:
            BusClosed: the bus takes no more messages.
            SubjectError: a subject is not well formed; nothing was sent.
        """
        if self._closing:
            self._refuse(cause)
        messages = list(messages)
        find = self._routes.of
        routes = [self._by_type.get(type(message)) or find(message) for message in messages]
        now_s = self._time()
        number = self._published
        cause_id = 0 if cause is None else cause.id
        rooms: list[Awaitable[None]] = []
        run: list[Envelope] = []  # Envelopes in a row that go the same way.
        for route, message, following in zip(routes, messages, [*routes[1:], None], strict=False):
            number += 1
            trace = number if cause is None else cause.trace
            run.append(Envelope(number, route.subject, message, now_s, cause_id, trace, sender))
            if following is not route:
                rooms += self._deliver_many(route, run)
                run = []
        self._published = number
        return _Room(rooms) if rooms else self._done

    def request(
        self,
        message: Message,
        *,
        timeout_s: float,
        cause: Envelope | None = None,
        subject: str | None = None,
        sender: str = "",
    ) -> Awaitable[Message]:
        """Send a message, and await the first answer.

        It is sent by the call; whatever goes wrong is raised by the await.

        Args:
            message: what to send.
            timeout_s: how long to wait; ``math.inf`` waits for as long as somebody may answer.
                When ``cause`` is itself a request with an earlier deadline, that one holds.
            cause: what is being handled.
            subject: where to, instead of the message's own subject.
            sender: name of the agent that sends.

        Raises:
            NoResponders: nobody has subscribed to the subject.
            RequestTimeout: no answer came in time.
            RequestFailed: all who got it have failed, dropped it or handled it without an answer.
            AskCycle: all who would get it wait, directly or not, for the actor that asks.
            BusClosed: the bus takes no more messages, or was closed before the answer came.
            SubjectError: the subject is not well formed.
        """
        return self._ask(message, timeout_s, cause, subject, sender, None)

    def request_all(
        self,
        message: Message,
        *,
        timeout_s: float,
        cause: Envelope | None = None,
        subject: str | None = None,
        sender: str = "",
    ) -> Awaitable[list[Message]]:
        """Send a message, and await one answer of each subscriber that answers in time.

        Over as soon as everybody has answered, failed or handled it without an answer; so nobody
        listening is an empty list, at once. For the arguments see `request`.

        Raises:
            AskCycle: all who would get it wait, directly or not, for the actor that asks.
            BusClosed: the bus takes no more messages, or was closed meanwhile.
            SubjectError: the subject is not well formed.
        """
        return self._ask(message, timeout_s, cause, subject, sender, [])

    def post(self, mailbox: Mailbox, message: Message) -> None:
        """Put a message into the system lane of one mailbox, unheard by anybody else."""
        self._published = number = self._published + 1
        mailbox.put_system(Envelope(number, message.subject, message, self._time(), 0, number))

    def settle(self, envelope: Envelope, mailbox: Mailbox, answer: Message | None) -> None:
        """Tell the asker of a request what came of it; None when the handler had no answer.

        The answer goes to the asker alone; taps hear it under its own subject.
        """
        self._asks.answer(envelope, mailbox, answer)
        if answer is not None and self._taps:
            taps = self._routes.find(answer.subject).taps
            if taps:
                self._published = number = self._published + 1
                heard = Envelope(
                    number,
                    answer.subject,
                    answer,
                    self._time(),
                    envelope.id,
                    envelope.trace,
                    mailbox.name,
                )
                for tap in taps:
                    tap.put(heard)

    def _deliver(self, route: Route, envelope: Envelope) -> Awaitable[None]:
        receivers = route.receivers()
        self._unheard += not receivers
        rooms = [
            room
            for subscription in receivers
            if (room := route.put_of(subscription)(envelope)) is not None
        ]
        return _Room(rooms) if rooms else self._done

    def _deliver_many(self, route: Route, envelopes: list[Envelope]) -> list[Awaitable[None]]:
        for tap in route.taps:
            tap.put_many(envelopes)
        if not route.blocking:
            return [self._deliver(route, envelope) for envelope in envelopes]
        puts = (mailbox.put_many(envelopes) for mailbox in route.blocking)
        return [room for room in puts if room is not None]

    def _ask(
        self,
        message: Message,
        timeout_s: float,
        cause: Envelope | None,
        subject: str | None,
        sender: str,
        answers: list[Message] | None,
    ) -> asyncio.Future[Any]:
        route = (
            self._by_type.get(type(message)) or self._routes.of(message)
            if subject is None
            else self._by_subject.get(subject) or self._routes.find(subject)
        )
        done: asyncio.Future[Any] = asyncio.Future(loop=self._loop)
        asker = current_actor.get()
        mailboxes, puts = route.mailboxes, route.puts
        if asker is not None or not puts or self._closing:
            mailboxes, puts = _picked(route)
            if self._is_answered_already(done, mailboxes, asker, cause, route.subject, answers):
                return done
        now_s = self._time()
        deadline_s = now_s + timeout_s
        self._published = number = self._published + 1
        if cause is not None and cause.deadline_s is not None:
            deadline_s = min(deadline_s, cause.deadline_s)
        envelope = Envelope(
            number,
            route.subject,
            message,
            now_s,
            0 if cause is None else cause.id,
            number if cause is None else cause.trace,
            sender,
            True,
            deadline_s if deadline_s != inf else None,
            () if asker is None and cause is None else _asking(asker, cause),
        )
        self._asks.open(Ask(envelope, done, mailboxes, answers, asker))
        for tap in route.taps:
            tap.put(envelope)
        for put in puts:
            put(envelope)
        return done

    def _is_answered_already(
        self,
        done: asyncio.Future[Any],
        mailboxes: tuple[Mailbox, ...],
        asker: Mailbox | None,
        cause: Envelope | None,
        subject: str,
        answers: list[Message] | None,
    ) -> bool:
        """Whether a request need not be sent, and then what to tell its asker."""
        try:
            if self._closing:
                self._refuse(cause)
            if not mailboxes and answers is None:
                raise NoResponders(subject)
            if not mailboxes:
                done.set_result(answers)
            elif asker is not None and (ring := self._asks.cycle(asker, mailboxes)):
                raise AskCycle(ring)
        except BusError as error:
            done.set_exception(error)
        return done.done()

    def _refuse(self, cause: Envelope | None) -> None:
        if self._closed or cause is None:
            raise BusClosed("the bus is closed; publish before it, or while handling a message")

    # --- listening ----------------------------------------------------------------------------

    def subscribe(
        self,
        pattern: str,
        handler: Handler,
        *,
        queue: str = "",
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = Overflow.BLOCK,
        key: Key | None = None,
        name: str = "",
    ) -> Subscription:
        """Call a handler with the envelope of each message of a pattern, one at a time.

        A message that the handler returns answers a request. When it raises, the message becomes a
        dead letter (``handler_failed``) and the next one is handled.

        Args:
            pattern: which subjects.
            handler: a plain function, called by the event loop and quickest, or an asynchronous
                one, which gets a task.
            queue: name of a queue group; exactly one member gets each message, in turn.
            capacity: how many messages may wait.
            overflow: what happens to one more.
            key: for ``Overflow.LATEST``: what makes a message replace another; its subject unless
                given.
            name: for statistics and logs; the pattern unless given.

        Raises:
            SubjectError: the pattern is not well formed.
            BusClosed: the bus takes no more messages.
        """
        mailbox = self.mailbox(name or pattern, capacity)
        try:
            subscription = self.attach(mailbox, pattern, queue=queue, overflow=overflow, key=key)
        except BaseException:
            self.discard(mailbox)
            raise
        subscription.owns_mailbox = True
        self._mailboxes[mailbox] = consume(mailbox, handler, self.settle)
        return subscription

    def mailbox(self, name: str, capacity: int = DEFAULT_CAPACITY) -> Mailbox:
        """A mailbox for an actor that reads it itself; `attach` feeds it, `discard` ends it.

        Raises:
            BusClosed: the bus takes no more messages.
        """
        if self._closing:
            self._refuse(None)
        mailbox = Mailbox(name, capacity, loop=self._loop, now=self._time, bury=self._bury)
        self._mailboxes[mailbox] = None
        return mailbox

    def attach(
        self,
        mailbox: Mailbox,
        pattern: str,
        *,
        queue: str = "",
        overflow: Overflow = Overflow.BLOCK,
        key: Key | None = None,
    ) -> Subscription:
        """Let a mailbox hear one more pattern; a message that several match comes once.

        Raises:
            SubjectError: the pattern is not well formed.
        """
        return self._routes.subscribe(
            pattern, mailbox, queue=queue, overflow=overflow, key=key, end=self._end_subscription
        )

    def has_subscribers(self, subject: str) -> bool:
        """Whether a message to this subject would reach anybody.

        Raises:
            SubjectError: the subject is not well formed.
        """
        return self._routes.find(subject).is_heard

    def discard(self, mailbox: Mailbox) -> None:
        """Let a mailbox hear nothing more; what waits in it becomes dead letters (``closed``)."""
        if mailbox in self._mailboxes:
            self._routes.forget(mailbox)
            mailbox.close()
            task = self._mailboxes.pop(mailbox)
            if task is not None:
                self._leaving[mailbox] = task
                task.add_done_callback(lambda _: self._leaving.pop(mailbox))

    def tap(
        self,
        callback: Callable[[list[Envelope]], None],
        pattern: str = ">",
        *,
        capacity: int = TAP_CAPACITY,
    ) -> Tap:
        """Listen in: hand over all that is sent to a pattern, once per turn of the event loop.

        Raises:
            SubjectError: the pattern is not well formed.
        """
        tap = Tap(callback, pattern, capacity=capacity, loop=self._loop, end=self._untap)
        self._routes.add_tap(tap)
        self._taps[tap] = None
        return tap

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription.owns_mailbox:
            self.discard(subscription.mailbox)
        else:
            self._routes.unsubscribe(subscription)

    def _untap(self, tap: Tap) -> None:
        if tap in self._taps:
            del self._taps[tap]
            self._routes.remove_tap(tap)
            self._tap_dropped += tap.dropped

    def _bury(
        self, envelope: Envelope, reason: DeadReason, mailbox: Mailbox, detail: str = ""
    ) -> None:
        letter = DeadLetter(envelope, reason, mailbox.name, detail, self._loop.time())
        self.dead_letters.add(letter)
        if reason is DeadReason.EXPIRED:
            self._asks.expire(envelope.id)
        elif envelope.reply:
            self._asks.fail(envelope, mailbox, f"{reason}: {detail}" if detail else str(reason))

    # --- looking after ------------------------------------------------------------------------

    def stats(self) -> BusStats:
        """How the bus and each mailbox is doing now."""
        return BusStats(
            published=self._published,
            unheard=self._unheard,
            asks=len(self._asks),
            late_answers=self._asks.late,
            tap_dropped=self._tap_dropped + sum(tap.dropped for tap in self._taps),
            dead={str(reason): count for reason, count in self.dead_letters.counts.items()},
            mailboxes=tuple(mailbox.stats() for mailbox in self._mailboxes),
        )

    async def drain(self, timeout_s: float) -> bool:
        """Wait until no message waits and none is in hand.

        Returns:
            Whether that was so within the given time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while busy := [each for each in (*self._mailboxes, *self._leaving) if each.is_busy]:
                    await busy[0].emptied()
        except TimeoutError:
            return False
        return True

    async def close(self, timeout_s: float) -> None:
        """Take no more messages, let the handlers finish, and end.

        Until everything is handled, or the time is up, only messages with a cause are taken: what
        follows from one that is already here. What is left then becomes dead letters (``closed``),
        open requests fail, and handlers that still run are cancelled. Closing twice is no error.
        """
        self._closing = True
        await self.drain(timeout_s)
        self._closed = True
        self._asks.refuse_all(BusClosed("the bus was closed before the answer came"))
        for mailbox in list(self._mailboxes):
            self.discard(mailbox)
        await _end(list(self._leaving.values()))
        for tap in list(self._taps):
            tap.close()


def _asking(asker: Mailbox | None, cause: Envelope | None) -> tuple[str, ...]:
    waiting = () if cause is None else cause.asking
    return waiting if asker is None else (*waiting, asker.name)


def _picked(route: Route) -> tuple[tuple[Mailbox, ...], tuple[Put, ...]]:
    receivers = route.receivers()
    return tuple(each.mailbox for each in receivers), tuple(map(route.put_of, receivers))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, all but the running one, and wait a bounded time for them."""
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CANCEL_S)
