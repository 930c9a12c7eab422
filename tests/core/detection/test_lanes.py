import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.detection.lanes import Many, One

NUMBERS = st.floats(1e-300, 1e300)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_the_logarithm_is_the_same_for_one_and_many(values: list[float]) -> None:
    many = Many(len(values), np).octaves(np.array(values))

    assert [One().octaves(value) for value in values] == many.tolist()


@given(NUMBERS)
def test_the_logarithm_is_close_to_the_true_one(value: float) -> None:
    assert One().octaves(value) == pytest.approx(math.log2(value), abs=0.0862)


@pytest.mark.parametrize("chosen", [[True, False, True], [False, False, False]])
def test_a_rule_rewrites_the_chosen_lanes_only(chosen: list[bool]) -> None:
    ops = Many(3, np)
    table = ops.table([1.0, 2.0])

    ops.renew([table], np.array(chosen), lambda _, tables: tables[0].__imul__(10.0))

    factors = np.where(chosen, 10.0, 1.0)
    assert table.tolist() == [(1.0 * factors).tolist(), (2.0 * factors).tolist()]


def test_a_rule_leaves_a_lane_that_is_not_chosen() -> None:
    table = One().table([1.0, 2.0])

    One().renew([table], False, lambda _, tables: tables[0].clear())

    assert table == [1.0, 2.0]


def test_each_lane_looks_up_and_sets_its_own_row() -> None:
    ops = Many(2, np)
    table = ops.table([1.0, 2.0, 3.0])
    rows = np.array([0, 2])

    ops.put(table, rows, ops.look(table, rows) + 10.0)

    assert table.tolist() == [[11.0, 1.0], [2.0, 2.0], [3.0, 13.0]]
    assert ops.pick(ops.constants([5.0, 6.0, 7.0]), rows).tolist() == [5.0, 7.0]
