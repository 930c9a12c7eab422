"""Candidates judged by a Dask cluster: the one door to Dask, loaded only where it is asked for.

The incidents are sent once, to all workers, when the search begins; a lot of candidates is a few
kilobytes. Results are fetched in the order in which they were asked for, so that the search goes
the same way whatever the cluster looks like, and Dask moves the lots of a worker that is lost to
the others.

Source:
    https://docs.dask.org/en/stable/futures.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import EnvironmentProblem
from .crew import Judged, judge_elsewhere
from .scores import Matrix
from .task import Portable

# How long the scheduler may take to answer, and a lot to be judged: whoever waits longer waits for
# a cluster that has lost all its workers.
_ANSWERS_S = 10.0
_JUDGED_S = 600.0


class Cluster:
    """A `Crew` of Dask workers.

    Args:
        client: connected.
        portable: the task, sent already.
        address: for people.
    """

    def __init__(self, client: Any, portable: Any, address: str) -> None:
        self._client = client
        self._portable = portable
        self._address = address

    def judge(self, lots: Sequence[Matrix], share: float) -> Iterator[Judged]:
        """All of them at once.

        Raises:
            EnvironmentProblem: nobody judges any more.
        """
        asked = [
            # Not pure: a lot that was judged before is judged anew, rather than kept for ever.
            self._client.submit(judge_elsewhere, lot, share, self._portable, pure=False)
            for lot in lots
        ]
        for future in asked:
            try:
                yield Judged(future.result(timeout=_JUDGED_S))
            except (TimeoutError, OSError) as error:
                raise EnvironmentProblem(
                    f"the Dask cluster at {self._address} does not judge any more: {error}",
                    "see whether it has workers; the search goes on from its last generation",
                ) from error


@contextmanager
def cluster_at(address: str, portable: Portable) -> Iterator[Cluster]:
    """A cluster that has what it needs to judge.

    Args:
        address: of its scheduler, such as ``tcp://10.0.0.5:8786``.
        portable: the task.

    Raises:
        EnvironmentProblem: Dask is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise EnvironmentProblem(
            "the engine dask needs Dask", "pip install 'mendel[dask]', here and on its workers"
        ) from error
    connect: Any = Client  # Dask has no types.
    try:
        client = connect(address, timeout=_ANSWERS_S, set_as_default=False)
    except (TimeoutError, OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"no Dask scheduler answers at {address}",
            "start one with `dask scheduler`, or correct [agent.genome] address",
        ) from error
    try:
        yield Cluster(client, client.scatter(portable, broadcast=True), address)
    finally:
        client.close()
