from __future__ import annotations

import pytest
from mendel.bus.messages import Symptom
from mendel.core.diagnosis import Signs, signs_of


def seen(**values: tuple[float, float | None]) -> Signs:
    """Signs of metrics, each with its value and what is usual."""
    return signs_of(
        Symptom(metric=name, value=value, latest=value, usual=usual)
        for name, (value, usual) in values.items()
    )


def test_nothing_seen_says_nothing() -> None:
    assert signs_of(()) == Signs()
    assert not Signs().known


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"alive": (0.0, 1.0)}, "alive"),
        ({"alive": (1.0, 1.0), "reachable": (0.0, 1.0)}, "reachable"),
        ({"reachable": (1.0, 1.0), "answered": (0.2, 1.0), "ok": (0.2, 1.0)}, "answered"),
        ({"reachable": (1.0, 1.0), "answered": (1.0, 1.0), "ok": (0.7, 1.0)}, ""),
    ],
)
def test_the_lowest_rung_that_fails_says_how_far_it_is_gone(
    values: dict[str, tuple[float, float | None]], gone: str
) -> None:
    assert seen(**values).gone == gone


def test_a_process_is_there_or_not_at_this_moment() -> None:
    died = Symptom(metric="alive", value=0.7, latest=0.0, usual=1.0)

    assert signs_of([died]).is_dead


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"error_rate": (0.3, 0.1)}, 0.2),
        ({"error_rate": (0.3, None)}, 0.3),
        ({"success_rate": (0.6, 1.0)}, 0.4),
        ({"success_rate": (0.6, None)}, 0.4),
        ({"http_5xx": (60.0, 10.0)}, 0.5),
        ({"http_5xx": (900.0, 10.0)}, 1.0),
        ({"answered": (1.0, 1.0), "ok": (0.25, 1.0)}, 0.75),
        ({"error_rate": (0.0, 0.1)}, 0.0),
    ],
)
def test_errors_are_a_share_beyond_the_usual_whatever_counts_them(
    values: dict[str, tuple[float, float | None]], errors: float
) -> None:
    assert seen(**values).errors == pytest.approx(errors)


def test_what_strangers_call_their_metrics_is_read_by_its_words() -> None:
    signs = seen(
        p99_ms=(900.0, 300.0),
        rps=(40.0, 20.0),
        cpu_utilization=(0.75, 0.25),
        heap_bytes=(4e9, 2e9),
        volume_share=(0.7, 0.7),
        db_pool_share=(0.95, 0.2),
        backlog=(30.0, 10.0),
        retry_ratio=(0.5, 0.25),
    )

    assert signs == Signs(
        known=True,
        latency=3.0,
        rate=2.0,
        busy=0.75,
        busier=3.0,
        memory=2.0,
        disk=0.7,
        pool=0.95,
        queue=3.0,
        retries=0.25,
    )


def test_memory_that_grows_says_how_fast() -> None:
    grows = Symptom(metric="memory_bytes", value=3e9, latest=3e9, usual=2e9, trend_per_s=1e7)

    assert signs_of([grows]).memory_trend == pytest.approx(0.005)


def test_well_is_who_shows_users_nothing() -> None:
    assert seen(error_rate=(0.0, 0.0), latency_s=(0.1, 0.1)).is_well
    assert not seen(error_rate=(0.2, 0.0)).is_well
    assert not Signs().is_well


def test_where_nothing_is_usual_nothing_is_out_of_the_ordinary() -> None:
    assert seen(latency_s=(3.0, None), rps=(9.0, None)) == Signs(known=True)


@pytest.mark.parametrize(
    ("values", "served"),
    [
        ({"error_rate": (0.3, 0.0)}, 0.7),
        ({"success_rate": (0.6, 1.0), "error_rate": (0.3, 0.0)}, 0.6),
        ({"http_5xx": (60.0, 10.0)}, -1.0),
        ({"ok": (0.0, 1.0)}, -1.0),
    ],
)
def test_what_is_answered_all_the_same_is_a_share(
    values: dict[str, tuple[float, float | None]], served: float
) -> None:
    assert seen(**values).served == pytest.approx(served)


def test_who_answers_part_of_its_calls_is_not_dead_whatever_a_look_met() -> None:
    some = seen(alive=(0.67, 1.0), reachable=(0.0, 1.0), error_rate=(0.33, 0.0))

    assert (some.is_dead, some.serves, some.living) == (False, True, 0.67)
    assert seen(alive=(0.0, 1.0), error_rate=(0.95, 0.0)).is_dead


def test_who_does_none_of_its_work_and_is_not_busy_is_away() -> None:
    assert seen(alive=(0.0, 1.0)).is_away
    assert seen(error_rate=(1.0, 0.0), cpu_share=(0.1, 0.4)).is_away
    assert not seen(error_rate=(1.0, 0.0), cpu_share=(0.95, 0.4)).is_away
    assert not seen(error_rate=(0.5, 0.0), cpu_share=(0.1, 0.4)).is_away


def test_connections_that_are_taken_say_how_fast() -> None:
    grows = Symptom(metric="pool_share", value=0.6, latest=0.6, usual=0.1, trend_per_s=0.01)

    assert signs_of([grows]).pool_trend == 0.01
    assert signs_of([grows]).runs_out
