"""What a metric speaks of, by its name: errors, latency, traffic, a resource that fills up.

Names are split into words (``http_server_p99_ms`` is http, server, p99, ms), and the first row of
the table that knows one of them decides; so what is said of a part (``queue_errors``) is read as
what is counted, not where. A name that says nothing has the role ``other``, of which nobody knows
which direction is bad. Metrics of our own probes follow the convention in
`mendel.bus.messages.Reading`; the words are those that exporters of Prometheus, OpenTelemetry and
StatsD use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

Role = Literal[
    "up",
    "success",
    "retries",
    "errors",
    "latency",
    "queue",
    "pool",
    "memory",
    "disk",
    "saturation",
    "rate",
    "other",
]
Direction = Literal["both", "up", "down"]

# In the order in which they are asked.
_SPOKEN: tuple[tuple[Role, str], ...] = (
    ("up", "alive up reachable answered ok ready healthy heartbeat"),
    ("retries", "retry retries retried retransmits attempts redeliveries"),
    ("errors", "error errors err 5xx fail failed failure failures fault faults crashes restarts"),
    ("errors", "exception exceptions rejected refused dropped drops timeout timeouts stopped"),
    ("success", "success successes successful availability hit hits apdex"),
    ("latency", "latency duration elapsed response rt rtt delay wait p50 p75 p90 p95 p99 p999"),
    ("queue", "queue queued backlog depth lag pending waiting inflight"),
    ("pool", "connection connections conns pool descriptors fds files handles sockets slots"),
    ("memory", "memory mem heap rss oom swap"),
    ("disk", "disk storage volume inode inodes filesystem fs"),
    ("saturation", "cpu saturation utilisation utilization busy load threads workers"),
    ("rate", "request requests rps qps tps throughput traffic calls rate messages events"),
)
_WORDS = tuple((role, frozenset(words.split(" "))) for role, words in _SPOKEN)

_BAD: Mapping[Role, Direction] = {
    "up": "down",
    "success": "down",
    "retries": "up",
    "errors": "up",
    "latency": "up",
    "queue": "up",
    "pool": "up",
    "memory": "up",
    "disk": "up",
    "saturation": "up",
    "rate": "both",
    "other": "both",
}
_SPLIT = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")

# Names come from outside, and a probe may invent new ones for ever.
_REMEMBERED = 4096


@lru_cache(maxsize=_REMEMBERED)
def role_of(metric: str) -> Role:
    """What a metric speaks of.

    Args:
        metric: its name, in any of the usual spellings.

    Example:
        >>> role_of("error_rate"), role_of("httpP99Ms"), role_of("frobs")
        ('errors', 'latency', 'other')
    """
    words = {word.lower() for word in _SPLIT.split(metric)}
    return next((role for role, known in _WORDS if words & known), "other")


def bad_direction(role: Role) -> Direction:
    """In which direction a metric of this role gets worse."""
    return _BAD[role]
