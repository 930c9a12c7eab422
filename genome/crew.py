"""Who judges candidates: this process alone, several processes, or a cluster.

All of them come to the same scores, bit for bit, because each makes the same trial from the same
bytes, and a candidate's scores depend on nothing else. A trial over arrays is quickest alone; where
each candidate is a simulation of its own, as for plug-ins whose logic knows no arrays, as many
cores help as there are.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Protocol

from .scores import Matrix, Scores, Trial
from .task import Portable, load_task

# Candidates judged between two looks at the clock and at what was ordered.
LOT = 8


class Judged(NamedTuple):
    """A lot of candidates, and what it took.

    Attributes:
        scores: of the lot.
        cpu_s: CPU time that other processes of this machine have used for it.
    """

    scores: Scores
    cpu_s: float = 0.0


class Crew(Protocol):
    """Judges lots of candidates."""

    def judge(self, lots: Sequence[Matrix], share: float) -> Iterator[Judged]:
        """Scores of each lot, in order; see `Trial`."""
        ...


class Alone:
    """The process that evolves, without help.

    Args:
        trial: by which it judges.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def judge(self, lots: Sequence[Matrix], share: float) -> Iterator[Judged]:
        """One after the other."""
        for lot in lots:
            yield Judged(self._trial(lot, share))


class Pool:
    """Several processes, each with a trial of its own.

    Nothing is begun before what was begun is fetched, so that who fetches slowly slows all.

    Args:
        executor: of processes that have made the trial.
        processes: how many.
    """

    def __init__(self, executor: ProcessPoolExecutor, processes: int) -> None:
        self._executor = executor
        self._processes = processes

    def judge(self, lots: Sequence[Matrix], share: float) -> Iterator[Judged]:
        """As many at once as there are processes; a lot is shared out if there are too few."""
        for start in range(0, len(lots), self._processes):
            some = lots[start : start + self._processes]
            futures = [self._executor.submit(_judge_here, lot, share) for lot in some]
            for future in futures:
                yield future.result()


@contextmanager
def pool_of(processes: int, portable: Portable) -> Iterator[Pool]:
    """So many processes of this machine; they end at the end."""
    executor = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_settle, initargs=(portable,)
    )
    try:
        yield Pool(executor, processes)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


# --- in the other processes -----------------------------------------------------------------------

# The trial that this process judges by, and what it was made from: one at a time.
_here: dict[str, Trial] = {}
_lock = threading.Lock()


def trial_of(portable: Portable) -> Trial:
    """The trial of a task, made anew only when it is another one than before."""
    key = sha256(portable.payload).hexdigest()
    with _lock:  # A cluster may judge in threads.
        if key not in _here:
            _here.clear()
            _here[key] = load_task(portable.task, portable.payload).trial
        return _here[key]


def judge_elsewhere(lot: Matrix, share: float, portable: Portable) -> Scores:
    """What a process of a cluster does."""
    trial = trial_of(portable)
    with _lock:  # Trials remember what they have judged.
        return trial(lot, share)


def _settle(portable: Portable) -> None:
    """What a process of a pool does first."""
    parent = parent_process()
    assert parent is not None, "it was spawned"
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    trial_of(portable)


def _follow(parent: BaseProcess) -> None:
    """End when the process is gone that has spawned this one, even if it was killed."""
    parent.join()
    os._exit(0)


def _judge_here(lot: Matrix, share: float) -> Judged:
    (trial,) = _here.values()
    began_s = time.process_time()
    scores = trial(lot, share)
    return Judged(scores, time.process_time() - began_s)
