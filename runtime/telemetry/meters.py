"""Counters, gauges and histograms of a running system, in the form that Prometheus reads.

What happens is counted from a tap; what stands is read when somebody asks. So a runtime that nobody
asks pays for counting changes only, and a healthy sample is never counted one by one.

Names follow the conventions of Prometheus: base units, ``_total`` for what only grows, the label
``target`` for a component, one of its replicas (``cart/2``) or an edge (``web>cart``).

Source:
    https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ...bus.envelope import Envelope
from ...bus.messages import (
    ActionFinished,
    AgentCrashed,
    AnomalyDetected,
    GenomeDecided,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    Message,
    Status,
)

if TYPE_CHECKING:
    from ..controls import SystemControls

# From the time of a look to that of a night: what is slower than an hour was not healed by mendel.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

# Of plug-ins that make up names: further targets share a label, so that nobody's memory fills.
TARGETS_MAX = 5_000
_OTHERS = "(others)"


class Meters:
    """Everything there is to be read of one runtime; `text` is what ``/metrics`` answers.

    Args:
        controls: the runtime.
    """

    def __init__(self, controls: SystemControls) -> None:
        self._registry = CollectorRegistry()
        self._targets: dict[str, None] = {}
        self._make()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Present(controls))

    def _make(self) -> None:
        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"mendel_{name}", told, labels, registry=self._registry)

        def seconds(name: str, told: str, *labels: str) -> Histogram:
            return Histogram(
                f"mendel_{name}_seconds", told, labels, registry=self._registry, buckets=_SECONDS
            )

        self._anomalies = counter("anomalies", "Metrics that left their band.", "target")
        self._opened = counter("incidents_opened", "Incidents that were opened.", "target")
        self._closed = counter(
            "incidents_closed", "Incidents that are over, by how they ended.", "target", "outcome"
        )
        self._escalated = counter(
            "incidents_escalated", "Incidents that a person was asked for.", "target"
        )
        self._actions = counter(
            "actions", "Actions that were run, by how they ended.", "target", "action", "outcome"
        )
        self._genomes = counter("genomes", "What became of bred configurations.", "decision")
        self._crashes = counter("agent_crashes", "Crashes of agents.", "agent")
        self._detection = seconds("incident_detection", "From the onset to the incident.")
        self._recovery = seconds(
            "incident_recovery", "From the onset to the end of an incident.", "outcome"
        )
        self._durations = seconds("action_duration", "How long actions took.", "action")

    def hear(self, batch: Iterable[Envelope]) -> None:
        """Count what happened; for a tap."""
        for envelope in batch:
            self.count(envelope.message)

    def count(self, message: Message) -> None:
        """Count one message."""
        match message:
            case AnomalyDetected():
                self._anomalies.labels(self._target(message.target)).inc()
            case IncidentOpened():
                self._opened.labels(self._target(message.target)).inc()
                self._detection.observe(max(0.0, message.opened_s - message.onset_s))
            case IncidentClosed():
                self._closed.labels(self._target(message.target), message.outcome).inc()
                took_s = max(0.0, message.closed_s - message.onset_s)
                self._recovery.labels(message.outcome).observe(took_s)
            case IncidentEscalated():
                self._escalated.labels(self._target(message.target)).inc()
            case ActionFinished():
                target = self._target(message.target)
                self._actions.labels(target, message.action, message.outcome).inc()
                self._durations.labels(message.action).observe(message.duration_s)
            case GenomeDecided():
                self._genomes.labels(message.decision).inc()
            case AgentCrashed():
                self._crashes.labels(message.agent).inc()

    def text(self, accept: str) -> tuple[bytes, str]:
        """All of it, and the content type.

        Args:
            accept: header of this name; decides between the text format and OpenMetrics.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> list[Metric]:
        """All of it, as it is now."""
        return list(self._registry.collect())

    def _target(self, name: str) -> str:
        if name not in self._targets:
            if len(self._targets) >= TARGETS_MAX:
                return _OTHERS
            self._targets[name] = None
        return name


class _Present(Collector):
    """What stands at the moment somebody asks."""

    def __init__(self, controls: SystemControls) -> None:
        self._controls = controls

    def describe(self) -> Iterable[Metric]:
        """Nothing: whoever registers this is no reader, and there may be no loop yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the runtime."""
        view = self._controls.system_view()
        health = GaugeMetricFamily(
            "mendel_component_health",
            "Health of a component: 1 at the status that it has.",
            labels=("component", "status"),
        )
        incidents = GaugeMetricFamily(
            "mendel_incident_open",
            "Whether a component has an open incident, and where that stands.",
            labels=("component", "stage"),
        )
        circuits = GaugeMetricFamily(
            "mendel_circuit_state",
            "Circuit of a component: 1 at the state that it has.",
            labels=("component", "state"),
        )
        paused = GaugeMetricFamily(
            "mendel_component_paused_seconds",
            "How long hands are still kept off a component.",
            labels=("component",),
        )
        for each in view.components:
            for status in Status:
                health.add_metric((each.name, status), float(each.status == status))
            if each.incident:
                incidents.add_metric((each.name, each.stage), 1.0)
            if each.circuit:
                circuits.add_metric((each.name, each.circuit), 1.0)
            paused.add_metric((each.name,), each.paused_s)
        yield from (health, incidents, circuits, paused)
        yield _single("mendel_uptime_seconds", "Since the start.", view.uptime_s)
        waiting = float(len(view.approvals))
        yield _single("mendel_approvals_waiting", "Actions that wait for a person.", waiting)
        warnings = float(len(view.warnings))
        yield _single("mendel_warnings", "What is wrong with the healer itself.", warnings)
        yield from self._agents()
        yield from self._bus(view.counters)

    def _agents(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("mendel_agent_up", "Whether an agent runs.", labels=("agent",))
        depth = GaugeMetricFamily(
            "mendel_mailbox_depth", "Messages that wait for an agent.", labels=("agent",)
        )
        age = GaugeMetricFamily(
            "mendel_mailbox_age_seconds", "How long the oldest has waited.", labels=("agent",)
        )
        handled = CounterMetricFamily(
            "mendel_agent_messages", "Messages that an agent has handled.", labels=("agent",)
        )
        dropped = CounterMetricFamily(
            "mendel_mailbox_dropped", "Messages that a mailbox had no room for.", labels=("agent",)
        )
        for each in self._controls.agent_views():
            label = (each.name,)
            up.add_metric(label, float(each.state == "running"))
            depth.add_metric(label, each.depth)
            age.add_metric(label, each.age_s)
            handled.add_metric(label, each.handled)
            dropped.add_metric(label, each.dropped)
        yield from (up, depth, age, handled, dropped)

    @staticmethod
    def _bus(counters: dict[str, float]) -> Iterator[Metric]:
        published = CounterMetricFamily("mendel_bus_messages", "Messages on the bus.")
        published.add_metric((), counters["published"])
        dead = CounterMetricFamily(
            "mendel_bus_dead_letters", "Messages that nobody could handle.", labels=("reason",)
        )
        for name, count in counters.items():
            if name.startswith("dead."):
                dead.add_metric((name.removeprefix("dead."),), count)
        yield from (published, dead)


def _single(name: str, told: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, told)
    family.add_metric((), value)
    return family
