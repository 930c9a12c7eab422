"""What no other candidate beats in everything, and the best compromise among it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scores import HARM, Matrix, Scores

# So much worse in one objective is still called no worse: the adoption gate uses the same.
TOLERANCE = 0.02


def front_of(scores: Scores) -> NDArray[np.intp]:
    """Rows that keep the constraints and that no other such row beats; first ones of equals."""
    rows: NDArray[np.intp] = np.flatnonzero(scores.is_feasible)
    values = scores.objectives[rows]
    no_worse = np.all(values[:, np.newaxis] <= values[np.newaxis], axis=2)
    better = np.any(values[:, np.newaxis] < values[np.newaxis], axis=2)
    earlier = np.tri(len(rows), k=-1, dtype=bool).T
    beaten = np.any(no_worse & (better | earlier), axis=0)
    kept: NDArray[np.intp] = rows[~beaten]
    return kept


def spread_out(objectives: Matrix, keep: int) -> NDArray[np.intp]:
    """The rows that best stand for all, where there are more than can be kept.

    One by one, the row goes whose two nearest others are the nearest.

    Source:
        Truncation of SPEA2: Zitzler, Laumanns, Thiele, TIK Report 103, ETH Zürich (2001).
    """
    rows = np.arange(len(objectives))
    if len(rows) <= keep:
        return rows
    scaled = _scaled(objectives, objectives)
    apart = np.linalg.norm(scaled[:, np.newaxis] - scaled[np.newaxis], axis=2)
    np.fill_diagonal(apart, np.inf)
    while len(rows) > max(keep, 2):
        nearest = np.partition(apart, 1, axis=1)[:, :2]
        goes = np.lexsort((nearest[:, 1], nearest[:, 0]))[0]
        rows = np.delete(rows, goes)
        apart = np.delete(np.delete(apart, goes, axis=0), goes, axis=1)
    return rows[:keep]


def knee_of(objectives: Matrix, incumbent: Matrix | None = None) -> int:
    """The row of a front that is the best compromise.

    It is the one of least `regret`. With an incumbent it is known what is acceptable: what is no
    worse in anything, and of that the row with the least user harm.

    Args:
        objectives: of the front, shape (n, m), n >= 1.
        incumbent: objectives of the config in force, shape (m,), if there is one.

    Raises:
        ValueError: the front is empty.
    """
    if not len(objectives):
        raise ValueError("an empty front has no knee")
    wanted = regret(objectives, objectives)
    if incumbent is not None:
        allowed = incumbent + TOLERANCE * np.abs(incumbent)
        harmless = np.all(objectives <= allowed, axis=1)
        if harmless.any():
            wanted = np.where(harmless, objectives[:, HARM], np.inf)
    return int(np.argmin(wanted))


def regret(objectives: Matrix, front: Matrix) -> Matrix:
    """How far rows are from the ideal of a front, worst objective first; shape (n,).

    The augmented Chebyshev distance: unlike a weighted sum it has its least value at any point of a
    front that one wants, dents included.

    Source:
        Steuer and Choo, Mathematical Programming 26 (1983) 326-344.
    """
    scaled = _scaled(objectives, front)
    worst: Matrix = scaled.max(axis=1) + 0.05 * scaled.sum(axis=1)
    return worst


def _scaled(objectives: Matrix, front: Matrix) -> Matrix:
    """From 0 at the best to 1 at the worst of a front; what does not vary counts nothing."""
    ideal, nadir = front.min(axis=0), front.max(axis=0)
    span = np.where(nadir > ideal, nadir - ideal, np.inf)
    scaled: Matrix = (objectives - ideal) / span
    return scaled
