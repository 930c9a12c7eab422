"""From a trace of decisions to measures: was it seen, how soon, how long did it take, was it fair.

Everything here is a function of what was decided and, where it is known, of what was broken.
Without that knowledge (a recording of production, a world of a user's own) an incident's own onset
stands in for it, and nothing is said of false alarms: what nobody knows is ``None``, never 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..bus.messages import (
    ActionFinished,
    AnomalyDetected,
    IncidentClosed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
)
from ..core.incidents.treatment import ASIDE

EVERYBODY = "*"

# What was under way when a fault passed still brings bad samples of it, and its last verification.
AFTERMATH_S = 60.0

# Less than this, in error-minutes, is no harm worth a score: a quarter of a minute of full outage,
# the price of a few actions. A share of so little would tell of prices, not of users.
AVOIDABLE_LEAST = 0.25

_GOOD_ENDS = ("healed", "cleared")


class Broken(Struct, frozen=True, kw_only=True):
    """A stretch of time in which something is known to have been wrong.

    Attributes:
        target: what was broken: a component, a replica (``cart/2``), an edge (``web>cart``), or
            ``*`` for the whole estate.
        kind: how (``crash``).
        at_s: when it began.
        until_s: when it ended by itself; infinite when it lasts until it is healed.
        also: components that it sits in as well, such as callers with dead connections.
    """

    target: str
    kind: str
    at_s: float
    until_s: float = math.inf
    also: tuple[str, ...] = ()

    def covers(self, target: str, at_s: float) -> bool:
        """Whether what happened to a target then may be owed to this."""
        if not self.at_s <= at_s <= self.until_s + AFTERMATH_S:
            return False
        own = _components(self.target).union(self.also)
        return self.target == EVERYBODY or not own.isdisjoint(_components(target))


class Spread(Struct, frozen=True, kw_only=True):
    """Durations at a glance, in seconds.

    Attributes:
        count: how many there are.
        mean_s: their mean.
        median_s: half of them are at most this.
        p95_s: nineteen of twenty are at most this.
        longest_s: the longest one.
    """

    count: int
    mean_s: float
    median_s: float
    p95_s: float
    longest_s: float


class Case(Struct, frozen=True, kw_only=True):
    """One incident from its onset to its end.

    Attributes:
        incident: its name.
        target: whose.
        onset_s: start of its first anomaly.
        opened_s: when it was opened.
        closed_s: when it was over; ``None`` when it was not.
        outcome: how it ended, as in `IncidentClosed`; empty while it is open.
        escalated: whether a person was asked for.
        actions: what was run for it, in order.
    """

    incident: str
    target: str
    onset_s: float
    opened_s: float
    closed_s: float | None = None
    outcome: str = ""
    escalated: bool = False
    actions: tuple[str, ...] = ()


class Measures(Struct, frozen=True, kw_only=True):
    """How well a run went; see the module for what is ``None``.

    Attributes:
        broken: how many faults there were.
        detected: how many of them were seen.
        named: how many of them the last diagnosis of one of their incidents called by their name.
        healed: how many of them were over, with proof, before the end.
        detection: from the start of the fault (or the onset of the incident) to its detection.
        recovery: from there to the verified end.
        incidents: how many were opened.
        false_alarms: incidents that nothing was broken for.
        actions: how many treatments were run.
        unneeded: treatments of what was not broken.
        escalated: incidents that a person was asked for.
    """

    broken: int | None
    detected: int | None
    named: int | None
    healed: int | None
    detection: Spread | None
    recovery: Spread | None
    incidents: int
    false_alarms: int | None
    actions: int
    unneeded: int | None
    escalated: int


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share of all values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or the share is not from 0 to 1.

    Example:
        >>> percentile([3.0, 1.0, 2.0, 4.0], 0.5)
        2.0
    """
    if not values or not 0.0 <= share <= 1.0:
        raise ValueError(f"no {share:g} quantile of {len(values)} values")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def spread(durations_s: Sequence[float]) -> Spread | None:
    """Durations at a glance; ``None`` when there are none."""
    if not durations_s:
        return None
    return Spread(
        count=len(durations_s),
        mean_s=math.fsum(durations_s) / len(durations_s),
        median_s=percentile(durations_s, 0.5),
        p95_s=percentile(durations_s, 0.95),
        longest_s=max(durations_s),
    )


def score(harm: float, null: float, best: float) -> float:
    """Share of the avoidable harm that was avoided, in percent; below 0 it did harm.

    Where there was nothing to avoid (a quiet day, a spike within capacity, a good deployment), it
    is 100 less what was done in addition: each error-minute costs all of the 100.

    Args:
        harm: error-minutes of what is judged.
        null: of nobody acting.
        best: of somebody who knows the fault.

    Example:
        >>> score(3.0, null=10.0, best=2.0)
        87.5
        >>> score(0.3, null=0.05, best=0.05)
        75.0
    """
    if null - best > AVOIDABLE_LEAST:
        return 100.0 * (null - harm) / (null - best)
    return 100.0 - 100.0 * (harm - best)


def cases(messages: Iterable[Message]) -> tuple[Case, ...]:
    """The incidents of a run, in the order in which they were opened."""
    opened: dict[str, IncidentOpened] = {}
    closed: dict[str, IncidentClosed] = {}
    escalated: set[str] = set()
    ran: dict[str, list[str]] = {}
    for message in messages:
        match message:
            case IncidentOpened():
                opened[message.incident] = message
            case IncidentClosed():
                closed[message.incident] = message
            case IncidentEscalated():
                escalated.add(message.incident)
            case ActionFinished() if message.outcome != "not_run":
                ran.setdefault(message.incident, []).append(message.action)
            case _:
                pass
    return tuple(
        Case(
            incident=name,
            target=each.target,
            onset_s=each.onset_s,
            opened_s=each.opened_s,
            closed_s=closed[name].closed_s if name in closed else None,
            outcome=closed[name].outcome if name in closed else "",
            escalated=name in escalated,
            actions=tuple(ran.get(name, ())),
        )
        for name, each in opened.items()
    )


def treatments(messages: Iterable[Message]) -> list[ActionFinished]:
    """What was done to targets; telling a person and keeping calls away are not meant."""
    finished = [each for each in messages if isinstance(each, ActionFinished)]
    return [each for each in finished if each.outcome != "not_run" and each.action not in ASIDE]


def actions_per_target(messages: Iterable[Message]) -> dict[str, dict[str, int]]:
    """How often each treatment was run, by target; both in alphabetical order."""
    counts: dict[str, Counter[str]] = {}
    for each in treatments(messages):
        counts.setdefault(each.target, Counter())[each.action] += 1
    return {target: dict(sorted(count.items())) for target, count in sorted(counts.items())}


def measure(messages: Sequence[Message], broken: Sequence[Broken] | None) -> Measures:
    """Judge a run.

    Args:
        messages: what was decided, oldest first.
        broken: what was wrong and when; empty for a quiet day, ``None`` when nobody knows.
    """
    found, done = cases(messages), treatments(messages)
    if broken is None:
        seen = [case.opened_s - case.onset_s for case in found]
        ended = [_took(case, case.onset_s) for case in found if case.outcome in _GOOD_ENDS]
    else:
        seen = [each for fault in broken if (each := _detection_s(fault, messages)) is not None]
        ended = [each for fault in broken if (each := _recovery_s(fault, found)) is not None]
    return Measures(
        broken=None if broken is None else len(broken),
        detected=None if broken is None else len(seen),
        named=None if broken is None else sum(_is_named(each, messages) for each in broken),
        healed=None if broken is None else len(ended),
        detection=spread(seen),
        recovery=spread(ended),
        incidents=len(found),
        false_alarms=None if broken is None else sum(_is_false(each, broken) for each in found),
        actions=len(done),
        unneeded=None if broken is None else sum(_is_unneeded(each, broken) for each in done),
        escalated=sum(case.escalated for case in found),
    )


def _detection_s(fault: Broken, messages: Sequence[Message]) -> float | None:
    for each in messages:
        if isinstance(each, AnomalyDetected) and fault.covers(each.target, each.detected_s):
            return each.detected_s - fault.at_s
    return None


def _is_named(fault: Broken, messages: Sequence[Message]) -> bool:
    """Whether the last diagnosis of an incident of it is right."""
    causes = {
        each.incident: each.cause
        for each in messages
        if isinstance(each, IncidentDiagnosed) and fault.covers(each.target, each.diagnosed_s)
    }
    return fault.kind in causes.values()


def _recovery_s(fault: Broken, found: Sequence[Case]) -> float | None:
    """Until the last of its incidents was over; a relapse is not over before it is."""
    own = [case for case in found if fault.covers(case.target, case.opened_s)]
    if not own or any(case.outcome not in (*_GOOD_ENDS, "attributed") for case in own):
        return None
    ends = [_took(case, fault.at_s) for case in own if case.outcome in _GOOD_ENDS]
    return max(ends, default=None)


def _took(case: Case, since_s: float) -> float:
    assert case.closed_s is not None, "an incident with an outcome is closed"
    return case.closed_s - since_s


def _is_false(case: Case, broken: Sequence[Broken]) -> bool:
    """An incident is owed to any fault of its time: symptoms show far from their cause."""
    return not any(each.at_s <= case.opened_s <= each.until_s + AFTERMATH_S for each in broken)


def _is_unneeded(action: ActionFinished, broken: Sequence[Broken]) -> bool:
    began_s = action.finished_s - action.duration_s
    return not any(each.covers(action.target, began_s) for each in broken)


def _components(target: str) -> set[str]:
    """The component of a replica, or both sides of an edge."""
    return {side.partition("/")[0] for side in target.split(">")}
