"""One whole search, from the first generation to a winner that was examined.

The archive holds what did well in training. Its best few are examined on incidents that training
has not seen, and the one that does best there is the winner; what it gains is measured on a last
lot that nothing was chosen by. Choosing and measuring on the same incidents always finds a gain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import structs

from .crew import LOT, Crew
from .engine import crew_of
from .evolve import Search
from .front import TOLERANCE, knee_of
from .scores import HARM, Matrix, Scores, Trial
from .state import SearchState
from .task import Advanced, Bred, Exam, Job, Task

# So many of the archive go to validation; more would let chance choose.
_EXAMINED = 8
# So many of those are tried in simulated troubles, one after the other, until one gets through.
_REHEARSED = 3
# Shares of the way from the incumbent to the knee that are examined as well.
_CAUTION = (0.25, 0.5, 0.75)


class Pace:
    """Keeps to a share of one core, and rests when told to.

    Args:
        share: of one core.
        rest: waits so many seconds, and as long as a pause lasts; returns how long that was.
    """

    def __init__(self, share: float, rest: Callable[[float], float]) -> None:
        self._share = share
        self._rest = rest
        self._began_s = self._lot_s = time.monotonic()
        self._cpu_s = self._lot_cpu_s = time.process_time()
        self._others_s = self._lot_others_s = 0.0

    @property
    def cpu_s(self) -> float:
        """CPU time since the beginning, that of helpers included."""
        return time.process_time() - self._cpu_s + self._others_s

    @property
    def wall_s(self) -> float:
        """Time since the beginning, pauses left out."""
        return time.monotonic() - self._began_s

    def spend(self, cpu_s: float) -> None:
        """Another process of this machine has worked for this one."""
        self._others_s += cpu_s

    def keep(self) -> None:
        """Wait until the share is kept again; called after each lot of work."""
        used_s = time.process_time() - self._lot_cpu_s + self._others_s - self._lot_others_s
        owed_s = used_s / self._share - (time.monotonic() - self._lot_s)
        self._began_s += self._rest(max(owed_s, 0.0))
        self._lot_s, self._lot_cpu_s = time.monotonic(), time.process_time()
        self._lot_others_s = self._others_s


def breed(job: Job, task: Task, pace: Pace, tell: Callable[[Advanced], None]) -> Bred:
    """Search, examine, and tell what came of it.

    Args:
        job: how to search, and where an earlier search came to.
        task: what to search.
        pace: asked for leave after each lot.
        tell: is told each generation.

    Raises:
        EnvironmentProblem: those who are to judge cannot be reached.
    """
    with crew_of(job, task) as crew:
        return _breed(job, structs.replace(task, trial=_paced(crew, pace)), pace, tell)


def _breed(job: Job, task: Task, pace: Pace, tell: Callable[[Advanced], None]) -> Bred:
    incumbent = task.space.canonical(task.known[0][np.newaxis])[0]
    search = Search(task.space, task.trial, job.search, seed=job.seed)
    rated = task.trial(incumbent[np.newaxis]).objectives[0]
    spent_s = job.state.spent_s if job.state is not None else 0.0

    def told(state: SearchState) -> SearchState:
        knee = _knee(state, task, rated)
        if job.budget_s is not None:
            state = structs.replace(state, spent_s=spent_s + pace.cpu_s)
        tell(Advanced(state=state, cpu_s=pace.cpu_s, wall_s=pace.wall_s, knee=knee))
        return state

    def affords_more(state: SearchState) -> bool:
        """Whether another generation like those before is within the budget."""
        each_s = state.spent_s / max(state.generation, 1)
        return job.budget_s is None or state.spent_s + each_s <= job.budget_s

    state = job.state or told(search.begin(task.known))
    while state.generation < job.search.generations and affords_more(state):
        state = told(search.step(state))
    if not state.is_polished and affords_more(state):
        state = told(search.polish(state, rated))
    winner = _winner(state, task, incumbent, rated, pace)
    pair = np.stack((incumbent, winner))
    changed = [each.gene for each in task.space.describe(incumbent, winner)]
    validation, hold_out = _exam(task.validate(pair)), _exam(task.hold_out(pair))
    pace.keep()
    return Bred(
        state=state,
        winner=task.space.write(winner),
        incumbent=task.space.write(incumbent),
        support=task.support(changed),
        validation=validation,
        hold_out=hold_out,
        cpu_s=pace.cpu_s,
        wall_s=pace.wall_s,
        rehearsal=_rehearsed(task, incumbent, winner, pace),
    )


def _paced(crew: Crew, pace: Pace) -> Trial:
    """A trial by a crew, in lots small enough to be interrupted in between."""

    def judge(points: Matrix, share: float = 1.0) -> Scores:
        lots = [points[start : start + LOT] for start in range(0, len(points), LOT)]
        found = []
        for each in crew.judge(lots, share):
            found.append(each.scores)
            pace.spend(each.cpu_s)
            pace.keep()
        objectives, constraints = zip(*map(structs.astuple, found), strict=True)
        return Scores(np.concatenate(objectives), np.concatenate(constraints))

    return judge


def _knee(state: SearchState, task: Task, rated: Matrix) -> dict[str, Any]:
    if not state.archive.points:
        return {}
    points, scores = state.archive.arrays()
    return task.space.write(points[knee_of(scores.objectives, rated)])


def _winner(state: SearchState, task: Task, incumbent: Matrix, rated: Matrix, pace: Pace) -> Matrix:
    """The archived candidate with the least user harm in validation that is no worse in the rest.

    It also has to get through the simulated troubles, if there are any, doing no more harm than the
    incumbent. It is the incumbent itself when there is no such candidate.
    """
    if not state.archive.points:
        return incumbent
    points, scores = state.archive.arrays()
    knee = knee_of(scores.objectives, rated)
    acceptable = np.all(scores.objectives <= rated + TOLERANCE * np.abs(rated), axis=1)
    best = np.lexsort((scores.objectives[:, HARM], ~acceptable))
    rows = [knee, *(each for each in best if each != knee)][:_EXAMINED]
    # On the way back from the knee are those that do with less of everything: what just did well
    # enough in training is often a step too far for what training has not seen.
    cautious = [incumbent + share * (points[knee] - incumbent) for share in _CAUTION]
    rivals = np.concatenate((points[rows], task.space.canonical(np.array(cautious))))
    examined = task.validate(np.concatenate((incumbent[np.newaxis], rivals)))
    pace.keep()
    means = examined.mean(axis=1)
    harmless = np.all(means <= means[0] + TOLERANCE * np.abs(means[0]), axis=1)
    for place in np.argsort(np.where(harmless, means[:, HARM], np.inf), kind="stable")[:_REHEARSED]:
        if place == 0 or not harmless[place]:
            break
        winner = _plainer(rivals[place - 1], task, incumbent)
        if _gets_through(_rehearsed(task, incumbent, winner, pace)):
            return winner
    return incumbent


def _rehearsed(task: Task, incumbent: Matrix, winner: Matrix, pace: Pace) -> Exam | None:
    if task.rehearse is None:
        return None
    return _exam(task.rehearse(np.stack((incumbent, winner)), pace.keep))


def _gets_through(exam: Exam | None) -> bool:
    """Whether a candidate does no more harm in simulated troubles than the incumbent."""
    if exam is None:
        return True
    had, has = (sum(row[HARM] for row in rows) for rows in (exam.incumbent, exam.candidate))
    return has <= had * (1.0 + TOLERANCE)


def _plainer(winner: Matrix, task: Task, incumbent: Matrix) -> Matrix:
    """The winner without the changes that gain nothing: a person has to understand the rest.

    Each change is taken back alone; those that are not missed are then taken back one after the
    other, as long as nothing gets worse.
    """
    space = task.space
    changed = {each.gene for each in space.describe(incumbent, winner)}
    loci = [each for each in space.loci if each.name in changed]

    def without(point: Matrix, columns: slice) -> Matrix:
        back = point.copy()
        back[columns] = incumbent[columns]
        point = space.canonical(back[np.newaxis])
        return np.asarray(point[0])

    judge = task.trial
    best = judge(winner[np.newaxis]).objectives[0]
    alone = judge(np.array([without(winner, each.columns) for each in loci]))
    missed = np.max(alone.objectives - best, axis=1)
    for row in np.argsort(missed, kind="stable"):
        plainer = without(winner, loci[row].columns)
        scores = judge(plainer[np.newaxis])
        if scores.is_feasible[0] and np.all(scores.objectives[0] <= best):
            winner, best = plainer, scores.objectives[0]
    return winner


def _exam(examined: Any) -> Exam:
    return Exam(incumbent=examined[0].tolist(), candidate=examined[1].tolist())
