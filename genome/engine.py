"""Which crew a job is done by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .crew import Alone, Crew, pool_of
from .task import Job, Task


@contextmanager
def crew_of(job: Job, task: Task) -> Iterator[Crew]:
    """Who judges for a job; they go home at the end.

    Raises:
        EnvironmentProblem: there is no cluster where one was named, or nothing to reach it with.
    """
    if job.engine == "dask":
        from .cluster import cluster_at  # Brings Dask.

        with cluster_at(job.address, task.portable()) as cluster:
            yield cluster
    elif job.processes > 1:
        with pool_of(job.processes, task.portable()) as pool:
            yield pool
    else:
        yield Alone(task.trial)
