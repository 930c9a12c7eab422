"""Where an agent lives: what survives its crash, and the loop of one life.

A life ends by a crash (the error leaves `Seat.run`), by `Seat.stop`, or by being cancelled. The
message in hand goes back to the front of its lane unless its handler came to its end. Only a
handler's own error counts against the message: the second one sets it aside as poison. When a
spawned task fails, or the life is cancelled, the message is innocent.

::

    waiting -- take --> in hand -- handled --> settled
       ^                  |
       |                  +-- cancelled, or 1st error --> back to the front
       +------------------+
                          +-- 2nd error --> dead letter (poison)

Letting the supervisor put the message back was turned down: between the crash and its turn another
life could start without it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Generic

from ..bus.asks import current_actor
from ..bus.consumers import BATCH, describe
from ..bus.dead_letters import DeadReason
from ..bus.envelope import Envelope
from ..bus.local import LocalBus
from ..bus.mailbox import DEFAULT_CAPACITY
from ..bus.messages import Message
from .agent import Agent, C, convert_config
from .life import Life
from .meter import Meter, metered
from .ports import Journal
from .timers import Timer, Timers

_log = logging.getLogger("mendel.agents")

# A message that crashes its agent once may have met a bad moment; twice, and it is the message.
CRASHES_UNTIL_POISON = 2
# One rest is no longer than this, so that an agent that may work again soon does.
_REST_S = 1.0


class Seat(Generic[C]):
    """The place of one agent on the bus, through all its lives.

    It takes messages from the moment it is made, whether an agent lives in it or not.

    Attributes:
        name: how the agent is addressed.
        bus: where it lives.
        mailbox: what waits for it.
        config: what the next life should be made with; follows `Agent.reconfigure`.
        journal: its memory, if it has one.
        timers: those of the agent; they ring through the mailbox.
        meter: what it has used, through all its lives.
        crashes: errors so far by id of the message that was in hand; only of those that wait.
    """

    __slots__ = (
        "__weakref__",
        "_agent",
        "_agent_class",
        "_batch",
        "_is_alive",
        "_life",
        "_loop",
        "_pace",
        "_stop_s",
        "_stopping",
        "bus",
        "config",
        "crashes",
        "journal",
        "mailbox",
        "meter",
        "name",
        "timers",
    )

    def __init__(
        self,
        bus: LocalBus,
        agent_class: type[Agent[C]],
        config: C | None = None,
        *,
        name: str = "",
        journal: Journal | None = None,
        capacity: int = DEFAULT_CAPACITY,
        batch: int = BATCH,
        stop_s: float = 1.0,
    ) -> None:
        self.name = name or agent_class.name
        self.bus = bus
        self.config: C = convert_config(agent_class, {}) if config is None else config
        self.journal = journal
        self._loop = asyncio.get_running_loop()
        self.crashes: dict[int, int] = {}
        self.meter = Meter()
        self.timers = Timers(self._loop, self._ring)
        self._agent_class = agent_class
        self._stop_s = stop_s
        self._stopping = False
        self._batch = batch
        self._is_alive = False
        self._life: Life | None = None
        self._agent: Agent[C] | None = None
        self._pace: tuple[float, float, float] | None = None
        self.mailbox = bus.mailbox(self.name, capacity)
        self._subscribe()

    # --- one life -----------------------------------------------------------------------------

    async def run(self, agent: Agent[C]) -> None:
        """Let an agent live here until it is stopped; one at a time.

        Raises:
            Exception: whatever crashed the agent, out of a handler, a hook or a spawned task.
        """
        assert not self._is_alive, f"{self.name} lives already"
        self._is_alive = True
        self._stopping = False
        life = Life(self.name, self.bus, self.mailbox, self.timers, self.journal, self.meter)
        self._life, self._agent = life, agent
        agent.begin(life)
        actor = current_actor.set(self.mailbox)
        try:
            await agent.on_start()
            await metered(self._live(agent, life), self.meter)
        except asyncio.CancelledError:
            life.raise_failure()
            raise
        finally:
            self.config = agent.config
            try:
                await self._wind_down(agent, life)
            finally:
                current_actor.reset(actor)
                self._is_alive = False
                self._life = self._agent = None
                self.mailbox.rest()

    @property
    def agent(self) -> Agent[C] | None:
        """Who lives here at present."""
        return self._agent

    def stop(self) -> None:
        """Ask the agent to stop after the message in hand; what waits goes on waiting."""
        self._stopping = True
        self.mailbox.wake()

    def hold_back(self, share: float | None) -> None:
        """Let the agent rest after each message, so that it keeps to a share of one core.

        Args:
            share: which; None lets it work as fast as it can again.
        """
        known = self._pace[0] if self._pace is not None else None
        if share != known:
            now = (self._loop.time(), self.meter.busy_s)
            self._pace = None if share is None else (share, *now)

    def crash(self, error: Exception) -> None:
        """End this life by an error from outside; its supervisor decides what follows."""
        if self._life is not None:
            self._life.spawn(_fail(error), "told to end")

    def close(self) -> None:
        """Give the place up for good: no more timers, and what waits becomes dead letters."""
        self.timers.clear()
        self.bus.discard(self.mailbox)

    async def _live(self, agent: Agent[C], life: Life) -> None:
        mailbox = self.mailbox
        handlers = agent.handlers
        handled = 0
        while not self._stopping:
            envelope = mailbox.take()
            if envelope is None:
                handled = 0
                await mailbox.arrival()
                continue
            if envelope.reply and mailbox.drop_expired(envelope):
                continue
            kind = type(envelope.message)
            handler = handlers.get(kind) or agent.handler_of(kind)
            if handler is None:
                self._refuse(envelope)
                continue
            life.in_hand = envelope
            try:
                answer = handler.function(agent, envelope.message)
                if handler.is_async:
                    answer = await answer
            except BaseException as error:
                life.in_hand = None
                self._put_back(envelope, error)
                raise
            life.in_hand = None
            if envelope.reply or self.crashes:
                self._handled(envelope, answer)
            handled += 1
            if handled == self._batch:
                handled = 0
                await asyncio.sleep(0)
            if self._pace is not None:
                await self._rest(*self._pace)

    async def _rest(self, share: float, from_s: float, busy_s: float) -> None:
        await asyncio.sleep(0)  # Only the end of a step is on the meter.
        earned_s = (self.meter.busy_s - busy_s) / share
        wait_s = from_s + earned_s - self._loop.time()
        if wait_s > 0.0:
            await asyncio.sleep(min(wait_s, _REST_S))

    def _handled(self, envelope: Envelope, answer: object) -> None:
        if envelope.reply:
            message = answer if isinstance(answer, Message) else None
            self.bus.settle(envelope, self.mailbox, message)
        if self.crashes:
            self.crashes.pop(envelope.id, None)

    def _refuse(self, envelope: Envelope) -> None:
        kind = type(envelope.message).__name__
        detail = f"{self._agent_class.__name__} has no handler for {kind}"
        self.mailbox.drop(envelope, DeadReason.NO_HANDLER, detail)

    def _put_back(self, envelope: Envelope, error: BaseException) -> None:
        if isinstance(error, Exception):  # A cancellation is not the message's fault.
            crashes = self.crashes[envelope.id] = self.crashes.get(envelope.id, 0) + 1
            if crashes >= CRASHES_UNTIL_POISON:
                del self.crashes[envelope.id]
                self.mailbox.drop(envelope, DeadReason.POISON, describe(error))
                return
        if isinstance(envelope.message, Timer):
            self.timers.restore(envelope.message)
        self.mailbox.put_back(envelope)

    async def _wind_down(self, agent: Agent[C], life: Life) -> None:
        """End the tasks of a life and let the agent tidy up, each in bounded time."""
        await life.end(self._stop_s)
        try:
            async with asyncio.timeout(self._stop_s):
                await agent.on_stop()
        except Exception as error:  # noqa: BLE001  # It must not hide what ended the life.
            _log.error("agent %s did not stop cleanly: %s", self.name, describe(error))

    def _ring(self, timer: Timer) -> None:
        self.bus.post(self.mailbox, timer)

    def _subscribe(self) -> None:
        for handler in self._agent_class.handlers.values():
            wish = handler.wish
            if wish is None:
                continue
            for pattern in wish.patterns(self.name):
                self.bus.attach(
                    self.mailbox,
                    pattern,
                    queue=wish.queue,
                    overflow=wish.overflow,
                    key=wish.key,
                )


async def _fail(error: Exception) -> None:
    raise error
