"""The agents of one system: their seats, who supervises them, and who comes and goes.

The supervisor knows nothing of the bus; what it tells is put on the bus here, so that whoever wants
to know that an agent crashed listens like for anything else.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import structs

from ..agents.agent import Agent, AgentConfig, convert_config
from ..agents.ports import Journal
from ..agents.seat import Seat
from ..bus.consumers import BATCH
from ..bus.local import LocalBus
from ..bus.messages import Message
from ..core.restarts import ChildSpec, SupervisorSpec
from ..errors import ConfigError
from .lives import OneLife, as_message
from .supervision import ChildStatus, Crashed, Event
from .supervisor import Supervisor

_log = logging.getLogger("mendel.system")

C = TypeVar("C", bound=AgentConfig)
Make = Callable[[Any], Agent[Any]]

# The whole program stops within two seconds; the world needs most of them.
_STAFF_STOP_S = 0.6
_ADDED_STOP_S = 0.4
# Messages that anybody's agent handles in a row: healing does not wait for hundreds of slow ones.
_ADDED_BATCH = 32


class Staff:
    """Employs agents, each in a seat of its own, and keeps them alive.

    Args:
        bus: how they talk.
        journal: their memory.
        spec: how they are supervised.
        rng: of the jitter of restarts.
        publish: puts what becomes of them on the bus.

    Attributes:
        seats: places of all agents, by name.
        kinds: their classes, by name.
    """

    def __init__(
        self,
        bus: LocalBus,
        journal: Journal,
        spec: SupervisorSpec,
        rng: random.Random,
        publish: Callable[[Message], None],
    ) -> None:
        self.seats: dict[str, Seat[Any]] = {}
        self.kinds: dict[str, type[Agent[Any]]] = {}
        self._bus = bus
        self._journal = journal
        self._spec = spec
        self._rng = rng
        self._publish = publish
        self._added: dict[str, Supervisor] = {}
        self._all = self._supervisor("mendel", [], _STAFF_STOP_S)
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Let all begin that are employed by now; further ones begin as they come."""
        self._work = asyncio.create_task(self._all.run(), name="mendel")

    async def stop(self) -> None:
        """Stop all, in bounded time."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    async def wait(self) -> None:
        """Wait until one of those that were employed cannot be kept alive.

        Raises:
            GaveUp: that is so.
        """
        assert self._work is not None, "the system is not running"
        await asyncio.shield(self._work)

    def employ(
        self,
        agent_class: type[Agent[C]],
        settings: Mapping[str, Any],
        make: Callable[[C], Agent[C]],
    ) -> None:
        """Take on an agent without which healing cannot go on: when it gives up, all do.

        Args:
            agent_class: its class.
            settings: of its configuration, as they stand in a file.
            make: makes one for each of its lives.
        """
        seat = self._seat(agent_class.name, agent_class, convert_config(agent_class, settings))
        self._all.add(ChildSpec(name=agent_class.name), lambda: OneLife(seat, make))

    def add(
        self, name: str, agent_class: type[Agent[Any]], config: AgentConfig, make: Make
    ) -> None:
        """Take on one more agent; when it gives up, it is this one only that is missing.

        Raises:
            ConfigError: there is an agent of this name.
        """
        if name in self.seats:
            raise ConfigError(f"there is an agent {name!r} already")
        seat = self._seat(name, agent_class, config, _ADDED_BATCH)
        child = (ChildSpec(name=name), lambda: OneLife(seat, make))
        alone = self._added[name] = self._supervisor(name, [child], _ADDED_STOP_S / 2)
        guard = ChildSpec(name=_guard_of(name), restart="temporary", shutdown_s=_ADDED_STOP_S)
        self._all.add(guard, lambda: alone)

    async def remove(self, name: str) -> None:
        """Stop an agent that was added; what waits for it becomes dead letters."""
        await self._all.remove(_guard_of(name))
        del self._added[name]
        del self.kinds[name]
        self.seats.pop(name).close()

    def status(self) -> dict[str, ChildStatus]:
        """How each agent stands."""
        supervisors = (self._all, *self._added.values())
        found = {each.name: each for one in supervisors for each in one.status()}
        return {name: found[name] for name in self.seats if name in found}

    def _supervisor(self, name: str, children: list[Any], stop_s: float) -> Supervisor:
        spec = structs.replace(self._spec, shutdown_s=stop_s)
        return Supervisor(name, spec, children, rng=self._rng, on_event=self._on_event)

    def _seat(
        self, name: str, agent_class: type[Agent[Any]], config: Any, batch: int = BATCH
    ) -> Seat[Any]:
        seat = Seat(self._bus, agent_class, config, name=name, journal=self._journal, batch=batch)
        self.seats[name], self.kinds[name] = seat, agent_class
        return seat

    def _on_event(self, event: Event) -> None:
        message = as_message(event)
        level = logging.WARNING if isinstance(event, Crashed) else logging.DEBUG
        _log.log(level, "%s", message, exc_info=getattr(event, "exception", None))
        self._publish(message)


def _guard_of(agent: str) -> str:
    return f"supervisor of {agent}"
