"""Where a search stands between two generations, as plain rows.

Nothing else is needed to go on: chance is drawn anew in each generation from the seed and the
generation's number, and the optimiser is made anew from the rows. So a search that was killed and
one that was not come to the same, bit for bit.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from ..errors import ConfigError
from .scores import Matrix, Scores


class SearchConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates are bred.

    Attributes:
        population: candidates of a generation.
        generations: how many of them.
        algorithm: how survivors are picked; ``agemoea2`` follows the shape of the front, and needs
            the extra of that name.
        broods: a generation is bred in so many, each from the survivors of the one before: what was
            found is bred from sooner. Two were found better than one and than four, on the problems
            of `benchmarks/evolution.py` drawn from other seeds than it reports.
        screening: offspring for each place in the generation; the best by a part of the incidents
            are judged by all of them. 1 for none.
        screening_share: that part.
        polish: evaluations for the local search around the knee at the end; 0 for none.
        archive: candidates of all generations that are kept because none beats them.
    """

    population: Annotated[int, Meta(ge=4, le=1000)] = 40
    generations: Annotated[int, Meta(ge=1, le=10_000)] = 25
    algorithm: Literal["nsga2", "agemoea2"] = "nsga2"
    broods: Annotated[int, Meta(ge=1, le=10)] = 2
    screening: Annotated[int, Meta(ge=1, le=20)] = 3
    screening_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    polish: Annotated[int, Meta(ge=0, le=100_000)] = 200
    archive: Annotated[int, Meta(ge=10, le=10_000)] = 200


class Rows(Struct, frozen=True):
    """Candidates and their scores, one row each.

    Attributes:
        points: where they are in the cube.
        objectives: see `Scores`.
        constraints: see `Scores`.
    """

    points: list[list[float]]
    objectives: list[list[float]]
    constraints: list[list[float]]

    @classmethod
    def of(cls, points: Matrix, scores: Scores) -> Rows:
        """From arrays; every digit is kept."""
        return cls(points.tolist(), scores.objectives.tolist(), scores.constraints.tolist())

    def arrays(self) -> tuple[Matrix, Scores]:
        """Back to arrays."""
        constraints = np.array(self.constraints, dtype=np.float64).reshape(len(self.points), -1)
        return (
            np.array(self.points, dtype=np.float64),
            Scores(np.array(self.objectives, dtype=np.float64), constraints),
        )


class SearchState(Struct, frozen=True, kw_only=True):
    """A search between two generations.

    Attributes:
        signature: of the space that it searches.
        seed: of all chance in it.
        generation: how many are done; the first one is the initial population.
        evaluations: candidates judged so far, those by a part of the incidents in part.
        reference: the point that the hypervolume is measured up to.
        population: the candidates to breed from.
        archive: what no candidate of any generation beats.
        hypervolume: of the archive, as a share of the box from ideal to reference point.
        is_polished: whether the local search at the end is done.
        spent_s: CPU seconds that it has taken, where it has a budget of them.
    """

    signature: str
    seed: int
    generation: int
    evaluations: float
    reference: list[float]
    population: Rows
    archive: Rows
    hypervolume: float
    is_polished: bool = False
    spent_s: float = 0.0

    def check(self, signature: str) -> None:
        """Refuse to go on in another space than the one that the search began in.

        Raises:
            ConfigError: it is another one.
        """
        if self.signature != signature:
            raise ConfigError(
                f"the search was begun with other genes (signature {self.signature}, now "
                f"{signature}); begin a new one"
            )
