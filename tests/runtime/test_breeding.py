from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from histories import CONFIG, write_history
from mendel.errors import ConfigError, PluginError
from mendel.genome.crew import trial_of
from mendel.genome.farm import EvolveConfig
from mendel.genome.task import Task
from mendel.runtime import breeding, rehearsed
from mendel.runtime.config import Config, parse
from msgspec import structs

GENE = "watch.thresholds.error_rate.samples"


def a_task(path: Path, config: Config | None = None) -> Task:
    config = config or parse(CONFIG, "mendel.toml").config
    job = breeding.order(path, config, evolve=EvolveConfig(), seed=1, known=[{GENE: 4}])
    assert job.task == "mendel.runtime.breeding:task_of"
    return breeding.task_of(job.payload)


def test_a_task_has_what_history_speaks_of_and_starts_from_what_is_known(tmp_path: Path) -> None:
    asyncio.run(write_history(tmp_path / "store.db"))

    task = a_task(tmp_path / "store.db")

    names = [each.name for each in task.space.loci]
    assert GENE in names
    assert "watch.thresholds.alive.samples" not in names, "no incident tells of it"
    incumbent, _, known = (task.space.write(each) for each in task.known)
    assert (incumbent[GENE], known[GENE]) == (9, 4)
    rated = task.trial(np.stack(task.known)).objectives[:, 0]
    assert rated[2] < rated[0], "who waits for less notices sooner"
    lots = task.validate(np.stack(task.known)), task.hold_out(np.stack(task.known))
    assert [each.shape for each in lots] == [(3, 12, 4), (3, 12, 4)]


def test_another_machine_judges_bit_for_bit_alike_and_needs_no_file(tmp_path: Path) -> None:
    asyncio.run(write_history(tmp_path / "store.db"))
    here = a_task(tmp_path / "store.db")
    (tmp_path / "store.db").unlink()

    portable = here.portable()
    there = trial_of(portable)

    points = here.space.canonical(np.random.default_rng(1).random((5, here.space.dimensions)))
    for share in (1.0, 0.1):
        own, other = here.trial(points, share), there(points, share)
        assert np.array_equal(own.objectives, other.objectives)
        assert np.array_equal(own.constraints, other.constraints)


def test_a_cluster_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the engine dask needs an address"):
        breeding.order(tmp_path, Config(), evolve=EvolveConfig(engine="dask"), seed=1)


def test_support_is_the_fewest_incidents_that_say_something(tmp_path: Path) -> None:
    asyncio.run(write_history(tmp_path / "store.db"))
    support = a_task(tmp_path / "store.db").support

    assert support([]) == support([GENE]) == support(["triage.hold_s"]) == 60
    assert support(["playbook/database.plan"]) == 20
    assert support(["watch.thresholds.latency_s.samples", GENE]) == 0


@pytest.mark.parametrize(("incidents", "reason"), [(0, "no incidents yet"), (9, "are 9 incidents")])
def test_a_poor_history_is_refused(tmp_path: Path, incidents: int, reason: str) -> None:
    asyncio.run(write_history(tmp_path / "store.db", incidents=incidents))

    with pytest.raises(ConfigError, match=reason):
        a_task(tmp_path / "store.db")


def test_a_plug_in_that_is_gone_is_told(tmp_path: Path) -> None:
    asyncio.run(write_history(tmp_path / "store.db"))
    config = structs.replace(Config(), agents=("nowhere:Agent",))

    with pytest.raises(PluginError, match="nowhere"):
        a_task(tmp_path / "store.db", config)
    job = rehearsed.order(config, ["crash"], runs=1, evolve=EvolveConfig(), seed=1)
    with pytest.raises(PluginError, match="nowhere"):
        rehearsed.task_of(job.payload)


def test_a_rehearsed_task_has_all_built_in_thresholds_and_three_lots() -> None:
    job = rehearsed.order(Config(), ["crash", "hang"], runs=2, evolve=EvolveConfig(), seed=1)

    task = rehearsed.task_of(job.payload)

    assert "watch.thresholds.alive.samples" in [each.name for each in task.space.loci]
    assert task.support([]) == 4
    assert job.search.screening == 1
    assert msgspec.msgpack.decode(job.payload, type=rehearsed.Material).scenarios == (
        "crash",
        "hang",
    )
