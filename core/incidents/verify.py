"""Did it help? Every action is a hypothesis, and this is its test.

An action predicts that its target is healthy again when its effect has had time to show. Until
then nothing is concluded: the usual mistake is to call a restart useless while the service is
still booting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...bus.messages import Status
from ..gene import Gene

Conclusion = Literal["helped", "no_effect", "worse"]


class VerifyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an action is judged.

    Attributes:
        window_s: time for good samples to come in, after the settling time of the action.
        worse_factor: the worst score has grown by more than this factor: it got worse.
    """

    window_s: Annotated[float, Meta(gt=0), Gene(low=1, high=60, scale="log", unit="s")] = 5.0
    worse_factor: Annotated[float, Meta(gt=1), Gene(low=1.2, high=5)] = 2.0


# How grave it is that a metric is in alarm. A process that is gone says more than one that cannot
# be reached, that more than one that does not answer; what a component measures of itself is
# comparable by score only.
_GRAVITY = {
    "alive": 4,
    "stopped": 3,
    "reachable": 3,
    "answered": 2,
    "ok": 1,
    "call_failure_rate": 1,
}


_OF_ANSWERS = ("reachable", "answered", "ok", "call_failure_rate")


class Condition(Struct, frozen=True, order=True):
    """How ill a target is, comparable.

    Attributes:
        gravity: of the gravest metric in alarm; -1 for none.
        score: the greatest score among the metrics of that gravity; 0.0 for none.
    """

    gravity: int = -1
    score: float = 0.0

    @property
    def answers(self) -> bool:
        """Whether some of its work still gets done, which a disruptive action would cost."""
        return self.gravity < _GRAVITY["answered"]

    @property
    def works(self) -> bool:
        """Whether nothing says that it does not answer, or wrongly."""
        return self.gravity < _GRAVITY["ok"]

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there who could answer."""
        return self.gravity >= _GRAVITY["reachable"]


# Nothing is graver.
GRAVEST = Condition(gravity=max(_GRAVITY.values()))


def condition_of(scores: Mapping[str, float]) -> Condition:
    """Sum up the metrics that are in alarm.

    Args:
        scores: by metric, 1.0 on the alarm line.
    """
    conditions = (Condition(_GRAVITY.get(name, 0), score) for name, score in scores.items())
    return max(conditions, default=Condition())


def tells_of_answers(metric: str) -> bool:
    """Whether a metric in its band means that somebody was asked, and answered."""
    return metric in _OF_ANSWERS


def conclude(
    status: Status, before: Condition, after: Condition, config: VerifyConfig
) -> Conclusion:
    """Judge an action at the end of its window.

    Args:
        status: health of the target now.
        before: how ill it was when the action was chosen; unless that is known (after a restart
            of mendel), nothing is called worse.
        after: how ill it is now.
        config: what counts as worse.
    """
    if status is Status.HEALTHY:
        return "helped"
    if before == Condition():
        return "no_effect"
    if after.gravity > before.gravity:
        return "worse"
    grown = after.score > before.score * config.worse_factor
    return "worse" if after.gravity == before.gravity and grown else "no_effect"
