"""What a scenario demands, and whether a run has kept it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bus.messages import ActionFinished, IncidentEscalated, Message
from .format import ActionOn, Must, MustNot, Scenario
from .scoring import Broken, Case, cases, treatments

_GOOD_ENDS = ("healed", "cleared")


def broken_demands(
    scenario: Scenario, broken: Sequence[Broken], messages: Sequence[Message]
) -> tuple[str, ...]:
    """The demands that were not kept, in words: what was wanted, and what happened instead.

    Args:
        scenario: whose demands.
        broken: what was wrong and when; a time limit counts from the fault of its target, or from
            the first of all for targets that have none of their own.
        messages: what was decided, oldest first.
    """
    found = cases(messages)
    return (
        *_unseen(scenario.must, broken, found),
        *_unhealed(scenario.must, broken, found),
        *_undone(scenario.must, messages),
        *_overdone(scenario.must_not, messages, found),
    )


def is_about(target: str, wanted: str) -> bool:
    """Whether what concerns a target concerns what a scenario names.

    A component stands for its replicas as well, and a callee for the edges that lead to it, because
    that is where its callers see it.

    Example:
        >>> [is_about(each, "cart") for each in ("cart", "cart/2", "web>cart", "cart>db")]
        [True, True, True, False]
    """
    return wanted in ("*", target, target.partition("/")[0], target.partition(">")[2])


def _unseen(must: Must, broken: Sequence[Broken], found: Sequence[Case]) -> Iterator[str]:
    for target in must.detected:
        opened = [case.opened_s for case in found if is_about(case.target, target)]
        if not opened:
            yield f"{target} must be detected: no incident was opened on it"
        else:
            yield from _late(f"{target} must be detected", must, target, broken, opened[0])


def _unhealed(must: Must, broken: Sequence[Broken], found: Sequence[Case]) -> Iterator[str]:
    for target in must.healed:
        own = {case.target: case for case in found if is_about(case.target, target)}
        if not any(case.outcome in _GOOD_ENDS for case in own.values()):
            yield f"{target} must be healed: {_how(list(own.values()))}"
            continue
        for case in own.values():  # The last incident of each replica, and of the whole.
            if case.outcome not in (*_GOOD_ENDS, "attributed"):
                yield f"{target} must be healed: {_how([case])}"
        ends = [case.closed_s or 0.0 for case in own.values()]
        yield from _late(f"{target} must be healed", must, target, broken, max(ends))


def _how(own: Sequence[Case]) -> str:
    if not own:
        return "no incident was opened on it"
    ended = f"ended as {own[-1].outcome}" if own[-1].outcome else "is still open"
    return f"its last incident {ended}"


def _late(
    demand: str, must: Must, target: str, broken: Sequence[Broken], at_s: float
) -> Iterator[str]:
    own = [each.at_s for each in broken if each.covers(target, each.at_s)]
    since_s = min(own or [each.at_s for each in broken], default=0.0)
    if must.within_s is not None and at_s - since_s > must.within_s:
        yield f"{demand} within {must.within_s:g} s: it took {at_s - since_s:.3g} s"


def _undone(must: Must, messages: Sequence[Message]) -> Iterator[str]:
    for wanted in must.actions:
        ran = [each for each in _finished(messages) if each.action == wanted.action]
        if not any(is_about(each.target, wanted.target) for each in ran):
            yield f"{wanted.action} on {wanted.target} must be run: it was not"
    asked = {each.target for each in messages if isinstance(each, IncidentEscalated)}
    for target in must.escalated:
        if not any(is_about(each, target) for each in asked):
            yield f"{target} must be handed to a person: it was not"


def _overdone(
    must_not: MustNot, messages: Sequence[Message], found: Sequence[Case]
) -> Iterator[str]:
    done = treatments(messages)
    for target in must_not.act_on:
        own = [each.action for each in done if is_about(each.target, target)]
        if own:
            yield f"{target} must be left alone: {', '.join(dict.fromkeys(own))} was run on it"
    for rule in must_not.actions:
        hits = [each.target for each in _finished(messages) if _fits(rule, each)]
        if hits:
            yield f"{rule.action} on {rule.target} must not be run: it was, on {', '.join(hits)}"
    if must_not.actions_max is not None and len(done) > must_not.actions_max:
        yield f"at most {must_not.actions_max} actions may be run: there were {len(done)}"
    if must_not.open_incidents and found:
        targets = dict.fromkeys(case.target for case in found)
        yield f"no incident may be opened: there were some on {', '.join(targets)}"
    escalated = dict.fromkeys(case.target for case in found if case.escalated)
    if must_not.escalate and escalated:
        yield f"nothing may be handed to a person: {', '.join(escalated)} was"


def _finished(messages: Sequence[Message]) -> list[ActionFinished]:
    return [x for x in messages if isinstance(x, ActionFinished) and x.outcome != "not_run"]


def _fits(rule: ActionOn, action: ActionFinished) -> bool:
    return rule.action == action.action and rule.target in ("*", action.target)
