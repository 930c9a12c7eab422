"""Start everything that a configuration file asks for, and stop it again.

`launch` is for programs that live on beside mendel; `run` is the whole life of the ``mendel run``
command, signals included. Whoever starts second in one state folder is refused before anything of
the world is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ..agents.meter import Meters
from ..agents.ports import World
from ..agents.registry import LoadedAgents
from ..bus.envelope import Envelope
from ..bus.messages import Message, StoreDegraded, StoreRecovered
from ..core.policy import Pause
from ..errors import BusClosed, EnvironmentProblem, StoreError
from ..scenarios.recorder import Recorder
from ..scenarios.recording import SCHEMA, Header, RecordingWriter
from .circuits import kept
from .config import Loaded, load
from .control import ControlServer, clear_socket
from .controls import SystemControls
from .farm import SystemFarm
from .learned import learning_kept
from .pauses import announced, earlier_actions, left_over
from .plugins import load_plugins
from .reload import Reloader
from .resources import Steward
from .store import Archive, Store
from .store.entries import OBSERVED, config_sha256
from .system import System
from .telemetry.logs import Narrator
from .undo import take_back_left_over
from .world import RealWorld

_log = logging.getLogger("mendel.launch")

DATABASE = "store.db"
SOCKET = "control.sock"
CIRCUITS = "circuits.json"
LEARNED = "learned.bin"

# Pauses are looked for in this many of the newest lines of the audit trail: more than a year of
# them, for an estate that is paused every day.
_AUDIT_ROWS = 10_000
# More actions than any sensible limit lets pass in its period.
_ACTION_ROWS = 10_000


class Launched(NamedTuple):
    """What runs."""

    system: System
    reloader: Reloader


@asynccontextmanager
async def launch(
    config: str | os.PathLike[str] | Loaded,
    *,
    record: str | os.PathLike[str] | None = None,
    on_stop: Callable[[], None] = lambda: None,
    web: bool | None = None,
) -> AsyncIterator[System]:
    """Heal what a configuration describes, for as long as the context lasts.

    Args:
        config: the file, or what was read from it.
        record: file to record everything in, or ``None``; see `mendel.scenarios.recorder`.
        on_stop: called when somebody asks the system to stop over its control socket.
        web: whether the page and the HTTP API are served; ``None`` when the file has a ``[web]``.

    Raises:
        ConfigError: the configuration is invalid; nothing was started.
        EnvironmentProblem: the state folder cannot be used.
        RecordingError: the recording cannot be written.
        StoreError: the store cannot be opened, or another mendel uses it.

    Example:
        ``async with mendel.launch("mendel.toml") as system: print(system.health())``
    """
    loaded = config if isinstance(config, Loaded) else load(config)
    async with _launched(loaded, record=record, on_stop=on_stop, web=web) as launched:
        yield launched.system


@asynccontextmanager
async def _launched(
    loaded: Loaded,
    *,
    record: str | os.PathLike[str] | None,
    on_stop: Callable[[], None],
    web: bool | None,
) -> AsyncIterator[Launched]:
    state = _state_folder(loaded.state)
    plugins = load_plugins(loaded)
    voice = _Voice()
    store = Store(
        state / DATABASE,
        loaded.config.store,
        on_degraded=voice.degraded,
        on_recovered=voice.recovered,
    )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(store)
        clear_socket(state / SOCKET)
        for found in take_back_left_over(state):  # The store is ours, so no drill is under way.
            _log.warning("%s", found)
        system = await _assemble(loaded, store, plugins)
        writer = stack.enter_context(_writer(loaded, system.world, record)) if record else None
        narrator = stack.enter_context(Narrator())
        await stack.enter_async_context(system)
        narrator.listen(system.bus)
        if writer is not None:  # No agent has had its turn yet, so nothing is missed.
            await stack.enter_async_context(Recorder(system.bus, writer))
        _keep_audit(system, store)
        if loaded.config.runtime.keep_circuits:
            await stack.enter_async_context(kept(system, state / CIRCUITS))
        if (every_s := loaded.config.runtime.keep_learned_s) > 0.0:
            await stack.enter_async_context(learning_kept(system, state / LEARNED, every_s))
        reloader = Reloader(system, loaded, store, on_stop=on_stop)
        await stack.enter_async_context(reloader)
        steward = await stack.enter_async_context(Steward(system))
        controls = _controls(system, loaded, reloader, steward, on_stop)
        voice.speak_to(system)
        system.tell_problems()
        stack.push_async_callback(controls.close)
        await stack.enter_async_context(ControlServer(state / SOCKET, controls))
        await stack.enter_async_context(_telemetry(controls, loaded))
        if web or (web is None and loaded.config.web is not None):
            await stack.enter_async_context(_page(system, controls, loaded))
        yield Launched(system, reloader)


async def _assemble(loaded: Loaded, store: Store, plugins: LoadedAgents) -> System:
    """Put the system together as the configuration and the past have it."""
    agents, problems = plugins
    pauses, earlier = await _past(loaded, store.path)
    store.note_config(loaded.document.text, source=str(loaded.path))
    return System(
        loaded.config,
        RealWorld(loaded.config.components, state=loaded.state, base=loaded.base),
        store,
        run=store.run,
        plugins=agents,
        problems=problems,
        pauses=pauses,
        earlier=earlier,
        meters=Meters(),
        farm=partial(SystemFarm, store=store.path),
    )


def _controls(
    system: System,
    loaded: Loaded,
    reloader: Reloader,
    steward: Steward,
    on_stop: Callable[[], None],
) -> SystemControls:
    return SystemControls(
        system,
        config=loaded.path,
        store=loaded.state / DATABASE,
        version=version("mendel"),
        reloader=reloader,
        steward=steward,
        on_stop=on_stop,
    )


@asynccontextmanager
async def _telemetry(controls: SystemControls, loaded: Loaded) -> AsyncIterator[None]:
    """Send metrics and logs, where somebody is configured who takes them."""
    config = loaded.config.otlp
    if config is None:
        yield
        return
    from .telemetry.meters import Meters
    from .telemetry.otlp import sent  # Late: whoever sends nothing need not have it.

    meters = Meters(controls)
    untap = controls.tap(meters.hear)
    try:
        async with sent(config, meters, version=version("mendel"), base=loaded.base):
            yield
    finally:
        untap()


@asynccontextmanager
async def _page(system: System, controls: SystemControls, loaded: Loaded) -> AsyncIterator[None]:
    """Serve the page. A port that nobody chose is no reason to fail: then another one is taken."""
    from .door import WebConfig
    from .web.server import WebServer  # Late: aiohttp takes its time.
    from .web.token import token_of

    chosen = loaded.config.web
    server = WebServer(
        controls,
        chosen or WebConfig(),
        token_of(loaded.state),
        version=version("mendel"),
        base=loaded.base,
        any_port=chosen is None,
    )
    async with server:
        system.url = server.url
        yield


async def run(
    loaded: Loaded,
    *,
    record: str | os.PathLike[str] | None = None,
    web: bool | None = None,
    on_started: Callable[[System], None] = lambda _: None,
) -> None:
    """Heal until SIGTERM, SIGINT or a ``stop`` over the control socket.

    The first signal stops in order, within two seconds; a second one at once. SIGHUP reads the
    configuration again.

    Args:
        loaded: the configuration.
        record: file to record everything in, or ``None``.
        web: whether to serve the page; see `launch`.
        on_started: called once everything runs.

    Raises:
        GaveUp: mendel itself cannot go on.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None, "run is awaited in a task"

    def on_signal() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # From the first moment on: without a handler it would end the process.
    early = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, early.set)
    try:
        async with _launched(loaded, record=record, on_stop=stop.set, web=web) as launched:
            loop.add_signal_handler(signal.SIGHUP, launched.reloader.hang_up)
            if early.is_set():
                launched.reloader.hang_up()
            on_started(launched.system)
            await first(launched.system.wait(), stop.wait())
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _writer(loaded: Loaded, world: World, path: str | os.PathLike[str]) -> RecordingWriter:
    header = Header(
        schema=SCHEMA,
        mendel=version("mendel"),
        source=f"mendel run {loaded.document.name}",
        components=tuple(world.components),
        start_s=asyncio.get_running_loop().time(),
        start_utc=time.time(),
        seed=loaded.config.runtime.seed,
        config_sha256=config_sha256(loaded.document.text),
    )
    return RecordingWriter(path, header)


def _keep_audit(system: System, store: Store) -> None:
    """Subscribed, not tapped: what people did must be on record, however busy the bus is."""

    def observe(envelope: Envelope) -> None:
        store.observe(envelope.message)

    for kind in OBSERVED:
        for pattern in (kind.topic, f"{kind.topic}.>"):
            system.bus.subscribe(pattern, observe, name=f"audit of {pattern}")


class _Voice:
    """Puts what the store has to say on the bus, as soon as there is one."""

    def __init__(self) -> None:
        self._unsaid: list[Message] = []
        self._system: System | None = None

    def degraded(self, reason: str) -> None:
        self._say(StoreDegraded(reason=reason, degraded_s=asyncio.get_running_loop().time()))

    def recovered(self, lost: int) -> None:
        self._say(StoreRecovered(lost=lost, recovered_s=asyncio.get_running_loop().time()))

    def speak_to(self, system: System) -> None:
        self._system = system
        for message in self._unsaid:
            system.bus.publish(message)

    def _say(self, message: Message) -> None:
        if self._system is None:
            self._unsaid.append(message)
            return
        with contextlib.suppress(BusClosed):  # The log has it as well.
            self._system.bus.publish(message)


def _state_folder(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot make the state folder {path}: {error.strerror}",
            "set runtime.state to a folder that can be written",
        ) from error
    return path


async def _past(loaded: Loaded, database: Path) -> tuple[list[Pause], list[tuple[str, float]]]:
    """Pauses that hold, and earlier actions that limits count."""
    now_s, now_utc = asyncio.get_running_loop().time(), time.time()
    pauses = announced(loaded.config.maintenance, now_s=now_s, now_utc=now_utc)
    try:
        async with Archive(database) as archive:
            rows = await archive.audit(limit=_AUDIT_ROWS)
            runs = await archive.actions(limit=_ACTION_ROWS)
    except StoreError:
        # The store has said so itself; what it cannot tell is no reason not to start.
        return pauses, []
    pauses += left_over(rows[::-1], now_s=now_s, now_utc=now_utc)
    return pauses, earlier_actions(runs, now_s=now_s, now_utc=now_utc)


async def first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for whichever ends first; its error is raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
