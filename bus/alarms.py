"""Many deadlines on one timer of the event loop.

A timer of the loop for each deadline costs about two microseconds and 300 bytes, and nearly all of
them are cancelled long before they are due. Here a new alarm is an entry in a dictionary, and the
loop knows the earliest time only. When that comes, the alarms that are still set go into a heap,
once each; so an alarm that is cancelled early, as that of a request that is answered, costs 0.1
microseconds altogether.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Generic, Protocol, TypeVar

K = TypeVar("K")


class Handle(Protocol):
    """A call that has been arranged."""

    def cancel(self) -> None:
        """Let it not take place."""
        ...


class Clock(Protocol):
    """As much of an event loop as timers need."""

    def time(self) -> float:
        """Loop time in seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Handle:
        """Call back at a loop time."""
        ...


# Below this size a heap of dead entries is not worth rebuilding.
_SMALL = 64


class Alarms(Generic[K]):
    """Calls back once for each key whose time has come, in the order of their times.

    Holds at most twice as many entries as there are alarms set, and `_SMALL`.
    """

    __slots__ = ("_heap", "_loop", "_next_s", "_number", "_old", "_ring", "_timer", "_young")

    def __init__(self, loop: Clock, ring: Callable[[K], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._young: dict[K, float] = {}  # When they are due.
        self._old: dict[K, int] = {}  # Number of their entry in the heap.
        self._heap: list[tuple[float, int, K]] = []
        self._number = count()
        self._next_s = inf
        self._timer: Handle | None = None

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def set(self, key: K, due_s: float) -> None:
        """Ring for a key at a loop time; an earlier alarm of the same key is replaced."""
        if self._old:
            self._old.pop(key, None)
        self._young[key] = due_s
        if due_s < self._next_s:
            self._wind(due_s)

    def cancel(self, key: K) -> bool:
        """Forget an alarm; whether there was one."""
        if self._young.pop(key, None) is not None:
            return True
        return self._old.pop(key, None) is not None

    def clear(self) -> None:
        """Forget all alarms."""
        self._young.clear()
        self._old.clear()
        self._heap.clear()
        self._wind(inf)

    def _wind(self, next_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_s = next_s
        self._timer = None if next_s == inf else self._loop.call_at(next_s, self._ring_due)

    def _ring_due(self) -> None:
        self._age()
        now_s = self._loop.time()
        due: list[K] = []
        while self._heap and (self._heap[0][0] <= now_s or self._is_dead(self._heap[0])):
            entry = heappop(self._heap)
            if not self._is_dead(entry):
                del self._old[entry[2]]
                due.append(entry[2])
        self._wind(self._heap[0][0] if self._heap else inf)
        for key in due:
            self._ring(key)

    def _age(self) -> None:
        """Move what has been set since the last time into the heap."""
        for (key, due_s), number in zip(self._young.items(), self._number):  # noqa: B905
            self._old[key] = number
            heappush(self._heap, (due_s, number, key))
        self._young.clear()
        if len(self._heap) > _SMALL and len(self._heap) > 2 * len(self._old):
            self._heap = [entry for entry in self._heap if not self._is_dead(entry)]
            heapify(self._heap)

    def _is_dead(self, entry: tuple[float, int, K]) -> bool:
        return self._old.get(entry[2]) != entry[1]
