from __future__ import annotations

import pytest
from mendel.bus.messages import (
    ActionFinished,
    ActionStarted,
    AgentCrashed,
    AgentStopped,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalGiven,
    ApprovalRequested,
    CircuitChanged,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    Message,
    PauseTarget,
    PluginRejected,
    ProbeNow,
    Reading,
    Reconfigured,
    ReleaseTarget,
    ResumeTarget,
    Status,
    StoreDegraded,
    StoreRecovered,
)
from mendel.runtime.words import in_words


def an_anomaly(reason: str) -> AnomalyDetected:
    return AnomalyDetected(
        target="cart",
        metric="ok",
        value=0.0,
        score=2.0,
        onset_s=0.0,
        detected_s=1.0,
        reason=reason,
    )


def a_change(status: Status, previous: Status) -> HealthChanged:
    return HealthChanged(
        target="cart", status=status, previous=previous, reason="ok is 0", changed_s=1.0
    )


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (an_anomaly("ok is 0, should be 1"), "cart: ok is 0, should be 1"),
        (an_anomaly(""), "cart: ok is 0, out of bounds"),
        (
            AnomalyCleared(target="cart", metric="ok", cleared_s=1.0),
            "cart: ok is back within its bounds",
        ),
        (a_change(Status.SICK, Status.HEALTHY), "cart: is sick: ok is 0"),
        (a_change(Status.HEALTHY, Status.SICK), "cart: healthy again"),
        (a_change(Status.HEALTHY, Status.UNKNOWN), ""),
        (
            ActionStarted(
                target="cart",
                intent="1",
                incident="1-1",
                action="restart",
                started_s=0.0,
                timeout_s=9.0,
            ),
            "cart: restart begins",
        ),
        (
            ActionFinished(
                target="cart",
                intent="1",
                incident="1-1",
                action="restart",
                outcome="timed_out",
                detail="no exit",
                duration_s=2.5,
                finished_s=3.0,
            ),
            "cart: restart timed out after 2.5s (no exit)",
        ),
        (IsolateTarget(target="db", incident="1-1"), "db: calls are kept away from it"),
        (ReleaseTarget(target="db", incident="1-1"), "db: calls may reach it again"),
        (
            CircuitChanged(
                target="db", state="open", previous="closed", reason="isolated", changed_s=1.0
            ),
            "db: circuit closed -> open: isolated",
        ),
        (
            IncidentOpened(target="db", incident="1-1", onset_s=0.0, opened_s=1.0),
            "db: incident 1-1 opened",
        ),
        (
            IncidentChanged(target="db", incident="1-1", stage="waiting", reason="", changed_s=1.0),
            "db: incident 1-1 is waiting",
        ),
        (
            IncidentClosed(
                target="db",
                incident="1-1",
                outcome="healed",
                actions=("restart",),
                onset_s=1.0,
                opened_s=2.0,
                closed_s=4.0,
            ),
            "db: healed and verified, 3s after it began",
        ),
        (
            IncidentEscalated(target="db", incident="1-1", reason="tried all", escalated_s=1.0),
            "db: a person is needed: tried all",
        ),
        (
            ApprovalRequested(
                target="db",
                incident="1-1",
                approval="1-1.1",
                action="restart",
                reason="mode is recommend",
                requested_s=1.0,
            ),
            "db: may restart be run? (mode is recommend); say yes with: mendel approve 1-1.1",
        ),
        (
            PauseTarget(target="db", duration_s=600.0, who="ann", reason="lunch"),
            "db: paused for 10m by ann: lunch",
        ),
        (ResumeTarget(target="db", who="ann"), "db: resumed by ann"),
        (ApprovalGiven(approval="1-1.1", who="ann"), "1-1.1 approved by ann"),
        (
            AgentCrashed(agent="m", error="ValueError: x", verdict="restart", crashed_s=1.0),
            "agent m crashed: ValueError: x; restart",
        ),
        (AgentStopped(agent="m", reason="removed", stopped_s=1.0), "agent m ended: removed"),
        (
            PluginRejected(place="agents[0]", reason="no module"),
            "plug-in agents[0] was not loaded: no module",
        ),
        (
            Reconfigured(agent="m", accepted=False, reason="bad"),
            "agent m keeps its configuration: bad",
        ),
        (Reconfigured(agent="m", accepted=True), ""),
        (StoreDegraded(reason="disk full", degraded_s=1.0), "the store cannot write: disk full"),
        (
            StoreRecovered(lost=3, recovered_s=1.0),
            "the store writes again, 3 entries are lost",
        ),
        (Reading(target="cart", metrics={}, taken_s=1.0), ""),
        (ProbeNow(target="cart"), ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
def test_what_happened_is_one_line(message: Message, words: str) -> None:
    assert in_words(message) == words
