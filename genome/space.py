"""The space that evolution searches: every open field of a set of configs, as points of a cube.

A *genome* is one complete set of configs, by name. Whatever carries `Gene` annotations becomes part
of the space without more code, nested configs and those of plug-ins included. A point of the unit
cube means exactly one genome; many points may mean the same one, and `canonical` picks the one in
their middle, so that genomes can be told apart by their points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, structs

from ..core.units import format_value
from ..errors import ConfigError
from .loci import Kind, Locus, Matrix, Path, find_loci

Genome = Mapping[str, Struct]


class Change(Struct, frozen=True):
    """One gene that two genomes differ in.

    Attributes:
        gene: its name.
        before: its value in the first.
        after: its value in the second.
        words: both for people.
    """

    gene: str
    before: Any
    after: Any
    words: str


class Space:
    """All genomes that differ from one in their open fields only.

    Args:
        genome: the configs as they are now, by name; what has no gene in it stays so.

    Attributes:
        base: that genome.
        loci: its open fields, in the order of their columns.
        left_out: open fields that are the operator's nevertheless, with the reason.
        dimensions: how many columns a point has.

    Raises:
        ConfigError: a gene does not fit its field.
    """

    def __init__(self, genome: Genome) -> None:
        self.base = dict(genome)
        self.left_out: dict[str, str] = {}
        loci: list[Locus] = []
        self.dimensions = 0
        for part, config in genome.items():
            found, left_out = find_loci(part, config)
            self.left_out |= left_out
            for locus in found:
                loci.append(structs.replace(locus, start=self.dimensions))
                self.dimensions += locus.width
        self.loci = tuple(loci)
        self._bounds = _bounds(self.base, self.loci)

    @property
    def signature(self) -> str:
        """Tells whether two spaces have the same genes; other values of other fields do not count.

        A front that was bred in a space of another signature says nothing here.
        """
        told = [(each.name, each.kind, each.gene, each.choices) for each in self.loci]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    # --- many points at once ------------------------------------------------------------------

    def numbers(self, cube: Matrix) -> Matrix:
        """What each point means, as numbers that keep the dependent bounds; see `Locus.numbers`.

        Args:
            cube: shape (n, dimensions).
        """
        numbers = self._bounded(cube)
        # A bound may have more digits than a value that is found; one more turn settles that.
        return self._bounded(self.cube(numbers)) if self._bounds else numbers

    def _bounded(self, cube: Matrix) -> Matrix:
        numbers = np.empty_like(cube)
        for locus in self.loci:
            numbers[:, locus.columns] = locus.numbers(cube[:, locus.columns])
        for column, bound, lowest in self._bounds:
            limit = numbers[:, bound] if isinstance(bound, int) else bound
            keep = np.maximum if lowest else np.minimum
            numbers[:, column] = keep(numbers[:, column], limit)
        return numbers

    def cube(self, numbers: Matrix) -> Matrix:
        """The canonical points of numbers; undoes `numbers`."""
        cube = np.empty_like(numbers)
        for locus in self.loci:
            cube[:, locus.columns] = locus.cube(numbers[:, locus.columns])
        return cube

    def canonical(self, cube: Matrix) -> Matrix:
        """For each point the one that stands for all that mean the same."""
        return self.cube(self.numbers(cube))

    # --- one point ----------------------------------------------------------------------------

    def decode(self, point: Matrix) -> dict[str, Struct]:
        """The genome that a point means.

        Args:
            point: shape (dimensions,).

        Raises:
            ConfigError: the configs refuse it, by a rule of theirs that no gene tells of.
        """
        return self._with(self._values(point))

    def encode(self, genome: Genome) -> Matrix:
        """The canonical point of a genome; undoes `decode`.

        Raises:
            ConfigError: it is not of this space, or a gene is out of its bounds.
        """
        return self._point({each.name: _at(genome, each) for each in self.loci})

    def write(self, point: Matrix) -> dict[str, Any]:
        """The genes of a point by name, as they stand in a file."""
        return {locus.name: value for locus, value in self._values(point)}

    def read(self, genes: Mapping[str, Any]) -> Matrix:
        """The point of genes that were written.

        Raises:
            ConfigError: genes are missing, unknown, or out of their bounds; all that is wrong.
        """
        known = {each.name for each in self.loci}
        problems = [f"{name} is no gene here" for name in genes if name not in known]
        problems += [f"{name} is missing" for name in sorted(known - set(genes))]
        if problems:
            raise ConfigError(f"genes of another configuration: {'; '.join(problems)}")
        return self._point(genes)

    def read_what_fits(self, genes: Mapping[str, Any]) -> Matrix:
        """The point of genes that were written for a space that may have changed since.

        What is not a gene any more is ignored; what is new, or does not fit, is as in the base.
        """
        fitting = {locus.name: locus.base for locus in self.loci}
        for locus in self.loci:
            if locus.name in genes and not locus.problem_of(genes[locus.name]):
                fitting[locus.name] = genes[locus.name]
        return self._point(fitting)

    def distance(self, one: Matrix, other: Matrix) -> float:
        """How far two points are apart: mean over the genes, each from 0 to 1."""
        if not self.loci:
            return 0.0
        both = self.canonical(np.stack((one, other)))
        apart = np.abs(both[0] - both[1])
        return float(np.mean([_apart(locus, apart[locus.columns]) for locus in self.loci]))

    def describe(self, before: Matrix, after: Matrix) -> list[Change]:
        """What is different between two points, in the order of the configs."""
        pairs = zip(self._values(before), self._values(after), strict=True)
        return [
            Change(locus.name, old, new, f"{_words(locus, old)} -> {_words(locus, new)}")
            for (locus, old), (_, new) in pairs
            if old != new
        ]

    # --- inside -------------------------------------------------------------------------------

    def _values(self, point: Matrix) -> list[tuple[Locus, Any]]:
        numbers = self.numbers(point[np.newaxis, :])[0]
        return [(locus, locus.value(numbers[locus.columns])) for locus in self.loci]

    def _point(self, values: Mapping[str, Any]) -> Matrix:
        numbers = np.empty((1, self.dimensions))
        problems = []
        for locus in self.loci:
            try:
                numbers[0, locus.columns] = locus.row(values[locus.name])
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))
        point: Matrix = self.canonical(self.cube(numbers))[0]
        return point

    def _with(self, values: Sequence[tuple[Locus, Any]]) -> dict[str, Struct]:
        changes: dict[str, dict[Path, Any]] = {}
        for locus, value in values:
            changes.setdefault(locus.part, {})[locus.path] = value
        return {part: _changed(config, changes.get(part, {})) for part, config in self.base.items()}


def _bounds(genome: Genome, loci: Sequence[Locus]) -> list[tuple[int, int | float, bool]]:
    """Column, the column or the number that bounds it, and whether from below.

    Raises:
        ConfigError: a gene names a bound that its config does not have, that is no number, or that
            is bound itself.
    """
    at = {(locus.part, locus.path): locus for locus in loci}
    bounds: list[tuple[int, int | float, bool]] = []
    for locus in loci:
        for field, lowest in ((locus.gene.at_most, False), (locus.gene.at_least, True)):
            path = (*locus.path[:-1], field)
            other = at.get((locus.part, path))
            limit = _limit(genome[locus.part], path, locus) if field else None
            if limit is None:
                continue  # No bound, or one that is switched off.
            is_bound = other is not None and (other.gene.at_most or other.gene.at_least)
            if isinstance(limit, bool) or not isinstance(limit, int | float) or is_bound:
                why = "is bound itself" if is_bound else "is no number"
                raise ConfigError(f"{locus.name}: its gene is bound to {field!r}, which {why}")
            bounds.append((locus.start, float(limit) if other is None else other.start, lowest))
    return bounds


def _limit(config: Struct, path: Path, locus: Locus) -> Any:
    try:
        return _reach(config, path)
    except AttributeError:
        bound = f"{locus.name}: its gene is bound to {path[-1]!r}"
        raise ConfigError(f"{bound}, which is none of its fields") from None


def _at(genome: Genome, locus: Locus) -> Any:
    try:
        return _reach(genome[locus.part], locus.path)
    except (KeyError, IndexError, AttributeError):
        raise ConfigError(f"the genome has no {locus.name}") from None


def _reach(config: Any, path: Path) -> Any:
    for step in path:
        config = getattr(config, str(step)) if isinstance(config, Struct) else config[step]
    return config


def _changed(config: Any, changes: Mapping[Path, Any]) -> Any:
    """A config with other values at some paths; what nothing is said of is the same object."""
    if not changes:
        return config
    if () in changes:
        return changes[()]
    inner: dict[Any, dict[Path, Any]] = {}
    for path, value in changes.items():
        inner.setdefault(path[0], {})[path[1:]] = value
    if isinstance(config, Struct):
        new = {key: _changed(getattr(config, key), each) for key, each in inner.items()}
        return structs.replace(config, **new)
    if isinstance(config, Mapping):
        return {key: _changed(each, inner.get(key, {})) for key, each in config.items()}
    return type(config)(_changed(each, inner.get(at, {})) for at, each in enumerate(config))


def _apart(locus: Locus, apart: Matrix) -> float:
    if locus.kind in ("bool", "choice"):
        return float(apart[0] > 0)
    if locus.kind == "order":  # Spearman's footrule, as a share of its greatest value.
        return float(apart.sum() * locus.width / (locus.width**2 // 2))
    return float(apart[0])


def _words(locus: Locus, value: Any) -> str:
    kind: Kind = locus.kind
    if kind == "order":
        return ", ".join(value)
    if kind == "float":
        return format_value(f"x_{locus.gene.unit}" if locus.gene.unit else "x", value)
    return str(value).lower() if kind == "bool" else str(value)
