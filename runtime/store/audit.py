"""The audit trail: who did what, in rows that vouch for each other.

Each row holds the hash of the row before it and of itself, so changing, dropping or inserting a row
breaks the chain at that place. The two ends are kept apart: the link before the oldest row, which
moves up when old rows are swept, and the newest link, so that rows cut off at the end are missed
too. Whoever can write the whole file can forge the whole chain; noting the newest hash elsewhere
from time to time (``head`` of `Verified`) is what guards against that.

Source:
    Schneier & Kelsey, "Secure audit logs to support computer forensics",
    ACM TISSEC 2 (1999) 159-176: the hash chain, here without its forward-secure keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct


class AuditFact(NamedTuple):
    """Something that must be accounted for.

    Attributes:
        utc: wall time in seconds since the epoch.
        kind: what happened, in the past tense (``action_intended``, ``target_paused``).
        who: the person or program that did it.
        target: what it was done to.
        detail: a JSON object, without secrets.
    """

    utc: float
    kind: str
    who: str
    target: str
    detail: str


class AuditRow(Struct, frozen=True, kw_only=True):
    """One row of the trail; fields as in `AuditFact`, ``seq`` counts from 1 without a gap."""

    seq: int
    utc: float
    kind: str
    who: str
    target: str
    detail: str
    hash: str


class Link(NamedTuple):
    """A place in the chain: the row it stands for, and its hash."""

    seq: int
    hash: str


ORIGIN = Link(0, "0" * 64)


class Verified(Struct, frozen=True, kw_only=True):
    """What a check of the trail found.

    Attributes:
        rows: how many rows are in order, from the oldest one kept.
        broken_seq: number of the first row that does not fit, or None when all do.
        reason: what is wrong there, or empty.
        head: hash of the last row that is in order.
    """

    rows: int
    broken_seq: int | None = None
    reason: str = ""
    head: str = ORIGIN.hash


def linked(previous: Link, fact: AuditFact) -> Link:
    """The link of a fact that follows ``previous``."""
    seq = previous.seq + 1
    row = msgspec.json.encode([previous.hash, seq, *fact])
    return Link(seq, hashlib.sha256(row).hexdigest())


class Check:
    """Follow a chain from its start, some rows at a time.

    Args:
        start: the link before the oldest row that is kept.
    """

    def __init__(self, start: Link) -> None:
        self._link = start
        self._rows = 0
        self._broken: Verified | None = None

    def follow(self, rows: Iterable[AuditRow]) -> None:
        """Check further rows, in their order; what comes after a broken one is not looked at."""
        for row in rows:
            if self._broken is None:
                self._step(row)

    def end(self, head: Link) -> Verified:
        """The verdict, once all rows have been seen.

        Args:
            head: the newest link, as it was kept apart from the rows.
        """
        if self._broken is None and head != self._link:
            self._break(self._link.seq + 1, f"the trail should end with row {head.seq}")
        return self._broken or Verified(rows=self._rows, head=self._link.hash)

    def _step(self, row: AuditRow) -> None:
        expected = linked(self._link, AuditFact(row.utc, row.kind, row.who, row.target, row.detail))
        if row.seq != expected.seq:
            self._break(expected.seq, f"row {expected.seq} is missing; row {row.seq} follows")
        elif row.hash != expected.hash:
            self._break(row.seq, "its hash does not fit its content and the row before it")
        else:
            self._link = expected
            self._rows += 1

    def _break(self, seq: int, reason: str) -> None:
        self._broken = Verified(
            rows=self._rows, broken_seq=seq, reason=reason, head=self._link.hash
        )
