"""Replays on request: each in a process of its own, so that healing never waits for one.

One runs at a time, at a low priority. What came of the newest ones is kept in the state folder,
with a report of each.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from asyncio.subprocess import Process
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from ..core.levels import Level
from ..documents.kinds import did_you_mean
from ..errors import ConfigError, MendelError
from ..scenarios.format import load_scenario
from ..scenarios.shipped import shipped

KEPT = 12
# An hour of ten components takes a second; what takes longer than this was not meant for a page.
REPLAY_S_MAX = 300.0
_NICE = 15
_PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"


class ReplayRow(Struct, frozen=True, kw_only=True):
    """How one level fared; figures as in `mendel.scenarios.scoring.Measures`.

    Attributes:
        level: which.
        healed: faults that were over, with proof.
        broken: faults that there were.
        incidents: how many were opened.
        actions: treatments that were run.
        unneeded: of these, of what was not broken.
        recovery_s: median from the fault to its proven end; ``None`` when there was none.
        harm: error-minutes.
        sha256: of all decisions.
    """

    level: str
    healed: int | None
    broken: int | None
    incidents: int
    actions: int
    unneeded: int | None
    recovery_s: float | None
    harm: float | None
    sha256: str


class ReplayView(Struct, frozen=True, kw_only=True):
    """A replay that was asked for.

    Attributes:
        replay: its number.
        scenario: which.
        levels: on which it was replayed.
        seed: of everything random.
        state: ``running``, ``done`` or ``failed``.
        began_utc: wall time in seconds.
        rows: what came of it, by level.
        problem: why it failed, or empty.
    """

    replay: int
    scenario: str
    levels: tuple[Level, ...]
    seed: int
    state: str
    began_utc: float
    rows: tuple[ReplayRow, ...] = ()
    problem: str = ""


class ScenarioView(Struct, frozen=True, kw_only=True):
    """A scenario that ships: its name, what happens in it, and how many faults that are."""

    name: str
    description: str
    faults: int


@cache
def scenario_views() -> tuple[ScenarioView, ...]:
    """The scenarios that ship, in alphabetical order."""
    found = ((name, load_scenario(path)) for name, path in shipped().items())
    return tuple(
        ScenarioView(name=name, description=each.description, faults=len(each.faults))
        for name, each in found
    )


class Replays:
    """The replays of one runtime.

    Args:
        folder: where reports are kept; what is in it from an earlier run goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: OrderedDict[int, ReplayView] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        shutil.rmtree(folder, ignore_errors=True)

    def list(self) -> Sequence[ReplayView]:
        """The newest first."""
        return tuple(reversed(self._known.values()))

    def begin(self, scenario: str, levels: Sequence[Level], seed: int) -> ReplayView:
        """Replay a scenario that ships.

        Args:
            scenario: its name.
            levels: on which; all of them when it is empty.
            seed: of everything random.

        Raises:
            ConfigError: there is no such scenario.
            MendelError: another one runs.
        """
        names = list(shipped())
        if scenario not in names:
            help_ = did_you_mean(scenario, names, "scenarios")
            raise ConfigError(f"there is no scenario {scenario!r}; {help_}")
        if self._task is not None and not self._task.done():
            raise MendelError("another replay runs; one at a time")
        number = next(reversed(self._known), 0) + 1
        view = ReplayView(
            replay=number,
            scenario=scenario,
            levels=tuple(levels) or ("basic", "advanced", "full"),
            seed=seed,
            state="running",
            began_utc=time.time(),
        )
        self._known[number] = view
        if len(self._known) > KEPT:
            oldest, _ = self._known.popitem(last=False)
            self._report(oldest).unlink(missing_ok=True)
        self._task = asyncio.create_task(self._run(view), name=f"replay {number}")
        return view

    def report(self, replay: int) -> Path:
        """The page that was drawn of a replay.

        Raises:
            ConfigError: there is none.
        """
        path = self._report(replay)
        if not path.is_file():
            raise ConfigError(f"there is no report of a replay {replay}")
        return path

    async def close(self) -> None:
        """End the one that runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _report(self, replay: int) -> Path:
        return self._folder / f"{replay}.html"

    async def _run(self, view: ReplayView) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        process = await self._started(view)
        try:
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
            async with asyncio.timeout(REPLAY_S_MAX):
                told, errors = await process.communicate()
            # 1: a demand of the scenario was not kept, which is a result.
            if process.returncode not in (0, 1):
                self._end(view, problem=errors.decode(errors="replace").strip()[-500:])
            else:
                self._end(view, rows=tuple(_row(each) for each in json.loads(told)))
        except TimeoutError:
            self._end(view, problem=f"it took longer than {REPLAY_S_MAX:g} s")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _started(self, view: ReplayView) -> Process:
        """Its process; one that is begun is known, so that it can be ended, whatever happens."""
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _PROGRAM,
                "replay",
                view.scenario,
                *(f"--level={level}" for level in view.levels),
                f"--seed={view.seed}",
                f"--report={self._report(view.replay)}",
                "--output=json",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for mendel, which then ends it.
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            process.kill()
            await process.wait()
            raise

    def _end(self, view: ReplayView, **result: Any) -> None:
        state = "failed" if result.get("problem") else "done"
        if view.replay in self._known:
            self._known[view.replay] = structs.replace(view, state=state, **result)


def _row(run: dict[str, Any]) -> ReplayRow:
    outcome = run["outcome"]
    measures = outcome["measures"]
    recovery = measures["recovery"]
    return ReplayRow(
        level=run["level"],
        healed=measures["healed"],
        broken=measures["broken"],
        incidents=measures["incidents"],
        actions=measures["actions"],
        unneeded=measures["unneeded"],
        recovery_s=recovery["median_s"] if recovery else None,
        harm=outcome["harm"],
        sha256=outcome["sha256"],
    )
