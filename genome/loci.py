"""Where the genes of a configuration are, and how each one is written as numbers from 0 to 1.

A *locus* is one open field of one config. Numbers take one column of the unit cube; an order of k
things takes k columns, whose ranks are the order (random keys: Bean, ORSA Journal on Computing 6
(1994) 154-160), so that every point of the cube means some order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
from msgspec import Meta, Struct, structs
from numpy.typing import NDArray

from ..core.gene import Gene
from ..errors import ConfigError

Matrix = NDArray[np.float64]
Path = tuple[str | int, ...]
Kind = Literal["float", "int", "bool", "choice", "order"]

# What evolution finds is written with so many digits: more would only look exact, and a person has
# to read it. What the operator wrote is kept as it is.
DIGITS = 4
# Of a linear scale so many decimal places are told apart, counted from the size of its range.
_PLACES = 9
_PLACES_MAX = 22  # Greater powers of ten are no exact floats.
# Two floats this close, as a share of their size, are one value that went through a logarithm.
_SAME = 1e-12


class Locus(Struct, frozen=True):
    """One open field.

    Attributes:
        part: name of the config that it is in.
        path: fields, keys and positions that lead to it from there.
        kind: what sort of value it holds.
        gene: where to look.
        base: the value that it has now.
        choices: values of a choice, or what is put in order.
        start: its first column.
    """

    part: str
    path: Path
    kind: Kind
    gene: Gene
    base: Any
    choices: tuple[Any, ...] = ()
    start: int = 0

    @property
    def name(self) -> str:
        """Where it is, for people and files: ``watch.thresholds.ok.samples``."""
        return ".".join(map(str, (self.part, *self.path)))

    @property
    def width(self) -> int:
        """How many columns it takes."""
        return len(self.choices) if self.kind == "order" else 1

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.start, self.start + self.width)

    @property
    def levels(self) -> int:
        """How many values it can have; 0 where there is a continuum."""
        if self.kind == "float":
            return 0
        if self.kind == "int":
            return int(self.high - self.low) + 1
        return 2 if self.kind == "bool" else len(self.choices)

    @property
    def low(self) -> float:
        """Least number."""
        return float(self.gene.low or 0.0)

    @property
    def high(self) -> float:
        """Greatest number."""
        return float(self.gene.high or 0.0)

    # --- columns of the cube, and the numbers that they mean ------------------------------------

    def numbers(self, cube: Matrix) -> Matrix:
        """What its columns mean: a number, an index of the choices, or the ranks of an order.

        Args:
            cube: shape (n, width), each from 0 to 1.
        """
        match self.kind:
            case "float":
                return self._floats(cube)
            case "int" if self.gene.scale == "log":
                return np.clip(np.rint(self._scaled(cube)), self.low, self.high)
            case "int":
                return self.low + _bins(cube, self.levels)
            case "order":
                places = np.argsort(cube, axis=1, kind="stable")
                return np.argsort(places, axis=1).astype(np.float64)
            case _:
                return _bins(cube, self.levels)

    def cube(self, numbers: Matrix) -> Matrix:
        """The point in the middle of all that mean these numbers; undoes `numbers`."""
        if self.kind == "float" or (self.kind == "int" and self.gene.scale == "log"):
            inside = np.clip(numbers, self.low, self.high)
            if self.gene.scale == "log":
                return np.log(inside / self.low) / math.log(self.high / self.low)
            return (inside - self.low) / (self.high - self.low)
        first = self.low if self.kind == "int" else 0.0
        return (np.clip(numbers - first, 0, self.levels - 1) + 0.5) / self.levels

    def _scaled(self, cube: Matrix) -> Matrix:
        inside = np.clip(cube, 0.0, 1.0)
        if self.gene.scale == "log":
            return self.low * np.exp(inside * math.log(self.high / self.low))
        return self.low + inside * (self.high - self.low)

    @property
    def _digits_max(self) -> int:
        """Decimal places to keep: near zero a linear scale has no more to tell."""
        if self.gene.scale == "log":
            return _PLACES_MAX
        return min(_PLACES_MAX, _PLACES - math.ceil(math.log10(self.high - self.low)))

    def _floats(self, cube: Matrix) -> Matrix:
        exact = self._scaled(cube)
        short = np.clip(_rounded(exact, self._digits_max), self.low, self.high)
        near = _SAME * max(abs(self.base), self.high - self.low if self.low <= 0 else 0.0)
        return np.where(np.abs(exact - self.base) <= near, float(self.base), short)

    # --- numbers, and the values that they mean -------------------------------------------------

    def value(self, numbers: Matrix) -> Any:
        """The value of the field that one row of numbers means."""
        match self.kind:
            case "float":
                return float(numbers[0])
            case "int":
                return int(numbers[0])
            case "bool":
                return bool(numbers[0])
            case "choice":
                return self.choices[int(numbers[0])]
            case "order":
                return tuple(self.choices[int(at)] for at in np.argsort(numbers, kind="stable"))

    def row(self, value: Any) -> Matrix:
        """The numbers of one value; undoes `value`.

        Raises:
            ConfigError: the value is not one that this gene can have.
        """
        problem = self.problem_of(value)
        if problem:
            raise ConfigError(f"{self.name}={value!r} {problem}")
        if self.kind == "order":
            return np.array([float(tuple(value).index(each)) for each in self.choices])
        return np.array([float(self.choices.index(value) if self.choices else value)])

    def problem_of(self, value: Any) -> str:
        """Why this gene cannot have a value, to stand after it; empty when it can."""
        match self.kind:
            case "bool":
                return "" if isinstance(value, bool) else "must be true or false"
            case "choice":
                named = ", ".join(map(repr, self.choices))
                return "" if value in self.choices else f"must be one of {named}"
            case "order":
                is_one = isinstance(value, tuple | list) and len(value) == self.width
                is_one = is_one and all(each in value for each in self.choices)
                return "" if is_one else f"must be an order of {', '.join(self.choices)}"
            case _:
                allowed = (int,) if self.kind == "int" else (int, float)
                if isinstance(value, bool) or not isinstance(value, allowed):
                    return f"must be a number of type {self.kind}"
                inside = self.low <= value <= self.high
                return "" if inside else f"must be from {self.low:g} to {self.high:g}"


def find_loci(part: str, config: Struct) -> tuple[list[Locus], dict[str, str]]:
    """All open fields of a config, nested ones included.

    A value that lies outside of where its gene looks was put there by the operator, and stays.

    Returns:
        The loci, columns not yet given; and what was left out, with the reason.

    Raises:
        ConfigError: a gene is on a field that it cannot fit, or looks where ``Meta`` forbids.
    """
    loci: list[Locus] = []
    left_out: dict[str, str] = {}
    for path, value, hint, gene in _open_fields((), config):
        name = ".".join(map(str, (part, *path)))
        kind, choices = _kind_of(name, hint, gene, value)
        locus = Locus(part, path, kind, gene, value, choices)
        problem = "has nothing to put in order" if kind == "order" and len(choices) < 2 else ""
        problem = problem or locus.problem_of(value)
        if problem:
            left_out[name] = f"{value!r} is the operator's: it {problem}"
        else:
            loci.append(locus)
    return loci, left_out


def _open_fields(path: Path, value: Any) -> Iterator[tuple[Path, Any, Any, Gene]]:
    if isinstance(value, Struct):
        for field, hint, gene in _genes_of(type(value)):
            inner = getattr(value, field)
            if gene is None:
                yield from _open_fields((*path, field), inner)
            elif inner is not None:  # What the operator has switched off stays off.
                yield (*path, field), inner, hint, gene
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _open_fields((*path, key), inner)
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            yield from _open_fields((*path, place), inner)


@cache
def _genes_of(config: type[Struct]) -> tuple[tuple[str, Any, Gene | None], ...]:
    found = []
    for field in structs.fields(config):
        hint = _annotated(field.type)
        genes = [each for each in get_args(hint)[1:] if isinstance(each, Gene)] if hint else []
        found.append((field.name, hint, genes[0] if genes else None))
    return tuple(found)


def _annotated(hint: Any) -> Any:
    """The ``Annotated`` in the type of a field, also when the field may be ``None``."""
    if get_origin(hint) is Annotated:
        return hint
    if get_origin(hint) in (Union, UnionType):
        return next((each for each in map(_annotated, get_args(hint)) if each is not None), None)
    return None


def _kind_of(name: str, hint: Any, gene: Gene, value: Any) -> tuple[Kind, tuple[Any, ...]]:
    plain, *notes = get_args(hint)
    bounded = gene.low is not None
    if plain in (float, int) and bounded:
        for meta in (note for note in notes if isinstance(note, Meta)):
            _check_range(name, gene, meta)
        return ("int" if plain is int else "float"), ()
    if not bounded and plain is bool:
        return "bool", ()
    if not bounded and get_origin(plain) is Literal:
        return "choice", get_args(plain)
    if not bounded and plain == tuple[str, ...]:
        return "order", tuple(dict.fromkeys(value))
    raise ConfigError(
        f"{name}: a gene {'with' if bounded else 'without'} `low` and `high` does not fit "
        f"{plain!r}; bounds are for float and int, none for bool, Literal and tuple[str, ...]"
    )


def _check_range(name: str, gene: Gene, meta: Meta) -> None:
    low, high = gene.low or 0.0, gene.high or 0.0
    for fits, bound in (
        (meta.gt is None or low > meta.gt, f"> {meta.gt}"),
        (meta.ge is None or low >= meta.ge, f">= {meta.ge}"),
        (meta.lt is None or high < meta.lt, f"< {meta.lt}"),
        (meta.le is None or high <= meta.le, f"<= {meta.le}"),
    ):
        if not fits:
            raise ConfigError(f"{name}: its gene looks from {low:g} to {high:g}, but Meta: {bound}")


def _bins(cube: Matrix, levels: int) -> Matrix:
    return np.clip(np.floor(cube * levels), 0, levels - 1)


def _rounded(numbers: Matrix, places_max: int) -> Matrix:
    """To `DIGITS` digits, each one the very float that its decimal digits are read as.

    An integer divided by an exact power of ten is rounded once, like a literal; scaling by an
    inexact 0.001 would round twice and give 4.8400000000000001.
    """
    size = np.where(numbers == 0.0, 1.0, np.abs(numbers))
    places = np.clip(DIGITS - 1 - np.floor(np.log10(size)), -_PLACES_MAX, places_max)
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded: Matrix = np.rint(numbers * up / down) * down / up
    return rounded
