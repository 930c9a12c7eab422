"""How well healing went over a period, from what is on record; pure.

What nobody can know in production is not stated: whether an incident was a false alarm, or an
action needed, takes a judge that knows what was broken (`mendel replay` and `mendel drill` have
one). In their place stand what can be counted: incidents that passed before anything was done, and
actions after which nothing was better.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from ...core.incidents.treatment import ASIDE
from ...scenarios.scoring import Spread, spread
from ..store.archive import Story

# Verdicts on an action that did not help; what is not verified yet is neither.
_VAIN = ("no_effect", "worse", "failed")


class Success(Struct, frozen=True, kw_only=True):
    """How well healing went.

    Attributes:
        since_utc: start of the period, wall time in seconds; incidents opened since then count.
        until_utc: its end.
        incidents: how many were opened.
        open: of these, how many are not over.
        healed: of these, how many an action of mendel ended, with proof.
        passed: of these, how many were over before anything was done.
        symptoms: of these, how many went with their cause.
        escalated: of these, how many a person was asked for.
        effectiveness: healed of all that needed somebody (healed or escalated), 0 to 1; ``None``
            when nothing did.
        detection: from the onset to the incident.
        recovery: from the onset to the verified end, of those that were healed.
        actions: how many were run.
        vain: of these, how many were followed by no improvement.
        worst: components with the most incidents, and how many.
    """

    since_utc: float
    until_utc: float
    incidents: int
    open: int
    healed: int
    passed: int
    symptoms: int
    escalated: int
    effectiveness: float | None
    detection: Spread | None
    recovery: Spread | None
    actions: int
    vain: int
    worst: dict[str, int]


def success(stories: Sequence[Story], since_utc: float, until_utc: float) -> Success:
    """Judge a period.

    Args:
        stories: incidents that were opened in it.
        since_utc: its start, wall time in seconds.
        until_utc: its end.
    """
    outcomes = Counter(each.summary.record.outcome for each in stories)
    escalated = sum(_was_escalated(each) for each in stories)
    healed = [each for each in stories if each.summary.record.outcome == "healed"]
    needed = len(healed) + sum(_was_escalated(each) for each in stories if each not in healed)
    counts = Counter(each.summary.record.target for each in stories)
    worst = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    return Success(
        since_utc=since_utc,
        until_utc=until_utc,
        incidents=len(stories),
        open=outcomes[""],
        healed=outcomes["healed"],
        passed=outcomes["cleared"],
        symptoms=outcomes["attributed"],
        escalated=escalated,
        effectiveness=len(healed) / needed if needed else None,
        detection=spread([_detection_s(each) for each in stories]),
        recovery=spread([_recovery_s(each) for each in healed]),
        actions=sum(len(_treatments(each)) for each in stories),
        vain=sum(_vain(each) for each in stories),
        worst=dict(worst),
    )


def _treatments(story: Story) -> list[str]:
    return [name for name in story.summary.record.actions if name not in ASIDE]


def _vain(story: Story) -> int:
    """Of a relapse the attempts before it stand first; they were counted with their incident."""
    own = story.summary.record.attempts[-len(_treatments(story)) :] if _treatments(story) else ()
    return sum(attempt.verdict in _VAIN for attempt in own)


def _was_escalated(story: Story) -> bool:
    return any(each.record.stage == "escalated" for each in story.transitions)


def _detection_s(story: Story) -> float:
    first = story.transitions[0].record
    return max(0.0, first.at_s - first.onset_s)


def _recovery_s(story: Story) -> float:
    """By the wall clock: an incident may outlive the run, and with it the loop's time."""
    lasted_s = story.summary.changed_utc - story.summary.opened_utc
    return math.fsum((max(0.0, lasted_s), _detection_s(story)))
