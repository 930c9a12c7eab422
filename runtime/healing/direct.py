"""A world that is healed by direct calls: what a replay needs of a system, and no more.

It decides exactly what `mendel.runtime.system.System` decides, at a fraction of the cost, because
no message crosses a mailbox. What it does not have is what only a long run needs: supervision,
plug-ins, reconfiguration, readings on the bus. An error of a core ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ...agents.agent import Agent, convert_config
from ...agents.breaker import Breaker
from ...agents.execution import Execution
from ...agents.eyes import Eyes
from ...agents.isolation import Isolation
from ...agents.monitor import Monitor, MonitorConfig
from ...agents.ports import Journal, Probe, Sample, World
from ...agents.recovery import Recovery
from ...bus.local import LocalBus
from ...bus.messages import ActionFinished, RunAction
from ...core.levels import Level
from ...core.policy import Pause
from ...core.watching.rounds import Look
from ..config import Config
from ..factory import Parts, build
from ..ground import Ground
from ..levels import exchange
from .driver import Command, Driver
from .hands import Hands


class DirectSystem:
    """Heals one estate in an event loop; use it as ``async with DirectSystem(...) as system:``.

    Args:
        config: how it heals; its plug-ins are not loaded.
        world: what it heals.
        journal: its memory.
        run: number of this run, first part of every incident's name.
        pauses: of components that nothing may be done to for now.

    Attributes:
        bus: where its decisions can be heard; nobody but taps listens there.
        parts: the cores.
    """

    bus: LocalBus
    parts: Parts

    def __init__(
        self,
        config: Config,
        world: World,
        journal: Journal,
        *,
        run: int = 1,
        pauses: Sequence[Pause] = (),
    ) -> None:
        self._config = config
        self._world = world
        self._ground = Ground(world)
        self._journal = journal
        self._run = run
        self._pauses = tuple(pauses)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()

    # --- start and stop -----------------------------------------------------------------------

    async def __aenter__(self) -> DirectSystem:
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._clock = _Watched(self._loop, self._fail)
        self.bus = await self._ground.enter()
        try:
            self.parts = build(
                self._config, self._world, self._journal, run=self._run, pauses=self._pauses
            )
            # Whoever listens has the same turn of the loop for it that the agents leave.
            self._clock.call_soon(self._start)
        except BaseException:
            await self._ground.leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._ground.leave()

    async def wait(self) -> None:
        """Wait until it cannot go on, which is when a core has failed; its error is raised."""
        await asyncio.shield(self._failed)

    async def change_level(self, component: str, level: Level) -> None:
        """Heal a component on another level from now on, its open incident included.

        Raises:
            ConfigError: there is no such component.
        """
        self._config = exchange(
            self._config,
            self.parts,
            self._world,
            component,
            level,
            publish=self._driver.tell,
            now_s=self._loop.time(),
        )

    def _start(self) -> None:
        parts, loop = self.parts, self._loop
        self._driver = Driver(
            parts,
            self._world,
            self._journal,
            self._clock,
            carry_out=self._carry_out,
            hear=self.bus.publish,
            heed=lambda: self._eyes.heed(),
        )
        self._hands = Hands(
            self._world,
            parts,
            self._journal,
            tell=self._driver.tell,
            now=loop.time,
            recovery=_settings(Recovery, self._config),
            breaker=_settings(Breaker, self._config),
        )
        monitor: MonitorConfig = _settings(Monitor, self._config)
        self._eyes = Eyes(
            self._driver.rounds, monitor.concurrent_looks, monitor.tick_s, self._take, self._spawn
        )
        self._driver.take_up()
        for execution in self._hands.left_over():
            self._spawn(self._act(execution), "go on")
        self._spawn(self._eyes.look_around(), "look around")
        self._driver.watch(monitor.sweep_s)

    # --- seeing -------------------------------------------------------------------------------

    async def _take(self, look: Look[Probe], sample: Sample | None) -> None:
        rounds, now_s = self._driver.rounds, self._loop.time()
        if sample is None:
            effects = rounds.on_no_data(look, now_s)
        else:
            effects = rounds.on_sample(look, sample.metrics, sample.detail, now_s)
        self._driver.seen(effects)

    # --- doing --------------------------------------------------------------------------------

    def _carry_out(self, command: Command) -> None:
        if not isinstance(command, RunAction):
            self._work_on(self._hands.want(command))
            return
        match self._hands.accept(command):
            case ActionFinished() as finished:
                self._driver.tell(finished)
            case Execution() as execution:
                self._spawn(self._act(execution), f"run {command.intent}")

    async def _act(self, execution: Execution) -> None:
        await self._hands.act(execution)

    def _work_on(self, isolation: Isolation) -> None:
        target = isolation.wish.target
        if target not in self._busy:
            self._busy.add(target)
            self._spawn(self._isolate(isolation), f"isolate {target}")

    async def _isolate(self, isolation: Isolation) -> None:
        try:
            wait_s = await self._hands.isolate(isolation)
        finally:
            self._busy.discard(isolation.wish.target)
        if wait_s:
            due_s = self._loop.time() + wait_s
            self._clock.call_at(due_s, lambda: self._work_on(isolation))

    # --- tasks --------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


class _Watched:
    """An event loop that tells what its calls fail with, where asyncio would only log it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fail: Callable[[BaseException], None]
    ) -> None:
        self._loop = loop
        self._fail = fail
        self.time = loop.time

    def call_soon(self, callback: Callable[[], object], /) -> asyncio.Handle:
        return self._loop.call_soon(self._call, callback)

    def call_at(self, when: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        return self._loop.call_at(when, self._call, callback)

    def _call(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001  Whoever waits for the system raises it.
            self._fail(error)


def _settings(agent: type[Agent], config: Config) -> Any:
    """What the agent that does this on the bus would be configured by."""
    return convert_config(agent, config.agent.get(agent.name, {}))
