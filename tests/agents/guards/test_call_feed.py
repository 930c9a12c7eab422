"""What guarded calls tell of their targets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mendel import guard, guards
from mendel.agents.guards.feed import CallFeed
from mendel.agents.guards.registry import forget
from mendel.core.circuits.circuit import CircuitConfig


@pytest.fixture(autouse=True)
def only_these_guards() -> Iterator[None]:
    for target in list(guards()):
        forget(target)
    yield
    for target in list(guards()):
        forget(target)


def make_calls(target: str, *, good: int, bad: int) -> None:
    for number in range(good + bad):
        try:
            with guard(target):
                if number < bad:
                    raise ConnectionError("refused")
        except ConnectionError:
            pass


PATIENT = CircuitConfig(failure_rate=1.0, minimum_calls=1000, window_calls=1000)


def test_it_tells_the_rates_of_the_calls_since_the_last_look() -> None:
    guard("db", circuit=PATIENT)
    feed = CallFeed()
    make_calls("db", good=100, bad=0)
    assert dict(feed.read()) == {"db": None}  # The past before the first look is not news.

    make_calls("db", good=6, bad=2)

    assert dict(feed.read()) == {
        "db": {"calls": 8.0, "call_failure_rate": 0.25, "call_slow_rate": 0.0}
    }
    assert dict(feed.read()) == {"db": None}


def test_a_few_calls_are_no_rate() -> None:
    guard("db", circuit=PATIENT)
    feed = CallFeed()
    list(feed.read())

    make_calls("db", good=0, bad=4)

    assert dict(feed.read()) == {"db": None}


def test_a_guard_that_is_gone_and_made_again_starts_afresh() -> None:
    guard("db", circuit=PATIENT)
    feed = CallFeed()
    list(feed.read())
    forget("db")
    assert dict(feed.read()) == {}

    guard("db", circuit=PATIENT)
    make_calls("db", good=10, bad=0)

    assert dict(feed.read()) == {"db": None}
