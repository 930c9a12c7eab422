"""A clock that its owner turns: what an event loop is to agents, for who has none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf


class Call:
    """Something that will be called, unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Let it not take place."""
        self.callback = None


class Clockwork:
    """Time that is told by whoever drives; it never runs backward.

    A call that is due is made at the time that is told, however late that is, as an event loop does
    after its machine was asleep. What it arranges for a time that is past already is made as well.

    Attributes:
        steps_back: how often an earlier time was told than before; it counted as the same time.
    """

    __slots__ = ("_later", "_now_s", "_number", "_soon", "steps_back")

    def __init__(self, now_s: float = -inf) -> None:
        self.steps_back = 0
        self._now_s = now_s
        self._soon: deque[Callable[[], object]] = deque()
        self._later: list[tuple[float, int, Call]] = []
        self._number = 0

    def time(self) -> float:
        """The latest time that was told."""
        return self._now_s

    @property
    def next_s(self) -> float:
        """When there is something to do next; infinite when nothing is arranged."""
        if self._soon:
            return self._now_s
        while self._later and self._later[0][2].callback is None:
            heappop(self._later)
        return self._later[0][0] if self._later else inf

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call back after what runs now, before time goes on."""
        self._soon.append(callback)

    def call_at(self, when: float, callback: Callable[[], object], /) -> Call:
        """Call back once that time has come."""
        call = Call(callback)
        self._number += 1
        heappush(self._later, (when, self._number, call))
        return call

    def tell(self, now_s: float) -> None:
        """Let time go on, without calling anybody yet."""
        if now_s < self._now_s:
            self.steps_back += 1
        else:
            self._now_s = now_s

    def run(self) -> None:
        """Make all calls that are due."""
        while self.next_s <= self._now_s:
            while self._soon:
                self._soon.popleft()()
            while self.next_s <= self._now_s and not self._soon:
                callback = heappop(self._later)[2].callback
                if callback is not None:
                    self._soon.append(callback)
