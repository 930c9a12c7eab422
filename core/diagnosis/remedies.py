"""What takes a cause away, and on whom it is done: steps, each with the chance that it cures.

Only what a target declares is ever a step. Names of actions are free, so each is read by what it
means (``rollback``, ``roll-back`` and ``undo_deploy`` are one thing).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from ..policy import ActionFacts
from ..ranking.priors import prior_of
from .rules import Hypothesis
from .scene import Scene

Declared = Callable[[str], Mapping[str, ActionFacts]]

# With less of a chance than this a step is not worth its cost.
_LIKELY = 0.15
# Who is treated: those that have it, or the whole component.
_WHERE, _WHOLE = "where", "whole"

# In the order in which they are tried when nothing else decides; of alternatives (``a|b``) the
# first one that is declared.
_STEPS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "crash": (("restart", _WHERE), ("replace", _WHERE)),
    "hang": (("restart", _WHERE), ("replace", _WHERE)),
    "gray_failure": (("replace", _WHERE), ("rolling_restart|restart", _WHERE)),
    "limplock": (("replace", _WHERE), ("scale", _WHOLE)),
    "noisy_neighbour": (("replace|scale", _WHERE),),
    "flapping": (("replace", _WHERE),),
    "correlated_loss": (("replace", _WHERE), ("scale", _WHOLE)),
    "memory_leak": (("rolling_restart|restart", _WHOLE), ("roll_back", _WHOLE)),
    "pool_exhaustion": (("rolling_restart|restart", _WHERE),),
    "stale_pool": (("rolling_restart|restart", _WHERE),),
    "cascade": (("fail_over", _WHOLE), ("replace", _WHOLE)),
    "bad_deploy": (("roll_back", _WHOLE),),
    "disk_fill": (("clean_up", _WHOLE), ("replace", _WHOLE)),
    "poison_message": (("quarantine", _WHOLE),),
    # Nothing one does to them helps: load control, others, or time do.
    "check_flapping": (),
    "dependency_outage": (),
    "partition": (),
    "overload": (),
    "thundering_herd": (),
    "retry_storm": (),
}

# What a name of an action may look like, by what it means; the first that fits decides.
_MEANINGS: tuple[tuple[str, str], ...] = (
    ("roll_back", r"roll_?back|revert|undo_deploy|previous_version"),
    ("rolling_restart", r"rolling|restart_(one_by_one|each)"),
    ("fail_over", r"fail_?over|promote|switch_?over"),
    ("clean_up", r"clean|purge|prune|vacuum|free_(disk|space)|rotate"),
    ("quarantine", r"quarantine|dead_?letter|skip_message|park_message"),
    ("replace", r"replace|recreate|reschedule|reprovision|rebuild|move|evict"),
    ("retry_budget", r"retry|retries"),
    ("scale", r"scale_?(out|up)?$|add_(capacity|replicas?)|grow"),
    ("restart", r"restart|reboot|bounce|respawn|recycle|kill"),
)


class Step(Struct, frozen=True, kw_only=True):
    """One thing that may be done.

    Attributes:
        key: ``restart`` for the component itself, ``restart cart/2`` for anything else.
        facts: what is known of the action.
        prior: chance that it cures, all hypotheses taken together.
        before: keys of what has to be done before it.
    """

    key: str
    facts: ActionFacts
    prior: float
    before: tuple[str, ...] = ()


def meaning_of(action: str) -> str:
    """What an action does, by its name.

    Example:
        >>> meaning_of("rollback"), meaning_of("restart-pod"), meaning_of("notify")
        ('roll_back', 'restart', 'notify')
    """
    if action in _KNOWN:
        return action
    name = action.lower().replace("-", "_")
    return next((meaning for meaning, form in _MEANINGS if re.search(form, name)), name)


_KNOWN = frozenset(
    meaning for steps in _STEPS.values() for action, _ in steps for meaning in action.split("|")
)


def key_of(action: str, target: str, component: str) -> str:
    """How a step is called in the incident of a component."""
    return action if target == component else f"{action} {target}"


def steps_for(found: Sequence[Hypothesis], scene: Scene, declared: Declared) -> list[Step]:
    """What may be done about hypotheses, the best first.

    The chance of a step is that of each hypothesis times that of its cure; so what cures both of
    two likely causes comes before what cures only the likelier one.
    """
    total = sum(each.score for each in found) or 1.0
    steps: dict[str, Step] = {}
    for each in found:
        for step in _of(each, scene, declared):
            chance = each.score / max(total, 1.0) * step.prior
            known = steps.get(step.key)
            if known is not None:
                chance = min(known.prior + chance, 0.99)
            steps[step.key] = Step(key=step.key, facts=step.facts, prior=chance, before=step.before)
    likely = [step for step in steps.values() if step.prior >= _LIKELY]
    return sorted(likely, key=lambda step: -step.prior / _cost_s(step.facts))


def _cost_s(facts: ActionFacts) -> float:
    return facts.timeout_s * 0.5 + facts.settle_s + (15.0 if facts.disruptive else 5.0)


def _of(each: Hypothesis, scene: Scene, declared: Declared) -> Iterator[Step]:
    component = scene.component
    for action, scope in _STEPS.get(each.cause, ()):
        grade = prior_of(action.partition("|")[0], scene.kind, each.cause)
        targets = each.where if scope == _WHERE else (component,)
        is_all = len(targets) > 1 and set(targets) == set(scene.units)
        if is_all or (action.startswith("replace") and len(targets) > 1):
            targets = (component,)  # All at once, beside the old ones where it replaces them.
        if action == "restart" and targets == (component,) and scene.own.serves:
            action = "rolling_restart|restart"  # The rest of it serves on meanwhile.
        found = [_find(action, target, component, declared) for target in targets]
        if any(step is None for step in found):
            found = [_find(action, component, component, declared)]
        ready = [step for step in found if step is not None]
        if ready:
            key, facts = ready[-1]
            before = tuple(key for key, _ in ready[:-1])
            # What is gone already costs nobody any capacity.
            is_gone = scope == _WHERE and all(scene.of(name).is_dead for name in each.where)
            disrupts = facts.disruptive and not is_gone
            facts = structs.replace(facts, disruptive=disrupts)
            yield Step(key=key, facts=facts, prior=grade, before=before)


def _find(
    action: str, target: str, component: str, declared: Declared
) -> tuple[str, ActionFacts] | None:
    means = {meaning_of(name): (name, facts) for name, facts in declared(target).items()}
    for meaning in action.split("|"):
        if meaning in means:
            name, facts = means[meaning]
            elsewhere = "" if target == component else target
            return key_of(name, target, component), structs.replace(facts, target=elsewhere)
    return None
