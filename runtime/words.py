"""Messages of the bus in plain words, for people who watch."""

from __future__ import annotations

from ..bus.messages import (
    ActionFinished,
    ActionStarted,
    AgentCrashed,
    AgentStopped,
    AllowanceExceeded,
    AnomalyCleared,
    AnomalyDetected,
    ApprovalGiven,
    ApprovalRequested,
    CircuitChanged,
    ConfigChanged,
    ConfigRefused,
    FaultInjected,
    FaultLifted,
    GenerationBred,
    GenomeDecided,
    HealthChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    IsolateTarget,
    LevelsChanged,
    Message,
    PauseTarget,
    PluginRejected,
    Reconfigured,
    ReleaseTarget,
    ResourcesChanged,
    ResumeTarget,
    SearchEnded,
    ShadowDecided,
    Status,
    StoreDegraded,
    StoreRecovered,
    TargetAnnotated,
)
from ..core.units import format_duration

OUTCOMES = {
    "healed": "healed and verified",
    "cleared": "went away by itself",
    "attributed": "was only a symptom, gone with its cause",
    "dismissed": "dismissed by a person",
}


def in_words(message: Message) -> str:
    """What happened, in one line; empty for what people need not read."""
    text = _seen(message) or _done(message) or _of_incident(message)
    text = text or _of_people(message) or _of_mendel(message) or _of_evolution(message)
    target = getattr(message, "target", "")
    return f"{target}: {text}" if text and target else text


def _seen(message: Message) -> str:
    match message:
        case AnomalyDetected():
            return message.reason or f"{message.metric} is {message.value:g}, out of bounds"
        case AnomalyCleared():
            return f"{message.metric} is back within its bounds"
        case TargetAnnotated(version=version) if version:
            return f"runs {version}"
        case TargetAnnotated():
            return "work on it is announced"
        case HealthChanged(status=Status.HEALTHY, previous=Status.SICK | Status.SUSPECT):
            return "healthy again"
        case HealthChanged(status=Status.SICK | Status.UNKNOWN):
            return f"is {message.status}: {message.reason}"
    return ""


def _done(message: Message) -> str:
    match message:
        case ActionStarted():
            return f"{message.action} begins"
        case ActionFinished():
            detail = f" ({message.detail})" if message.detail else ""
            outcome = message.outcome.replace("_", " ")
            took = format_duration(message.duration_s)
            return f"{message.action} {outcome} after {took}{detail}"
        case IsolateTarget():
            return "calls are kept away from it"
        case ReleaseTarget():
            return "calls may reach it again"
        case CircuitChanged():
            return f"circuit {message.previous} -> {message.state}: {message.reason}"
    return ""


def _of_incident(message: Message) -> str:
    match message:
        case IncidentOpened():
            return f"incident {message.incident} opened"
        case IncidentChanged():
            return message.reason or f"incident {message.incident} is {message.stage}"
        case IncidentClosed():
            what = OUTCOMES.get(message.outcome, message.outcome)
            took = format_duration(message.closed_s - message.onset_s)
            return f"{what}, {took} after it began"
        case IncidentEscalated():
            return f"a person is needed: {message.reason}"
        case ApprovalRequested():
            asked = f"may {message.action} be run? ({message.reason})"
            return f"{asked}; say yes with: mendel approve {message.approval}"
    return ""


def _of_people(message: Message) -> str:
    match message:
        case PauseTarget():
            lasting = format_duration(message.duration_s)
            return f"paused for {lasting} by {message.who}{_because(message.reason)}"
        case ResumeTarget():
            return f"resumed by {message.who}{_because(message.reason)}"
        case ApprovalGiven():
            return f"{message.approval} approved by {message.who}{_because(message.reason)}"
        case FaultInjected():
            return f"broken on purpose by {message.who}: {message.kind.replace('_', ' ')}"
        case FaultLifted():
            took = format_duration(message.lifted_s - message.injected_s)
            return f"no longer broken on purpose, {message.kind.replace('_', ' ')} for {took}"
        case ConfigChanged():
            by = f" by {message.who}" if message.who else ""
            return f"configuration changed{by}: {'; '.join(message.changes) or 'nothing in it'}"
        case LevelsChanged():
            return _of_levels(message)
        case ConfigRefused():
            return f"{message.source} is not taken: {'; '.join(message.problems)}"
    return ""


def _of_mendel(message: Message) -> str:
    match message:
        case AgentCrashed():
            return f"agent {message.agent} crashed: {message.error}; {message.verdict}"
        case AgentStopped():
            return f"agent {message.agent} ended: {message.reason}"
        case PluginRejected():
            return f"plug-in {message.place} was not loaded: {message.reason}"
        case Reconfigured(accepted=False):
            return f"agent {message.agent} keeps its configuration: {message.reason}"
        case ResourcesChanged():
            return _of_resources(message)
        case AllowanceExceeded():
            why = f" ({'; '.join(message.reasons)})" if message.reasons else ""
            return f"{message.kind} {message.name}: {message.done}{why}"
        case StoreDegraded():
            return f"the store cannot write: {message.reason}"
        case StoreRecovered():
            lost = f", {message.lost} entries are lost" if message.lost else ""
            return f"the store writes again{lost}"
    return ""


def _of_levels(message: LevelsChanged) -> str:
    told = [f"{name} from {old} to {new}" for name, (old, new) in message.levels.items()]
    more = message.components - len(told)
    by = f" by {message.who}" if message.who else ""
    told += [f"{more} more"] if more else []
    return f"level changed{by}: {', '.join(told)}{_because(message.reason)}"


def _of_resources(message: ResourcesChanged) -> str:
    without = [] if message.evolves else ["evolution is paused"]
    if message.stretch > 1:
        without.append(f"healthy components are looked at {message.stretch:g} times less often")
    if message.ceiling != "full":
        without.append(f"no level above {message.ceiling} is carried out")
    why = f" ({'; '.join(message.reasons)})" if message.reasons else ""
    return f"resources: {'; '.join(without) or 'everything is done again'}{why}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _of_evolution(message: Message) -> str:
    match message:
        case GenerationBred():
            return (
                f"search {message.search}: generation {message.generation} of "
                f"{message.generations}, hypervolume {message.hypervolume:.4f}, about "
                f"{format_duration(message.left_s)} left"
            )
        case SearchEnded(genome=0):
            return f"search {message.search} ended: {message.reason}"
        case SearchEnded():
            return f"search {message.search} found genome {message.genome}: {message.reason}"
        case GenomeDecided():
            decision = message.decision.replace("_", " ")
            return f"genome {message.genome} {decision}: {message.reason}"
        case ShadowDecided(wish=wish):
            return (
                f"the genome in shadow would have {'alarmed' if wish == 'alarm' else f'run {wish}'}"
            )
        case _:
            return ""
