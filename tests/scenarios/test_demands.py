"""What a scenario demands is checked against what was decided, and said in words."""

from __future__ import annotations

import pytest
from mendel.bus.messages import (
    ActionFinished,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
)
from mendel.scenarios.demands import broken_demands
from mendel.scenarios.format import ActionOn, EstateSpec, Must, MustNot, Scenario
from mendel.scenarios.scoring import Broken

CRASH = (Broken(target="db", kind="crash", at_s=100.0),)

OPENED = IncidentOpened(target="db", incident="1-1", onset_s=101.0, opened_s=102.0)
RESTARTED = ActionFinished(
    target="db",
    intent="1",
    incident="1-1",
    action="restart",
    outcome="succeeded",
    detail="",
    duration_s=1.0,
    finished_s=105.0,
)
ESCALATED = IncidentEscalated(target="db", incident="1-1", reason="", escalated_s=150.0)
HEALED = IncidentClosed(
    target="db",
    incident="1-1",
    outcome="healed",
    actions=("restart",),
    onset_s=101.0,
    opened_s=102.0,
    closed_s=130.0,
)
RUN = [OPENED, RESTARTED, HEALED]


def kept(demand: Must | MustNot, messages: list[Message]) -> tuple[str, ...]:
    scenario = Scenario(
        name="a",
        description="b",
        source="c",
        until_s=600.0,
        estate=EstateSpec(topology="shop"),
        must=demand if isinstance(demand, Must) else Must(),
        must_not=demand if isinstance(demand, MustNot) else MustNot(),
    )
    return broken_demands(scenario, CRASH, messages)


@pytest.mark.parametrize(
    "demand",
    [
        Must(detected=("db",), healed=("db",), within_s=30.0),
        Must(actions=(ActionOn(action="restart", target="db"),)),
        Must(actions=(ActionOn(action="restart"),)),
        MustNot(act_on=("web",), actions=(ActionOn(action="restart", target="web"),)),
        MustNot(actions=(ActionOn(action="replace"),), actions_max=1, escalate=True),
    ],
)
def test_nothing_is_said_of_what_was_kept(demand: Must | MustNot) -> None:
    assert kept(demand, RUN) == ()


@pytest.mark.parametrize(
    ("demand", "messages", "words"),
    [
        (Must(detected=("db",)), [], "db must be detected: no incident was opened on it"),
        (
            Must(detected=("db",), within_s=1.0),
            RUN,
            "db must be detected within 1 s: it took 2 s",
        ),
        (Must(healed=("db",)), [], "db must be healed: no incident was opened on it"),
        (Must(healed=("db",)), [OPENED], "db must be healed: its last incident is still open"),
        (
            Must(healed=("db",), within_s=20.0),
            RUN,
            "db must be healed within 20 s: it took 30 s",
        ),
        (
            Must(actions=(ActionOn(action="replace", target="db"),)),
            RUN,
            "replace on db must be run: it was not",
        ),
        (Must(escalated=("db",)), RUN, "db must be handed to a person: it was not"),
        (MustNot(act_on=("db",)), RUN, "db must be left alone: restart was run on it"),
        (MustNot(act_on=("*",)), RUN, "* must be left alone: restart was run on it"),
        (
            MustNot(actions=(ActionOn(action="restart"),)),
            RUN,
            "restart on * must not be run: it was, on db",
        ),
        (MustNot(actions_max=0), RUN, "at most 0 actions may be run: there were 1"),
        (
            MustNot(open_incidents=True),
            RUN,
            "no incident may be opened: there were some on db",
        ),
        (
            MustNot(escalate=True),
            [OPENED, ESCALATED],
            "nothing may be handed to a person: db was",
        ),
    ],
)
def test_what_was_not_kept_is_said_with_what_happened_instead(
    demand: Must | MustNot, messages: list[Message], words: str
) -> None:
    assert kept(demand, messages) == (words,)


def test_a_target_without_a_fault_of_its_own_counts_from_the_first_fault() -> None:
    caller = IncidentOpened(target="web", incident="1-2", onset_s=103.0, opened_s=110.0)

    broken = kept(Must(detected=("web",), within_s=5.0), [caller])

    assert broken == ("web must be detected within 5 s: it took 10 s",)
