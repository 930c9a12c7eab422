"""One line that makes the guards of a program part of a running system.

    async with launch("mendel.toml") as system, GuardLink(system.bus):
        ...

From then on the Coordinator's word isolates guarded targets and lets calls in again, every
transition of a circuit is a message that all can hear, and what callers see of a target reaches the
Monitor as heartbeats of that component (give it a ``heartbeat`` probe to have them watched).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..bus.messages import CircuitChanged, Heartbeat, IsolateTarget, Message, ReleaseTarget
from .guard import Guard
from .guard_events import listen
from .guard_metrics import GuardProbe
from .guard_registry import guards


class Bus(Protocol):
    """What is needed of a bus."""

    def publish(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        ...

    def subscribe(self, pattern: str, handler: Callable[[Any], None]) -> Any:
        """Hear messages of a pattern."""
        ...


class GuardLink:
    """Ties all guards of the program, also those made later, to a bus while its context lasts.

    Args:
        bus: of the system.
        every_s: seconds between two reports of what the callers of a target saw.
    """

    def __init__(self, bus: Bus, every_s: float = 1.0) -> None:
        self._bus = bus
        self._every_s = every_s
        self._probes: dict[str, GuardProbe] = {}
        self._ends: list[Callable[[], object]] = []
        self._obeying = False
        self._task: asyncio.Task[None] | None = None
        self._thread = 0

    async def __aenter__(self) -> GuardLink:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        for command, obey in ((IsolateTarget, self._isolate), (ReleaseTarget, self._release)):
            self._ends.append(self._bus.subscribe(f"{command.topic}.>", obey).unsubscribe)
        self._ends.append(listen(self._tell))
        self._task = asyncio.create_task(self._report_for_ever(), name="guard link")
        return self

    async def __aexit__(self, *_: object) -> None:
        for end in self._ends:
            end()
        self._ends.clear()
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _isolate(self, envelope: Any) -> None:
        wish: IsolateTarget = envelope.message
        self._obey(wish.target, lambda guard: guard.force_open(wish.reason or "isolated"))

    def _release(self, envelope: Any) -> None:
        wish: ReleaseTarget = envelope.message
        self._obey(wish.target, lambda guard: guard.release(wish.reason or "released"))

    def _obey(self, target: str, command: Callable[[Guard], None]) -> None:
        guard = guards().get(target)
        if guard is None:
            return
        self._obeying = True  # The Breaker has told of this transition already.
        try:
            command(guard)
        finally:
            self._obeying = False

    def _tell(self, change: CircuitChanged) -> None:
        if self._obeying:
            return
        if threading.get_ident() == self._thread:
            self._bus.publish(change)
        else:
            self._loop.call_soon_threadsafe(self._bus.publish, change)

    async def _report_for_ever(self) -> None:
        while True:
            self._report()
            await asyncio.sleep(self._every_s)

    def _report(self) -> None:
        for target, guard in guards().items():
            probe = self._probes.get(target)
            if probe is None:
                self._probes[target] = GuardProbe(guard, self._every_s)
            else:
                self._bus.publish(Heartbeat(target=target, metrics=probe.read().metrics))
