"""What an agent has for one life only: the message in hand, and the tasks it has spawned."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

from msgspec import structs

from ..bus.asks import current_actor
from ..bus.consumers import describe
from ..bus.envelope import Envelope
from ..bus.local import LocalBus
from ..bus.mailbox import Mailbox
from .meter import Meter, metered
from .ports import Journal
from .timers import Timers

_log = logging.getLogger("mendel.agents")

# What a spawned task was spawned for.
_spawned_by: ContextVar[Envelope | None] = ContextVar("spawned_by", default=None)


class Life:
    """One life of an agent, in the task that has made it.

    Attributes:
        name: how the agent is addressed.
        bus: where it lives.
        timers: those of its seat, which go on after this life.
        journal: memory of the agent, if it was given one.
        in_hand: the message that is being handled.
    """

    __slots__ = (
        "_children",
        "_failure",
        "_mailbox",
        "_meter",
        "_task",
        "bus",
        "in_hand",
        "journal",
        "name",
        "timers",
    )

    def __init__(
        self,
        name: str,
        bus: LocalBus,
        mailbox: Mailbox,
        timers: Timers,
        journal: Journal | None,
        meter: Meter | None = None,
    ) -> None:
        self.name = name
        self.bus = bus
        self.timers = timers
        self.journal = journal
        self.in_hand: Envelope | None = None
        self._mailbox = mailbox
        self._meter = meter or Meter()
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._children: set[asyncio.Task[None]] | None = None
        self._failure: BaseException | None = None

    def cause(self) -> Envelope | None:
        """What the running code is about: the message in hand, or what its task was spawned for."""
        if current_actor.get() is self._mailbox:
            return self.in_hand
        return _spawned_by.get()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something beside the mailbox, for as long as this life lasts.

        When it raises, this life ends with its error.
        """
        context = copy_context()
        cause = self.cause()
        if cause is not None:  # It joins the trace, but nobody waits for what it does.
            cause = structs.replace(cause, reply=False, deadline_s=None, asking=())
        context.run(_spawned_by.set, cause)
        context.run(current_actor.set, None)
        child = asyncio.get_running_loop().create_task(
            metered(work, self._meter), name=f"{self.name}: {name}", context=context
        )
        if self._children is None:
            self._children = set()
        self._children.add(child)
        self._meter.tasks += 1
        child.add_done_callback(self._child_ended)
        child.add_done_callback(lambda _: work.close())  # It may have been cancelled at once.
        return child

    def raise_failure(self) -> None:
        """Raise what a spawned task failed with, if that and nobody else has ended this life."""
        if self._failure is not None and self._task is not None and not self._task.uncancel():
            raise self._failure from None

    async def end(self, within_s: float) -> None:
        """Cancel what was spawned, and wait a bounded time for it."""
        self._task = None
        for child in self._children or ():
            child.cancel()
        if self._children:
            await asyncio.wait(self._children, timeout=within_s)

    def _child_ended(self, child: asyncio.Task[None]) -> None:
        self._meter.tasks -= 1
        if self._children is not None:
            self._children.discard(child)
        error = None if child.cancelled() else child.exception()
        if error is None:
            return
        if self._task is None:  # The life is over; this came of tidying up.
            _log.error("a task of agent %s failed at its end: %s", self.name, describe(error))
        elif self._failure is None:
            self._failure = error
            self._task.cancel()
