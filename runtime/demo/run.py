"""The demo from start to end: mendel heals five services while somebody breaks them.

The demo is an ordinary user of mendel. It writes a configuration file, launches it, and listens at
the bus; what it breaks, it breaks from outside. So every command works on it from another terminal
as it does on any running system.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ...agents.ports import World
from ...bus.envelope import Envelope
from ...bus.messages import READINGS
from ...core.playbook import PlaybookConfig
from ...core.policy import PolicyConfig
from ...core.topology import Topology
from ...errors import EnvironmentProblem
from ..config import Config, DefaultsConfig, Loaded, RuntimeConfig, load
from ..door import WebConfig
from ..launch import first, launch
from ..render import render
from ..system import System
from ..telemetry.logs import EVENTS, text_of
from ..web.token import link
from .campaign import Campaign
from .chronicle import Chronicle
from .estate import COMPONENTS, Estate, build_estate
from .faults import Injector, plan_faults
from .score import Score, score
from .show import Show
from .traffic import Traffic

CONFIG_NAME = "mendel.toml"
START_S_MAX = 30.0  # Five interpreters at once on a machine that is busy with something else.
# Nobody else stops a demo that is asked to run for an hour: the faults are its own and unrelated,
# so being ill again soon is no relapse, and so many actions are no sign of a healer gone wild.
PLAYBOOK = PlaybookConfig(relapse_s=0.0)
POLICY = PolicyConfig(component_actions=10_000, estate_actions=10_000)

ShowOf = Callable[[Chronicle, Traffic], Show]

_log = logging.getLogger("mendel")


def run_demo(
    show_of: ShowOf,
    *,
    duration_s: float,
    seed: int,
    keep: bool = False,
    program: str = "mendel",
    record: Path | None = None,
    port: int | None = None,
    show_page: Callable[[str], None] = lambda _: None,
) -> tuple[Score, Path]:
    """Break and heal for a while; nothing of it is left behind.

    SIGTERM, SIGINT and SIGHUP stop it in order, a second one at once.

    Args:
        show_of: makes what tells the course of it.
        duration_s: how long, the start of the services included; so many faults as fit.
        seed: of the plan of faults.
        keep: leave the folder with configuration, store and logs.
        program: what to type to get mendel, for the commands that are proposed.
        record: file to record everything in, to be replayed.
        port: of the page; ``None`` for the usual one, or another when that is taken.
        show_page: takes where the page is, once it is there.

    Returns:
        How well it went, and the folder.

    Raises:
        EnvironmentProblem: the services do not come up on this machine.
        asyncio.CancelledError: a signal, or ``mendel stop``, ended it early.
    """
    with _folder(keep=keep) as folder:
        estate = build_estate(folder, parent=os.getpid())
        config = folder / CONFIG_NAME
        config.write_text(render(configuration(estate, seed, port)), "utf-8")
        # Without the overrides of the environment: they are meant for the user's own estate.
        loaded = load(config, environ={})
        course = _demo(loaded, estate, show_of, duration_s, program, record, show_page)
        return asyncio.run(course), folder


async def _demo(
    loaded: Loaded,
    estate: Estate,
    show_of: ShowOf,
    duration_s: float,
    program: str,
    record: Path | None,
    show_page: Callable[[str], None],
) -> Score:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + duration_s
    folder, seed = loaded.base, loaded.config.runtime.seed
    chronicle = Chronicle(each.name for each in COMPONENTS)
    traffic = Traffic(estate.urls[COMPONENTS[0].name])
    show = show_of(chronicle, traffic)
    with stoppable() as stop, show, warnings_told(show.tell):
        show.tell(f"starting {len(COMPONENTS)} services")
        async with launch(loaded, on_stop=stop, record=record, web=True) as system:
            with _heard(system, chronicle, show):
                page = link(system.url, loaded.state)
                show.tell(f"the page: {page}")
                show_page(page)
                show.tell(f"see also: {program} status --state {folder}")
                await wait_until_up(chronicle)
                plan = plan_faults(seed, duration_s)
                show.tell(f"all are healthy; faults that fit into {duration_s:g} s: {len(plan)}")
                injector = Injector(estate.urls, estate.token, partial(_pid_of, system.world))
                campaign = Campaign(plan, injector, chronicle, show.tell, system.bus.publish)
                left_s = end_s - loop.time()
                await first(campaign.run(left_s), traffic.run(), system.wait())
    return score(
        campaign.injections,
        chronicle.messages,
        Topology(COMPONENTS),
        availability=traffic.availability,
    )


def configuration(estate: Estate, seed: int, port: int | None = None) -> Config:
    """What the file of the demo says."""
    return Config(
        runtime=RuntimeConfig(state=".", seed=seed),
        policy=POLICY,
        defaults=DefaultsConfig(playbook=PLAYBOOK),
        web=None if port is None else WebConfig(port=port),
        components=estate.specs,
    )


async def wait_until_up(chronicle: Chronicle) -> None:
    """Wait until every service is seen healthy.

    Raises:
        EnvironmentProblem: that takes too long.
    """
    if await chronicle.until(lambda: chronicle.is_calm, START_S_MAX):
        return
    missing = ", ".join(
        f"{name} is {status}" for name, status in chronicle.statuses.items() if status != "healthy"
    )
    raise EnvironmentProblem(
        f"the services were not up within {START_S_MAX:g} s: {missing}",
        "run it again with --keep, and read logs/ in the folder that it names",
    )


@contextmanager
def _heard(system: System, chronicle: Chronicle, show: Show) -> Iterator[None]:
    def hear(batch: list[Envelope]) -> None:
        for envelope in batch:
            chronicle.hear(envelope.message)
            show.hear(envelope.message)

    tap = system.bus.tap(hear, without=READINGS)
    chronicle.statuses.update(system.statuses())  # What was said before anybody listened.
    try:
        yield
    finally:
        tap.close()


def _pid_of(world: World, name: str) -> int | None:
    return world.actions(name)["restart"].before().get("pid") or None


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mendel-demo-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Let signals cancel the present task: once to stop in order, twice to stop the stopping."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "the demo runs in a task"

    def stop() -> None:
        task.cancel()

    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextmanager
def warnings_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Let warnings of mendel appear among the events, instead of across the picture."""
    handler = _Teller(tell)
    _log.addHandler(handler)
    try:
        yield
    finally:
        _log.removeHandler(handler)


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != EVENTS:  # The show hears those by itself.
            self._tell(text_of(record))
