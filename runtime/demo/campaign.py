"""Break one thing after the other, each when the last one is healed and all is quiet again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from ...bus.messages import FaultInjected, FaultLifted, Message
from .chronicle import Chronicle
from .faults import Fault, InjectionFailed
from .score import Injection

WHO = "mendel demo"
CALM_S_MAX = 10.0  # So long the next fault waits for quiet; then it comes all the same.
HEALING_S = 6.0  # A fault is not begun when less than this is left of the run.


class Hands(Protocol):
    """Who makes faults real: `mendel.runtime.demo.faults.Injector`."""

    async def inject(self, fault: Fault) -> None:
        """Let it happen; `InjectionFailed` when it cannot."""

    async def lift(self, fault: Fault) -> None:
        """End it if it has not ended."""


class Campaign:
    """Carries out a plan of faults.

    Args:
        plan: the faults in order.
        hands: make them real.
        chronicle: what is known of the estate.
        tell: takes a line for people at each step.
        publish: tells everybody what is broken and what is whole again, so that a replay of
            what was recorded knows it.

    Attributes:
        injections: the faults that were made real and lifted.
        skipped: planned faults that could not be made real or did not fit.
    """

    def __init__(
        self,
        plan: Sequence[Fault],
        hands: Hands,
        chronicle: Chronicle,
        tell: Callable[[str], None],
        publish: Callable[[Message], object],
    ) -> None:
        self._plan = plan
        self._hands = hands
        self._chronicle = chronicle
        self._tell = tell
        self._publish = publish
        self.injections: list[Injection] = []
        self.skipped: list[Fault] = []

    async def run(self, duration_s: float) -> None:
        """Break and wait, until the plan or the time is at its end.

        A fault that is under way at the end of the time still gets its window.
        """
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for number, fault in enumerate(self._plan, 1):
            await asyncio.sleep(start_s + fault.at_s - loop.time())
            await self._chronicle.until(lambda: self._chronicle.is_calm, CALM_S_MAX)
            if loop.time() + HEALING_S > start_s + duration_s:
                self.skipped.append(fault)
            else:
                self._tell(f"fault {number} of {len(self._plan)}: {fault.words}")
                await self._carry_out(fault)
        if self.skipped:
            missed = ", ".join(fault.kind for fault in self.skipped)
            self._tell(f"not broken, for lack of time or a service that was gone: {missed}")

    async def _carry_out(self, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        injected_s = loop.time()
        try:
            await self._hands.inject(fault)
        except InjectionFailed as error:
            self._tell(str(error))
            self.skipped.append(fault)
            return
        self._publish(
            FaultInjected(target=fault.target, kind=fault.kind, who=WHO, injected_s=injected_s)
        )
        await self._chronicle.until(
            lambda: (
                self._chronicle.has_healed(fault.target, injected_s) and self._chronicle.is_calm
            ),
            fault.window_s,
        )
        lifted_s = loop.time()
        healed = self._chronicle.has_healed(fault.target, injected_s)
        self._tell(f"{fault.target} is healed" if healed else f"{fault.target} was not healed")
        await self._hands.lift(fault)
        self._publish(
            FaultLifted(
                target=fault.target,
                kind=fault.kind,
                who=WHO,
                injected_s=injected_s,
                lifted_s=lifted_s,
            )
        )
        self.injections.append(
            Injection(
                kind=fault.kind, target=fault.target, injected_s=injected_s, lifted_s=lifted_s
            )
        )
