"""What the bus said during a run, and what it tells of the state of the estate right now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from ...bus.messages import (
    ActionFinished,
    ActionStarted,
    AnomalyDetected,
    HealthChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
    Status,
)

# A fault brings about 40 of them, so this is more than an hour of faults.
MESSAGES_MAX = 20_000
_KEPT = (
    ActionFinished,
    ActionStarted,
    AnomalyDetected,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
)


class Chronicle:
    """Listens, keeps what the score needs, and knows whether all is quiet.

    Args:
        components: names of all components.
        messages_max: how many messages are kept; the newest are lost beyond that.

    Attributes:
        messages: what is scored, in order.
        lost: how many were not kept.
        statuses: newest health of each component.
        isolated: components that calls are kept away from.
        running: the actions that run now, as target and action, by intent.
    """

    def __init__(self, components: Iterable[str], *, messages_max: int = MESSAGES_MAX) -> None:
        self._messages_max = messages_max
        self.messages: list[Message] = []
        self.lost = 0
        self.statuses = dict.fromkeys(components, Status.UNKNOWN)
        self.isolated: set[str] = set()
        self.running: dict[str, tuple[str, str]] = {}
        self._open_incidents: dict[str, str] = {}
        self._heard = asyncio.Event()

    @property
    def is_calm(self) -> bool:
        """Whether everybody is healthy, nobody is isolated and no incident is open."""
        return (
            not self._open_incidents
            and not self.isolated
            and all(status is Status.HEALTHY for status in self.statuses.values())
        )

    def has_healed(self, target: str, since_s: float) -> bool:
        """Whether an incident of the target that was opened since then was healed."""
        return any(
            isinstance(each, IncidentClosed)
            and each.target == target
            and each.outcome == "healed"
            and each.opened_s >= since_s
            for each in reversed(self.messages)
        )

    def hear(self, message: Message) -> None:
        """Take one message from the bus."""
        match message:
            case HealthChanged():
                self.statuses[message.target] = message.status
            case IncidentOpened():
                self._open_incidents[message.incident] = message.target
            case IncidentClosed():
                self._open_incidents.pop(message.incident, None)
            case ActionStarted():
                self.running[message.intent] = (message.target, message.action)
            case ActionFinished():
                self.running.pop(message.intent, None)
                self._note_isolation(message)
        if isinstance(message, _KEPT):
            self._keep(message)
        self._heard.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something that only a message can bring about.

        Returns:
            Whether it came about in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            return False
        return True

    def _note_isolation(self, finished: ActionFinished) -> None:
        match finished.action, finished.outcome:
            case "isolate", "succeeded":
                self.isolated.add(finished.target)
            case "release", "succeeded":
                self.isolated.discard(finished.target)

    def _keep(self, message: Message) -> None:
        if len(self.messages) < self._messages_max:
            self.messages.append(message)
        else:
            self.lost += 1
