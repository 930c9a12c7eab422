"""A running mendel breeds from its own history and leads the result into force; in real time,
because the process that evolves is a real one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from histories import CONFIG, write_history
from mendel.bus.envelope import Envelope
from mendel.bus.messages import (
    ActionStarted,
    AnomalyDetected,
    EvolutionSteered,
    GenerationBred,
    GenomeDecided,
    Heartbeat,
    IncidentClosed,
    IncidentOpened,
    Message,
    SearchEnded,
    ShadowDecided,
    SteerEvolution,
)
from mendel.runtime.client import ControlClient
from mendel.runtime.launch import SOCKET, launch
from mendel.runtime.system import System
from mendel.runtime.views import SystemView

pytestmark = pytest.mark.timeout(180)
GENE = "watch.thresholds.error_rate.samples"
SETTINGS = """
[agent.genome]
mode = "{mode}"
population = 12
generations = {generations}
polish = 60
cpu_share = 1.0
rehearsals = {rehearsals}

[agent.genome.adoption]
shadow = "{shadow}"
"""


class Witness:
    """Hears everything on the bus of a system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.heard: list[Message] = []
        system.bus.tap(self._hear)

    def _hear(self, batch: list[Envelope]) -> None:
        self.heard += [each.message for each in batch]

    async def until(self, holds: Callable[[Message], bool]) -> Any:
        """The first message that is wanted, wherever it stands; waits a minute at most."""
        async with asyncio.timeout(60):
            while True:
                for message in self.heard:
                    if holds(message):
                        return message
                await asyncio.sleep(0.02)

    async def decision(self, word: str) -> GenomeDecided:
        found: GenomeDecided = await self.until(
            lambda each: isinstance(each, GenomeDecided) and each.decision == word
        )
        return found

    async def steer(self, wish: str, **about: Any) -> EvolutionSteered:
        answer = await self.system.bus.request(
            SteerEvolution(wish=wish, who="ada", **about), timeout_s=10.0
        )
        assert isinstance(answer, EvolutionSteered)
        return answer

    @property
    def generations(self) -> list[int]:
        return [each.generation for each in self.heard if isinstance(each, GenerationBred)]

    @property
    def samples(self) -> int:
        return self.system.config.defaults.watch.thresholds["error_rate"].samples


def worker_of_mine() -> psutil.Process:
    """The process that evolves; other tests may have left this one children of other kinds."""
    mine = psutil.Process().children()
    (worker,) = [each for each in mine if "mendel.genome.worker" in command_of(each)]
    return worker


def command_of(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):  # It may end between two looks.
        return process.cmdline()
    return []


async def come_to_rest(worker: psutil.Process) -> None:
    """Until it waits and uses no time, whatever else the machine is doing.

    Not getting any time is no rest: who waits for a core is not asleep.
    """
    looks: list[tuple[str, float]] = []
    async with asyncio.timeout(60):
        while looks[-4:] != [(psutil.STATUS_SLEEPING, worker.cpu_times().user)] * 4:
            looks.append((worker.status(), worker.cpu_times().user))
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running(
    folder: Path,
    *,
    mode: str = "auto",
    generations: int = 6,
    shadow: str = "200ms",
    rehearsals: int = 0,
) -> AsyncIterator[Witness]:
    file = folder / "mendel.toml"
    settings = SETTINGS.format(
        mode=mode, generations=generations, shadow=shadow, rehearsals=rehearsals
    )
    file.write_text(CONFIG + settings)
    if not (folder / ".mendel").exists():
        (folder / ".mendel").mkdir()
        await write_history(folder / ".mendel" / "store.db")
    async with launch(file) as system:
        yield Witness(system)


def opened(target: str, number: int) -> IncidentOpened:
    return IncidentOpened(target=target, incident=f"x-{number}", onset_s=0.0, opened_s=0.0)


def closed(target: str, lasted_s: float, number: int) -> IncidentClosed:
    return IncidentClosed(
        target=target,
        incident=f"x-{number}",
        outcome="healed",
        actions=(),
        onset_s=0.0,
        opened_s=0.0,
        closed_s=lasted_s,
    )


async def test_what_is_bred_comes_into_force_by_proof_and_stays_over_a_restart(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as witness:
        assert (await witness.steer("evolve")).accepted
        ended = await witness.until(lambda each: isinstance(each, SearchEnded))
        assert ended.genome == 1, ended
        assert (await witness.decision("shadowed")).genome == 1
        assert witness.samples == 9, "a shadow carries nothing out"
        await witness.decision("canaried")
        canary = next(each for each in witness.system.config.components if each.watch)
        other = next(each for each in witness.system.config.components if not each.watch)
        assert canary.watch["thresholds"]["error_rate"].samples < 9
        for number in range(18):  # Incidents on the canary are over much sooner.
            await witness.system.bus.publish(closed(canary.name, 60.0, number))
            await witness.system.bus.publish(closed(other.name, 600.0, number))
        promoted = await witness.decision("promoted")
        assert "proven better" in promoted.reason
        assert witness.samples < 9

    async with running(tmp_path) as witness:
        await witness.until(lambda _: witness.samples < 9)
        assert (await witness.steer("roll_back")).reason == "genome 0 is in force"
        assert witness.samples == 9
        assert not (await witness.steer("roll_back")).accepted


async def test_a_canary_that_does_harm_is_taken_back(tmp_path: Path) -> None:
    async with running(tmp_path) as witness:
        await witness.steer("evolve")
        await witness.decision("canaried")
        canary = next(each.name for each in witness.system.config.components if each.watch)
        (other,) = {"web", "db"} - {canary}
        for number in range(60):
            await witness.system.bus.publish(closed(canary, 600.0, number))
            await witness.system.bus.publish(closed(other, 60.0, number))

        assert "does more harm" in (await witness.decision("rolled_back")).reason
        assert witness.samples == 9
        assert not any(each.watch for each in witness.system.config.components)


def status_of(socket: Path) -> SystemView:
    with ControlClient(socket, timeout_s=10.0) as client:
        return client.ask("status", SystemView)


async def test_a_promotion_that_drifts_from_its_promise_is_told_and_taken_back(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as witness:
        for number in range(20):
            await witness.system.bus.publish(closed("web", 60.0, number))
        await witness.steer("import", genes={GENE: 4})
        assert (await witness.steer("promote", genome=1)).accepted
        assert witness.samples == 4

        for number in range(40):
            await witness.system.bus.publish(closed("web", 600.0, number))

        drifted = await witness.decision("drifted")
        assert (drifted.genome, "0.17 was promised" in drifted.reason) == (1, True), drifted
        assert "drifted away" in (await witness.decision("rolled_back")).reason
        assert witness.samples == 9
        status = await asyncio.to_thread(status_of, tmp_path / ".mendel" / SOCKET)
        assert any("genome 1 drifted" in each for each in status.warnings)


async def test_a_shadow_decides_on_what_is_seen_and_does_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, shadow="30s") as witness:
        await witness.steer("evolve")
        await witness.decision("shadowed")
        for _ in range(7):  # Fewer than the one in force waits for.
            await witness.system.bus.publish(Heartbeat(target="web", metrics={"error_rate": 0.6}))
            await asyncio.sleep(0.1)

        alarm = await witness.until(lambda each: isinstance(each, ShadowDecided))

        assert (alarm.target, alarm.wish) == ("web", "alarm")
        assert "error_rate" in alarm.reason
        acted = (AnomalyDetected, IncidentOpened, ActionStarted)
        assert not [each for each in witness.heard if isinstance(each, acted)]


async def test_the_live_process_never_loads_the_optimiser(tmp_path: Path) -> None:
    (tmp_path / ".mendel").mkdir()
    await write_history(tmp_path / ".mendel" / "store.db")
    settings = SETTINGS.format(mode="auto", generations=3, shadow="1h", rehearsals=0)
    (tmp_path / "mendel.toml").write_text(CONFIG + settings)
    script = (
        "import asyncio, sys, mendel\n"
        "from mendel.bus.messages import SearchEnded, SteerEvolution\n"
        "async def main():\n"
        "    async with mendel.launch(sys.argv[1]) as system:\n"
        "        ended = asyncio.Event()\n"
        "        tap = system.bus.tap(lambda batch: ended.set(), SearchEnded.topic)\n"
        "        await system.bus.request(SteerEvolution(wish='evolve', who='a'), timeout_s=9)\n"
        "        async with asyncio.timeout(60):\n"
        "            await ended.wait()\n"
        "    print(sorted(name for name in sys.modules if name.startswith('pymoo')))\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", script, str(tmp_path / "mendel.toml")),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()

    assert (process.returncode, said.decode().strip()) == (0, "[]")


async def test_the_process_that_evolves_may_be_killed_and_the_search_goes_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, generations=40) as witness:
        await witness.steer("evolve")
        await witness.until(lambda each: isinstance(each, GenerationBred) and each.generation == 3)
        # At rest it is there for sure, however fast it is.
        await witness.system.bus.publish(opened("web", 1))
        worker = worker_of_mine()
        await come_to_rest(worker)
        before = len(witness.generations)

        worker.kill()
        await witness.system.bus.publish(closed("web", 1.0, 1))
        ended = await witness.until(lambda each: isinstance(each, SearchEnded))

        assert ended.genome == 1
        assert before < 40
        # All in one row: nothing was lost but what was in hand. The last one is told polished too.
        assert witness.generations == [*range(1, 41), 40]


async def test_a_search_is_gone_on_with_by_the_next_run(tmp_path: Path) -> None:
    async with running(tmp_path, generations=40) as witness:
        await witness.steer("evolve")
        last = await witness.until(
            lambda each: isinstance(each, GenerationBred) and each.generation == 3
        )
    async with running(tmp_path, generations=40) as witness:
        first = await witness.until(lambda each: isinstance(each, GenerationBred))

    assert first.search == last.search == 1
    assert first.generation > 3


async def test_what_did_best_in_the_past_also_gets_through_simulated_troubles_of_the_same_topology(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, generations=3, rehearsals=2) as witness:
        await witness.steer("evolve")

        ended = await witness.until(lambda each: isinstance(each, SearchEnded))

        assert ended.genome == 1
        assert "in 2 simulated troubles of these components" in ended.reason


async def test_evolution_rests_while_an_incident_is_open(tmp_path: Path) -> None:
    async with running(tmp_path, generations=10_000) as witness:
        await witness.steer("evolve")
        await witness.until(lambda each: isinstance(each, GenerationBred))
        await witness.system.bus.publish(opened("web", 1))
        await come_to_rest(worker_of_mine())
        told = witness.generations[-1]

        await witness.system.bus.publish(closed("web", 1.0, 1))

        await witness.until(
            lambda each: isinstance(each, GenerationBred) and each.generation > told
        )


async def test_with_ask_nothing_is_adopted_without_a_person(tmp_path: Path) -> None:
    async with running(tmp_path, mode="ask") as witness:
        await witness.steer("evolve")
        asked = await witness.decision("approval_needed")
        assert "observations" in asked.reason

        assert (await witness.steer("approve")).accepted
        await witness.decision("shadowed")


async def test_what_cannot_be_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with running(tmp_path) as witness:
        config = witness.system.config
        refusals = [
            await witness.steer("promote", genome=7),
            await witness.steer("roll_back"),
            await witness.steer("approve"),
            await witness.steer("import", genes={GENE: 99}),
            await witness.steer("import", genes={"watch.tresholds": 1}),
            await witness.steer("import", genes={"nothing.at_all": 1}),
            await witness.steer("dance"),
        ]
        await witness.steer("freeze")
        refusals.append(await witness.steer("evolve"))

        assert [(each.accepted, each.reason) for each in refusals] == [
            (False, "there is no genome 7; there are: none"),
            (False, "there is nothing to roll back to"),
            (False, "no genome waits for approval"),
            (
                False,
                "genes of watch are refused: Expected `int` <= 60 - at `$.thresholds[...].samples`",
            ),
            (False, "genes of watch are refused: it has no tresholds"),
            (False, "there is nothing here that gene nothing.at_all would change"),
            (False, "evolution knows no wish 'dance'"),
            (False, "no search can begin: it is frozen"),
        ]
        assert witness.system.config == config


async def test_a_history_that_is_too_small_is_told_politely(tmp_path: Path) -> None:
    (tmp_path / ".mendel").mkdir()
    await write_history(tmp_path / ".mendel" / "store.db", incidents=4)
    async with running(tmp_path) as witness:
        await witness.steer("evolve")

        ended = await witness.until(lambda each: isinstance(each, SearchEnded))

        assert ended.genome == 0
        assert ended.reason.endswith("there are 4 incidents; at least 30 are needed")
