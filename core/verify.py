"""Did it help? Every action is a hypothesis, and this is its test.

An action predicts that its target is healthy again when its effect has had time to show. Until
then nothing is concluded: the usual mistake is to call a restart useless while the service is
still booting.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..bus.messages import Status
from .gene import Gene

Conclusion = Literal["helped", "no_effect", "worse"]


class VerifyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an action is judged.

    Attributes:
        window_s: time for good samples to come in, after the settling time of the action.
        worse_factor: the worst score has grown by more than this factor: it got worse.
    """

    window_s: Annotated[float, Meta(gt=0), Gene(low=1, high=60, scale="log", unit="s")] = 5.0
    worse_factor: Annotated[float, Meta(gt=1), Gene(low=1.2, high=5)] = 2.0


class Condition(Struct, frozen=True):
    """How ill a target is, for comparison.

    Attributes:
        status: its health.
        metrics: names of the metrics in alarm.
        score: the greatest of their scores.
    """

    status: Status
    metrics: frozenset[str]
    score: float


def conclude(before: Condition, after: Condition, config: VerifyConfig) -> Conclusion:
    """Judge an action at the end of its window.

    Args:
        before: when the action was chosen.
        after: now.
        config: what counts as worse.
    """
    if after.status is Status.HEALTHY:
        return "helped"
    more_is_broken = bool(after.metrics - before.metrics)
    if more_is_broken or after.score > before.score * config.worse_factor:
        return "worse"
    return "no_effect"
