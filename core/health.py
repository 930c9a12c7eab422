"""The health of the whole, from that of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ..bus.messages import Status


class Overall(StrEnum):
    """Health of an estate."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # Something is sick or in doubt; most of it works.
    CRITICAL = "critical"  # Half or more is sick.
    UNKNOWN = "unknown"  # Nothing is known of most of it.


def overall(statuses: Mapping[str, Status]) -> Overall:
    """Sum up the health of all components; an empty estate is unknown, not healthy.

    Args:
        statuses: health of each component by name.
    """
    known = [status for status in statuses.values() if status is not Status.UNKNOWN]
    if len(known) * 2 < len(statuses) or not known:
        return Overall.UNKNOWN
    sick = sum(status is Status.SICK for status in known)
    if sick * 2 >= len(known):
        return Overall.CRITICAL
    all_well = all(status is Status.HEALTHY for status in statuses.values())
    return Overall.HEALTHY if all_well else Overall.DEGRADED
