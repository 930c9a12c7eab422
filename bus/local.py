"""How messages get from one actor of a process to the others.

A message goes straight from its sender's call into the mailboxes of all who hear its subject; there
is no task in between. So the order of one sender's messages is the order of its calls, and what
`LocalBus.publish` has taken stays taken whatever becomes of its sender.

All time comes from the event loop, which may be virtual, and nothing here is random.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Iterable, Sequence
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import Any

from ..errors import AskCycle, BusError, NoResponders
from .asks import Ask, current_actor
from .envelope import Envelope
from .hub import Hub
from .mailbox import Mailbox
from .messages import Message
from .routes import Put, Route
from .wakes import Answer


class _Room:
    """What a sender waits for when several mailboxes are full."""

    __slots__ = ("_rooms",)

    def __init__(self, rooms: Sequence[Awaitable[None]]) -> None:
        self._rooms = rooms

    def __await__(self) -> Generator[object, None, None]:
        for room in self._rooms:
            yield from room.__await__()


class LocalBus(Hub):
    """Delivers messages between the actors of one event loop; must be made inside it."""

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
        runs = self._runs(list(messages))
        now_s = self._time()
        cause_id, trace = (0, 0) if cause is None else (cause.id, cause.trace)
        rooms: list[Awaitable[None]] = []
        for route, run in runs:
            subject = route.subject
            envelopes = [
                Envelope(number, subject, message, now_s, cause_id, trace or number, sender)
                for number, message in enumerate(run, self._published + 1)
            ]
            self._published += len(run)
            rooms += self._deliver_many(route, envelopes)
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

    def _runs(self, messages: list[Message]) -> list[tuple[Route, list[Message]]]:
        """Messages in a row that go the same way, nearly always all of them."""
        if len(set(map(type, messages))) == 1:
            route = self._by_type.get(type(messages[0]))
            if route is not None:
                return [(route, messages)]
        find = self._routes.of
        routed = [(find(message), message) for message in messages]
        return [
            (route, [message for _, message in run])
            for route, run in groupby(routed, key=itemgetter(0))
        ]

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
        done = Answer(self._wakes)
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


def _asking(asker: Mailbox | None, cause: Envelope | None) -> tuple[str, ...]:
    waiting = () if cause is None else cause.asking
    return waiting if asker is None else (*waiting, asker.name)


def _picked(route: Route) -> tuple[tuple[Mailbox, ...], tuple[Put, ...]]:
    receivers = route.receivers()
    return tuple(each.mailbox for each in receivers), tuple(map(route.put_of, receivers))
