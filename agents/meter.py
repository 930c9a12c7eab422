"""How long an agent, or the care of a component, has kept the event loop busy.

A coroutine runs in steps, from one wait to the next; only one of all steps runs at a time. So the
time from the begin to the end of each of its steps is what an agent costs everybody else, and it is
measured without looking at any message: about half a microsecond a step, and a step handles as many
messages as there are.
"""

from __future__ import annotations

from collections.abc import Container, Coroutine, Generator
from time import perf_counter
from types import coroutine
from typing import Any, TypeVar

from ..core.topology import home_of

T = TypeVar("T")


class Meter:
    """Counts what an agent uses, through all its lives.

    Attributes:
        busy_s: time in which it kept the event loop busy.
        tasks: tasks that it runs beside its mailbox at the moment.
    """

    __slots__ = ("busy_s", "tasks")

    def __init__(self) -> None:
        self.busy_s = 0.0
        self.tasks = 0


class Meters:
    """What each component takes, looks and decisions; one meter each.

    Attributes:
        of: the meters by component; whoever is gone is left to `keep`.
    """

    __slots__ = ("_homes", "of")

    def __init__(self) -> None:
        self.of: dict[str, Meter] = {}
        self._homes: dict[str, Meter] = {}

    def at(self, target: str) -> Meter:
        """The meter of the component that a target is a part of."""
        meter = self._homes.get(target)
        if meter is None:
            meter = self._homes[target] = self.of.setdefault(home_of(target), Meter())
        return meter

    def keep(self, components: Container[str]) -> None:
        """Forget all but these."""
        if any(name not in components for name in self.of):
            self.of = {name: each for name, each in self.of.items() if name in components}
            self._homes.clear()


async def counted(work: Coroutine[Any, Any, T], meter: Meter) -> T:
    """Run a coroutine as a task of its own; count it, and the time of its steps."""
    meter.tasks += 1
    try:
        return await _steps(work, meter)
    finally:
        meter.tasks -= 1


async def metered(work: Coroutine[Any, Any, T], meter: Meter) -> T:
    """Run a coroutine, and count the time of its steps."""
    return await _steps(work, meter)


@coroutine
def _steps(work: Coroutine[Any, Any, T], meter: Meter) -> Generator[Any, Any, T]:
    value: Any = None
    error: BaseException | None = None
    while True:
        began_s = perf_counter()
        try:
            waits_for = work.send(value) if error is None else work.throw(error)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # What the coroutine returns.
        finally:
            meter.busy_s += perf_counter() - began_s
        value, error = None, None
        try:
            value = yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as thrown:  # noqa: BLE001  Whatever it is, the work is to see it.
            error = thrown
