"""What is known of components beside what is measured, as it travels and as decisions use it."""

from __future__ import annotations

import math

from ..bus.messages import TargetAnnotated
from .topology import Annotation


def told(target: str, known: Annotation, now_s: float, *, who: str = "") -> TargetAnnotated:
    """The message that tells what is known of a component.

    Args:
        target: which component.
        known: all that is known of it.
        now_s: loop time.
        who: the person or program that told; empty for the world itself.
    """
    return TargetAnnotated(
        target=target,
        version=known.version,
        # JSON has no infinity.
        deployed_s=known.deployed_s if math.isfinite(known.deployed_s) else None,
        maintenance=known.maintenance,
        told_s=now_s,
        who=who,
    )


def annotation_of(message: TargetAnnotated) -> Annotation:
    """What such a message tells."""
    return Annotation(
        version=message.version,
        deployed_s=-math.inf if message.deployed_s is None else message.deployed_s,
        maintenance=message.maintenance,
    )
