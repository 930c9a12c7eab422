"""The side of a bus that listens: mailboxes, subscriptions and taps, and how all of it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from msgspec import Struct

from ..errors import BusClosed
from .asks import Asks
from .consumers import Handler, consume
from .dead_letters import DeadLetter, DeadLetters, DeadReason
from .envelope import Envelope
from .mailbox import DEFAULT_CAPACITY, Mailbox, MailboxStats, Overflow
from .messages import Message
from .routes import Key, Routes, Subscription
from .subjects import check_pattern
from .taps import TAP_CAPACITY, Tap
from .wakes import Wakes

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


class Hub:
    """The side of a bus that listens; must be made inside the event loop.

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
        # One bound method for all mailboxes and subscriptions, of 64 bytes each.
        self._end_subscription = self._unsubscribe
        self._undertaker = self._bury
        self._settle = self._asks.answer
        self._closing = False
        self._closed = False
        self._wakes = Wakes(loop, self._time)
        self._done = self._wakes.done
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
        self._mailboxes[mailbox] = consume(mailbox, handler, self._settle, self._wakes)
        return subscription

    def mailbox(self, name: str, capacity: int = DEFAULT_CAPACITY) -> Mailbox:
        """A mailbox for an actor that reads it itself; `attach` feeds it, `discard` ends it.

        Raises:
            BusClosed: the bus takes no more messages.
        """
        if self._closing:
            self._refuse(None)
        mailbox = Mailbox(name, capacity, wakes=self._wakes, now=self._time, bury=self._undertaker)
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

    def is_heard(self, topic: str) -> bool:
        """Whether anybody, taps included, hears what is sent below a topic.

        For what is sent so often that it should not even be made when nobody listens.
        """
        return self._routes.reaches(topic)

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
        without: str = "",
        capacity: int = TAP_CAPACITY,
    ) -> Tap:
        """Listen in: hand over all that is sent to a pattern, once per turn of the event loop.

        Args:
            callback: gets what was sent in one turn, oldest first.
            pattern: which subjects.
            without: pattern of those that it does not want after all. What nobody else wants is
                then not even made; see `is_heard`.
            capacity: how much it may be sent in one turn.

        Raises:
            SubjectError: a pattern is not well formed.
        """
        if without:
            check_pattern(without)
        tap = Tap(
            callback,
            pattern,
            without=without,
            capacity=capacity,
            loop=self._loop,
            end=self._untap,
        )
        self._routes.add_tap(tap)
        self._taps[tap] = None
        self._asks.on_answer = self._tap_answer
        return tap

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription.owns_mailbox:
            self.discard(subscription.mailbox)
        else:
            self._routes.unsubscribe(subscription)

    def _untap(self, tap: Tap) -> None:
        if tap in self._taps:
            del self._taps[tap]
            if not self._taps:
                self._asks.on_answer = None
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

    def _tap_answer(self, envelope: Envelope, mailbox: Mailbox, answer: Message) -> None:
        taps = self._routes.of(answer).taps
        if taps:
            self._published = number = self._published + 1
            subject, now_s, cause, trace = answer.subject, self._time(), envelope.id, envelope.trace
            heard = Envelope(number, subject, answer, now_s, cause, trace, mailbox.name)
            for tap in taps:
                tap.put(heard)

    def _refuse(self, cause: Envelope | None) -> None:
        if self._closed or cause is None:
            raise BusClosed("the bus is closed; publish before it, or while handling a message")


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, all but the running one, and wait a bounded time for them."""
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CANCEL_S)
