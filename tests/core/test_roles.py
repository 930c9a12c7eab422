from __future__ import annotations

import pytest
from mendel.core.roles import Role, bad_direction, role_of


@pytest.mark.parametrize(
    ("metric", "role"),
    [
        ("alive", "up"),
        ("answered", "up"),
        ("ok", "up"),
        ("stopped", "errors"),
        ("call_failure_rate", "errors"),
        ("error_rate", "errors"),
        ("http_server_requests_5xx", "errors"),
        ("cache_hit_ratio", "success"),
        ("success_rate", "success"),
        ("retries_rate", "retries"),
        ("latency_s", "latency"),
        ("http_server_p99_ms", "latency"),
        ("responseTimeMillis", "latency"),
        ("queue_items", "queue"),
        ("consumer_lag", "queue"),
        ("connections_share", "pool"),
        ("descriptors", "pool"),
        ("memory_bytes", "memory"),
        ("jvm.heap.used", "memory"),
        ("disk_share", "disk"),
        ("cpu_share", "saturation"),
        ("request_rate", "rate"),
        ("qps", "rate"),
        ("frobs", "other"),
        ("", "other"),
    ],
)
def test_a_name_tells_what_a_metric_speaks_of(metric: str, role: Role) -> None:
    assert role_of(metric) == role


def test_traffic_may_be_odd_both_ways_and_answers_only_when_there_are_fewer() -> None:
    assert bad_direction("rate") == "both"
    assert bad_direction("success") == "down"
    assert bad_direction("latency") == "up"
