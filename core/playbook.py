"""Which action comes next: strategies in order, attempts, back-off, and a person at the end.

A plan is tried from its first step. A step that did not help is tried again up to its attempts,
then the next one is due; after the last one a person is needed. What was refuted is not forgotten
when an incident closes and comes back soon: a relapse goes on where the last incident stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from .gene import Gene
from .topology import Kind

# What to try when the configuration names no plan. Only actions that the component declares are
# taken from it: a database is never failed over by something nobody configured. Where there are
# replicas to take in turn, they are not all taken at once.
DEFAULT_PLANS: dict[Kind, tuple[str, ...]] = {
    "service": ("rolling_restart", "restart", "replace", "roll_back"),
    "api": ("rolling_restart", "restart", "replace", "roll_back"),
    "ui": ("rolling_restart", "restart", "roll_back"),
    "worker": ("rolling_restart", "restart", "quarantine", "replace"),
    "pipeline": ("quarantine", "rolling_restart", "restart"),
    "external": (),  # What belongs to others is isolated and reported, never restarted.
    "database": ("restart", "clean_up", "fail_over"),
    "cache": ("rolling_restart", "restart", "replace"),
    "queue": ("restart", "clean_up"),
}


class PlaybookConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How stubbornly a component is healed.

    Attributes:
        plan: names of actions in the order they are tried; empty takes the default of its kind.
        attempts: how often each action is tried before the next one is.
        backoff_s: wait after the first attempt that did not help; it doubles with each further one
        backoff_s_max: ... up to this.
        relapses: how many times within ``relapse_s`` a component may fall ill again right after it
            was healed, before a person is asked why.
        relapse_s: an incident this soon after the last one of the same target is a relapse.
    """

    plan: Annotated[tuple[str, ...], Gene()] = ()
    attempts: Annotated[int, Meta(ge=1, le=100), Gene(low=1, high=5)] = 2
    backoff_s: Annotated[float, Meta(ge=0), Gene(low=0.1, high=30, scale="log", unit="s")] = 1.0
    backoff_s_max: Annotated[float, Meta(ge=0)] = 60.0
    relapses: Annotated[int, Meta(ge=1, le=1000)] = 5
    relapse_s: Annotated[float, Meta(ge=0)] = 300.0


class Attempt(Struct, frozen=True):
    """One action that was run, and what it led to.

    Attributes:
        action: its name.
        verdict: ``helped``, ``no_effect``, ``worse``, ``failed``, ``refused`` (by policy or a
            plug-in) or empty while it is not known yet.
    """

    action: str
    verdict: str = ""


def plan_of(kind: Kind, config: PlaybookConfig, declared: Collection[str]) -> tuple[str, ...]:
    """The actions to try for a component, in order.

    Args:
        kind: of the component.
        config: its playbook.
        declared: names of the actions that the component has.

    Example:
        >>> plan_of("service", PlaybookConfig(), {"restart", "notify"})
        ('restart',)
    """
    return config.plan or tuple(name for name in DEFAULT_PLANS[kind] if name in declared)


def next_action(
    plan: Sequence[str], attempts: Sequence[Attempt], config: PlaybookConfig
) -> str | None:
    """The action to try now, or ``None`` when only a person can help."""
    return next(iter(open_actions(plan, attempts, config)), None)


def open_actions(
    plan: Sequence[str], attempts: Sequence[Attempt], config: PlaybookConfig
) -> tuple[str, ...]:
    """The actions that may still be tried, in the order of the plan.

    An action that was refused or made things worse is not tried again; one that helped before
    may be, for it is known to work on this target.
    """
    return tuple(action for action in plan if _is_open(action, attempts, config))


def _is_open(action: str, attempts: Sequence[Attempt], config: PlaybookConfig) -> bool:
    tries = [each.verdict for each in attempts if each.action == action]
    barred = "worse" in tries or "refused" in tries
    return not barred and sum(verdict != "helped" for verdict in tries) < config.attempts


def backoff_s(attempts: Sequence[Attempt], config: PlaybookConfig) -> float:
    """How long to wait after so many attempts that did not help."""
    refuted = sum(each.verdict not in ("helped", "refused") for each in attempts)
    if not refuted:
        return 0.0
    # The exponent is capped because a float overflows long before anyone waits that long.
    return min(config.backoff_s * 2.0 ** min(refuted - 1, 60), config.backoff_s_max)
