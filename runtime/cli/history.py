"""Commands about the past; they read the store, whether or not a runtime runs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from ...core.units import format_duration, format_value
from ...errors import MendelError
from ..views import IncidentView, incident_view
from .output import PLAIN, Out, Printer
from .place import STORE_NAME, Place, state_folder

if TYPE_CHECKING:
    from ...core.records import WindowRecord
    from ...scenarios.scoring import Spread
    from ..explain import Explanation
    from ..store.archive import Archive, IncidentHistory, IncidentSummary, Story
    from ..telemetry.success import Success

T = TypeVar("T")

incidents = App(
    name="incidents", help="Look at incidents, past and present.", default_parameter=PLAIN
)


class UnknownIncident(MendelError):
    """There is no incident of this name."""


def ask_archive(place: Place, question: Callable[[Archive], Awaitable[T]]) -> T:
    """Ask the store of a runtime."""
    import asyncio  # As heavy as all else here together, and --help does without.

    from ..store import Archive

    async def ask() -> T:
        async with Archive(state_folder(place) / STORE_NAME) as archive:
            return await question(archive)

    return asyncio.run(ask())


@incidents.command(name="list")
def list_incidents(
    *,
    last: Annotated[int, Parameter(alias="-n")] = 20,
    component: str = "",
    open: bool = False,  # noqa: A002  It is what the option is called.
    state: Place = None,
    out: Printer,
) -> None:
    """Show incidents, newest first.

    Args:
        last: at most so many.
        component: only those of this component.
        open: only those that are not over.
    """

    async def question(archive: Archive) -> Sequence[IncidentSummary]:
        return await archive.incidents(limit=last, target=component, only_open=open)

    views = [incident_view(summary) for summary in ask_archive(state, question)]
    if not out.is_text:
        out.show(views)
        return
    if not views:
        out.note("no incidents")
        return
    header = ("INCIDENT", "COMPONENT", "OPENED", "LASTED", "OUTCOME", "ACTIONS", "WHY")
    out.table(header, [_row(view) for view in views])


def _row(view: IncidentView) -> tuple[str, ...]:
    opened = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.opened_utc))
    lasted = format_duration(view.changed_utc - view.opened_utc) if view.outcome else ""
    outcome = view.outcome or f"open: {view.stage.replace('_', ' ')}"
    return (
        view.incident,
        view.target,
        opened,
        lasted,
        outcome,
        ", ".join(view.actions),
        view.reason,
    )


@incidents.command(name="show")
def show_incident(incident: str, /, *, state: Place = None, out: Printer) -> None:
    """Show the whole record of an incident: transitions, actions, readings.

    Args:
        incident: its name, as `mendel incidents list` shows it.
    """
    history = _history(state, incident)
    if not out.is_text:
        out.show(history)
        return
    out.table(
        ("WHEN", "STAGE", "REASON"),
        [(_clock(each.utc), each.record.stage, each.record.reason) for each in history.transitions],
    )
    if history.actions:
        out.line()
        header = ("WHEN", "ACTION", "ON", "ATTEMPT", "OUTCOME", "TOOK", "DETAIL")
        out.table(header, _action_rows(history))
    for window in history.windows:
        out.line()
        out.line(f"readings of {window.target}, in seconds before the last one")
        out.table(("TIME", *window.metrics), _reading_rows(window))


def _reading_rows(window: WindowRecord) -> list[tuple[str, ...]]:
    columns = [
        ["" if value is None else format_value(metric, value) for value in values]
        for metric, values in window.metrics.items()
    ]
    times = [f"{time_s - window.times_s[-1]:+.2f}" for time_s in window.times_s]
    return list(zip(times, *columns, strict=True))


def _action_rows(history: IncidentHistory) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for run in history.actions:
        outcome = run.outcome
        rows.append(
            (
                _clock(run.started_utc),
                run.intent.action,
                run.intent.target,
                str(run.intent.attempt),
                outcome.outcome if outcome else "not on record",
                format_duration(outcome.duration_s) if outcome else "",
                outcome.detail if outcome else "",
            )
        )
    return rows


@incidents.command(name="explain")
def explain_incident(incident: str, /, *, state: Place = None, out: Printer) -> None:
    """Tell in words what was seen, blamed, done and verified.

    Args:
        incident: its name, as `mendel incidents list` shows it.
    """
    from ..explain import explain

    explanation = explain(_history(state, incident))
    if out.is_text:
        _tell_explanation(explanation, out)
    else:
        out.show(explanation)


def _tell_explanation(explanation: Explanation, out: Out) -> None:
    out.line(out.paint(explanation.headline, "bold"))
    for part, lines in (
        ("Seen", explanation.seen),
        ("Blamed", explanation.blamed),
        ("Diagnosed", explanation.diagnosed),
        ("Done", explanation.done),
        ("Verified", explanation.verified),
    ):
        if not lines:
            continue
        out.line()
        out.line(out.paint(part, "bold"))
        for line in lines:
            out.line(f"  {line}")


@incidents.command(name="verify")
def verify_trail(*, state: Place = None, out: Printer) -> int:
    """Check that nobody has changed the audit trail.

    Returns 1 when its chain is broken.
    """
    verified = ask_archive(state, lambda archive: archive.verify())
    if not out.is_text:
        out.show(verified)
    elif verified.broken_seq is None:
        out.line(f"the audit trail is intact: {verified.rows} rows, newest hash {verified.head}")
    else:
        out.line(
            f"the audit trail is broken at row {verified.broken_seq}: {verified.reason}; "
            f"the {verified.rows} rows before it are intact"
        )
    return 0 if verified.broken_seq is None else 1


def _history(place: Place, incident: str) -> IncidentHistory:
    async def question(archive: Archive) -> IncidentHistory | list[str]:
        history = await archive.incident(incident)
        if history is not None:
            return history
        return [each.record.incident for each in await archive.incidents(limit=1000)]

    answer = ask_archive(place, question)
    if isinstance(answer, list):
        from ...documents.kinds import did_you_mean

        help_text = did_you_mean(incident, answer[:5], "the newest ones") or "there are none yet"
        raise UnknownIncident(f"there is no incident {incident!r}; {help_text}")
    return answer


def _clock(utc: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(utc)) + f".{int(utc % 1 * 1000):03d}"


def show_success(place: Place, period_s: float, out: Out) -> None:
    """Show how well healing went over a period that ends now.

    Args:
        place: of the store.
        period_s: how long it is.
        out: where to.
    """
    from ..telemetry.success import success

    now_utc = time.time()

    async def question(archive: Archive) -> Sequence[Story]:
        return await archive.stories(since_utc=now_utc - period_s)

    found = success(ask_archive(place, question), now_utc - period_s, now_utc)
    if not out.is_text:
        out.show(found)
        return
    out.line(f"the last {format_duration(period_s)}:")
    out.table(("", ""), _success_rows(found))


def _success_rows(found: Success) -> list[tuple[str, str]]:
    share = "nothing needed it" if found.effectiveness is None else f"{found.effectiveness:.1%}"
    ends = (
        f"{found.healed} healed, {found.passed} passed by themselves, {found.symptoms} were "
        f"symptoms, {found.open} open"
    )
    worst = ", ".join(f"{name} ({count})" for name, count in found.worst.items())
    return [
        ("  incidents", f"{found.incidents}: {ends}"),
        ("  healed without a person", share),
        ("  asked a person", str(found.escalated)),
        ("  onset to detection", _spread(found.detection)),
        ("  onset to proven recovery", _spread(found.recovery)),
        ("  actions", f"{found.actions}, {found.vain} of them without effect"),
        ("  most often", worst or "-"),
    ]


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    mean, median, most = (
        format_duration(each) for each in (spread.mean_s, spread.median_s, spread.p95_s)
    )
    return f"mean {mean}, median {median}, 95 % within {most}"
