"""Between supervisors, which know no bus, and agents, which know no supervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..agents.agent import Agent
from ..agents.seat import Seat
from ..bus.messages import AgentCrashed, AgentStarted, AgentStopped, Message
from .supervision import Crashed, Event, Started


class OneLife:
    """One life of an agent, as a supervisor runs it."""

    def __init__(self, seat: Seat[Any], make: Callable[[Any], Agent[Any]]) -> None:
        self._seat = seat
        self._make = make

    async def run(self) -> None:
        """Live, with the newest config."""
        await self._seat.run(self._make(self._seat.config))


def as_message(event: Event) -> Message:
    """What a supervisor tells, as the bus tells it."""
    if isinstance(event, Started):
        return AgentStarted(agent=event.child, restarts=event.restarts, started_s=event.at_s)
    if isinstance(event, Crashed):
        return AgentCrashed(
            agent=event.child, error=event.error, verdict=event.verdict, crashed_s=event.at_s
        )
    return AgentStopped(agent=event.child, reason=event.reason, stopped_s=event.at_s)
