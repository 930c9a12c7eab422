"""A drill from start to end: start the estate, break it, let mendel heal it, take everything back.

The drill starts mendel itself, in its own process, on the user's configuration; nobody else may run
it meanwhile. Whatever ends the drill (its end, Ctrl-C, an error) takes the present fault back; of a
drill that is killed, the next start does.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from ...bus.envelope import Envelope
from ...bus.messages import READINGS, FaultInjected, FaultLifted, Message
from ...core.units import format_duration
from ...errors import EnvironmentProblem
from ..config import Loaded, load
from ..demo.chronicle import Chronicle
from ..demo.estate import build_estate
from ..demo.run import CONFIG_NAME, configuration, stoppable, warnings_told
from ..launch import first, launch
from ..render import render
from ..system import System
from ..words import in_words
from ..world import RealWorld
from .hands import CannotBreak, Hands, leak_bytes
from .plan import Plan, Step
from .stage import Fitting, fitted, proxies
from .verdict import Happened, Result, judge

START_S_MAX = 60.0

Tell = Callable[[str], None]


class Patience(Struct, frozen=True, kw_only=True):
    """How long a drill waits.

    Attributes:
        settle_s: for healing, after a fault is over or has begun.
        calm_s: for quiet before a fault.
        start_s: until all components are healthy at first.
    """

    settle_s: float = 60.0
    calm_s: float = 30.0
    start_s: float = START_S_MAX


@contextmanager
def demo_estate(seed: int) -> Iterator[Loaded]:
    """The five services of the demo, to be drilled when there is no configuration."""
    folder = Path(tempfile.mkdtemp(prefix="mendel-drill-"))
    try:
        config = folder / CONFIG_NAME
        estate = build_estate(folder, parent=os.getpid())
        config.write_text(render(configuration(estate, seed)), "utf-8")
        yield load(config, environ={})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_drill(
    loaded: Loaded,
    plan: Plan,
    tell: Tell,
    *,
    seed: int = 1,
    patience: Patience = Patience(),  # noqa: B008  Frozen.
    record: Path | None = None,
) -> Result:
    """Drill an estate.

    SIGTERM, SIGINT and SIGHUP stop it in order, and the present fault is taken back.

    Args:
        loaded: how the estate is run and healed.
        plan: what is broken.
        tell: takes a line for people at each step.
        seed: of what is drawn while faults last.
        patience: how long to wait.
        record: file to record everything in, to be replayed.

    Raises:
        ConfigError: a component cannot be broken as planned; nothing was started.
        EnvironmentProblem: the estate does not come up, or runs already.
        asyncio.CancelledError: a signal ended it early; nothing is left broken.
    """
    for step in plan.steps:
        if step.kind == "leak":
            leak_bytes(loaded.config, step.target)  # Better said now than when all runs.
    with fitted(loaded, plan) as fitting:
        return asyncio.run(_drill(fitting, plan, tell, seed, patience, record))


async def _drill(
    fitting: Fitting, plan: Plan, tell: Tell, seed: int, patience: Patience, record: Path | None
) -> Result:
    loaded = fitting.loaded
    chronicle = Chronicle(each.name for each in loaded.config.components)
    with stoppable() as stop, warnings_told(tell):
        async with (
            proxies(fitting, seed) as standing,
            launch(loaded, on_stop=stop, record=record) as system,
        ):
            world = system.world
            assert isinstance(world, RealWorld), "launch enters the real world"
            hands = Hands(loaded.config, loaded.state, world.process, standing, fitting.fifos)
            with _heard(system, chronicle, tell):
                await _until_up(chronicle, patience)
                tell(f"all are healthy; faults to come: {len(plan.steps)}")
                drill = _Drill(hands, chronicle, system, tell, patience)
                await first(drill.run(plan.steps), system.wait())
    return judge(plan, loaded.document.name, drill.happened, drill.skipped, chronicle.messages)


class _Drill:
    """Carries out the faults, one after the other."""

    def __init__(
        self, hands: Hands, chronicle: Chronicle, system: System, tell: Tell, patience: Patience
    ) -> None:
        self._hands = hands
        self._chronicle = chronicle
        self._system = system
        self._tell = tell
        self._patience = patience
        self._who = _user()
        self.happened: list[Happened] = []
        self.skipped: list[str] = []

    async def run(self, steps: tuple[Step, ...]) -> None:
        for number, step in enumerate(steps, 1):
            if not await self._is_calm(self._patience.calm_s):
                self._skip(step, "the estate is not healthy before it")
                continue
            self._tell(f"fault {number} of {len(steps)}: {step.words}")
            try:
                await self._carry_out(step)
            except CannotBreak as error:
                self._skip(step, str(error))

    async def _carry_out(self, step: Step) -> None:
        loop, heard = asyncio.get_running_loop(), len(self._chronicle.messages)
        injected_s = loop.time()
        try:
            await self._hands.break_it(step)
            await self._say(
                FaultInjected(
                    target=step.target, kind=step.kind, who=self._who, injected_s=injected_s
                )
            )
            await self._last(step, injected_s)
        finally:
            await self._hands.take_back(step)
        lifted_s = loop.time()
        await self._say(
            FaultLifted(
                target=step.target,
                kind=step.kind,
                who=self._who,
                injected_s=injected_s,
                lifted_s=lifted_s,
            )
        )
        await self._is_calm(self._patience.settle_s)
        self.happened.append(
            Happened(
                step=step,
                injected_s=injected_s,
                lifted_s=lifted_s,
                first=heard,
                end=len(self._chronicle.messages),
            )
        )

    async def _last(self, step: Step, injected_s: float) -> None:
        """Let a fault last: one of the network its time, one of a process until it is healed."""
        if step.drill.lives_in == "network":
            await asyncio.sleep(step.for_s)
            return
        relief = asyncio.create_task(self._relieve(step))
        try:
            await self._chronicle.until(
                lambda: self._chronicle.has_healed(step.target, injected_s), self._patience.settle_s
            )
        finally:
            relief.cancel()

    async def _relieve(self, step: Step) -> None:
        """End the fault of a process as soon as another one has taken its place."""
        await self._chronicle.until(lambda: self._hands.is_replaced(step), self._patience.settle_s)
        await self._hands.relieve(step)

    async def _is_calm(self, timeout_s: float) -> bool:
        return await self._chronicle.until(lambda: self._chronicle.is_calm, timeout_s)

    async def _say(self, message: Message) -> None:
        await self._system.bus.publish(message)

    def _skip(self, step: Step, why: str) -> None:
        self.skipped.append(f"{step.kind} of {step.target}: {why}")
        self._tell(f"not broken: {self.skipped[-1]}")


@contextmanager
def _heard(system: System, chronicle: Chronicle, tell: Tell) -> Iterator[None]:
    def hear(batch: list[Envelope]) -> None:
        for envelope in batch:
            chronicle.hear(envelope.message)
            if words := in_words(envelope.message):
                tell(f"  {words}")

    tap = system.bus.tap(hear, without=READINGS)
    chronicle.statuses.update(system.statuses())  # What was said before anybody listened.
    try:
        yield
    finally:
        tap.close()


async def _until_up(chronicle: Chronicle, patience: Patience) -> None:
    if await chronicle.until(lambda: chronicle.is_calm, patience.start_s):
        return
    ill = ", ".join(
        f"{name} is {status}" for name, status in chronicle.statuses.items() if status != "healthy"
    )
    raise EnvironmentProblem(
        f"nothing was broken, for not all is healthy within {format_duration(patience.start_s)}: "
        f"{ill}",
        "make it healthy first; `mendel run` and `mendel status` say what is wrong",
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
