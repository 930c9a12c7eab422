"""Every scenario that ships: it refuses wrong healers, and mendel keeps what it demands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mendel.bus.messages import ActionFinished, IncidentOpened, Message
from mendel.runtime.rerun import Order, Setup, rerun
from mendel.scenarios.demands import broken_demands
from mendel.scenarios.format import Scenario
from mendel.scenarios.shipped import find_scenario, shipped
from mendel.scenarios.staging import stage


def eager(scenario: Scenario) -> Iterator[Message]:
    """What somebody decides who opens an incident on everybody and restarts them all, twice."""
    for component in stage(scenario).world.components:
        for turn in (1, 2):
            incident = f"{component.name}-{turn}"
            opened = {"target": component.name, "incident": incident, "onset_s": 200.0}
            yield IncidentOpened(**opened, opened_s=200.0)  # type: ignore[arg-type]
            for action in ("restart", "rolling_restart", "roll_back", "fail_over", "replace"):
                yield ActionFinished(
                    target=component.name,
                    intent=f"{incident}-{action}",
                    incident=incident,
                    action=action,
                    outcome="succeeded",
                    detail="",
                    duration_s=1.0,
                    finished_s=210.0,
                )


@pytest.mark.parametrize("name", shipped())
def test_a_healer_that_restarts_everybody_is_refused(name: str) -> None:
    scenario = find_scenario(name)

    assert broken_demands(scenario, stage(scenario).broken, list(eager(scenario)))


@pytest.mark.parametrize("name", [name for name in shipped() if stage(find_scenario(name)).broken])
def test_a_healer_that_does_nothing_is_refused_where_something_is_to_be_done(name: str) -> None:
    scenario = find_scenario(name)
    if name in HANDS_OFF:
        assert broken_demands(scenario, stage(scenario).broken, []) == ()
    else:
        assert broken_demands(scenario, stage(scenario).broken, [])


# Something is wrong, and the right answer is to wait, or nothing that could be demanded.
HANDS_OFF = ("noisy_neighbour", "partition_blip")


# All of them take minutes: make test ARGS="-m long". These stand for the rest.
ALWAYS = (
    "bad_deploy",
    "crash",
    "crash_while_blind",
    "dependency_down",
    "gray_failure",
    "hang_one_replica",
    "maintenance",
    "quiet_peak",
    "retry_storm",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.long) for name in shipped()],
)
def test_mendel_keeps_what_is_demanded(name: str) -> None:
    (done,) = rerun(shipped()[name], [Setup(None, "full")], Order())

    assert done.broken_demands == ()
