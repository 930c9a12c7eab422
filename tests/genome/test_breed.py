from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from bowls import SPACE, make_task
from mendel.genome.breed import Pace, breed
from mendel.genome.state import SearchConfig
from mendel.genome.task import Advanced, Job

QUICK = SearchConfig(population=12, generations=4, polish=30)


def a_job() -> Job:
    return Job(task="bowls:make_task", payload=b"", search=QUICK, seed=5, cpu_share=1.0)


def pace() -> Pace:
    return Pace(1.0, rest=lambda for_s: 0.0)


def test_the_winner_does_less_harm_and_what_gains_nothing_is_taken_back() -> None:
    task, told = make_task(b""), list[Advanced]()

    bred = breed(a_job(), task, pace(), told.append)

    assert [each.state.generation for each in told] == [1, 2, 3, 4, 4]
    winner, incumbent = SPACE.read(bred.winner), SPACE.read(bred.incumbent)
    assert incumbent.tolist() == SPACE.encode(SPACE.base).tolist()
    harm = [task.hold_out(np.stack((incumbent, winner))).mean(axis=1)[:, 0]]
    assert harm[0][1] < 0.8 * harm[0][0]
    best = task.trial(winner[np.newaxis]).objectives[0]
    for locus in SPACE.loci:
        if bred.winner[locus.name] != bred.incumbent[locus.name]:
            without = winner.copy()
            without[locus.columns] = incumbent[locus.columns]
            missed = task.trial(SPACE.canonical(without[np.newaxis])).objectives[0]
            assert np.any(missed > best), f"{locus.name} is not missed"
    assert bred.support == 30


def test_where_the_incumbent_is_best_it_wins() -> None:
    task = make_task(b"")
    best = breed(a_job(), task, pace(), lambda _: None)
    known = msgspec.structs.replace(task, known=[SPACE.read(best.winner)])

    def validate(points: np.ndarray) -> Any:
        """The incumbent does no harm at all."""
        harms = task.validate(points)
        harms[0] = 0.0
        return harms

    again = breed(
        a_job(), msgspec.structs.replace(known, validate=validate), pace(), lambda _: None
    )

    assert again.winner == again.incumbent == best.winner
    assert again.hold_out.candidate == again.hold_out.incumbent


def test_where_nothing_is_allowed_the_incumbent_stays() -> None:
    task = make_task(b"")

    def forbidding(points: np.ndarray, share: float = 1.0) -> object:
        scores = task.trial(points, share)
        return msgspec.structs.replace(scores, constraints=np.ones((len(points), 1)))

    bred = breed(a_job(), msgspec.structs.replace(task, trial=forbidding), pace(), lambda _: None)

    assert bred.winner == bred.incumbent


def test_who_does_more_harm_in_simulated_troubles_is_passed_over() -> None:
    task, seen = make_task(b""), list[np.ndarray]()
    best = breed(a_job(), task, pace(), lambda _: None)
    favourite = SPACE.read(best.winner)

    def rehearse(points: np.ndarray, rest: Any) -> Any:
        """The favourite does twice the harm of everybody else."""
        seen.append(points)
        rest()
        harms = np.ones((len(points), 3, 4))
        harms[[np.array_equal(point, favourite) for point in points]] = 2.0
        return harms

    rehearsed = msgspec.structs.replace(task, rehearse=rehearse)
    found = breed(a_job(), rehearsed, pace(), lambda _: None)

    assert found.winner != best.winner
    assert found.rehearsal is not None
    assert found.rehearsal.candidate == found.rehearsal.incumbent == [[1.0] * 4] * 3
    assert len(seen) >= 2


def test_where_nobody_gets_through_the_incumbent_stays() -> None:
    def rehearse(points: np.ndarray, rest: Any) -> Any:
        return np.broadcast_to(np.arange(len(points))[:, None, None], (len(points), 3, 4))

    task = msgspec.structs.replace(make_task(b""), rehearse=rehearse)

    found = breed(a_job(), task, pace(), lambda _: None)

    assert found.winner == found.incumbent


def test_a_share_of_a_core_is_kept_by_resting() -> None:
    rests: list[float] = []

    def rest(for_s: float) -> float:
        rests.append(for_s)
        return 0.0

    slow = Pace(0.001, rest)  # A busy machine may grant a tenth of a core.
    total = 0
    for number in range(200_000):
        total += number
    slow.keep()

    assert rests[0] > 0.0
    assert slow.cpu_s > 0.0
    assert slow.wall_s > 0.0
