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
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from msgspec import Struct

from ..errors import BusError, RequestFailed, RequestTimeout
from .alarms import Alarms
from .envelope import Envelope
from .mailbox import Mailbox
from .messages import Message

# The actor on whose behalf the running code handles a message, if any.
current_actor: ContextVar[Mailbox | None] = ContextVar("current_actor", default=None)


class Ask(Struct, eq=False, gc=False):
    """One request in flight.

    Attributes:
        envelope: what was sent.
        done: where the asker waits; holds the answer, the answers, or why there is none.
        waiting_for: who got it and has not dealt with it yet.
        answers: so far, when everybody's are wanted; None when the first one ends it.
        asker: the actor that cannot go on before it is answered; None when that is no actor.
    """

    envelope: Envelope
    done: Future[Any]
    waiting_for: tuple[Mailbox, ...]
    answers: list[Message] | None
    asker: Mailbox | None


class Asks:
    """All requests of one bus in flight, with one heap of deadlines for all of them.

    An asker that gives up just cancels what it waits for. Its request is then kept until it has
    been dealt with or its deadline has come, and nothing is done for it any more.

    Attributes:
        late: answers that came when nobody waited for them any more.
        on_answer: told of every answer, late or not, as long as somebody listens in.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.late = 0
        self.on_answer: Callable[[Envelope, Mailbox, Message], None] | None = None
        self._asks: dict[int, Ask] = {}
        self._by_asker: dict[Mailbox, list[Ask]] = {}
        self._alarms: Alarms[int] = Alarms(loop, self.expire)

    def __len__(self) -> int:
        return sum(not ask.done.done() for ask in self._asks.values())

    def open(self, ask: Ask) -> None:
        """Note a request that is about to be sent."""
        envelope = ask.envelope
        self._asks[envelope.id] = ask
        if envelope.deadline_s is not None:
            self._alarms.set(envelope.id, envelope.deadline_s)
        if ask.asker is not None:
            self._by_asker.setdefault(ask.asker, []).append(ask)

    def answer(self, envelope: Envelope, receiver: Mailbox, message: Message | None) -> None:
        """Note that a receiver has dealt with a request; None when it had nothing to say."""
        if message is not None and self.on_answer is not None:
            self.on_answer(envelope, receiver, message)
        ask = self._asks.get(envelope.id)
        if ask is None:
            self.late += message is not None
        elif message is None:
            self.fail(envelope, receiver, "handled it without an answer")
        elif ask.done.done():  # Its asker has given up.
            self.late += 1
            self._dealt_with(ask, receiver)
        elif ask.answers is None:
            ask.done.set_result(message)
            self._close(ask)
        else:
            ask.answers.append(message)
            self._dealt_with(ask, receiver)

    def fail(self, envelope: Envelope, receiver: Mailbox, reason: str) -> None:
        """Note that a receiver will never answer a request."""
        ask = self._asks.get(envelope.id)
        if ask is None:
            return
        self._dealt_with(ask, receiver)
        if not ask.waiting_for and not ask.done.done():
            subject = envelope.subject
            ask.done.set_exception(RequestFailed(subject, f"{receiver.name}: {reason}"))

    def expire(self, number: int) -> None:
        """Note that the deadline of a request has passed."""
        ask = self._asks.get(number)
        if ask is None:
            return
        self._close(ask)
        if ask.done.done():
            return
        envelope = ask.envelope
        assert envelope.deadline_s is not None
        if ask.answers is not None:
            ask.done.set_result(ask.answers)
        else:
            waited_s = envelope.deadline_s - envelope.sent_s
            ask.done.set_exception(RequestTimeout(envelope.subject, waited_s))

    def refuse_all(self, failure: BusError) -> None:
        """End every request, because the bus is closed."""
        for ask in list(self._asks.values()):
            self._close(ask)
            if not ask.done.done():
                ask.done.set_exception(failure)

    def _dealt_with(self, ask: Ask, receiver: Mailbox) -> None:
        ask.waiting_for = tuple(each for each in ask.waiting_for if each is not receiver)
        if ask.waiting_for:
            return
        self._close(ask)
        if ask.answers is not None and not ask.done.done():
            ask.done.set_result(ask.answers)

    def _close(self, ask: Ask) -> None:
        del self._asks[ask.envelope.id]
        self._alarms.cancel(ask.envelope.id)
        if ask.asker is not None:
            self._free(ask, ask.asker)

    def _free(self, ask: Ask, asker: Mailbox) -> None:
        asks = self._by_asker[asker]
        asks.remove(ask)
        if not asks:
            del self._by_asker[asker]

    def cycle(self, asker: Mailbox, receivers: Sequence[Mailbox]) -> list[str]:
        """Names along the ring that a request would close; empty when somebody can answer it."""
        if asker not in receivers and not self._by_asker:
            return []
        paths = [self._path(receiver, asker) for receiver in receivers]
        return [asker.name, *(actor.name for actor in paths[0])] if all(paths) else []

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
            if not ask.done.done():
                yield from ask.waiting_for


def _walk_back(actor: Mailbox, came_from: dict[Mailbox, Mailbox | None]) -> Iterator[Mailbox]:
    step: Mailbox | None = actor
    while step is not None:
        yield step
        step = came_from[step]
