"""Time that is told: when calls are made, and in which order."""

from __future__ import annotations

import math
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from mendel.runtime.healing.clockwork import Clockwork


def a_clock() -> tuple[Clockwork, list[str]]:
    clock = Clockwork()
    clock.tell(0.0)
    return clock, []


def test_calls_are_made_in_the_order_of_their_times() -> None:
    clock, made = a_clock()
    for due_s in (3.0, 1.0, 2.0):
        clock.call_at(due_s, partial(made.append, f"{due_s:g}"))

    clock.tell(2.5)
    clock.run()

    assert made == ["1", "2"]
    assert clock.next_s == 3.0


def test_what_is_to_be_called_soon_goes_before_what_is_due() -> None:
    clock, made = a_clock()

    def due() -> None:
        made.append("due")
        clock.call_soon(lambda: made.append("soon"))

    clock.call_at(0.0, due)
    clock.call_at(0.0, lambda: made.append("due too"))

    clock.run()

    assert made == ["due", "soon", "due too"]


def test_a_cancelled_call_is_not_made() -> None:
    clock, made = a_clock()
    clock.call_at(1.0, lambda: made.append("no")).cancel()
    clock.call_at(2.0, lambda: made.append("yes"))

    assert clock.next_s == 2.0
    clock.tell(5.0)
    clock.run()

    assert made == ["yes"]
    assert clock.next_s == math.inf


def test_after_a_gap_each_call_is_made_once_at_the_time_that_is_told() -> None:
    clock, made = a_clock()

    def again() -> None:
        made.append(f"{clock.time():g}")
        clock.call_at(clock.time() + 1.0, again)

    clock.call_at(1.0, again)
    clock.tell(3600.0)
    clock.run()

    assert made == ["3600"]
    assert clock.next_s == 3601.0


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_time_never_runs_backward_and_steps_back_are_counted(told: list[float]) -> None:
    clock = Clockwork()
    seen = []
    for now_s in told:
        clock.tell(now_s)
        seen.append(clock.time())

    assert seen == sorted(seen)
    assert seen[-1] == max(told)
    assert clock.steps_back == sum(now < max(told[:i], default=now) for i, now in enumerate(told))
