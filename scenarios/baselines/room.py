"""What a policy of the field sees of a simulated estate, and how it acts on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from ...errors import NoData
from ..faults import Fault
from ..simulator.estate import USERS, Edge
from ..simulator.operations import ACTIONS_OF, Operation
from ..simulator.readings import Instruments, Monitoring
from ..simulator.simulation import Simulation

# A second of its own: that of a kubelet's or a proxy's look, whatever mendel's probes do.
_MONITORING = Monitoring(every_s=1.0, timeout_s=1.0)


class Room:
    """Eyes and hands in one simulation.

    Args:
        simulation: whose time somebody else advances.

    Attributes:
        components: names of those that are ours.
        edges: calls between components; those of users are nobody's to break.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._layout = layout = simulation.layout
        self._state = simulation.state
        services = simulation.course.estate.services
        self.components = tuple(each.name for each in services if each.kind != "external")
        self.edges: tuple[Edge, ...] = tuple(
            edge for edge in simulation.course.estate.edges if edge.caller != USERS
        )
        places = [layout.replica_name(place) for place in range(layout.outside)]
        targets = (*layout.names, *places, *(edge.name for edge in self.edges))
        self._instruments = Instruments(simulation, _MONITORING, targets)
        self._running: list[Operation] = []

    def look(self, target: str) -> Mapping[str, float] | None:
        """Metrics of a component, replica or edge; ``None`` when nothing came back."""
        try:
            return self._instruments.read(target).metrics
        except NoData:
            return None

    def replicas(self, component: str) -> tuple[str, ...]:
        """Replicas that are meant to run, those that have died included."""
        members = self._state.members(self._layout.component_of[component])
        return tuple(self._layout.replica_name(int(each)) for each in members)

    def has_exited(self, replica: str) -> bool:
        """Whether the process of a replica is gone, as its supervisor knows at once."""
        return self._state.is_dead(self._layout.replica(replica))

    def is_machine_lost(self, replica: str) -> bool:
        """Whether nothing is heard of the machine that a replica ran on."""
        return bool(self._state.hardware_lost[self._layout.replica(replica)])

    def needs(self, component: str) -> tuple[str, ...]:
        """What it calls, others' services included."""
        edges = self._simulation.course.estate.edges
        return tuple(edge.callee for edge in edges if edge.caller == component)

    def deployed_s(self, component: str) -> float:
        """When its newest version came; minus infinity for long ago."""
        return max(
            (
                fault.at_s
                for fault in self._befallen(component)
                if fault.kind in ("good_deploy", "bad_deploy")
            ),
            default=-inf,
        )

    def is_maintained(self, component: str) -> bool:
        """Whether announced work goes on there."""
        now_s = self._simulation.now_s
        works = (each for each in self._befallen(component) if each.kind == "maintenance")
        return any(now_s < each.at_s + each.lasts_s for each in works)

    def _befallen(self, component: str) -> Iterator[Fault]:
        """What has befallen a component so far; for what somebody would have announced."""
        simulation = self._simulation
        for fault in simulation.course.faults:
            if fault.target == component and fault.at_s <= simulation.now_s:
                yield fault

    def can(self, component: str, action: str) -> bool:
        """Whether an action makes sense for a component of its kind."""
        kind = self._simulation.course.estate.service(component).kind
        return action in ACTIONS_OF[kind]

    def order(self, action: str, target: str, *, priced: bool = True) -> None:
        """Begin an action; it goes on by itself.

        Args:
            action: what.
            target: to whom.
            priced: whether it is somebody's work; what a proxy or a library does a thousand times
                a day in the path of a call is not, it costs only what it does to the calls.
        """
        self._running = [each for each in self._running if not each.is_done]
        self._running.append(self._simulation.begin(action, target, priced=priced))

    def is_busy(self, target: str) -> bool:
        """Whether something that was ordered for a target is still under way."""
        return any(each.target == target and not each.is_done for each in self._running)
