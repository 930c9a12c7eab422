"""What people ask of the store: reads the file of a running or a stopped mendel, never writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiosqlite
import msgspec
from msgspec import Struct

from ...core.records import (
    AdoptionRecord,
    ExperienceRecord,
    GenomeRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    SearchRecord,
    WindowRecord,
)
from ...errors import StoreError
from . import schema
from .audit import AuditRow, Check, Link, Verified
from .connection import Row, all_rows, reader, version_of
from .file import FAULTS

# Rows of the audit trail that are held in memory at a time while it is checked.
_CHUNK_ROWS = 1_000

Kept = TypeVar("Kept", bound=Struct)


class IncidentSummary(Struct, frozen=True, kw_only=True):
    """An incident as a line in a list.

    Attributes:
        record: its newest state.
        run: number of the run that opened it; loop times of different runs do not compare.
        opened_utc: wall time of its first record, in seconds.
        changed_utc: wall time of its newest record.
    """

    record: IncidentRecord
    run: int
    opened_utc: float
    changed_utc: float


class Transition(Struct, frozen=True, kw_only=True):
    """A state that an incident went to, and when (wall time in seconds)."""

    record: IncidentRecord
    utc: float


class ActionRun(Struct, frozen=True, kw_only=True):
    """An action that was run, or is, or was when mendel ended.

    Attributes:
        intent: what was about to be done.
        started_utc: wall time of the intent.
        outcome: how it ended; None when that is not known.
        finished_utc: wall time of the outcome, or None.
    """

    intent: IntentRecord
    started_utc: float
    outcome: OutcomeRecord | None = None
    finished_utc: float | None = None


class IncidentHistory(Struct, frozen=True, kw_only=True):
    """Everything that is known of one incident, each part oldest first."""

    summary: IncidentSummary
    transitions: tuple[Transition, ...]
    windows: tuple[WindowRecord, ...]
    actions: tuple[ActionRun, ...]


class Story(Struct, frozen=True, kw_only=True):
    """An incident and the stages that it went through, oldest first."""

    summary: IncidentSummary
    transitions: tuple[Transition, ...]


class AgentEvent(Struct, frozen=True, kw_only=True):
    """A turn in the life of an agent.

    Attributes:
        utc: wall time in seconds.
        agent: its name.
        kind: ``started``, ``crashed`` or ``stopped``.
        detail: the fields of the message that told it.
    """

    utc: float
    agent: str
    kind: str
    detail: dict[str, Any]


class Fate(Struct, frozen=True, kw_only=True):
    """What was decided about a genome, and when (wall time in seconds)."""

    record: AdoptionRecord
    utc: float


class KeptGenome(Struct, frozen=True, kw_only=True):
    """A genome, when it was proposed (wall time in seconds), and what became of it."""

    record: GenomeRecord
    utc: float
    fate: tuple[Fate, ...]


class ConfigVersion(Struct, frozen=True, kw_only=True):
    """A configuration that was in force from ``utc`` on (wall time in seconds).

    Attributes:
        version: grows with each.
        utc: when it came into force.
        sha256: of its text.
        source: where it was read.
        text: as it stood there, without secrets.
        who: the person or program that brought it; empty for those before this was kept.
        why: the reason, or empty.
    """

    version: int
    utc: float
    sha256: str
    source: str
    text: str
    who: str = ""
    why: str = ""


class Archive:
    """Questions about a store; use it as ``async with Archive(path) as archive:``.

    Lists come newest first and are bounded by ``limit``. Every answer is consistent in itself.

    Args:
        path: the database.
        busy_s: how long a lock of another program is waited for.

    Raises:
        StoreError: on entering: there is no store, or none that this mendel can read; on a
            question: the file cannot be read, or a record in it cannot.
    """

    def __init__(self, path: Path, *, busy_s: float = 1.0) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: aiosqlite.Connection | None = None

    async def __aenter__(self) -> Archive:
        if not self._path.is_file():
            raise StoreError(f"{self._path}: there is no store here; has mendel run with it yet?")
        connection = reader(self._path, self._busy_s)
        try:
            self._connection = await connection
            version = await version_of(self._connection, self._path)
            if version < schema.VERSION:
                raise StoreError(
                    f"{self._path}: is of version {version}, this mendel reads {schema.VERSION}; "
                    "it is brought up to date when mendel runs with it"
                )
        except FAULTS as error:
            await self._close()
            raise self._as_store_error(error) from error
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def incidents(
        self, *, limit: int = 50, target: str = "", only_open: bool = False
    ) -> Sequence[IncidentSummary]:
        """Incidents, those opened last first.

        Args:
            limit: at most so many.
            target: only those of this target; empty means all.
            only_open: only those that have not ended.
        """
        rows = await self._rows(
            "SELECT record, run, opened_utc, changed_utc FROM incidents"
            " WHERE (?1 = '' OR target = ?1) AND (NOT ?2 OR outcome = '')"
            " ORDER BY rowid DESC LIMIT ?3",
            target,
            only_open,
            limit,
        )
        return [_summary(row) for row in rows]

    async def incident(self, incident: str) -> IncidentHistory | None:
        """Everything about one incident, or None when it is not known."""
        rows = await self._rows(
            "SELECT record, run, opened_utc, changed_utc FROM incidents WHERE incident = ?",
            incident,
        )
        if not rows:
            return None
        transitions = await self._rows(
            "SELECT record, utc FROM transitions WHERE incident = ? ORDER BY id", incident
        )
        windows = await self._rows(
            "SELECT record FROM windows WHERE incident = ? ORDER BY id", incident
        )
        actions = await self._rows(
            f"{_ACTIONS} WHERE incident = ? ORDER BY intents.rowid", incident
        )
        return IncidentHistory(
            summary=_summary(rows[0]),
            transitions=tuple(
                Transition(record=_read(text, IncidentRecord), utc=utc) for text, utc in transitions
            ),
            windows=tuple(_read(text, WindowRecord) for (text,) in windows),
            actions=tuple(_action(row) for row in actions),
        )

    async def stories(self, *, since_utc: float, limit: int = 10_000) -> Sequence[Story]:
        """Incidents that were opened since then, those opened last first.

        Args:
            since_utc: wall time in seconds.
            limit: at most so many.
        """
        rows = await self._rows(
            "SELECT incident, record, run, opened_utc, changed_utc FROM incidents"
            " WHERE opened_utc >= ? ORDER BY rowid DESC LIMIT ?",
            since_utc,
            limit,
        )
        stages: dict[str, list[Transition]] = {row[0]: [] for row in rows}
        for name, text, utc in await self._rows(
            "SELECT transitions.incident, transitions.record, utc FROM transitions"
            " JOIN incidents USING (incident) WHERE opened_utc >= ? ORDER BY id",
            since_utc,
        ):
            if name in stages:
                stages[name].append(Transition(record=_read(text, IncidentRecord), utc=utc))
        return [
            Story(summary=_summary(row[1:]), transitions=tuple(stages[row[0]]))
            for row in rows
            if stages[row[0]]
        ]

    async def actions(self, *, limit: int = 50, target: str = "") -> Sequence[ActionRun]:
        """Actions that were run, the last ones first; of one target unless it is empty."""
        rows = await self._rows(
            f"{_ACTIONS} WHERE ?1 = '' OR target = ?1 ORDER BY intents.rowid DESC LIMIT ?2",
            target,
            limit,
        )
        return [_action(row) for row in rows]

    async def experiences(self, *, limit: int = 10_000) -> Sequence[ExperienceRecord]:
        """What actions led to, the last ones first."""
        rows = await self._rows("SELECT record FROM experiences ORDER BY id DESC LIMIT ?", limit)
        return [_read(text, ExperienceRecord) for (text,) in rows]

    async def genomes(self, *, limit: int = 50) -> Sequence[KeptGenome]:
        """Genomes, the newest first, each with all that was decided about it, oldest first."""
        rows = await self._rows(
            "SELECT genome, record, utc FROM genomes ORDER BY genome DESC LIMIT ?", limit
        )
        decided = await self._rows(
            "SELECT genome, record, utc FROM adoptions WHERE genome >= ? ORDER BY id",
            min((genome for genome, _, _ in rows), default=0),
        )
        return [
            KeptGenome(
                record=_read(text, GenomeRecord),
                utc=utc,
                fate=tuple(
                    Fate(record=_read(told, AdoptionRecord), utc=then)
                    for of, told, then in decided
                    if of == genome
                ),
            )
            for genome, text, utc in rows
        ]

    async def search(self) -> SearchRecord | None:
        """The newest search."""
        rows = await self._rows(schema.NEWEST_SEARCH)
        return _read(rows[0][0], SearchRecord) if rows else None

    async def adoption(self) -> AdoptionRecord | None:
        """The newest decision about a genome."""
        rows = await self._rows(schema.NEWEST_ADOPTION)
        return _read(rows[0][0], AdoptionRecord) if rows else None

    async def agent_events(self, *, limit: int = 50, agent: str = "") -> Sequence[AgentEvent]:
        """Starts, crashes and ends of agents, the last ones first; of one unless it is empty."""
        rows = await self._rows(
            "SELECT utc, agent, kind, detail FROM agent_events WHERE ?1 = '' OR agent = ?1"
            " ORDER BY id DESC LIMIT ?2",
            agent,
            limit,
        )
        return [
            AgentEvent(utc=utc, agent=name, kind=kind, detail=msgspec.json.decode(detail))
            for utc, name, kind, detail in rows
        ]

    async def configs(self, *, limit: int = 50) -> Sequence[ConfigVersion]:
        """Configurations that were in force, the last ones first."""
        rows = await self._rows(
            f"{_CONFIGS} ORDER BY version DESC LIMIT ?",
            limit,
        )
        return [_named(ConfigVersion, row) for row in rows]

    async def config(self, version: int) -> ConfigVersion | None:
        """One configuration that was in force, or None when it is not known."""
        rows = await self._rows(f"{_CONFIGS} WHERE version = ?", version)
        return _named(ConfigVersion, rows[0]) if rows else None

    async def audit(self, *, limit: int = 50) -> Sequence[AuditRow]:
        """The audit trail, the last rows first."""
        rows = await self._rows("SELECT * FROM audit ORDER BY seq DESC LIMIT ?", limit)
        return [_named(AuditRow, row) for row in rows]

    async def verify(self) -> Verified:
        """Check the whole audit trail; the first row that does not fit is in the answer."""
        await self._rows("BEGIN")  # One snapshot: mendel may go on adding and sweeping meanwhile.
        try:
            start, head = [
                Link(*link)
                for query in (schema.AUDIT_START, schema.AUDIT_HEAD)
                for link in await self._rows(query)
            ]
            check, after = Check(start), start.seq
            while rows := await self._rows(
                "SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, _CHUNK_ROWS
            ):
                check.follow(_named(AuditRow, row) for row in rows)
                after = rows[-1][0]
            return check.end(head)
        finally:
            await self._rows("COMMIT")

    async def _rows(self, query: str, *parameters: object) -> list[Row]:
        if self._connection is None:
            raise StoreError(f"{self._path}: is not open")
        try:
            return await all_rows(self._connection, query, *parameters)
        except FAULTS as error:
            raise self._as_store_error(error) from error

    def _as_store_error(self, error: BaseException) -> StoreError:
        if isinstance(error, StoreError):
            return error
        return StoreError(f"{self._path}: cannot be read: {error}")

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


_CONFIGS = "SELECT version, utc, sha256, source, text, who, why FROM configs"
_ACTIONS = (
    "SELECT intents.record, intents.utc, outcomes.record, outcomes.utc"
    " FROM intents LEFT JOIN outcomes ON outcomes.intent = intents.intent"
)


def _summary(row: Row) -> IncidentSummary:
    text, run, opened_utc, changed_utc = row
    record = _read(text, IncidentRecord)
    return IncidentSummary(record=record, run=run, opened_utc=opened_utc, changed_utc=changed_utc)


def _action(row: Row) -> ActionRun:
    intent, started_utc, outcome, finished_utc = row
    return ActionRun(
        intent=_read(intent, IntentRecord),
        started_utc=started_utc,
        outcome=None if outcome is None else _read(outcome, OutcomeRecord),
        finished_utc=finished_utc,
    )


def _named(kind: type[Kept], row: Row) -> Kept:
    return kind(**dict(zip(kind.__struct_fields__, row, strict=True)))


def _read(text: str, kind: type[Kept]) -> Kept:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreError(f"a record in the store cannot be read: {error}: {text}") from error
