"""Whoever judges, the same is found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from bowls import make_task
from mendel.errors import EnvironmentProblem
from mendel.genome.breed import Pace, breed
from mendel.genome.breeder import Worker
from mendel.genome.state import SearchConfig
from mendel.genome.task import Advanced, Bred, Job

HELPERS = str(Path(__file__).parents[1] / "helpers")
QUICK = SearchConfig(population=12, generations=3, polish=20)


def a_job(**settings: object) -> Job:
    job = Job(task="bowls:make_task", payload=b"{}", search=QUICK, seed=5, cpu_share=2.0)
    return msgspec.structs.replace(job, **settings)


def bred(job: Job) -> Bred:
    pace = Pace(job.cpu_share, rest=lambda for_s: 0.0)
    return breed(job, make_task(job.payload), pace, lambda _: None)


def timeless(found: Bred) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(found, cpu_s=0.0, wall_s=0.0))


@pytest.fixture
def helpers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By processes that are started, too."""
    monkeypatch.setenv("PYTHONPATH", HELPERS)


@pytest.mark.usefixtures("helpers_are_found")
def test_several_processes_find_what_one_finds() -> None:
    assert timeless(bred(a_job(processes=2))) == timeless(bred(a_job()))


@pytest.mark.usefixtures("helpers_are_found")
def test_what_the_others_use_counts() -> None:
    job = a_job(processes=2, payload=b'{"busy_s": 0.02}', search=QUICK)

    assert bred(job).cpu_s > 6 * 0.02


async def test_when_the_process_that_evolves_is_killed_its_helpers_end_too() -> None:
    long = msgspec.structs.replace(QUICK, generations=1000)
    async with Worker(a_job(processes=2, search=long), {"PYTHONPATH": HELPERS}) as worker:
        assert isinstance(await worker.report(), Advanced)
        helpers = psutil.Process(worker.pid).children(recursive=True)
        assert len(helpers) >= 2

    _, alive = psutil.wait_procs(helpers, timeout=20)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a real cluster: a scheduler, and two workers in processes of their own."""
    distributed = pytest.importorskip("distributed")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = HELPERS
    try:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
        ) as started:
            yield started.scheduler_address
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def test_a_cluster_finds_what_one_process_finds(cluster: str) -> None:
    found = bred(a_job(engine="dask", address=cluster))

    assert timeless(found) == timeless(bred(a_job()))


def test_a_cluster_that_is_not_there_is_told() -> None:
    pytest.importorskip("distributed")

    with pytest.raises(
        EnvironmentProblem, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"
    ):
        bred(a_job(engine="dask", address="tcp://127.0.0.1:9"))


def test_a_budget_ends_the_search_in_time_and_what_was_found_is_examined() -> None:
    long = msgspec.structs.replace(QUICK, generations=1000)
    job = a_job(payload=b'{"busy_s": 0.01}', search=long, budget_s=0.5)

    found = bred(job)

    assert 3 < found.state.generation < 200
    assert not found.state.is_polished
    assert found.state.spent_s < 0.7
    assert found.winner != found.incumbent


def test_a_search_that_is_gone_on_with_has_spent_what_it_spent_before() -> None:
    job = a_job(payload=b'{"busy_s": 0.01}', budget_s=0.5)
    before = bred(a_job(budget_s=50.0)).state
    used_up = msgspec.structs.replace(before, generation=2, is_polished=False, spent_s=0.49)

    assert bred(msgspec.structs.replace(job, state=used_up)).state == used_up
