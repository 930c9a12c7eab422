"""Who is kept away from whom: what the Breaker knows between two of its lives.

Guards belong to the program, which may make them before the runtime starts, while it runs, or
never. The switchboard opens the one of an isolated target, whenever it comes to be, and closes none
that it did not open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from ..bus.messages import CircuitChanged
from ..core.circuits.circuit import CircuitRecord
from ..errors import ConfigError
from .guards.events import listen
from .guards.guard import Guard, GuardConfig
from .guards.registry import guard as make_guard
from .guards.registry import guards, on_made
from .isolation import Isolation


class Switchboard:
    """The guards of the program, and what is isolated.

    Args:
        run: number of this run of mendel, part of the names of intents.

    Attributes:
        run: the same.
        isolations: what is wished and done in the world, by target.
    """

    def __init__(self, run: int = 1) -> None:
        self.run = run
        self.isolations: dict[str, Isolation] = {}
        self._isolated: dict[str, str] = {}  # By target, with the reason.
        self._kept: dict[str, CircuitRecord] = {}
        self._disconnect: list[Callable[[], None]] = []

    def connect(self, tell: Callable[[CircuitChanged], object]) -> None:
        """Begin to watch the guards of the program.

        Args:
            tell: called in the event loop of the caller with each transition of a circuit, in
                whichever thread that was made.
        """
        loop = asyncio.get_running_loop()

        def hear(change: CircuitChanged) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, change)

        self._disconnect = [listen(hear), on_made(self._on_made)]

    def disconnect(self) -> None:
        """Stop watching, and let calls through again: nobody else would."""
        for target in list(self._isolated):
            self.release(target, "mendel stops")
        for end in self._disconnect:
            end()
        self._disconnect = []

    def configure(self, configs: Mapping[str, GuardConfig]) -> list[str]:
        """Give guards the settings that the configuration has for them, and make those missing.

        Returns:
            What could not be done, in words: the program made a guard of other parts itself.
        """
        problems = []
        for target, config in configs.items():
            try:
                known = guards().get(target)
                if known is None:
                    make_guard(target, config)
                else:
                    known.reconfigure(config)
            except ConfigError as error:
                problems.append(f"guard of {target}: {error}")
        return problems

    def restore(self, records: Iterable[CircuitRecord]) -> None:
        """Go on where the circuits of an earlier process stopped, as soon as there are guards."""
        self._kept = {record.target: record for record in records}
        for target in self._kept.keys() & guards().keys():
            guards()[target].restore(self._kept.pop(target))

    def records(self) -> list[CircuitRecord]:
        """What of the circuits is worth keeping; isolated ones are their incident's to restore."""
        found = [
            each.record_of() for each in guards().values() if each.target not in self._isolated
        ]
        return [*self._kept.values(), *found]

    def isolate(self, target: str, reason: str) -> None:
        """Refuse all guarded calls to a target from now on."""
        self._isolated[target] = reason
        guard = guards().get(target)
        if guard is not None:
            guard.force_open(reason)

    def release(self, target: str, reason: str) -> None:
        """Let guarded calls to a target through again; a trial shows how they go."""
        guard = guards().get(target)
        if self._isolated.pop(target, None) is not None and guard is not None:
            guard.release(reason)

    def state_of(self, target: str) -> str:
        """State of the circuit of a target; of one without a guard only whether it is isolated."""
        guard = guards().get(target)
        if guard is not None:
            return guard.state
        return "isolated" if target in self._isolated else ""

    def _on_made(self, guard: Guard) -> None:
        record = self._kept.pop(guard.target, None)
        if record is not None:
            guard.restore(record)
        reason = self._isolated.get(guard.target)
        if reason is not None:
            guard.force_open(reason)
