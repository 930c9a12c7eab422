from __future__ import annotations

import pytest
from mendel.core.playbook import Attempt
from mendel.core.records import IncidentRecord
from mendel.runtime.store.archive import IncidentSummary, Story, Transition
from mendel.runtime.telemetry.success import success

NOON = 1_700_000_000.0


def a_story(
    outcome: str,
    *,
    target: str = "cart",
    lasted_s: float = 10.0,
    actions: tuple[str, ...] = (),
    attempts: tuple[Attempt, ...] = (),
    stages: tuple[str, ...] = ("triage",),
) -> Story:
    def record(stage: str, at_s: float, outcome: str = "") -> IncidentRecord:
        return IncidentRecord(
            incident="1-1",
            target=target,
            stage=stage,
            reason="because",
            at_s=at_s,
            onset_s=99.0,
            outcome=outcome,
            actions=actions,
            attempts=attempts,
        )

    last = record("closed" if outcome else stages[-1], 100.0 + lasted_s, outcome)
    summary = IncidentSummary(record=last, run=1, opened_utc=NOON, changed_utc=NOON + lasted_s)
    seen = tuple(Transition(record=record(stage, 100.0), utc=NOON) for stage in stages)
    return Story(summary=summary, transitions=(*seen, Transition(record=last, utc=NOON)))


def test_a_period_without_incidents_claims_nothing() -> None:
    found = success([], 0.0, NOON)

    assert found.incidents == 0
    assert found.effectiveness is None
    assert found.detection is None
    assert found.recovery is None


def test_what_needed_somebody_was_healed_or_handed_to_a_person() -> None:
    found = success(
        [
            a_story("healed"),
            a_story("healed"),
            a_story("healed"),
            a_story("cleared", stages=("triage", "escalated")),
            a_story("cleared"),
            a_story("attributed", target="web"),
            a_story(""),
        ],
        0.0,
        NOON,
    )

    assert (found.healed, found.escalated, found.passed, found.symptoms, found.open) == (
        3,
        1,
        2,
        1,
        1,
    )
    assert found.effectiveness == pytest.approx(0.75)
    assert found.worst == {"cart": 6, "web": 1}


def test_recovery_counts_from_the_onset() -> None:
    found = success([a_story("healed", lasted_s=4.0), a_story("healed", lasted_s=8.0)], 0.0, NOON)

    assert found.detection is not None
    assert found.recovery is not None
    assert found.detection.mean_s == pytest.approx(1.0)
    assert found.recovery.mean_s == pytest.approx(7.0)


def test_actions_in_vain_are_counted_once_though_a_relapse_remembers_them() -> None:
    before = Attempt("restart", "no_effect")
    found = success(
        [
            a_story(
                "healed",
                actions=("isolate", "restart", "replace", "release"),
                attempts=(before, Attempt("restart", "no_effect"), Attempt("replace", "helped")),
            ),
            a_story("healed", actions=("isolate", "release"), attempts=(before,)),
        ],
        0.0,
        NOON,
    )

    assert (found.actions, found.vain) == (2, 1)
