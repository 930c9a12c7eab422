"""How new points come from old ones, each kind of gene in its own way.

Every gene has the same chance to change, whatever its kind and however many columns it takes.
(pymoo's recipe for mixed variables gives each *group* of a type its own rate, so
that a lone flag among twenty numbers flips twenty times as often as a number moves.)
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .loci import Locus, Matrix
from .space import Space

# How near a changed number stays to where it was: the index of the polynomial distribution. With 20
# nine in ten moves are shorter than a tenth of the range.
_CLOSENESS = 20.0
# Genes that change in one candidate, on average. Around one is right, because most changes are for
# the worse; a little less was found better on the problems of `benchmarks/evolution.py` (drawn
# from other seeds than it reports), where the crossover stirs enough already.
_CHANGES = 0.7


class Operators:
    """Crossover and mutation for the points of one space; all points are canonical.

    Args:
        space: where they live; it has at least one gene.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        widths = [locus.width for locus in space.loci]
        self._gene_of_column = np.repeat(np.arange(len(widths)), widths)

    def cross(self, one: Matrix, other: Matrix, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Two children of each pair: every gene goes to one of them, as a whole.

        Args:
            one: shape (n, dimensions).
            other: same shape.
            rng: where chance comes from.
        """
        swapped = rng.random((len(one), len(self._space.loci))) < 0.5
        columns = swapped[:, self._gene_of_column]
        return np.where(columns, other, one), np.where(columns, one, other)

    def mutate(self, points: Matrix, rng: np.random.Generator) -> Matrix:
        """The points, with a gene or two changed in half of them; canonical."""
        loci = self._space.loci
        hit = rng.random((len(points), len(loci))) < _CHANGES / len(loci)
        mutated = points.copy()
        for number, locus in enumerate(loci):
            rows = np.flatnonzero(hit[:, number])
            if len(rows):
                mutated[rows, locus.columns] = moved(locus, points[rows, locus.columns], rng)
        return self._space.canonical(mutated)


def moved(locus: Locus, cube: Matrix, rng: np.random.Generator) -> Matrix:
    """Other values of one gene, near where that means something.

    Args:
        locus: which gene.
        cube: its columns, shape (n, width).
        rng: where chance comes from.
    """
    match locus.kind:
        case "float":
            return polynomial(cube, rng)
        case "int":
            return _stepped(locus, cube, rng)
        case "order":
            return _swapped(cube, rng)
        case _:
            steps = rng.integers(1, locus.levels, size=cube.shape)
            return locus.cube((locus.numbers(cube) + steps) % locus.levels)


def polynomial(cube: Matrix, rng: np.random.Generator) -> Matrix:
    """Moves within 0 to 1, mostly short.

    Source:
        Deb and Goyal, Computer Science and Informatics 26 (1996) 30-45, in the form that takes the
        distance to both bounds into account.
    """
    draw, power = rng.random(cube.shape), 1.0 / (_CLOSENESS + 1.0)
    down = (2 * draw + (1 - 2 * draw) * (1 - cube) ** (_CLOSENESS + 1)) ** power - 1
    up = 1 - (2 * (1 - draw) + (2 * draw - 1) * cube ** (_CLOSENESS + 1)) ** power
    return np.clip(cube + np.where(draw < 0.5, down, up), 0.0, 1.0)


def _stepped(locus: Locus, cube: Matrix, rng: np.random.Generator) -> Matrix:
    """A whole number moves by at least one; at the end of its range it turns back."""
    after = polynomial(cube, rng)
    before, numbers = locus.numbers(cube), locus.numbers(after)
    step = np.where(after < cube, -1.0, 1.0)
    step = np.where(before + step > locus.high, -1.0, step)
    step = np.where(before + step < locus.low, 1.0, step)
    return locus.cube(np.where(numbers == before, before + step, numbers))


def _swapped(cube: Matrix, rng: np.random.Generator) -> Matrix:
    """Two places of an order trade what they hold."""
    count, width = cube.shape
    one = rng.integers(width, size=count)
    other = (one + rng.integers(1, width, size=count)) % width
    swapped, rows = cube.copy(), np.arange(count)
    swapped[rows, one], swapped[rows, other] = cube[rows, other], cube[rows, one]
    return swapped


def neighbours(space: Space, point: Matrix, step: float) -> Matrix:
    """Canonical points that differ in one gene, each once; the point itself is none of them.

    Numbers go up and down, flags and choices to all others, orders by swaps of two neighbours.

    Args:
        space: where the point lives.
        point: shape (dimensions,), canonical.
        step: how far numbers go, as a share of their range; whole ones by at least one.
    """
    around = [point]
    for locus in space.loci:
        for other in _others(locus, point[locus.columns], step):
            moved_point = point.copy()
            moved_point[locus.columns] = other
            around.append(moved_point)
    return unique(space.canonical(np.array(around)))[1:]


def _others(locus: Locus, own: Matrix, step: float) -> list[Matrix]:
    if locus.kind == "order":
        return [_traded(own, one, other) for one, other in pairwise(np.argsort(own))]
    if locus.kind in ("bool", "choice"):
        return [locus.cube(np.array([[float(at)]]))[0] for at in range(locus.levels)]
    if locus.kind == "float":
        return [np.clip(own + step, 0.0, 1.0), np.clip(own - step, 0.0, 1.0)]
    number = locus.numbers(own[np.newaxis])[0]
    others = []
    for sign in (1.0, -1.0):
        end = locus.numbers(np.clip(own + sign * step, 0.0, 1.0)[np.newaxis])[0]
        end = np.where(end == number, number + sign, end)
        others.append(locus.cube(np.clip(end, locus.low, locus.high)))
    return others


def _traded(cube: Matrix, one: int, other: int) -> Matrix:
    traded = cube.copy()
    traded[[one, other]] = cube[[other, one]]
    return traded


def unique(points: Matrix) -> Matrix:
    """Each point once, in the order of their first places."""
    _, first = np.unique(points, axis=0, return_index=True)
    return points[np.sort(first)]
