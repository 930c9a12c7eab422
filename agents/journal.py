"""A journal in memory: what replays and tests use, and what the durable store falls back to.

It answers the two questions of a journal, *what has begun and not ended?*, from two small tables,
and keeps the newest records beside them for whoever wants to look. The durable store holds one of
these as its mirror, so that both answer alike by construction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import structs

from ..core.incidents.treatment import ISOLATE, RELEASE
from ..core.records import (
    AdoptionRecord,
    Breeding,
    ExperienceRecord,
    GenomeRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    Record,
    SearchRecord,
)

Kept = TypeVar("Kept")

# Enough to go back to; the database keeps more of them, for people.
GENOMES_KEPT = 100


class MemoryJournal:
    """A `Journal` that is gone with its process.

    Args:
        capacity: how many records it keeps, and likewise how many open incidents, unfinished
            intents, isolations and experiences; beyond it the oldest is forgotten, and counted in
            ``forgotten`` where somebody waits for it.

    Attributes:
        forgotten: open incidents and unfinished intents that no longer fitted. Old *records* that
            make room for new ones are not counted: the records are only a window on the past.

    Raises:
        ValueError: the capacity is not positive.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity} keeps nothing; it must be 1 or more")
        self.forgotten = 0
        self._capacity = capacity
        self._records: deque[Record] = deque(maxlen=capacity)
        self._open: dict[str, IncidentRecord] = {}
        self._unfinished: dict[str, IntentRecord] = {}
        self._isolations: dict[str, IntentRecord] = {}
        self._experiences: deque[ExperienceRecord] = deque(maxlen=capacity)
        self._breeding = Breeding()

    @property
    def records(self) -> Sequence[Record]:
        """The newest records, oldest first."""
        return tuple(self._records)

    def note(self, record: Record) -> None:
        """Keep a record."""
        self._records.append(record)
        match record:
            case IncidentRecord(outcome=""):
                self._keep(self._open, record.incident, record)
            case IncidentRecord():
                self._open.pop(record.incident, None)
            case IntentRecord():
                self._keep(self._unfinished, record.intent, record)
                if record.action in (ISOLATE, RELEASE):
                    self._keep(self._isolations, record.target, record)
            case OutcomeRecord():
                intent = self._unfinished.pop(record.intent, None)
                if intent is not None and record.outcome == "succeeded":
                    self._let_go(intent)
            case ExperienceRecord():
                self._experiences.append(record)
            case GenomeRecord() | SearchRecord() | AdoptionRecord():
                self._breeding = _bred(self._breeding, record)

    async def commit(self, record: Record) -> None:
        """Keep a record; memory is the only medium there is."""
        self.note(record)

    def restore(
        self,
        left: Iterable[IncidentRecord | IntentRecord],
        *,
        isolations: Iterable[IntentRecord] = (),
        experiences: Iterable[ExperienceRecord] = (),
        breeding: Breeding | None = None,
    ) -> None:
        """Take over what an earlier process left open, as older than all that is known here.

        What is already known here is newer and stays as it is.
        """
        for each in isolations:
            self._isolations.setdefault(each.target, each)
        self._experiences = deque((*experiences, *self._experiences), self._experiences.maxlen)
        if breeding is not None:
            known = self._breeding
            self._breeding = Breeding(
                genomes=(*breeding.genomes, *known.genomes)[-GENOMES_KEPT:],
                search=known.search or breeding.search,
                adoption=known.adoption or breeding.adoption,
            )
        incidents, intents = self._open, self._unfinished
        self._open, self._unfinished = {}, {}
        for record in left:
            match record:
                case IncidentRecord():
                    self._keep(self._open, record.incident, record)
                case IntentRecord():
                    self._keep(self._unfinished, record.intent, record)
        for incident, newer in incidents.items():
            self._keep(self._open, incident, newer)
        for intent, started in intents.items():
            self._keep(self._unfinished, intent, started)

    def unfinished_intents(self) -> Sequence[IntentRecord]:
        """Intents without an outcome, oldest first."""
        return tuple(self._unfinished.values())

    def open_incidents(self) -> Sequence[IncidentRecord]:
        """Newest record of every incident that has not ended, oldest first."""
        return tuple(self._open.values())

    def isolations(self) -> Sequence[IntentRecord]:
        """Newest ``isolate`` or ``release`` of every target that was not surely let go."""
        return tuple(self._isolations.values())

    def experiences(self) -> Sequence[ExperienceRecord]:
        """What actions led to, oldest first; only so many of the newest."""
        return tuple(self._experiences)

    def breeding(self) -> Breeding:
        """Genomes, the newest search and the newest adoption."""
        return self._breeding

    def _let_go(self, ended: IntentRecord) -> None:
        newest = self._isolations.get(ended.target)
        if ended.action == RELEASE and newest is not None and newest.intent == ended.intent:
            del self._isolations[ended.target]

    def _keep(self, table: dict[str, Kept], key: str, record: Kept) -> None:
        table[key] = record  # A known key keeps its place, so the order stays that of the openings.
        if len(table) > self._capacity:
            del table[next(iter(table))]
            self.forgotten += 1


def _bred(known: Breeding, record: GenomeRecord | SearchRecord | AdoptionRecord) -> Breeding:
    match record:
        case GenomeRecord():
            return structs.replace(known, genomes=(*known.genomes, record)[-GENOMES_KEPT:])
        case SearchRecord():
            return structs.replace(known, search=record)
        case AdoptionRecord():
            return structs.replace(known, adoption=record)
