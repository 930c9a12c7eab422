"""Circuits run again on recorded calls, each under a configuration of one's choice.

A recording holds the guarded calls of a program as rates, one row a second and target. They are
taken apart again, failures and slow calls spread evenly over their second, and given to a circuit
as a live program gives them. So how many calls there were and how they ended is exact to the
second, and their order within it is not. What was refused then was never made, so nobody knows how
it would have ended: a circuit that opened less often than the recorded one did is told too little.
How long a call took is known only as whether it was slow by the line of that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..bus.messages import CircuitChanged
from ..core.circuits.circuit import Circuit, CircuitConfig, Outcome, State
from .recording import Row

# Of a second with more calls, as many are taken, in the same proportions: a window holds no more.
CALLS_MAX = 10_000
# Of a circuit that opens for ever, the first ones are told; all are counted.
TOLD_MAX = 100
# A row is of the second before it.
_ROW_S = 1.0


class CircuitRun(Struct, frozen=True, kw_only=True):
    """What a circuit made of recorded calls.

    Attributes:
        target: what it protects.
        calls: how many calls there were.
        refused: those of them that it would not have permitted.
        opened: how often it opened.
        opened_s: when, on the clock of the recording; the first `TOLD_MAX` times.
    """

    target: str
    calls: int
    refused: int
    opened: int
    opened_s: tuple[float, ...]


class _Run:
    def __init__(self, target: str, config: CircuitConfig, now_s: float) -> None:
        self.circuit = Circuit(target, config, now_s, on_change=self._changed)
        self.calls = self.refused = self.opened = 0
        self.opened_s: list[float] = []
        self._until_s = now_s

    def take(self, row: Row) -> None:
        """Make the calls of a second."""
        calls, outcomes = _outcomes(row.metrics)
        begin_s = max(self._until_s, row.at_s - _ROW_S)
        step_s = (row.at_s - begin_s) / max(len(outcomes), 1)
        refused = 0
        for number, outcome in enumerate(outcomes, 1):
            now_s = begin_s + number * step_s
            granted = self.circuit.acquire(now_s)
            if granted is None:
                refused += 1
            else:
                granted.record(outcome, now_s)
        self._until_s = max(self._until_s, row.at_s)
        self.calls += calls
        self.refused += round(refused * calls / max(len(outcomes), 1))

    def _changed(self, change: CircuitChanged) -> None:
        if change.state == State.OPEN:
            self.opened += 1
            if len(self.opened_s) < TOLD_MAX:
                self.opened_s.append(change.changed_s)


def run_circuits(rows: Iterable[Row], configs: Mapping[str, CircuitConfig]) -> list[CircuitRun]:
    """Run a circuit for every target that was called.

    Args:
        rows: of guarded calls, oldest first.
        configs: of the circuits, by target; whoever is not in it has the defaults.

    Returns:
        What each of them did, in the order of the first calls.
    """
    runs: dict[str, _Run] = {}
    for row in rows:
        run = runs.get(row.target)
        if run is None:
            config = configs.get(row.target, CircuitConfig())
            run = runs[row.target] = _Run(row.target, config, row.at_s - _ROW_S)
        run.take(row)
    return [
        CircuitRun(
            target=target,
            calls=run.calls,
            refused=run.refused,
            opened=run.opened,
            opened_s=tuple(run.opened_s),
        )
        for target, run in runs.items()
    ]


def _outcomes(metrics: Mapping[str, float]) -> tuple[int, list[Outcome]]:
    """How many calls a row is of, and how they ended, the bad ones spread evenly among the good."""
    calls = max(round(metrics.get("calls", 0.0)), 0)
    taken = min(calls, CALLS_MAX)
    failed = min(round(taken * metrics.get("call_failure_rate", 0.0)), taken)
    slow = min(round(taken * metrics.get("call_slow_rate", 0.0)), taken - failed)
    others = iter(_spread(taken - failed, slow))
    return calls, [
        Outcome.FAILURE if is_failed else Outcome.SLOW if next(others) else Outcome.SUCCESS
        for is_failed in _spread(taken, failed)
    ]


def _spread(total: int, marked: int) -> list[bool]:
    """So many places, so many of them marked, as evenly as can be."""
    return [(place + 1) * marked // total > place * marked // total for place in range(total)]
