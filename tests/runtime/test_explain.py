from __future__ import annotations

from typing import Any

from mendel.core.records import IncidentRecord, IntentRecord, OutcomeRecord, WindowRecord
from mendel.runtime.explain import Explanation, explain
from mendel.runtime.store.archive import (
    ActionRun,
    IncidentHistory,
    IncidentSummary,
    Transition,
)


def a_record(
    stage: str,
    reason: str,
    at_s: float,
    *,
    outcome: str = "",
    blamed: str = "",
    choice: str = "",
    **more: Any,
) -> IncidentRecord:
    return IncidentRecord(
        incident="3-17",
        target="db",
        stage=stage,
        reason=reason,
        at_s=at_s,
        onset_s=99.0,
        outcome=outcome,
        blamed=blamed,
        actions=("restart",) if outcome == "healed" else (),
        choice=choice,
        **more,
    )


def a_history(
    *records: IncidentRecord,
    actions: tuple[ActionRun, ...] = (),
    windows: tuple[WindowRecord, ...] = (),
) -> IncidentHistory:
    """Loop time 100 s is wall time 1000 s here."""
    last = records[-1]
    return IncidentHistory(
        summary=IncidentSummary(
            record=last, run=3, opened_utc=1000.0, changed_utc=900.0 + last.at_s
        ),
        transitions=tuple(Transition(record=each, utc=900.0 + each.at_s) for each in records),
        windows=windows,
        actions=actions,
    )


def a_run(
    action: str, started_s: float, outcome: str = "", *, detail: str = "", attempt: int = 1
) -> ActionRun:
    intent = IntentRecord(
        intent="i",
        incident="3-17",
        target="db",
        action=action,
        attempt=attempt,
        timeout_s=30.0,
        at_s=started_s,
    )
    if not outcome:
        return ActionRun(intent=intent, started_utc=900.0 + started_s)
    end = OutcomeRecord(
        intent="i", outcome=outcome, detail=detail, duration_s=0.5, at_s=started_s + 0.5
    )
    return ActionRun(
        intent=intent,
        started_utc=900.0 + started_s,
        outcome=end,
        finished_utc=900.5 + started_s,
    )


OPENED = a_record("triage", "alive is 0, should be at least 0.5", 100.0)
LATE = a_record("triage", "latency_s is 0.4, should be at most 0.3", 100.0)


def test_a_healed_incident_is_a_whole_story() -> None:
    history = a_history(
        OPENED,
        a_record("recovering", "nothing that it needs is sick; runs restart", 100.2),
        a_record("verifying", "restart succeeded", 100.8),
        a_record("closed", "all metrics within bounds", 103.0, outcome="healed"),
        actions=(a_run("restart", 100.3, "succeeded", detail="pid 42"),),
        windows=(
            WindowRecord(
                incident="3-17",
                target="db",
                times_s=(98.0, 99.0, 100.0),
                metrics={
                    "alive": (1.0, 0.0, 0.0),
                    "latency_s": (0.1, None, 0.4),
                    "memory_bytes": (5.0, 5.0, 7.0),
                    "ok": (1.0, None, None),
                },
            ),
            WindowRecord(
                incident="3-17",
                target="db",
                times_s=(100.0, 101.0),
                metrics={"alive": (0.0, 1.0), "ok": (None, 1.0)},
            ),
        ),
    )

    assert explain(history) == Explanation(
        incident="3-17",
        target="db",
        headline="Incident 3-17 of db was healed and verified by restart, 3s after it was opened.",
        seen=(
            "+0ms alive is 0, should be at least 0.5, found 1s after it began",
            "db: alive was 1 before, then 0 to 1 (3 readings)",
        ),
        blamed=("+200ms db itself: nothing that it needs is sick",),
        done=("+300ms restart on db: succeeded after 500ms (pid 42)",),
        verified=(
            "+800ms fresh readings are awaited",
            "+3s over: all metrics within bounds",
        ),
    )


def test_how_a_metric_came_into_trouble_is_told_with_it() -> None:
    times_s = tuple(float(second) for second in range(90, 110))
    leaks = tuple(100.0 if at_s < 99.0 else 100.0 + 8.0 * (at_s - 98.0) for at_s in times_s)
    history = a_history(
        a_record("triage", "memory_mb is 140, usually 100", 103.0),
        windows=(
            WindowRecord(
                incident="3-17", target="db", times_s=times_s, metrics={"memory_mb": leaks}
            ),
        ),
    )

    _, line = explain(history).seen

    assert line == "db: memory_mb was 100 before, then 108 to 188 (11 readings), a ramp up"


def test_why_an_action_was_taken_before_others_stands_before_it() -> None:
    choice = "restart cured 7 of 9 like this, about 12s; replace cured 1 of 4 like this"
    history = a_history(
        OPENED,
        a_record("recovering", "it depends on nothing; runs restart", 100.2, choice=choice),
        actions=(a_run("restart", 100.2),),
    )

    assert explain(history).done == (
        f"+200ms chosen: {choice}",
        "+200ms restart on db: its end is not on record",
    )


def test_a_metric_that_a_reason_speaks_of_is_shown_in_its_unit() -> None:
    window = WindowRecord(
        incident="3-17",
        target="db",
        times_s=(99.5, 100.0),
        metrics={"latency_s": (0.35, 0.4), "memory_bytes": (5.0, 7.0)},
    )

    assert explain(a_history(LATE, windows=(window,))).seen == (
        "+0ms latency_s is 0.4, should be at most 0.3, found 1s after it began",
        "db: latency_s was 350ms to 400ms (2 readings)",
    )


def test_a_symptom_names_what_it_is_a_symptom_of() -> None:
    explanation = explain(
        a_history(
            OPENED,
            a_record("attributed", "cache is sick since before it", 100.1, blamed="cache"),
            a_record("closed", "healthy again", 104.0, outcome="attributed", blamed="cache"),
        )
    )

    assert explanation.headline == (
        "Incident 3-17 of db was only a symptom, gone with its cause, 4s after it was opened."
    )
    assert explanation.blamed == ("+100ms cache: cache is sick since before it",)
    assert explanation.done == ("nothing was run",)
    assert explanation.verified == ("+4s over: healthy again",)


def test_what_did_not_help_and_what_came_next_is_told_in_order() -> None:
    explanation = explain(
        a_history(
            OPENED,
            a_record("recovering", "the evidence speaks of it alone; runs restart", 100.1),
            a_record("verifying", "restart succeeded", 101.0),
            a_record("waiting", "restart did not help; goes on in 1 s", 111.0),
            a_record("awaiting_approval", "fail_over waits for approval 3-17.2", 112.0),
            a_record("recovering", "approved by ann; runs fail_over", 120.0),
            a_record("escalated", "cannot tell whether fail_over ran", 130.0),
            actions=(
                a_run("restart", 100.2, "succeeded", attempt=2),
                a_run("fail_over", 120.1),
            ),
        )
    )

    assert explanation.headline == "Incident 3-17 of db is open: waits for a person."
    assert explanation.done == (
        "+200ms restart on db, attempt 2: succeeded after 500ms",
        "+11s restart did not help; goes on in 1 s",
        "+12s fail_over waits for approval 3-17.2",
        "+20.1s fail_over on db: its end is not on record",
    )
    assert explanation.verified == (
        "+1s fresh readings are awaited",
        "+11s not yet: restart did not help; goes on in 1 s",
        "+30s a person is needed: cannot tell whether fail_over ran",
    )


def test_an_incident_that_has_only_begun_promises_nothing() -> None:
    explanation = explain(a_history(OPENED))

    assert explanation.headline == "Incident 3-17 of db is open: its cause is being sought."
    assert explanation.blamed == ("nothing yet: the cause is still being sought",)
    assert explanation.done == ("nothing was run",)
    assert explanation.verified == ("nothing yet",)


def test_one_that_went_away_needed_nothing() -> None:
    explanation = explain(
        a_history(OPENED, a_record("closed", "healthy again", 100.5, outcome="cleared"))
    )

    assert explanation.headline == (
        "Incident 3-17 of db went away by itself, 500ms after it was opened."
    )


def test_the_diagnosis_is_told_with_its_doubts_and_that_nobody_knew_at_first() -> None:
    gray = "gray failure (80% sure): db/2 fails requests that its peers answer"
    told = explain(
        a_history(
            a_record("triage", "ok is 0", 100.0),
            a_record("waiting", "x", 101.0, diagnosis="its cause is not known"),
            a_record("waiting", "x", 104.0, diagnosis="its cause is not known"),
            a_record(
                "recovering", "y", 106.0, diagnosis=gray, cause="gray_failure", confidence=0.8
            ),
        )
    )

    assert told.diagnosed == ("+1s its cause is not known", f"+6s {gray}")
    assert (told.cause, told.confidence) == ("gray_failure", 0.8)
