"""What policy has to know of the time before: pauses, maintenance, and what was done.

All of it is on record in wall time, because that is what people mean; a policy knows loop time
only. It is translated once, at the start, by the difference of the two clocks at that moment. So a
pause outlives mendel, and a mendel that is restarted again and again keeps to its limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..bus.messages import PauseTarget
from ..core.incidents.treatment import NOTIFY
from ..core.policy import Pause
from ..errors import ConfigError
from .store.archive import ActionRun
from .store.audit import AuditRow

# What no limit counts: it touches callers or people, not the target.
_UNCOUNTED = ("isolate", "release", NOTIFY)

_ANNOUNCER = "the configuration"
_PAUSED, _RESUMED = "target_paused", "target_resumed"


class MaintenanceSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window in which nothing is done to a component.

    Attributes:
        component: its name, or ``*`` for the whole estate.
        start_utc: beginning; a time without a zone is UTC.
        end_utc: end.
        reason: what is being done, for whoever asks.
    """

    component: Annotated[str, Meta(min_length=1)]
    start_utc: datetime
    end_utc: datetime
    reason: str = "maintenance"

    def __post_init__(self) -> None:
        if _seconds(self.end_utc) <= _seconds(self.start_utc):
            raise ConfigError(f"end_utc {self.end_utc} is not after start_utc {self.start_utc}")


def announced(windows: Iterable[MaintenanceSpec], *, now_s: float, now_utc: float) -> list[Pause]:
    """The pauses that maintenance windows come to; past ones are left out.

    Args:
        windows: as configured.
        now_s: loop time.
        now_utc: wall time in seconds since the epoch, at the same moment.
    """
    return [
        Pause(
            target=window.component,
            start_s=now_s + _seconds(window.start_utc) - now_utc,
            end_s=now_s + _seconds(window.end_utc) - now_utc,
            who=_ANNOUNCER,
            reason=window.reason,
        )
        for window in windows
        if _seconds(window.end_utc) > now_utc
    ]


def announced_anew(
    pauses: Iterable[Pause],
    old: Sequence[MaintenanceSpec],
    new: Sequence[MaintenanceSpec],
    *,
    now_s: float,
    now_utc: float,
) -> list[Pause]:
    """The pauses that hold once other maintenance windows are announced.

    What people have paused stays, and a window that somebody has ended stays ended as long as it
    is announced unchanged.

    Args:
        pauses: that hold now.
        old: windows announced so far.
        new: windows announced from now on.
        now_s: loop time.
        now_utc: wall time in seconds since the epoch, at the same moment.
    """
    withdrawn = announced([each for each in old if each not in new], now_s=now_s, now_utc=now_utc)
    kept = [each for each in pauses if not any(_is_same(each, other) for other in withdrawn)]
    fresh = [each for each in new if each not in old]
    return kept + announced(fresh, now_s=now_s, now_utc=now_utc)


def left_over(rows: Sequence[AuditRow], *, now_s: float, now_utc: float) -> list[Pause]:
    """The pauses of an earlier run that still hold.

    Args:
        rows: of the audit trail, oldest first.
        now_s: loop time.
        now_utc: wall time in seconds since the epoch, at the same moment.
    """
    pauses: dict[str, Pause] = {}
    for row in rows:
        if row.kind == _RESUMED:
            pauses.pop(row.target, None)
        if row.kind != _PAUSED:
            continue
        wish = msgspec.json.decode(row.detail, type=PauseTarget)
        end_s = now_s + row.utc + wish.duration_s - now_utc
        if end_s > now_s:
            pauses[row.target] = Pause(
                target=row.target, start_s=now_s, end_s=end_s, who=row.who, reason=wish.reason
            )
    return list(pauses.values())


def earlier_actions(
    runs: Sequence[ActionRun], *, now_s: float, now_utc: float
) -> list[tuple[str, float]]:
    """The actions of earlier runs that limits still count: target and loop time, oldest first.

    Args:
        runs: as the archive tells them, the last ones first.
        now_s: loop time.
        now_utc: wall time in seconds since the epoch, at the same moment.
    """
    return [
        (run.intent.target, now_s + run.started_utc - now_utc)
        for run in reversed(runs)
        if run.intent.action not in _UNCOUNTED
    ]


def _is_same(one: Pause, other: Pause) -> bool:
    """Whether two pauses come from one window; the clocks may have drifted apart by a second."""
    names = (one.who, one.target, one.reason) == (other.who, other.target, other.reason)
    return names and abs(one.end_s - other.end_s) < 1.0


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
