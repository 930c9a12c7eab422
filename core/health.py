"""The health of the whole, from that of its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from ..bus.messages import Status


class Overall(StrEnum):
    """Health of an estate."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # Something is sick or in doubt; most of it works.
    CRITICAL = "critical"  # Half or more is sick.
    UNKNOWN = "unknown"  # Nothing is known of most of it.


def of_component(
    own: Status, parts: Mapping[str, Status], concerned: Collection[str] = ()
) -> Status:
    """Health of a component, from what is seen of itself, of its replicas and of edges to it.

    One sick part makes it sick. What is only looked at by its replicas is as well as they are.

    Args:
        own: what is seen of it as a whole.
        parts: status of its replicas and of edges to it, by name.
        concerned: parts that were sick and still have to be proven good.
    """
    if Status.SICK in (own, *parts.values()):
        return Status.SICK
    if any(parts[name] is Status.SUSPECT for name in concerned if name in parts):
        return Status.SUSPECT
    replicas = [each for name, each in parts.items() if ">" not in name]
    known = [each for each in replicas if each is not Status.UNKNOWN]
    if own is not Status.UNKNOWN or not known:
        return own
    return Status.SUSPECT if Status.SUSPECT in known else Status.HEALTHY


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
