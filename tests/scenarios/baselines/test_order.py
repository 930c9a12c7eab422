"""Who heals better than whom, on a few courses of the training split: what anybody would expect."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from mendel.scenarios.baselines import conduct
from mendel.scenarios.scoring import score
from mendel.scenarios.simulator import TRAINING, Group, nobody, oracle

GROUPS: tuple[Group, ...] = (("crash",), ("hang",), ("bad_deploy",))
HEALERS = ("usual", "runbook", "careful")


def scores() -> Iterator[dict[str, float]]:
    """Of each course in which there is something to avoid."""
    for _, course in TRAINING.sample(GROUPS, count=1, skip=1, until_s=300.0):
        null, best = nobody(course).harm, oracle(course).harm
        if null > best:
            harms = {name: conduct(course, name).harm() for name in HEALERS}
            yield {name: max(score(harm, null, best), -100.0) for name, harm in harms.items()}


def test_rules_with_care_beat_a_blind_runbook_and_the_usual_stack_beats_nobody() -> None:
    found = list(scores())

    mean = {name: fmean(each[name] for each in found) for name in HEALERS}

    assert len(found) == len(GROUPS)
    assert mean["usual"] > 0.0
    assert mean["runbook"] < mean["careful"] < 100.0
