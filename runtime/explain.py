"""Tell the story of one incident: what was seen, what was blamed, what was done, what proved it.

The words are those of the record: every transition was written with its reason when it was
decided, so nothing is guessed here from the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..core.detection.form import told as form_told
from ..core.records import WindowRecord
from ..core.roles import role_of
from ..core.units import format_duration, format_value
from .store.archive import ActionRun, IncidentHistory, Transition
from .words import OUTCOMES

# Before one of these a cause was sought, from them on it is treated.
_SEEKING = frozenset({"triage", "attributed"})
_JUDGING = frozenset({"verifying", "closed", "escalated"})
_STANDS = {
    "triage": "its cause is being sought",
    "attributed": "waits for its cause to be over",
    "waiting": "waits for its next action",
    "awaiting_approval": "waits for a person's approval",
    "observed": "is only watched",
    "consulting": "plug-ins are asked",
    "recovering": "an action is running",
    "verifying": "it is being checked whether the action helped",
    "escalated": "waits for a person",
}


class Explanation(Struct, frozen=True, kw_only=True):
    """An incident in words; every entry of a part is one line, oldest first.

    Attributes:
        incident: which one.
        target: whose incident.
        headline: all of it in one sentence.
        seen: the evidence.
        blamed: what was held to be the cause, and why.
        diagnosed: what was held to be wrong with it, how surely, and what was turned down; empty
            where nobody asked for that.
        cause: the class of fault that was named last; empty when none was.
        confidence: how surely, from 0 to 1.
        done: what was run, or why nothing was.
        verified: what showed whether it helped.
    """

    incident: str
    target: str
    headline: str
    seen: tuple[str, ...]
    blamed: tuple[str, ...]
    diagnosed: tuple[str, ...] = ()
    cause: str = ""
    confidence: float = 0.0
    done: tuple[str, ...]
    verified: tuple[str, ...]


def explain(history: IncidentHistory) -> Explanation:
    """Put the record of an incident into words."""
    record = history.summary.record
    clock = _Clock(history)
    return Explanation(
        incident=record.incident,
        target=record.target,
        headline=_headline(history),
        seen=tuple(_seen(history, clock)),
        blamed=tuple(_blamed(history.transitions, clock)),
        diagnosed=tuple(_diagnosed(history.transitions, clock)),
        cause=record.cause,
        confidence=record.confidence,
        done=tuple(_done(history, clock)),
        verified=tuple(_verified(history, clock)),
    )


class _Clock:
    """Tells moments as the time since the incident was opened."""

    def __init__(self, history: IncidentHistory) -> None:
        self._opened_utc = history.summary.opened_utc

    def __call__(self, utc: float) -> str:
        return f"+{format_duration(round(max(0.0, utc - self._opened_utc), 3))}"


def _headline(history: IncidentHistory) -> str:
    record = history.summary.record
    lasted_s = history.summary.changed_utc - history.summary.opened_utc
    who = f"Incident {record.incident} of {record.target}"
    if not record.outcome:
        stands = _STANDS.get(record.stage, f"stands at {record.stage}")
        return f"{who} is open: {stands}."
    outcome = OUTCOMES.get(record.outcome, record.outcome)
    actions = f" by {', then '.join(record.actions)}" if record.outcome == "healed" else ""
    verb = "" if record.outcome in ("cleared", "attributed") else "was "
    return f"{who} {verb}{outcome}{actions}, {format_duration(lasted_s)} after it was opened."


def _seen(history: IncidentHistory, clock: _Clock) -> list[str]:
    first = history.transitions[0]
    found_s = round(first.record.at_s - first.record.onset_s, 3)
    delay = f", found {format_duration(found_s)} after it began" if found_s > 0 else ""
    lines = [f"{clock(first.utc)} {first.record.reason}{delay}"]
    reasons = " ".join(each.record.reason for each in history.transitions)
    for (target, metric), values in _series(history.windows).items():
        line = _reading(metric, values, first.record.onset_s, told=metric in reasons)
        if line:
            lines.append(f"{target}: {line}")
    return lines


def _series(windows: Sequence[WindowRecord]) -> dict[tuple[str, str], dict[float, float]]:
    """Values by time of each metric; windows of one incident overlap."""
    series: dict[tuple[str, str], dict[float, float]] = {}
    for window in windows:
        for metric, values in window.metrics.items():
            found = series.setdefault((window.target, metric), {})
            rows = zip(window.times_s, values, strict=True)
            found.update({time_s: value for time_s, value in rows if value is not None})
    return series


def _reading(metric: str, values: dict[float, float], onset_s: float, *, told: bool) -> str:
    """Where a metric was before the trouble and in it; empty when that says nothing.

    Of metrics that no reason speaks of, only a yes that became a no is news: processor time and
    memory move all the time.
    """
    rows = sorted(values.items())
    before = [value for time_s, value in rows if time_s < onset_s]
    during = [value for time_s, value in rows if time_s >= onset_s]
    fell = before[-1:] == [1.0] and 0.0 in during
    if not during or not (told or fell):
        return ""
    usual = f"{format_value(metric, before[-1])} before, then " if before else ""
    low, high = (format_value(metric, edge) for edge in (min(during), max(during)))
    span = low if low == high else f"{low} to {high}"
    count = len(during)
    form = "" if role_of(metric) == "up" else form_told(before, during)
    shape = f", {form}" if form else ""
    return f"{metric} was {usual}{span} ({count} reading{'' if count == 1 else 's'}){shape}"


def _blamed(transitions: Sequence[Transition], clock: _Clock) -> list[str]:
    lines = []
    target = transitions[0].record.target
    for transition in transitions[1:]:
        record = transition.record
        if record.stage == "attributed":
            lines.append(f"{clock(transition.utc)} {record.blamed}: {record.reason}")
        elif record.stage not in _SEEKING and not lines:
            reason = _first_part(record.reason)
            lines.append(f"{clock(transition.utc)} {target} itself: {reason}")
            break
        elif record.stage not in _SEEKING:
            break
    return lines or ["nothing yet: the cause is still being sought"]


def _diagnosed(transitions: Sequence[Transition], clock: _Clock) -> list[str]:
    """Each diagnosis that differs from the one before it; that nobody knows is one as well."""
    lines: list[str] = []
    last: str | None = None
    for transition in transitions:
        record = transition.record
        if record.diagnosis and record.cause != last:
            lines.append(f"{clock(transition.utc)} {record.diagnosis}")
            last = record.cause
    return lines


def _done(history: IncidentHistory, clock: _Clock) -> list[str]:
    # Of what is of the same moment the choice stands first, for it came first.
    moments = [
        (each.utc, f"{clock(each.utc)} chosen: {each.record.choice}")
        for each in history.transitions[1:]
        if each.record.choice
    ]
    moments += [(each.started_utc, _action(each, clock)) for each in history.actions]
    for transition in history.transitions[1:]:
        record = transition.record
        if record.stage not in _SEEKING | _JUDGING | {"recovering"}:
            moments.append((transition.utc, f"{clock(transition.utc)} {record.reason}"))
    lines = [line for _, line in sorted(moments, key=lambda moment: moment[0])]
    return lines or ["nothing was run"]


def _action(run: ActionRun, clock: _Clock) -> str:
    what = f"{clock(run.started_utc)} {run.intent.action} on {run.intent.target}"
    if run.intent.attempt > 1:
        what += f", attempt {run.intent.attempt}"
    if run.outcome is None:
        return f"{what}: its end is not on record"
    detail = f" ({run.outcome.detail})" if run.outcome.detail else ""
    outcome = run.outcome.outcome.replace("_", " ")
    return f"{what}: {outcome} after {format_duration(run.outcome.duration_s)}{detail}"


def _verified(history: IncidentHistory, clock: _Clock) -> list[str]:
    lines = []
    for transition in history.transitions[1:]:
        record = transition.record
        if record.stage == "verifying":
            lines.append(f"{clock(transition.utc)} fresh readings are awaited")
        elif record.stage in _JUDGING:
            verdict = "over" if record.stage == "closed" else "a person is needed"
            lines.append(f"{clock(transition.utc)} {verdict}: {record.reason}")
        elif lines and record.stage == "waiting":
            lines.append(f"{clock(transition.utc)} not yet: {record.reason}")
    return lines or ["nothing yet"]


def _first_part(reason: str) -> str:
    """A reason without what follows from it (``...; runs restart``)."""
    return reason.split("; ", 1)[0]
