"""Where two runs part: by what is decided about a target, not by when."""

from __future__ import annotations

from mendel.bus.messages import ActionFinished, IncidentClosed, IncidentOpened
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


def test_what_different_agents_say_within_a_moment_has_no_order() -> None:
    ended = ActionFinished(
        target="db",
        intent="1-1.isolate",
        incident="1-1",
        action="isolate",
        outcome="succeeded",
        detail="",
        duration_s=0.1,
        finished_s=1.0,
        settle_s=0.0,
    )
    end = Decision(1.0, "ActionFinished", ended)

    assert first_difference([end, opened("db", 1.0)], [opened("db", 1.0), end]) is None


def test_what_one_agent_says_of_a_target_has() -> None:
    first = opened("db", 1.0)
    closed = Decision(
        2.0,
        "IncidentClosed",
        IncidentClosed(
            target="db",
            incident="1-1",
            outcome="healed",
            actions=("restart",),
            onset_s=1.0,
            opened_s=1.0,
            closed_s=2.0,
        ),
    )

    assert first_difference([first, closed], [closed, first]) == Difference(0, first, closed)
