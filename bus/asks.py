"""Requests on their way: who waits for whom, until when, and how each one ends.

A request ends with the first answer, or when everybody who got it has failed or has handled it
without an answer, or at its deadline, or when its sender gives up: whatever comes first.

An actor handles one message at a time, so actors that wait for each other in a ring wait for ever.
Each request in flight is an edge in a graph of who waits for whom; the one that would close a ring
is refused before it is sent. Only what an actor asks from its handler counts: `current_actor` is
unset in tasks that it has spawned, because those leave its mailbox free.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

from ..errors import AskCycle, BusError, RequestFailed, RequestTimeout
from .alarms import Alarms
from .envelope import Envelope
from .mailbox import Mailbox
from .messages import Message

# The actor on whose behalf the running code handles a message, if any.
current_actor: ContextVar[Mailbox | None] = ContextVar("current_actor", default=None)


class Ask:
    """One request in flight.

    Attributes:
        envelope: what was sent.
        asker: the actor that cannot go on before it is answered; None when that is no actor.
        waiting_for: who got it and has not dealt with it yet.
        answers: in the order of their arrival.
        failure: why no answer will come; None while one still may.
        done: resolved when the asker may go on.
    """

    __slots__ = ("answers", "asker", "done", "envelope", "failure", "waiting_for", "wanted")

    def __init__(
        self,
        envelope: Envelope,
        asker: Mailbox | None,
        waiting_for: list[Mailbox],
        wanted: int,
        done: Future[None],
    ) -> None:
        self.envelope = envelope
        self.asker = asker
        self.waiting_for = waiting_for
        self.wanted = wanted
        self.answers: list[Message] = []
        self.failure: BusError | None = None
        self.done = done

    def end(self) -> None:
        """Let the asker go on."""
        if not self.done.done():
            self.done.set_result(None)


class Asks:
    """All requests of one bus in flight, with one heap of deadlines for all of them.

    Attributes:
        late: answers that came when nobody waited for them any more.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.late = 0
        self._loop = loop
        self._asks: dict[int, Ask] = {}
        self._by_asker: dict[Mailbox, list[Ask]] = {}
        self._alarms: Alarms[int] = Alarms(loop, self.expire)

    def __len__(self) -> int:
        return len(self._asks)

    def open(self, envelope: Envelope, receivers: list[Mailbox], wanted: int) -> Ask:
        """Note a request that is about to be sent.

        Args:
            envelope: what will be sent; it has a deadline.
            receivers: who will get it, at least one.
            wanted: how many answers end it.
        """
        asker = current_actor.get()
        ask = Ask(envelope, asker, receivers, wanted, self._loop.create_future())
        self._asks[envelope.id] = ask
        if asker is not None:
            self._by_asker.setdefault(asker, []).append(ask)
        assert envelope.deadline_s is not None
        self._alarms.set(envelope.id, envelope.deadline_s)
        return ask

    def close(self, ask: Ask) -> None:
        """Forget a request, answered or given up."""
        del self._asks[ask.envelope.id]
        self._alarms.cancel(ask.envelope.id)
        if ask.asker is not None:
            asks = self._by_asker[ask.asker]
            asks.remove(ask)
            if not asks:
                del self._by_asker[ask.asker]

    def answer(self, envelope: Envelope, receiver: Mailbox, message: Message | None) -> None:
        """Note that a receiver has dealt with a request; None when it had nothing to say."""
        ask = self._dealt_with(envelope, receiver)
        if ask is None:
            self.late += message is not None
            return
        if message is not None:
            ask.answers.append(message)
        self._end_if_over(ask, f"{receiver.name} handled it without an answer")

    def fail(self, envelope: Envelope, receiver: Mailbox, reason: str) -> None:
        """Note that a receiver will never answer a request."""
        ask = self._dealt_with(envelope, receiver)
        if ask is not None:
            self._end_if_over(ask, f"{receiver.name}: {reason}")

    def expire(self, number: int) -> None:
        """Note that the deadline of a request has passed."""
        ask = self._asks.get(number)
        if ask is None or ask.done.done():
            return
        envelope = ask.envelope
        assert envelope.deadline_s is not None
        ask.failure = RequestTimeout(envelope.subject, envelope.deadline_s - envelope.sent_s)
        ask.end()

    def refuse_all(self, failure: BusError) -> None:
        """End every request, because the bus is closed."""
        for ask in self._asks.values():
            if not ask.done.done():
                ask.failure = failure
                ask.end()

    def check_cycle(self, receivers: Sequence[Mailbox]) -> None:
        """Refuse a request that nobody can ever answer, because all wait for the one who asks.

        Raises:
            AskCycle: with the names along the ring.
        """
        asker = current_actor.get()
        if asker is None or (asker not in receivers and not self._by_asker):
            return
        paths = [self._path(receiver, asker) for receiver in receivers]
        if all(paths):
            raise AskCycle([asker.name, *(actor.name for actor in paths[0])])

    def chain(self, cause: Envelope | None) -> tuple[str, ...]:
        """Names of those who wait for the answer to a request that would be sent now."""
        asker = current_actor.get()
        waiting = cause.asking if cause is not None else ()
        return (*waiting, asker.name) if asker is not None else waiting

    def _path(self, start: Mailbox, goal: Mailbox) -> list[Mailbox]:
        """Shortest way along the edges, both ends included; empty when there is none."""
        came_from: dict[Mailbox, Mailbox | None] = {start: None}
        for actor in (frontier := [start]):
            if actor is goal:
                return list(_walk_back(goal, came_from))[::-1]
            for waited_for in self._waited_for(actor):
                if waited_for not in came_from:
                    came_from[waited_for] = actor
                    frontier.append(waited_for)
        return []

    def _waited_for(self, actor: Mailbox) -> Iterator[Mailbox]:
        for ask in self._by_asker.get(actor, ()):
            yield from ask.waiting_for

    def _dealt_with(self, envelope: Envelope, receiver: Mailbox) -> Ask | None:
        ask = self._asks.get(envelope.id)
        if ask is None or ask.done.done() or receiver not in ask.waiting_for:
            return None
        ask.waiting_for.remove(receiver)
        return ask

    def _end_if_over(self, ask: Ask, why_none: str) -> None:
        if len(ask.answers) >= ask.wanted:
            ask.end()
        elif not ask.waiting_for:
            ask.failure = RequestFailed(ask.envelope.subject, why_none)
            ask.end()


def _walk_back(actor: Mailbox, came_from: dict[Mailbox, Mailbox | None]) -> Iterator[Mailbox]:
    step: Mailbox | None = actor
    while step is not None:
        yield step
        step = came_from[step]
