"""What the store forgets, and when.

An incident goes with everything that belongs to it, and only when it has ended and none of its
intents is unfinished: what is needed to go on after a crash never goes. Each sweep is one short
transaction over a bounded number of rows, so that no commit waits long behind it.
"""

from __future__ import annotations

import aiosqlite

from . import schema
from .config import StoreConfig

_ENDED = """
SELECT incident FROM incidents WHERE outcome <> ''
AND (changed_utc < :oldest_utc OR rowid <
    (SELECT rowid FROM incidents ORDER BY rowid DESC LIMIT 1 OFFSET :incidents - 1))
AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.incident = incidents.incident
    AND NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.intent = intents.intent))
ORDER BY rowid LIMIT :rows
"""
_WITH_THE_INCIDENT = (
    "DELETE FROM transitions WHERE incident = ?",
    "DELETE FROM windows WHERE incident = ?",
    "DELETE FROM experiences WHERE incident = ?",
    "DELETE FROM outcomes WHERE intent IN (SELECT intent FROM intents WHERE incident = ?)",
    "DELETE FROM intents WHERE incident = ?",
    "DELETE FROM incidents WHERE incident = ?",
)
# Strays belong to no incident that is kept: actions that people ran by hand, and what came through
# while the record of its incident did not.
_STRAYS = (
    """DELETE FROM transitions WHERE rowid IN (SELECT rowid FROM transitions
    WHERE utc < :oldest_utc AND incident NOT IN (SELECT incident FROM incidents) LIMIT :rows)""",
    """DELETE FROM windows WHERE rowid IN (SELECT rowid FROM windows
    WHERE utc < :oldest_utc AND incident NOT IN (SELECT incident FROM incidents) LIMIT :rows)""",
    """DELETE FROM experiences WHERE rowid IN (SELECT rowid FROM experiences
    WHERE utc < :oldest_utc AND incident NOT IN (SELECT incident FROM incidents) LIMIT :rows)""",
    """DELETE FROM intents WHERE rowid IN (SELECT rowid FROM intents
    WHERE utc < :oldest_utc AND incident NOT IN (SELECT incident FROM incidents)
    AND intent IN (SELECT intent FROM outcomes) LIMIT :rows)""",
    """DELETE FROM outcomes WHERE rowid IN (SELECT rowid FROM outcomes
    WHERE utc < :oldest_utc AND intent NOT IN (SELECT intent FROM intents) LIMIT :rows)""",
)
_EVENTS = (
    """DELETE FROM agent_events WHERE id IN (SELECT id FROM agent_events
    WHERE utc < :oldest_utc OR id <= (SELECT max(id) FROM agent_events) - :events
    ORDER BY id LIMIT :rows)""",
    # The newest version is the one in force, however old it is.
    """DELETE FROM configs WHERE version IN (SELECT version FROM configs
    WHERE version < (SELECT max(version) FROM configs)
    AND (utc < :oldest_utc OR version <= (SELECT max(version) FROM configs) - :events / 100)
    ORDER BY version LIMIT :rows)""",
    """DELETE FROM genomes WHERE genome IN (SELECT genome FROM genomes
    WHERE genome <= (SELECT max(genome) FROM genomes) - :events / 100 ORDER BY genome
    LIMIT :rows)""",
    # One search is as large as a thousand lines; none but the newest is ever gone on with.
    """DELETE FROM searches WHERE search <= (SELECT max(search) FROM searches) - 10""",
    """DELETE FROM adoptions WHERE id IN (SELECT id FROM adoptions
    WHERE id <= (SELECT max(id) FROM adoptions) - :events / 100 ORDER BY id LIMIT :rows)""",
    # The newest link of the audit trail stands in a run, so its run stays.
    """DELETE FROM runs WHERE run IN (SELECT run FROM runs
    WHERE audit_seq < (SELECT max(audit_seq) FROM runs) AND started_utc < :oldest_utc
    AND run < (SELECT max(run) FROM runs WHERE run < 1000000000) LIMIT :rows)""",
)
# The chain starts behind the last row that goes; rows go from the oldest on, without a gap.
_LAST_AUDIT = """
SELECT max(seq), hash FROM (SELECT seq, hash FROM audit
WHERE seq < (SELECT coalesce(min(seq), :head + 1) FROM audit
    WHERE utc >= :oldest_utc AND seq > :head - :events)
ORDER BY seq LIMIT :rows)
"""


async def sweep(connection: aiosqlite.Connection, keep: StoreConfig, now_utc: float) -> bool:
    """Delete what is too old or too many, a bounded number of rows per table.

    Returns:
        Whether there may be more to delete.
    """
    rows = {
        "oldest_utc": now_utc - keep.keep_s,
        "incidents": keep.keep_incidents,
        "events": keep.keep_events,
        "rows": keep.sweep_rows,
    }
    before = connection.total_changes
    await connection.execute("BEGIN IMMEDIATE")
    ended = await connection.execute_fetchall(_ENDED, rows)
    for statement in _WITH_THE_INCIDENT:
        await connection.executemany(statement, ended)
    for statement in (*_STRAYS, *_EVENTS):
        await connection.execute(statement, rows)
    await _sweep_audit(connection, rows)
    await connection.execute("COMMIT")
    return connection.total_changes > before


async def _sweep_audit(connection: aiosqlite.Connection, rows: dict[str, float]) -> None:
    ((head, _),) = await connection.execute_fetchall(schema.AUDIT_HEAD)
    ((seq, link),) = await connection.execute_fetchall(_LAST_AUDIT, {**rows, "head": head})
    if seq is not None:
        await connection.execute("UPDATE audit_start SET seq = ?, hash = ?", (seq, link))
        await connection.execute("DELETE FROM audit WHERE seq <= ?", (seq,))
