"""Many deadlines on one timer of the event loop.

A timer of the loop for each deadline costs about two microseconds and 300 bytes, and nearly all of
them are cancelled before they are due. Here a deadline is an entry in a heap, the loop knows the
earliest one only, and cancelling leaves the entry behind until it is due or the heap is half dead.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K")

# Below this size a heap of dead entries is not worth rebuilding.
_SMALL = 64


class Alarms(Generic[K]):
    """Calls back once for each key whose time has come, in the order of their times.

    Holds at most twice as many entries as there are alarms set, and `_SMALL`.
    """

    def __init__(self, loop: AbstractEventLoop, ring: Callable[[K], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._heap: list[tuple[float, int, K]] = []
        self._numbers: dict[K, int] = {}
        self._number = count()
        self._timer: TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def set(self, key: K, due_s: float) -> None:
        """Ring for a key at a loop time; an earlier alarm of the same key is replaced."""
        self._numbers[key] = number = next(self._number)
        heap = self._heap
        heappush(heap, (due_s, number, key))
        if heap[0][1] == number:
            self._wind()
        elif len(heap) > _SMALL and len(heap) > 2 * len(self._numbers):
            self._compact()

    def cancel(self, key: K) -> bool:
        """Forget an alarm; whether there was one."""
        return self._numbers.pop(key, None) is not None

    def clear(self) -> None:
        """Forget all alarms."""
        self._numbers.clear()
        self._heap.clear()
        self._wind()

    def _wind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = self._loop.call_at(self._heap[0][0], self._ring_due)

    def _ring_due(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        due: list[K] = []
        while self._heap and (
            self._heap[0][0] <= now_s or self._numbers.get(self._heap[0][2]) != self._heap[0][1]
        ):
            _, number, key = heappop(self._heap)
            if self._numbers.get(key) == number:
                del self._numbers[key]
                due.append(key)
        self._wind()
        for key in due:
            self._ring(key)

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if self._numbers.get(entry[2]) == entry[1]]
        heapify(self._heap)
        self._wind()
