"""What evolution does, and what it is told."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import field

from .base import Message


class GenerationBred(Message, frozen=True, kw_only=True):
    """A search has come one generation further.

    Attributes:
        search: its number.
        generation: how many are done.
        generations: how many there are to be.
        evaluations: candidates judged so far.
        hypervolume: of what was found, as a share of what could be.
        knee: genes of the best compromise so far.
        left_s: how long the rest will take at this pace.
    """

    search: int
    generation: int
    generations: int
    evaluations: float
    hypervolume: float
    knee: dict[str, Any]
    left_s: float


class SearchEnded(Message, frozen=True, kw_only=True):
    """A search is over.

    Attributes:
        search: its number.
        genome: number of what it found; 0 when it found nothing better, or failed.
        reason: in words.
        ended_s: when.
    """

    search: int
    genome: int
    reason: str
    ended_s: float


class GenomeDecided(Message, frozen=True, kw_only=True):
    """What becomes of a genome.

    Attributes:
        decision: as in `mendel.core.adoption.Told`.
        genome: which.
        reason: why, in words.
        decided_s: when.
    """

    decision: str
    genome: int
    reason: str
    decided_s: float


class ShadowDecided(Message, frozen=True, kw_only=True):
    """What a candidate that only decides would have done; nobody does it.

    Attributes:
        target: to whom.
        wish: ``alarm``, or the name of an action.
        reason: of an alarm.
    """

    target: str
    wish: str
    reason: str = ""


class SteerEvolution(Message, frozen=True, kw_only=True):
    """What a person wants of evolution; answered by `EvolutionSteered`.

    Attributes:
        wish: ``evolve``, ``promote``, ``roll_back``, ``freeze``, ``thaw``, ``approve`` or
            ``import``.
        who: the person or program that asked.
        genome: number of the genome, where it is about one.
        genes: of a genome that is brought, by name.
    """

    system: ClassVar[bool] = True

    wish: str
    who: str
    genome: int = 0
    genes: dict[str, Any] = field(default_factory=dict)


class EvolutionSteered(Message, frozen=True, kw_only=True):
    """Answer to `SteerEvolution`: whether it is done, and what there is to say about it."""

    accepted: bool
    reason: str = ""
