"""Genomes for people: what was bred, what it changes, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..core.adoption import Standing
from ..core.records import AdoptionRecord, SearchRecord

if TYPE_CHECKING:
    from .store.archive import KeptGenome


class GenomeView(Struct, frozen=True, kw_only=True):
    """A genome, and what became of it.

    Attributes:
        genome: its number.
        utc: when it was proposed, wall time in seconds.
        parent: the one that was in force then; 0 for the configuration as it is written.
        origin: ``bred``, or who brought it.
        gain: share of the harm that it saves on held-out incidents.
        gain_low: the least that is credible.
        support: fewest observations of anything that it changes.
        fate: what was decided last; empty while nothing was.
        reason: why.
        in_force: whether it is.
        genes: what it changes, by name.
    """

    genome: int
    utc: float
    parent: int
    origin: str
    gain: float
    gain_low: float
    support: int
    fate: str
    reason: str
    in_force: bool
    genes: dict[str, Any]


class FrontView(Struct, frozen=True, kw_only=True):
    """The newest search, and what no candidate of it beats.

    Attributes:
        search: its number.
        generation: how many generations are done.
        generations: how many there are to be.
        evaluations: candidates judged.
        hypervolume: of what was found, as a share of what could be.
        is_over: whether there is nothing more to do.
        objectives: what is minimised; names of the columns.
        points: a row for each candidate that nothing beats.
    """

    search: int
    generation: int
    generations: int
    evaluations: float
    hypervolume: float
    is_over: bool
    objectives: tuple[str, ...]
    points: tuple[tuple[float, ...], ...]


class LineageView(Struct, frozen=True, kw_only=True):
    """Everything about genomes.

    Attributes:
        genomes: the newest first.
        standing: what is in force and what is on trial.
        front: of the newest search; ``None`` before the first one.
    """

    genomes: tuple[GenomeView, ...]
    standing: Standing
    front: FrontView | None


def lineage_view(
    kept: Sequence[KeptGenome], adoption: AdoptionRecord | None, search: SearchRecord | None
) -> LineageView:
    """What is on record of genomes, put together."""
    standing = adoption.standing if adoption is not None else Standing()
    return LineageView(
        genomes=tuple(genome_view(each, standing.incumbent) for each in kept),
        standing=standing,
        front=None if search is None else front_view(search),
    )


def genome_view(kept: KeptGenome, in_force: int) -> GenomeView:
    """One genome.

    Args:
        kept: what is on record of it.
        in_force: number of the genome that is in force.
    """
    record = kept.record
    last = kept.fate[-1].record if kept.fate else None
    return GenomeView(
        genome=record.genome,
        utc=kept.utc,
        parent=record.parent,
        origin=record.origin,
        gain=record.gain,
        gain_low=record.gain_low,
        support=record.support,
        fate=last.decision if last is not None else "",
        reason=last.reason if last is not None else "",
        in_force=record.genome == in_force,
        genes=record.genes,
    )


def front_view(search: SearchRecord) -> FrontView:
    """What a search has found so far."""
    from ..genome.scores import OBJECTIVES  # Late: numpy takes its time.

    rows = search.state.get("archive", {}).get("objectives", [])
    return FrontView(
        search=search.search,
        generation=search.generation,
        generations=search.generations,
        evaluations=search.evaluations,
        hypervolume=search.hypervolume,
        is_over=search.is_over,
        objectives=OBJECTIVES,
        points=tuple(tuple(float(value) for value in row) for row in rows),
    )
