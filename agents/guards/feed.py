"""What guarded calls tell of their targets: the health signal that nobody has to probe for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .registry import guards

# Fewer calls than these between two looks are an anecdote, not a rate.
CALLS_MIN = 5


class CallFeed:
    """Reads the counts of all guards of the program, and what has been added to them.

    Calls that were refused are no calls: a circuit that is open says nothing of its target.
    """

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int, int]] = {}

    @property
    def next_s(self) -> float:
        """No look is wanted in particular: calls come at any time."""
        return math.inf

    def read(self) -> Iterator[tuple[str, dict[str, float] | None]]:
        """What the calls to each target showed since the last time.

        Yields:
            A target, and its metrics or ``None`` when there were too few calls.
        """
        present = dict(guards())
        for target in self._before.keys() - present.keys():
            del self._before[target]
        for target, guard in present.items():
            circuit = guard.circuit
            now = (circuit.calls, circuit.counts.failures, circuit.counts.slow)
            before = self._before.get(target, now)
            self._before[target] = now
            calls, failures, slow = (new - old for new, old in zip(now, before, strict=True))
            if calls < CALLS_MIN:
                yield target, None
            else:
                yield (
                    target,
                    {
                        "calls": float(calls),
                        "call_failure_rate": failures / calls,
                        "call_slow_rate": slow / calls,
                    },
                )
