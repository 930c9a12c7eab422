"""What people read of each message."""

import pytest
from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    AgentCrashed,
    AnomalyCleared,
    AnomalyDetected,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
    Status,
)
from mendel.runtime.demo.words import in_words


def closed(outcome: str) -> IncidentClosed:
    return IncidentClosed(
        target="db",
        incident="3-1",
        outcome=outcome,
        actions=(),
        onset_s=1.0,
        opened_s=1.2,
        closed_s=5.54,
    )


def finished(outcome: str, detail: str) -> ActionFinished:
    return ActionFinished(
        target="db",
        intent="1",
        incident="3-1",
        action="restart",
        outcome=outcome,
        detail=detail,
        duration_s=1.0,
        finished_s=2.0,
    )


def anomaly(reason: str) -> AnomalyDetected:
    return AnomalyDetected(
        target="db",
        metric="alive",
        value=0.0,
        score=2.0,
        onset_s=1.0,
        detected_s=1.0,
        reason=reason,
    )


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (anomaly("killed by SIGKILL"), "db: killed by SIGKILL"),
        (anomaly(""), "db: alive is out of bounds"),
        (
            IncidentOpened(target="db", incident="3-1", onset_s=1.0, opened_s=1.0),
            "db: incident 3-1 opened",
        ),
        (
            IncidentChanged(
                target="cart", incident="3-2", stage="held", reason="db is to blame", changed_s=1.0
            ),
            "cart: db is to blame",
        ),
        (
            ActionStarted(
                target="db",
                intent="1",
                incident="3-1",
                action="restart",
                started_s=1.0,
                timeout_s=5.0,
            ),
            "db: restart begins",
        ),
        (finished("succeeded", ""), "db: restart succeeded"),
        (finished("failed", "exit status 3"), "db: restart failed (exit status 3)"),
        (closed("healed"), "db: healed and verified, 4.5 s after it began"),
        (closed("attributed"), "db: was only a symptom, gone with its cause, 4.5 s after it began"),
        (closed("dropped"), "db: dropped, 4.5 s after it began"),
        (
            IncidentEscalated(target="db", incident="3-1", reason="two restarts", escalated_s=1.0),
            "db: a person is needed: two restarts",
        ),
        (
            AgentCrashed(agent="monitor", error="KeyError: 1", verdict="restart", crashed_s=1.0),
            "agent monitor crashed: KeyError: 1; restart",
        ),
    ],
)
def test_what_happens_is_said_in_one_line(message: Message, words: str) -> None:
    assert in_words(message) == words


@pytest.mark.parametrize(
    ("status", "previous", "words"),
    [
        (Status.HEALTHY, Status.SICK, "db: healthy again"),
        (Status.HEALTHY, Status.UNKNOWN, ""),
        (Status.SUSPECT, Status.HEALTHY, ""),
    ],
)
def test_only_a_recovery_of_health_is_worth_a_line(
    status: Status, previous: Status, words: str
) -> None:
    message = HealthChanged(target="db", status=status, previous=previous, reason="", changed_s=1.0)

    assert in_words(message) == words


def test_what_people_need_not_read_has_no_words() -> None:
    assert in_words(AnomalyCleared(target="db", metric="alive", cleared_s=1.0)) == ""
    assert (
        in_words(IncidentChanged(target="db", incident="1", stage="open", reason="", changed_s=1.0))
        == ""
    )
