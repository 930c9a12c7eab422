"""The whole demo: real services, real faults, real healing; and nothing left of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest
from mendel.bus.messages import HealthChanged, Status
from mendel.errors import EnvironmentProblem
from mendel.runtime.client import ControlClient
from mendel.runtime.config import load
from mendel.runtime.demo.chronicle import Chronicle
from mendel.runtime.demo.estate import build_estate
from mendel.runtime.demo.run import configuration, stoppable, wait_until_up, warnings_told
from mendel.runtime.render import render
from mendel.runtime.views import SystemView

# With this seed the first fault stops cart, and the second one kills db.
SEED = 5


class Run:
    """One run of the command, as a user of a shell starts it."""

    def __init__(self, folder: Path, *arguments: str, stderr: int = subprocess.PIPE) -> None:
        self.folder = folder
        program = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
        command = (sys.executable, "-c", program, "demo", "--seed", str(SEED), *arguments)
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(folder), "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.told: list[str] = []

    def until_told(self, text: str) -> str:
        """The next line that contains the text; the demo ends by itself if there is none."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.told.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was not told: {''.join(self.told)}")

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> str:
        out, err = self.process.communicate(timeout=30.0)
        self.told += (err or "").splitlines(keepends=True)
        return out

    def left_over(self) -> list[str]:
        return [each.name for each in self.folder.iterdir()]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Run]]:
    """What a test starts; none outlives it, however the test ends."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.process.kill()
        run.process.communicate()


def read_to_end(terminal: int) -> str:
    """Everything that is drawn on a terminal until nobody has it open any more."""
    drawn = b""
    with contextlib.suppress(OSError):  # That is how a terminal says that it was closed.
        while part := os.read(terminal, 65_536):
            drawn += part
    os.close(terminal)
    return drawn.decode()


def a_run(started: list[Run], folder: Path, *arguments: str) -> Run:
    started.append(Run(folder, *arguments))
    return started[-1]


class TestDemo:
    def test_two_faults_are_healed_and_the_score_stands_last_on_stdout(
        self, started: list[Run], tmp_path: Path
    ) -> None:
        arguments = ("--headless", "--duration", "24s", "--output", "json")
        run = a_run(started, tmp_path, *arguments)
        state = Path(run.until_told("see also: ").split()[-1])
        run.until_told("all are healthy; faults that fit into 24 s: 2")
        with ControlClient(state / "control.sock") as client:
            seen = client.ask("status", SystemView)
        children = run.children()

        score = msgspec.json.decode(run.end().splitlines()[-1])

        assert run.process.returncode == 0, "".join(run.told)
        assert {each.name: each.status for each in seen.components} == dict.fromkeys(
            ("web", "cart", "db", "payment", "catalog"), "healthy"
        )
        assert len(children) == 5
        assert psutil.wait_procs(children, timeout=0)[1] == []
        assert run.left_over() == []
        assert list(score) == [
            *("faults", "detected", "healed", "false_alarms", "unneeded_actions"),
            *("mttd_s", "mttr_s", "availability", "per_fault"),
        ]
        assert [
            (each["kind"], each["target"], each["detected"], each["healed"], each["actions"])
            for each in score["per_fault"]
        ] == [
            ("hang", "cart", True, True, ["isolate", "restart", "release"]),
            ("crash", "db", True, True, ["isolate", "restart", "release"]),
        ]
        assert (score["faults"], score["detected"], score["healed"]) == (2, 2, 2)
        assert (score["false_alarms"], score["unneeded_actions"]) == (0, 0)
        assert score["availability"] > 0.5

    def test_on_a_terminal_it_is_a_picture_with_a_table_at_its_end(
        self, started: list[Run], tmp_path: Path
    ) -> None:
        ours, theirs = os.openpty()
        run = Run(tmp_path, "--duration", "5", "--keep", stderr=theirs)
        started.append(run)
        os.close(theirs)

        with ThreadPoolExecutor(1) as pool:
            drawn = pool.submit(read_to_end, ours)
            table = run.end()

        assert run.process.returncode == 0, drawn.result()
        assert "● healthy" in drawn.result()
        assert "faults that fit into 5 s: 0" in drawn.result()
        (kept,) = run.left_over()
        folder = tmp_path / kept
        assert "0 faults: 0 detected, 0 healed" in table
        assert [line.split(maxsplit=1)[1] for line in table.splitlines()[-3:]] == [
            f"incidents list --state {folder}",
            f"incidents explain 1-1 --state {folder}",
            f"check {folder}/mendel.toml --show",
        ]
        assert (folder / "store.db").exists()
        assert len(load(folder / "mendel.toml", environ={}).config.components) == 5


class TestEnd:
    def test_an_interrupt_in_the_middle_leaves_nothing(
        self, started: list[Run], tmp_path: Path
    ) -> None:
        run = a_run(started, tmp_path, "--headless")
        run.until_told("SIGSTOP: cart hangs")
        children = run.children()

        run.process.send_signal(signal.SIGINT)

        assert run.end() == ""
        assert run.process.returncode == 130
        assert run.told[-1] == "the demo was stopped; none of its services is left\n"
        assert len(children) >= 5
        assert psutil.wait_procs(children, timeout=0)[1] == []
        assert run.left_over() == []

    def test_services_end_by_themselves_when_it_is_killed(
        self, started: list[Run], tmp_path: Path
    ) -> None:
        run = a_run(started, tmp_path, "--headless")
        run.until_told("SIGSTOP: cart hangs")
        children = run.children()

        run.process.kill()

        assert len(children) >= 5
        assert psutil.wait_procs(children, timeout=5.0)[1] == []


class TestConfiguration:
    def test_it_reads_back_as_it_was_meant(self, tmp_path: Path) -> None:
        wished = configuration(build_estate(tmp_path), seed=7)
        file = tmp_path / "mendel.toml"
        file.write_text(render(wished))

        assert load(file, environ={}).config == wished


@pytest.mark.virtual_time
class TestStart:
    async def test_it_waits_for_the_last_service(self) -> None:
        chronicle = Chronicle(["web", "db"])
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, chronicle.hear, healthy("web"))
        loop.call_later(2.5, chronicle.hear, healthy("db"))

        await wait_until_up(chronicle)

        assert loop.time() == 2.5

    async def test_a_service_that_does_not_come_up_is_named(self) -> None:
        chronicle = Chronicle(["web", "db"])
        chronicle.hear(healthy("web"))

        with pytest.raises(EnvironmentProblem, match="not up within 30 s: db is unknown"):
            await wait_until_up(chronicle)


def healthy(target: str) -> HealthChanged:
    return HealthChanged(
        target=target,
        status=Status.HEALTHY,
        previous=Status.UNKNOWN,
        reason="",
        changed_s=0.0,
    )


async def test_a_signal_cancels_what_runs_and_then_means_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)

    forever = asyncio.get_running_loop().create_future()

    with stoppable(), pytest.raises(asyncio.CancelledError):
        await _signalled(forever)

    assert signal.getsignal(signal.SIGTERM) is before


async def _signalled(forever: asyncio.Future[None]) -> None:
    signal.raise_signal(signal.SIGTERM)
    await forever


def test_warnings_of_mendel_stand_among_the_events() -> None:
    told: list[str] = []

    with warnings_told(told.append):
        logging.getLogger("mendel.runtime.world").warning("%s is not started", "db")
        logging.getLogger("mendel.runtime.world").info("all is well")
    logging.getLogger("mendel.runtime.world").warning("too late")

    assert told == ["db is not started"]
