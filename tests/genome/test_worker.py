import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from mendel.errors import WorkerLost
from mendel.genome.breeder import Worker
from mendel.genome.state import SearchConfig, SearchState
from mendel.genome.task import Advanced, Bred, Failed, Job, Report

HELPERS = {"PYTHONPATH": str(Path(__file__).parents[1] / "helpers")}
QUICK = SearchConfig(population=12, generations=5, polish=30)


def a_job(state: SearchState | None = None, task: str = "bowls:make_task", **settings: Any) -> Job:
    wishes = {name: settings.pop(name) for name in ("busy_s", "error") if name in settings}
    job = Job(
        task=task,
        payload=msgspec.json.encode(wishes),
        search=QUICK,
        seed=5,
        state=state,
        cpu_share=1.0,
    )
    return msgspec.structs.replace(job, **settings)


async def reports_of(job: Job) -> list[Report]:
    found: list[Report] = []
    async with Worker(job, HELPERS) as worker:
        while not found or isinstance(found[-1], Advanced):
            found.append(await worker.report())
    return found


async def until(worker: Worker, holds: Callable[[Advanced], bool]) -> Advanced:
    while True:
        report = await worker.report()
        assert isinstance(report, Advanced), report
        if holds(report):
            return report


async def test_a_search_is_told_generation_by_generation_and_ends_with_a_winner() -> None:
    *told, last = await reports_of(a_job())

    assert [each.state.generation for each in told if isinstance(each, Advanced)] == [
        *range(1, 6),
        5,  # The local search around the knee.
    ]
    assert isinstance(last, Bred)
    assert set(last.winner) == set(last.incumbent)
    exam = last.hold_out
    assert np.mean(exam.candidate, axis=0)[0] < 0.7 * np.mean(exam.incumbent, axis=0)[0]
    assert np.shape(exam.candidate) == np.shape(exam.incumbent) == (30, 4)


async def test_a_worker_that_is_killed_loses_no_more_than_the_generation_in_flight() -> None:
    undisturbed = (await reports_of(a_job()))[-1]
    async with Worker(a_job(), HELPERS) as worker:
        kept = await until(worker, lambda report: report.state.generation == 3)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerLost, match="has ended"):
            await until(worker, lambda report: report.state.generation > 5)

    resumed = (await reports_of(a_job(kept.state)))[-1]

    assert isinstance(undisturbed, Bred)
    assert isinstance(resumed, Bred)
    assert msgspec.json.encode(resumed.state) == msgspec.json.encode(undisturbed.state)
    assert resumed.winner == undisturbed.winner


async def test_it_is_nice_and_keeps_to_its_share_of_a_core() -> None:
    slow = msgspec.structs.replace(QUICK, generations=1000)
    async with Worker(a_job(busy_s=0.02, search=slow, cpu_share=0.25), HELPERS) as worker:
        report = await until(worker, lambda report: report.wall_s > 4.0)

        assert psutil.Process(worker.pid).nice() == min(os.nice(0) + 10, 19)

    # Measured by the kernel, in the process itself; a lot may run on until it is done.
    assert 0.02 < report.cpu_s / report.wall_s <= 0.27


async def test_a_pause_lasts_until_it_is_over() -> None:
    long = msgspec.structs.replace(QUICK, generations=1000)
    async with Worker(a_job(search=long), HELPERS) as worker:
        await until(worker, lambda report: report.state.generation == 2)
        worker.pause()
        process = psutil.Process(worker.pid)
        before, after = -1.0, process.cpu_times().user
        while after > before:  # What is in hand is finished first.
            await asyncio.sleep(0.2)
            before, after = after, process.cpu_times().user
        worker.pause()
        worker.resume()
        worker.resume()

        going_on = await worker.report()

    assert isinstance(going_on, Advanced)


async def test_it_ends_by_itself_when_its_master_is_gone() -> None:
    script = (
        "import asyncio, msgspec, sys\n"
        "from mendel.genome.breeder import Worker\n"
        "from mendel.genome.task import Job\n"
        "async def main():\n"
        "    job = msgspec.json.decode(sys.argv[1], type=Job)\n"
        "    async with Worker(job) as worker:\n"
        "        await worker.report()\n"
        "        print(worker.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    long = msgspec.structs.replace(QUICK, generations=100_00)
    master = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        msgspec.json.encode(a_job(search=long)).decode(),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ) | HELPERS,
    )
    assert master.stdout is not None
    orphan = psutil.Process(int(await master.stdout.readline()))

    master.kill()
    await master.wait()

    async with asyncio.timeout(20):
        while orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("job", "reason", "is_fault"),
    [
        (a_job(error="refusal"), "the history holds 3 incidents", False),
        (a_job(error="bug"), "KeyError: 'cart'", True),
        (a_job(task="bowls:nothing"), "bowls:nothing: cannot be loaded", False),
        (a_job(task="nowhere:nothing"), "No module named 'nowhere'", False),
    ],
)
async def test_what_cannot_be_done_is_told(job: Job, reason: str, is_fault: bool) -> None:
    (report,) = await reports_of(job)

    assert isinstance(report, Failed)
    assert reason in report.reason
    assert report.is_fault is is_fault


def test_the_live_side_loads_no_optimiser() -> None:
    import subprocess

    script = "import sys, mendel.genome.breeder; print([m for m in sys.modules if 'pymoo' in m])"

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert found.stdout.strip() == "[]"
