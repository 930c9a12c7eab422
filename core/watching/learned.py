"""What was learned of the metrics of a target, as plain values that outlast mendel itself.

A line that somebody drew is in the configuration; what is usual for a metric, at which time of the
day, and how rare which score is, is nowhere but in its detectors. It is kept with the settings that
it depends on: what was learned of high values says nothing of low ones, and what is no longer true
is better learned anew. Times are not kept as they are, because each run counts them from another
moment: whoever restores says how far the clocks are apart.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ...errors import ConfigError
from ..detection.detect import ThresholdDetector
from .config import configs_of, detector_of
from .watch import TargetWatch


class Learned(Struct, frozen=True, kw_only=True):
    """What one detector has learned.

    Attributes:
        metric: of which metric.
        by: kind of detector, as its settings are called.
        basis: the settings that it depends on.
        state: all that it takes to go on.
    """

    metric: str
    by: str
    basis: dict[str, Any]
    state: dict[str, Any]


def learned_of(watch: TargetWatch) -> list[Learned]:
    """What was learned of all metrics of a target so far."""
    return [
        Learned(
            metric=metric,
            by=type(learner.config).__name__,
            basis=dict(learner.basis),
            state=learner.save(),
        )
        for metric, learner in watch.learners()
    ]


def recall(watch: TargetWatch, learned: Learned, shift_s: float) -> str:
    """Let a target that was not looked at yet go on with what was learned before.

    Args:
        watch: of the target.
        learned: what was learned.
        shift_s: what has to be added to loop time for the loop time of the run that learned it.

    Returns:
        Why it is learned anew, in words; empty when it is not.
    """
    configs = configs_of(watch.config, learned.metric)
    config = next((each for each in configs if type(each).__name__ == learned.by), None)
    if config is None:
        return "nobody asks for it any more"
    detector = detector_of(config)
    assert not isinstance(detector, ThresholdDetector), "a line learns nothing"
    for name, then in learned.basis.items():
        now = detector.basis.get(name)
        if now != then:
            return f"{name} was {then!r} and is {now!r} now"
    try:
        detector.restore(learned.state, shift_s)
    except ConfigError as error:
        return str(error)
    watch.recall(learned.metric, detector)
    return ""
