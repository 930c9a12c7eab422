"""What the store tells of the past, as evolution learns from it.

A relapse is not a new story: incidents of one target that follow each other closely are read as
one, in which what seemed to cure and did not last was tried in vain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from msgspec import structs

from ..core.incidents.treatment import ASIDE
from ..core.playbook import PlaybookConfig
from ..core.policy import ActionFacts
from ..core.records import Ailment, ExperienceRecord, WindowRecord
from ..core.topology import Kind, home_of
from ..genome.history import History, Means, PastIncident
from .store.archive import ActionRun, Archive, IncidentHistory

# The newest ones; more would say little about the present.
INCIDENTS_MAX = 10_000
_RELAPSE_S = PlaybookConfig().relapse_s


async def read_history(path: Path) -> History:
    """Troubles that are over and were no mere symptoms, with all that is known of them.

    Args:
        path: of a store; mendel may be running with it.

    Raises:
        StoreError: it cannot be read.
    """
    async with Archive(path) as archive:
        tried: dict[str, list[ExperienceRecord]] = {}
        for each in reversed(await archive.experiences()):
            tried.setdefault(each.incident, []).append(each)
        ended = [
            each.record.incident
            for each in reversed(await archive.incidents(limit=INCIDENTS_MAX))
            if each.record.outcome not in ("", "attributed", "dismissed")
        ]
        told = [found for name in ended if (found := await archive.incident(name)) is not None]
    # What is done to a replica or at an edge is known of its component.
    kinds = {home_of(each.target): each.ailment.kind for found in tried.values() for each in found}
    stories = [_one_story([_past(each, tried, kinds) for each in all_]) for all_ in _stories(told)]
    return History(
        incidents=tuple(stories),
        means=_means((run for each in told for run in each.actions), kinds),
    )


def _stories(told: Iterable[IncidentHistory]) -> list[list[IncidentHistory]]:
    """Incidents with their relapses, in the order of their beginnings."""
    stories: list[list[IncidentHistory]] = []
    newest: dict[tuple[str, str], list[IncidentHistory]] = {}
    for each in told:
        record = each.summary.record
        # The first part of its name is the run that it was in: only there do loop times compare.
        key = record.incident.partition("-")[0], record.target
        story = newest.get(key)
        opened_s = each.transitions[0].record.at_s
        if story is not None and opened_s - story[-1].summary.record.at_s <= _RELAPSE_S:
            story.append(each)
        else:
            newest[key] = [each]
            stories.append(newest[key])
    return stories


def _one_story(incidents: Sequence[PastIncident]) -> PastIncident:
    first = incidents[0]
    known = next((each.ailment for each in incidents if each.tried), first.ailment)
    return structs.replace(
        first,
        ailment=known,
        acted_s=min(each.acted_s for each in incidents),
        tried=tuple(record for each in incidents for record in each.tried),
        is_real=any(each.is_real for each in incidents),
    )


def _past(
    told: IncidentHistory,
    tried: Mapping[str, Sequence[ExperienceRecord]],
    kinds: Mapping[str, Kind],
) -> PastIncident:
    record = told.summary.record
    acts = [each.intent for each in told.actions if each.intent.action not in ASIDE]
    experiences = tried.get(record.incident, ())
    unknown = Ailment(kind=kinds.get(home_of(record.target), "service"))
    times_s, metrics = _readings(told.windows, record.target)
    return PastIncident(
        incident=record.incident,
        target=record.target,
        ailment=experiences[0].ailment if experiences else unknown,
        utc=told.summary.opened_utc,
        onset_s=record.onset_s,
        opened_s=told.transitions[0].record.at_s,
        acted_s=min((each.at_s for each in acts), default=math.inf),
        times_s=times_s,
        metrics=metrics,
        tried=tuple(experiences),
        is_real=bool(acts) or record.outcome != "cleared",
    )


def _readings(
    windows: Sequence[WindowRecord], target: str
) -> tuple[tuple[float, ...], dict[str, tuple[float | None, ...]]]:
    """All readings of the target; windows of one incident overlap."""
    rows: dict[float, dict[str, float | None]] = {}
    for window in windows:
        if window.target != target:
            continue
        for row, time_s in enumerate(window.times_s):
            values = {name: column[row] for name, column in window.metrics.items()}
            rows.setdefault(time_s, {}).update(values)
    times_s = tuple(sorted(rows))
    names = sorted({name for values in rows.values() for name in values})
    return times_s, {name: tuple(rows[at_s].get(name) for at_s in times_s) for name in names}


def _means(runs: Iterable[ActionRun], kinds: Mapping[str, Kind]) -> dict[str, dict[str, Means]]:
    """Actions of each kind of component as they were met with last, and how long they ran."""
    found: dict[tuple[str, str], list[ActionRun]] = {}
    for run in runs:
        kind = kinds.get(home_of(run.intent.target))
        if kind is not None and run.intent.action not in ASIDE and run.outcome is not None:
            found.setdefault((kind, run.intent.action), []).append(run)
    means: dict[str, dict[str, Means]] = {}
    for (of_kind, action), all_ in found.items():
        last = all_[-1].intent
        facts = ActionFacts(
            name=action,
            disruptive=last.disruptive,
            timeout_s=last.timeout_s,
            settle_s=last.settle_s,
        )
        run_s = median(each.outcome.duration_s for each in all_ if each.outcome is not None)
        means.setdefault(of_kind, {})[action] = Means(facts=facts, run_s=run_s)
    return means
