"""Tables of the store, version by version, and the statements that fill them.

Columns exist for what is searched and sorted by; the record itself is one JSON text, so a new field
with a default needs no migration. A new file is version 0 and takes every step, so the way that old
files go is the way that all files go. A step that has been released is never edited again.
"""

from __future__ import annotations

from typing import NamedTuple

STEPS: tuple[tuple[str, ...], ...] = (
    (  # 1: what must survive a crash of the process.
        "CREATE TABLE versions (version INTEGER PRIMARY KEY, applied_utc REAL)",
        "CREATE TABLE runs (run INTEGER PRIMARY KEY, started_utc REAL, closed_utc REAL,"
        " entries INTEGER NOT NULL DEFAULT 0)",
        "CREATE TABLE incidents (incident TEXT PRIMARY KEY, run INTEGER, target TEXT, stage TEXT,"
        " outcome TEXT, opened_utc REAL, changed_utc REAL, record TEXT)",
        "CREATE INDEX incidents_by_change ON incidents (changed_utc)",
        "CREATE TABLE transitions (id INTEGER PRIMARY KEY, incident TEXT, utc REAL, record TEXT)",
        "CREATE INDEX transitions_by_incident ON transitions (incident)",
        "CREATE TABLE windows (id INTEGER PRIMARY KEY, incident TEXT, utc REAL, record TEXT)",
        "CREATE INDEX windows_by_incident ON windows (incident)",
        "CREATE TABLE intents (intent TEXT PRIMARY KEY, incident TEXT, target TEXT, action TEXT,"
        " utc REAL, record TEXT)",
        "CREATE INDEX intents_by_incident ON intents (incident)",
        "CREATE TABLE outcomes (intent TEXT PRIMARY KEY, outcome TEXT, utc REAL, record TEXT)",
    ),
    (  # 2: what people ask for afterwards.
        "CREATE TABLE configs (version INTEGER PRIMARY KEY, utc REAL, sha256 TEXT, source TEXT,"
        " text TEXT)",
        "CREATE TABLE agent_events (id INTEGER PRIMARY KEY, utc REAL, agent TEXT, kind TEXT,"
        " detail TEXT)",
        "CREATE TABLE audit (seq INTEGER PRIMARY KEY, utc REAL, kind TEXT, who TEXT, target TEXT,"
        " detail TEXT, hash TEXT)",
        # The link before the oldest row that is kept; the newest link stands in the run.
        "CREATE TABLE audit_start (seq INTEGER, hash TEXT)",
        "INSERT INTO audit_start VALUES (0, printf('%064d', 0))",
        "ALTER TABLE runs ADD COLUMN audit_seq INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN audit_hash TEXT",
        "UPDATE runs SET audit_hash = printf('%064d', 0)",
    ),
    (  # 3: what is learned.
        "CREATE TABLE experiences (id INTEGER PRIMARY KEY, incident TEXT, utc REAL, record TEXT)",
        "CREATE INDEX experiences_by_incident ON experiences (incident)",
    ),
    (  # 4: who brought a configuration, and why.
        "ALTER TABLE configs ADD COLUMN who TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE configs ADD COLUMN why TEXT NOT NULL DEFAULT ''",
    ),
    (  # 5: what is bred.
        "CREATE TABLE genomes (genome INTEGER PRIMARY KEY, utc REAL, record TEXT)",
        "CREATE TABLE searches (search INTEGER PRIMARY KEY, utc REAL, record TEXT)",
        "CREATE TABLE adoptions (id INTEGER PRIMARY KEY, utc REAL, genome INTEGER, decision TEXT,"
        " record TEXT)",
    ),
)
VERSION = len(STEPS)

# Numbers from here on are the wall seconds of a start that could not reach its database.
RUN_WITHOUT_DATABASE = 1_000_000_000


class Insert(NamedTuple):
    """A statement that adds rows to one table.

    Attributes:
        into: verb, table and columns.
        columns: how many values a row has.
        conflict: what happens to a row whose key is there already, unless the verb says so.
    """

    into: str
    columns: int
    conflict: str = ""

    def sql(self, rows: int) -> str:
        """The statement for so many rows at once."""
        row = f"({', '.join('?' * self.columns)})"
        return f"{self.into} VALUES {', '.join([row] * rows)} {self.conflict}"


INCIDENT = Insert(
    "INSERT INTO incidents",
    8,
    "ON CONFLICT (incident) DO UPDATE SET stage = excluded.stage, outcome = excluded.outcome,"
    " changed_utc = excluded.changed_utc, record = excluded.record",
)
TRANSITION = Insert("INSERT INTO transitions (incident, utc, record)", 3)
WINDOW = Insert("INSERT INTO windows (incident, utc, record)", 3)
INTENT = Insert("INSERT OR IGNORE INTO intents", 6)
OUTCOME = Insert("INSERT OR REPLACE INTO outcomes", 4)
EXPERIENCE = Insert("INSERT INTO experiences (incident, utc, record)", 3)
GENOME = Insert("INSERT OR REPLACE INTO genomes", 3)
SEARCH = Insert("INSERT OR REPLACE INTO searches", 3)
ADOPTION = Insert("INSERT INTO adoptions (utc, genome, decision, record)", 4)
AGENT_EVENT = Insert("INSERT INTO agent_events (utc, agent, kind, detail)", 4)
CONFIG = Insert("INSERT INTO configs (utc, sha256, source, text, who, why)", 6)
AUDIT = Insert("INSERT INTO audit", 7)

BEGIN_RUN = (
    "INSERT OR IGNORE INTO runs (run, started_utc, audit_seq, audit_hash) VALUES (?, ?, ?, ?)"
)
PROGRESS = "UPDATE runs SET entries = ?, audit_seq = ?, audit_hash = ? WHERE run = ?"
AUDIT_START = "SELECT seq, hash FROM audit_start"
AUDIT_HEAD = "SELECT audit_seq, audit_hash FROM runs ORDER BY audit_seq DESC LIMIT 1"
EXPERIENCES = "SELECT record, utc FROM experiences ORDER BY id DESC LIMIT 10000"
# Older files know of none; they are read before they are brought up to date.
EXPERIENCES_SINCE = 3
BREEDING_SINCE = 5
GENOMES = "SELECT record FROM genomes ORDER BY genome DESC LIMIT 100"
NEWEST_SEARCH = "SELECT record FROM searches ORDER BY search DESC LIMIT 1"
NEWEST_ADOPTION = "SELECT record FROM adoptions ORDER BY id DESC LIMIT 1"
OPEN_INCIDENTS = "SELECT record FROM incidents WHERE outcome = '' ORDER BY rowid"
ISOLATIONS = (
    "SELECT record FROM intents WHERE rowid IN (SELECT max(rowid) FROM intents"
    " WHERE action IN ('isolate', 'release') GROUP BY target) AND NOT (action = 'release'"
    " AND EXISTS (SELECT 1 FROM outcomes WHERE outcomes.intent = intents.intent"
    " AND outcome = 'succeeded')) ORDER BY rowid"
)
UNFINISHED_INTENTS = (
    "SELECT record FROM intents WHERE NOT EXISTS"
    " (SELECT 1 FROM outcomes WHERE outcomes.intent = intents.intent) ORDER BY rowid"
)
