"""The bus in one process: publish, subscribe, request, taps, dead letters.

A message goes straight from its sender's call into the mailboxes of all who hear its subject; there
is no task in between. So the order of one sender's messages is the order of its calls, and what
`LocalBus.publish` has taken stays taken whatever becomes of its sender.

All time comes from the event loop, which may be virtual, and nothing here is random.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from types import TracebackType
from typing import Self

from msgspec import Struct

from ..errors import BusClosed, NoResponders
from .asks import Ask, Asks
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
        self._cache = self._routes.cache
        self._asks = Asks(loop)
        self._taps: dict[Tap, None] = {}
        self._tap_dropped = 0  # By taps that are closed.
        self._mailboxes: dict[Mailbox, asyncio.Task[None] | None] = {}
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
        *,
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
        if self._closing:
            self._refuse(cause)
        if subject is None:
            subject = message.subject
        route = self._cache.get(subject) or self._routes.find(subject)
        self._published = number = self._published + 1
        if cause is None:
            envelope = Envelope(number, subject, message, self._time(), 0, number, sender)
        else:
            envelope = Envelope(
                number, subject, message, self._time(), cause.id, cause.trace, sender
            )
        for tap in route.taps:
            tap.put(envelope)
        rooms: list[Awaitable[None]] | None = None
        for put in route.puts or self._pick(route):
            room = put(envelope)
            if room is not None:
                rooms = [room] if rooms is None else [*rooms, room]
        return self._done if rooms is None else _Room(rooms)

    async def request(
        self,
        message: Message,
        *,
        timeout_s: float,
        cause: Envelope | None = None,
        subject: str | None = None,
        sender: str = "",
    ) -> Message:
        """Send a message and wait for the first answer.

        When ``cause`` is itself a request with an earlier deadline, that one holds.

        Raises:
            NoResponders: nobody has subscribed to the subject.
            RequestTimeout: no answer came in time.
            RequestFailed: all who got it have failed, dropped it or handled it without an answer.
            AskCycle: all who would get it wait, directly or not, for the actor that asks.
            BusClosed: the bus takes no more messages, or was closed before the answer came.
            SubjectError: the subject is not well formed.
        """
        ask = self._ask(message, timeout_s, cause, subject, sender, everybody=False)
        if ask is None:
            raise NoResponders(subject or message.subject)
        try:
            await ask.done
        finally:
            self._asks.close(ask)
        if ask.failure is not None:
            raise ask.failure
        return ask.answers[0]

    async def request_all(
        self,
        message: Message,
        *,
        timeout_s: float,
        cause: Envelope | None = None,
        subject: str | None = None,
        sender: str = "",
    ) -> list[Message]:
        """Send a message and collect one answer of each subscriber that answers in time.

        Over as soon as everybody has answered, failed or handled it without an answer; so nobody
        listening is an empty list, at once.

        Raises:
            AskCycle: all who would get it wait, directly or not, for the actor that asks.
            BusClosed: the bus takes no more messages, or was closed meanwhile.
            SubjectError: the subject is not well formed.
        """
        ask = self._ask(message, timeout_s, cause, subject, sender, everybody=True)
        if ask is None:
            return []
        try:
            await ask.done
        finally:
            self._asks.close(ask)
        if isinstance(ask.failure, BusClosed):
            raise ask.failure
        return ask.answers

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

    def _pick(self, route: Route) -> Sequence[Put]:
        receivers = route.receivers()
        self._unheard += not receivers
        return [route.put_of(subscription) for subscription in receivers]

    def _ask(
        self,
        message: Message,
        timeout_s: float,
        cause: Envelope | None,
        subject: str | None,
        sender: str,
        *,
        everybody: bool,
    ) -> Ask | None:
        if self._closing:
            self._refuse(cause)
        if subject is None:
            subject = message.subject
        route = self._routes.find(subject)
        receivers = route.receivers()
        if not receivers:
            return None
        mailboxes = [subscription.mailbox for subscription in receivers]
        self._asks.check_cycle(mailboxes)
        envelope = self._request_envelope(message, timeout_s, cause, subject, sender)
        ask = self._asks.open(envelope, mailboxes, len(mailboxes) if everybody else 1)
        for tap in route.taps:
            tap.put(envelope)
        for subscription in receivers:
            route.put_of(subscription)(envelope)
        return ask

    def _request_envelope(
        self, message: Message, timeout_s: float, cause: Envelope | None, subject: str, sender: str
    ) -> Envelope:
        now_s = self._time()
        deadline_s = now_s + timeout_s
        if cause is not None and cause.deadline_s is not None:
            deadline_s = min(deadline_s, cause.deadline_s)
        self._published = number = self._published + 1
        return Envelope(
            number,
            subject,
            message,
            now_s,
            cause.id if cause is not None else 0,
            cause.trace if cause is not None else number,
            sender,
            True,
            deadline_s,
            self._asks.chain(cause),
        )

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
        mailbox = Mailbox(name, capacity, loop=self._loop, bury=self._bury)
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
            pattern, mailbox, queue=queue, overflow=overflow, key=key, end=self._unsubscribe
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
            del self._mailboxes[mailbox]

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
                while busy := [mailbox for mailbox in self._mailboxes if mailbox.is_busy]:
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
        tasks = [task for task in self._mailboxes.values() if task is not None]
        for mailbox in list(self._mailboxes):
            self.discard(mailbox)
        await _end(tasks)
        for tap in list(self._taps):
            tap.close()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, all but the running one, and wait a bounded time for them."""
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CANCEL_S)
