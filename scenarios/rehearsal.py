"""Agents on a bus in virtual time, for tests of agents: nothing else runs, and nothing is faked.

async def test_it_answers(mendel_system: Rehearsal) -> None:
    await mendel_system.add(DrainBeforeRestart, drain_s=5.0)

    answers = await mendel_system.ask_all(RecoveryProposed(target="cart", action="restart", ...))

    assert answers == [Advice(before=("drain",))]
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, TypeVar

from ..agents.agent import Agent, AgentConfig, convert_config
from ..agents.journal import MemoryJournal
from ..agents.seat import Seat
from ..bus.local import LocalBus
from ..bus.messages import Message
from .virtual_time import settle

M = TypeVar("M", bound=Message)
A = TypeVar("A", bound=Agent[Any])

# An agent that crashes is started again this often, at once: enough for a message that is poison.
_LIVES = 10


class Rehearsal:
    """A bus and the agents that live on it; made by the fixture ``mendel_system``.

    Agents that crash are started again, as they would be; but a test that does not look at
    `crashes` fails when there were any.

    Attributes:
        bus: where the agents live.
        journal: their memory.
        sent: all messages so far, oldest first.
    """

    def __init__(self) -> None:
        self.bus = LocalBus()
        self.journal = MemoryJournal()
        self.sent: list[Message] = []
        self._crashes: list[Exception] = []
        self._looked = False
        self._agents: dict[str, Any] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._seats: dict[str, Seat[Any]] = {}
        self.bus.tap(lambda batch: self.sent.extend(each.message for each in batch))

    @property
    def now_s(self) -> float:
        """Loop time in seconds; it begins at 0."""
        return self.bus.now_s

    @property
    def crashes(self) -> list[Exception]:
        """What agents crashed with, oldest first; looking at it says that they may."""
        self._looked = True
        return self._crashes

    async def add(self, agent_class: type[A], /, *, name: str = "", **settings: Any) -> A:
        """Start an agent.

        Args:
            agent_class: which; it is made with its config alone.
            name: how it is addressed, when not by the name of its class.
            settings: fields of its config, as they stand in a file.

        Returns:
            The agent that lives now; after a crash it is another one (see `agent`).

        Raises:
            msgspec.ValidationError: the settings do not fit its config.
        """
        config: AgentConfig = convert_config(agent_class, settings)
        seat: Seat[Any] = Seat(self.bus, agent_class, config, name=name, journal=self.journal)
        self._seats[seat.name] = seat
        self._tasks[seat.name] = asyncio.create_task(self._live(seat, agent_class))
        await settle()
        agent: A = self._agents[seat.name]
        return agent

    async def remove(self, name: str) -> None:
        """Stop an agent; what waits for it becomes dead letters."""
        await _end(self._tasks.pop(name))
        self._seats.pop(name).close()

    def agent(self, name: str) -> Any:
        """The present life of an agent."""
        return self._agents[name]

    async def publish(self, *messages: Message) -> None:
        """Send messages, and wait until everything that follows from them at once is done."""
        for message in messages:
            await self.bus.publish(message)
        await settle()

    async def ask(self, message: Message, *, timeout_s: float = 1.0) -> Message:
        """Send a message and wait for the first answer, as `LocalBus.request` does."""
        return await self.bus.request(message, timeout_s=timeout_s)

    async def ask_all(self, message: Message, *, timeout_s: float = 1.0) -> list[Message]:
        """Send a message and collect the answers, as `LocalBus.request_all` does."""
        return await self.bus.request_all(message, timeout_s=timeout_s)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and all that happens in it happen."""
        await asyncio.sleep(seconds)
        await settle()

    def heard(self, kind: type[M]) -> list[M]:
        """The messages of one type that were sent so far, oldest first."""
        return [each for each in self.sent if isinstance(each, kind)]

    async def close(self) -> None:
        """Stop everything.

        Raises:
            ExceptionGroup: agents crashed, and the test did not look.
        """
        for task in self._tasks.values():
            await _end(task)
        await self.bus.close(0.0)
        if self._crashes and not self._looked:
            raise ExceptionGroup("agents crashed, and the test did not look", self._crashes)

    async def _live(self, seat: Seat[Any], agent_class: type[Agent[Any]]) -> None:
        for _ in range(_LIVES):
            self._agents[seat.name] = agent_class(seat.config)
            try:
                await seat.run(self._agents[seat.name])
                return
            except Exception as error:  # noqa: BLE001  Whatever an agent crashes with.
                self._crashes.append(error)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
