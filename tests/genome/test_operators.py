from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.gene import Gene
from mendel.genome.operators import Operators, moved, neighbours
from mendel.genome.space import Space
from msgspec import Struct


class Mixed(Struct, frozen=True):
    hold_s: Annotated[float, Gene(low=0.1, high=10, scale="log", unit="s")] = 1.0
    samples: Annotated[int, Gene(low=1, high=4, at_most="of")] = 2
    of: Annotated[int, Gene(low=2, high=900, scale="log")] = 3
    eager: Annotated[bool, Gene()] = False
    way: Annotated[Literal["a", "b", "c"], Gene()] = "a"
    plan: Annotated[tuple[str, ...], Gene()] = ("x", "y", "z")


SPACE = Space({"m": Mixed()})
SEEDS = st.integers(0, 2**32)


def some_points(rng: np.random.Generator, count: int = 20) -> np.ndarray:
    return SPACE.canonical(rng.random((count, SPACE.dimensions)))


@given(seed=SEEDS)
def test_each_gene_of_two_parents_is_passed_on_once_and_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = some_points(rng), some_points(rng)

    left, right = Operators(SPACE).cross(one, other, rng)

    for locus in SPACE.loci:
        columns = locus.columns
        straight = np.all(left[:, columns] == one[:, columns], axis=1)
        straight &= np.all(right[:, columns] == other[:, columns], axis=1)
        crossed = np.all(left[:, columns] == other[:, columns], axis=1)
        crossed &= np.all(right[:, columns] == one[:, columns], axis=1)
        assert np.all(straight | crossed)


@given(seed=SEEDS)
def test_mutants_are_canonical_and_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mutants = Operators(SPACE).mutate(some_points(rng), rng)

    assert SPACE.canonical(mutants).tolist() == mutants.tolist()
    for mutant in mutants:
        genes = SPACE.write(mutant)
        assert genes["m.samples"] <= genes["m.of"]
        assert sorted(genes["m.plan"]) == ["x", "y", "z"]


@given(seed=SEEDS)
@pytest.mark.parametrize("locus", SPACE.loci, ids=lambda locus: locus.name)
def test_a_gene_that_changes_has_another_value(locus: object, seed: int) -> None:
    gene = next(each for each in SPACE.loci if each is locus)
    rng = np.random.default_rng(seed)
    cube = some_points(rng)[:, gene.columns]

    after = moved(gene, cube, rng)

    changed = np.any(gene.numbers(after) != gene.numbers(cube), axis=1)
    # A number of any digits may, by a rare chance, move by less than its last one.
    assert changed.all() or (gene.kind == "float" and changed.sum() >= 15)


def test_all_genes_change_equally_often_whatever_their_kind() -> None:
    rng = np.random.default_rng(7)
    points = some_points(rng, 20_000)

    mutants = Operators(SPACE).mutate(points, rng)

    changed = [
        float(np.mean(np.any(points[:, each.columns] != mutants[:, each.columns], axis=1)))
        for each in SPACE.loci
    ]
    assert changed == pytest.approx([0.7 / 6] * 6, abs=0.02)


class TestNeighbours:
    def test_they_differ_in_one_gene_each(self) -> None:
        start = SPACE.encode(SPACE.base)

        around = neighbours(SPACE, start, 0.25)

        changes = [[each.words for each in SPACE.describe(start, other)] for other in around]
        assert changes == [
            ["1s -> 3.16s"],
            ["1s -> 316ms"],
            ["2 -> 3"],
            ["2 -> 1"],
            ["3 -> 14"],
            ["3 -> 2"],
            ["false -> true"],
            ["a -> b"],
            ["a -> c"],
            ["x, y, z -> y, x, z"],
            ["x, y, z -> x, z, y"],
        ]

    def test_the_smallest_step_still_moves_whole_numbers(self) -> None:
        start = SPACE.encode(SPACE.base)

        around = neighbours(SPACE, start, 1e-6)

        words = [each.words for other in around for each in SPACE.describe(start, other)]
        assert "2 -> 3" in words
        assert "3 -> 4" in words
