"""Where two runs part: by what is decided about a target, not by when."""

from __future__ import annotations

from mendel.bus.messages import IncidentOpened
from mendel.scenarios.replay import Decision, Difference, first_difference


def opened(target: str, at_s: float) -> Decision:
    message = IncidentOpened(target=target, incident="1-1", onset_s=at_s, opened_s=at_s)
    return Decision(at_s, "IncidentOpened", message)


def test_runs_that_decide_alike_at_other_times_and_in_another_order_do_not_part() -> None:
    this = [opened("db", 1.0), opened("web", 1.0)]
    other = [opened("web", 2.0), opened("db", 2.1)]

    assert first_difference(this, other) is None


def test_they_part_where_one_has_more_to_decide() -> None:
    more = opened("db", 9.0)

    assert first_difference([opened("db", 1.0)], [opened("db", 1.0), more]) == Difference(
        1, None, more
    )


def test_the_earliest_of_several_differences_is_told() -> None:
    late, early = opened("db", 9.0), opened("web", 3.0)

    assert first_difference([late], [early]) == Difference(0, None, early)
