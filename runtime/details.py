"""Incidents, components and the audit trail closely: from records and charts to views."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..bus.messages import ApprovalRequested
from ..core.detection.detect import Threshold
from ..core.detection.detect_adaptive import AdaptiveDetector
from ..core.incidents.casefile import Stage
from ..core.incidents.incident import Incident
from ..core.records import WindowRecord
from ..core.watching.rounds import Chart
from ..core.watching.watch import TargetWatch
from .explain import explain
from .store.archive import ActionRun, IncidentHistory
from .store.audit import AuditRow, Verified
from .views import (
    ActionView,
    ApprovalView,
    AuditLine,
    AuditView,
    IncidentDetail,
    SignalsView,
    StageView,
    incident_view,
)

Band = tuple[float | None, float | None]


def incident_detail(history: IncidentHistory, chart: Chart | None, utc_s: float) -> IncidentDetail:
    """An incident closely.

    Args:
        history: its record.
        chart: what is known of its target now, if it is watched.
        utc_s: wall time minus loop time, for readings of the present run.
    """
    told = explain(history)
    is_over = bool(history.summary.record.outcome)
    live = None if is_over or chart is None else signals_of(chart, utc_s)
    bands = {} if chart is None else bands_of(chart.watch)
    return IncidentDetail(
        incident=incident_view(history.summary),
        headline=told.headline,
        seen=told.seen,
        blamed=(*told.blamed, *told.diagnosed),
        done=told.done,
        verified=told.verified,
        stages=tuple(
            StageView(utc=each.utc, stage=each.record.stage, reason=each.record.reason)
            for each in history.transitions
        ),
        actions=tuple(_action(each) for each in history.actions),
        signals=live or _recorded(history, bands),
    )


def signals_of(chart: Chart, utc_s: float) -> SignalsView:
    """What was measured of a target lately.

    Args:
        chart: what is known of it.
        utc_s: wall time minus loop time.
    """
    times_s, metrics = chart.rows.columns()
    times = tuple(round(time_s + utc_s, 3) for time_s in times_s)
    return SignalsView(times_utc=times, metrics=metrics, bands=bands_of(chart.watch))


def bands_of(watch: TargetWatch) -> dict[str, Band]:
    """Where each metric of a target is fine at the moment."""
    bands: dict[str, Band] = {}
    for metric, detectors in watch.detectors().items():
        for detector in detectors:
            config = detector.config
            if isinstance(config, Threshold):
                bands[metric] = (config.below, config.above)
            elif isinstance(detector, AdaptiveDetector) and metric not in bands:
                low, high = detector.band  # A line that a person drew is the one to show.
                bands[metric] = (_finite(low), _finite(high))
    return bands


def approvals_of(
    incidents: Mapping[str, Incident], asked: Mapping[str, ApprovalRequested], now_s: float
) -> list[ApprovalView]:
    """What waits for a person.

    Args:
        incidents: the open ones, by target.
        asked: the last approval that was asked for, by target.
        now_s: loop time.
    """
    waiting = {
        target: asked[target]
        for target, incident in incidents.items()
        if incident.stage is Stage.AWAITING_APPROVAL and target in asked
    }
    return [
        ApprovalView(
            approval=each.approval,
            target=target,
            action=each.action,
            incident=each.incident,
            reason=each.reason,
            for_s=now_s - each.requested_s,
        )
        for target, each in waiting.items()
    ]


def audit_view(rows: Sequence[AuditRow], verified: Verified) -> AuditView:
    """The audit trail for people."""
    lines = tuple(audit_line(row) for row in rows)
    whole = verified.broken_seq is None
    problem = "" if whole else f"row {verified.broken_seq}: {verified.reason}"
    return AuditView(lines=lines, whole=whole, problem=problem)


def audit_line(row: AuditRow) -> AuditLine:
    """One line of the audit trail for people."""
    return AuditLine(
        seq=row.seq,
        utc=row.utc,
        kind=row.kind,
        who=row.who,
        target=row.target,
        detail=_object(row.detail),
    )


def _object(text: str) -> dict[str, object]:
    value = msgspec.json.decode(text)
    return value if isinstance(value, dict) else {"value": value}


def _action(run: ActionRun) -> ActionView:
    return ActionView(
        action=run.intent.action,
        target=run.intent.target,
        attempt=run.intent.attempt,
        started_utc=run.started_utc,
        finished_utc=run.finished_utc,
        outcome=run.outcome.outcome if run.outcome else "",
        detail=run.outcome.detail if run.outcome else "",
    )


def _recorded(history: IncidentHistory, bands: Mapping[str, Band]) -> SignalsView:
    """The readings on record; their loop times become wall times by way of the transitions."""
    target = history.summary.record.target
    rows = _rows(each for each in history.windows if each.target == target)
    first = history.transitions[0]
    utc_s = first.utc - first.record.at_s
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return SignalsView(
        times_utc=tuple(round(time_s + utc_s, 3) for time_s in rows),
        metrics={name: tuple(row.get(name) for row in rows.values()) for name in names},
        bands={name: bands[name] for name in names if name in bands},
    )


def _rows(windows: Iterable[WindowRecord]) -> dict[float, dict[str, float | None]]:
    """Windows of one incident overlap; rows of the same time are one, in order of time."""
    rows: dict[float, dict[str, float | None]] = {}
    for window in windows:
        for number, time_s in enumerate(window.times_s):
            row = rows.setdefault(time_s, {})
            row.update((name, column[number]) for name, column in window.metrics.items())
    return dict(sorted(rows.items()))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
