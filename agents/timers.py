"""Timers of one agent: they survive its crash, and ring through its mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ..bus.alarms import Alarms, Clock
from ..bus.messages import Message


class Timer(Message, frozen=True, kw_only=True):
    """A timer of an agent has rung; it comes through the system lane, to that agent alone.

    Attributes:
        name: which of the agent's timers.
        key: whose timer it is (a target, an incident).
        due_s: when it was to ring, loop time.
    """

    system: ClassVar[bool] = True

    name: str
    key: str
    due_s: float


class Timers:
    """All timers of one agent, on one timer of the event loop.

    A timer that has rung waits in the mailbox for its turn. If it is cancelled or started anew
    meanwhile, `take` says so, so that a core never hears of a timer that it has given up.
    """

    __slots__ = ("_alarms", "_loop", "_ring", "_set")

    def __init__(self, loop: Clock, ring: Callable[[Timer], None]) -> None:
        self._set: dict[tuple[str, str], Timer] = {}
        self._ring = ring
        self._loop = loop
        self._alarms: Alarms[tuple[str, str]] | None = None  # Most agents have no timer.

    def __len__(self) -> int:
        return len(self._set)

    def start(self, name: str, key: str, due_s: float) -> None:
        """Ring at a loop time; an earlier timer of the same name and key is replaced."""
        self._set[name, key] = Timer(name=name, key=key, due_s=due_s)
        if self._alarms is None:
            self._alarms = Alarms(self._loop, self._rang)
        self._alarms.set((name, key), due_s)

    def cancel(self, name: str, key: str) -> None:
        """Forget a timer, even one that has rung and waits for its turn."""
        if self._set.pop((name, key), None) is not None and self._alarms is not None:
            self._alarms.cancel((name, key))

    def take(self, timer: Timer) -> bool:
        """Whether a timer that has rung is still wanted; it is used up by that."""
        if self._set.get((timer.name, timer.key)) is not timer:
            return False
        del self._set[timer.name, timer.key]
        return True

    def restore(self, timer: Timer) -> None:
        """Want a timer again whose handling has failed, unless it was started anew."""
        self._set.setdefault((timer.name, timer.key), timer)

    def clear(self) -> None:
        """Forget all timers."""
        self._set.clear()
        if self._alarms is not None:
            self._alarms.clear()

    def _rang(self, place: tuple[str, str]) -> None:
        self._ring(self._set[place])
