"""The vocabulary: every fact and every wish that travels between agents.

Facts have names in the past tense (``IncidentOpened``), wishes are imperatives (``RunAction``). A
message's subject follows from its type and target: ``AnomalyDetected(target="cart")`` travels as
``anomaly.detected.cart``, so ``anomaly.>`` hears every anomaly and ``*.*.cart`` all about one
component. Subjects that begin with ``system.`` take the system lane, which is never full.

A new field has a default, so that old recordings still replay. Times are loop time in seconds
unless their name ends in ``_utc``.
"""

from __future__ import annotations

from .base import (
    Message,
    message_types,
)
from .evolution import (
    EvolutionSteered,
    GenerationBred,
    GenomeDecided,
    SearchEnded,
    ShadowDecided,
    SteerEvolution,
)
from .healer import (
    AgentCrashed,
    AgentStarted,
    AgentStopped,
    AllowanceExceeded,
    ConfigChanged,
    ConfigRefused,
    LevelsChanged,
    PluginRejected,
    Reconfigure,
    Reconfigured,
    ResourcesChanged,
    StoreDegraded,
    StoreRecovered,
)
from .healing import (
    ActionFinished,
    ActionStarted,
    Advice,
    CircuitChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    RecoveryProposed,
    ReleaseTarget,
    RunAction,
)
from .people import (
    ApprovalGiven,
    ApprovalRequested,
    FaultInjected,
    FaultLifted,
    PauseTarget,
    ResumeTarget,
)
from .sight import (
    READINGS,
    AnomalyCleared,
    AnomalyDetected,
    HealthChanged,
    Heartbeat,
    LoadChanged,
    ProbeNow,
    Reading,
    Status,
    Symptom,
    TargetAnnotated,
    TargetProbed,
)

__all__ = [
    "READINGS",
    "ActionFinished",
    "ActionStarted",
    "Advice",
    "AgentCrashed",
    "AgentStarted",
    "AgentStopped",
    "AllowanceExceeded",
    "AnomalyCleared",
    "AnomalyDetected",
    "ApprovalGiven",
    "ApprovalRequested",
    "CircuitChanged",
    "ConfigChanged",
    "ConfigRefused",
    "EvolutionSteered",
    "FaultInjected",
    "FaultLifted",
    "GenerationBred",
    "GenomeDecided",
    "HealthChanged",
    "Heartbeat",
    "IncidentChanged",
    "IncidentClosed",
    "IncidentDiagnosed",
    "IncidentEscalated",
    "IncidentOpened",
    "IsolateTarget",
    "LevelsChanged",
    "LoadChanged",
    "Message",
    "PauseTarget",
    "PluginRejected",
    "ProbeNow",
    "Reading",
    "Reconfigure",
    "Reconfigured",
    "RecoveryProposed",
    "ReleaseTarget",
    "ResourcesChanged",
    "ResumeTarget",
    "RunAction",
    "SearchEnded",
    "ShadowDecided",
    "Status",
    "SteerEvolution",
    "StoreDegraded",
    "StoreRecovered",
    "Symptom",
    "TargetAnnotated",
    "TargetProbed",
    "message_types",
]
