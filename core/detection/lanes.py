"""The few operations in which a decision per sample is written, for one lane and for many.

`core/detection/detect_adaptive.py` and what it stands on are one source without branches on data: a
choice is ``ops.where(condition, yes, no)``. With `One` the values are floats, and a sample takes
some microseconds; with `Many` they are numpy arrays with one element per lane, and a sample takes
less than one. Both come out equal bit for bit, because only operations are offered that are exact
or that IEEE 754 rounds correctly: no logarithm, no exponential, no sum whose order matters.

The alternative, arrays for a single metric too, was turned down: a hundred calls of numpy for one
sample take ten times as long as the whole decision in floats.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

# A value of one lane, or an array with a value per lane. Which one is known to `Ops` alone, so
# that the decisions cannot depend on it.
Number = Any
# Rows of numbers: a list, or an array of shape (rows, lanes).
Table = Any

Rule = Callable[["Ops", Sequence[Table]], None]


class Ops(Protocol):
    """What may be done with the values of a lane."""

    def where(self, condition: Number, yes: Number, no: Number) -> Number:
        """The one where the condition holds, the other where it does not."""

    def maximum(self, one: Number, other: Number) -> Number:
        """The greater of two."""

    def minimum(self, one: Number, other: Number) -> Number:
        """The lesser of two."""

    def whole(self, value: Number) -> Number:
        """The integer part of a value that is not negative."""

    def octaves(self, value: Number) -> Number:
        """Logarithm to the base 2, linear between the powers of 2: exact, unlike the true one."""

    def full(self, value: float) -> Number:
        """A value that is the same in all lanes."""

    def table(self, rows: Sequence[float]) -> Table:
        """Rows that are the same in all lanes."""

    def constants(self, rows: Sequence[float]) -> Table:
        """Rows that never change, one for all lanes; read with ``pick``."""

    def look(self, table: Table, row: Number) -> Number:
        """The element in the row that each lane chooses for itself."""

    def pick(self, constants: Table, row: Number) -> Number:
        """The constant in the row that each lane chooses for itself."""

    def put(self, table: Table, row: Number, value: Number) -> None:
        """Set the element in the row that each lane chooses for itself."""

    def any(self, condition: Number) -> bool:
        """Whether a condition holds in any lane."""

    def renew(self, tables: Sequence[Table], chosen: Number, rule: Rule) -> None:
        """Let a rule rewrite tables, in place, in the chosen lanes only."""


class One:
    """A single lane, in plain floats.

    Example:
        >>> One().octaves(8.0), One().octaves(12.0)
        (3.0, 3.5)
    """

    __slots__ = ()

    @staticmethod
    def where(condition: Number, yes: Number, no: Number) -> Number:
        """See `Ops`."""
        return yes if condition else no

    @staticmethod
    def maximum(one: Number, other: Number) -> Number:
        """See `Ops`."""
        return one if one > other else other  # noqa: FURB136  Twice as fast as max().

    @staticmethod
    def minimum(one: Number, other: Number) -> Number:
        """See `Ops`."""
        return one if one < other else other  # noqa: FURB136  Twice as fast as min().

    whole = staticmethod(int)

    @staticmethod
    def octaves(value: Number) -> Number:
        """See `Ops`."""
        mantissa, exponent = math.frexp(value)
        return exponent + (2.0 * mantissa - 2.0)

    @staticmethod
    def full(value: float) -> Number:
        """See `Ops`."""
        return value

    @staticmethod
    def table(rows: Sequence[float]) -> Table:
        """See `Ops`."""
        return list(rows)

    @staticmethod
    def constants(rows: Sequence[float]) -> Table:
        """See `Ops`."""
        return rows

    look = staticmethod(operator.getitem)
    pick = staticmethod(operator.getitem)
    put = staticmethod(operator.setitem)
    any = staticmethod(bool)

    def renew(self, tables: Sequence[Table], chosen: Number, rule: Rule) -> None:
        """See `Ops`."""
        if chosen:
            rule(self, tables)


class Many:
    """Lanes side by side, as numpy arrays.

    Args:
        lanes: how many, at least 1.
        np: the module numpy, which the caller has loaded: whoever only watches does without.
    """

    def __init__(self, lanes: int, np: Any) -> None:
        self._np = np
        self._lanes = np.arange(lanes)
        self.where = np.where
        self.maximum = np.maximum
        self.minimum = np.minimum

    def whole(self, value: Number) -> Number:
        """See `Ops`."""
        return value.astype(self._np.int64)

    def octaves(self, value: Number) -> Number:
        """See `Ops`."""
        mantissa, exponent = self._np.frexp(value)
        return exponent + (2.0 * mantissa - 2.0)

    def full(self, value: float) -> Number:
        """See `Ops`."""
        return self._np.full(len(self._lanes), value)

    def table(self, rows: Sequence[float]) -> Table:
        """See `Ops`."""
        return self._np.repeat(self._np.array(rows)[:, None], len(self._lanes), axis=1)

    def constants(self, rows: Sequence[float]) -> Table:
        """See `Ops`."""
        return self._np.array(rows)

    def look(self, table: Table, row: Number) -> Number:
        """See `Ops`."""
        return table[row, self._lanes]

    def pick(self, constants: Table, row: Number) -> Number:
        """See `Ops`."""
        return constants[row]

    def put(self, table: Table, row: Number, value: Number) -> None:
        """See `Ops`."""
        table[row, self._lanes] = value

    def any(self, condition: Number) -> bool:
        """See `Ops`."""
        return bool(self._np.any(condition))

    def renew(self, tables: Sequence[Table], chosen: Number, rule: Rule) -> None:
        """See `Ops`."""
        lanes = self._np.flatnonzero(chosen)
        if not len(lanes):
            return
        part = [table[:, lanes] for table in tables]
        rule(Many(len(lanes), self._np), part)
        for table, renewed in zip(tables, part, strict=True):
            table[:, lanes] = renewed
