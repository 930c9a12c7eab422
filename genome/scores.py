"""What candidates are judged by: objectives that are minimised, and constraints that are kept.

The search knows nothing of incidents: it hands points of a cube to a `Trial` and gets `Scores`
back. Points are judged many at a time, because a trial over arrays costs little more for forty of
them than for one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# In the order of the columns; all of them are better when they are less.
OBJECTIVES = ("user_harm", "recovery_s", "false_alarms", "action_cost")
HARM = OBJECTIVES.index("user_harm")


class Scores(Struct, frozen=True):
    """How points did.

    Attributes:
        objectives: shape (n, m), to be minimised, finite.
        constraints: shape (n, k), kept where not above 0; a genome that its configs refuse breaks
            one.
    """

    objectives: Matrix
    constraints: Matrix

    @property
    def is_feasible(self) -> NDArray[np.bool_]:
        """Which points keep every constraint; shape (n,)."""
        kept: NDArray[np.bool_] = np.all(self.constraints <= 0.0, axis=1)
        return kept


class Trial(Protocol):
    """Judges candidates, the same point always the same."""

    def __call__(self, points: Matrix, share: float = 1.0) -> Scores:
        """Judge canonical points.

        Args:
            points: shape (n, dimensions).
            share: part of the incidents to judge by, the same ones for all; 1.0 is all of them.
        """
        ...


def together(one: Scores, other: Scores) -> Scores:
    """The scores of two lots of points, as one."""
    return Scores(
        np.concatenate((one.objectives, other.objectives)),
        np.concatenate((one.constraints, other.constraints)),
    )


def chosen(scores: Scores, which: NDArray[np.bool_] | NDArray[np.intp]) -> Scores:
    """The scores of some of the points."""
    return Scores(scores.objectives[which], scores.constraints[which])
