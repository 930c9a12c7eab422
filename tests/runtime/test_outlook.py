"""What was foreseen, and what is held back, as people and programs are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mendel.agents.journal import MemoryJournal
from mendel.core.detection.forecast import Tally
from mendel.core.watching.watch import TargetWatch, WatchConfig
from mendel.runtime.client import ControlClient
from mendel.runtime.config import load
from mendel.runtime.healing.direct import DirectSystem
from mendel.runtime.launch import SOCKET, launch
from mendel.runtime.outlook import ForecastsView, ReliefView, forecasts_view, reliefs_view
from mendel.runtime.views import SystemView
from mendel.scenarios.simulator import SimulatedWorld, draw_course
from mendel.scenarios.virtual_time import run
from mishaps import a_config

CONFIG = """
[defaults]
level = "full"

[[components]]
name = "db"
kind = "external"
mode = "observe"
probes = [{ heartbeat = "60s" }]
"""


def fill(watch: TargetWatch, first: float, last: float, *, from_s: float) -> float:
    """A disk fills up by a thousandth a second; returns the time of the end."""
    used, now_s = first, from_s
    while used <= last:
        watch.on_sample("heartbeat", {"disk_share": used}, "", now_s)
        used, now_s = used + 0.001, now_s + 1.0
    return now_s


def test_a_forecast_is_open_until_it_has_come_true() -> None:
    watch = TargetWatch("db", WatchConfig(), {"heartbeat": 60.0})
    views = [forecasts_view([watch])]

    now_s = fill(watch, 0.4, 0.97, from_s=0.0)
    views.append(forecasts_view([watch]))
    fill(watch, 0.971, 1.01, from_s=now_s)
    views.append(forecasts_view([watch]))

    assert views[:2] == [ForecastsView(), ForecastsView(open=1)]
    assert views[2].held >= 1
    assert views[2].missed == 0
    assert watch.forecasts() == Tally(made=views[2].held, held=views[2].held)


def test_words_are_only_said_when_there_is_something_to_tell() -> None:
    some = ForecastsView(open=1, held=2, missed=3, prevented=4)

    assert ForecastsView().words == ""
    assert some.words == "forecasts: 2 came true, 3 did not, 4 prevented, 1 open"


def test_load_that_is_held_back_is_told_with_what_holds_it() -> None:
    async def story() -> tuple[str, ReliefView]:
        world = SimulatedWorld(draw_course("shop", 3, kinds=("overload",), until_s=900.0))
        async with DirectSystem(a_config("advanced"), world, MemoryJournal()) as system:
            reliefs = system.parts.casebook.load.reliefs
            while not any(each.measures for each in reliefs.values()):
                await asyncio.sleep(1.0)
            (target,) = reliefs
            (view,) = reliefs_view(reliefs.values())
            return target, view

    target, view = run(story())

    assert (view.component, view.incident, view.measures) == (target, "1-L1", ("shed",))
    assert view.words.startswith(f"load of {target} is held back by shed (1-L1): ")


def ask(socket: Path) -> SystemView:
    with ControlClient(socket) as client:
        return client.ask("status", SystemView)


async def test_the_status_of_a_running_system_tells_what_was_foreseen(tmp_path: Path) -> None:
    file = tmp_path / "mendel.toml"
    file.write_text(CONFIG)
    async with launch(load(file, environ={})) as system:
        fill(system.parts.charts["db"].watch, 0.4, 0.97, from_s=0.0)
        view = await asyncio.to_thread(ask, tmp_path / ".mendel" / SOCKET)

    assert view.forecasts == ForecastsView(open=1)
    assert view.reliefs == ()
