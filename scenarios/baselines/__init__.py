"""How others heal: the default policies of the field, on the same courses as mendel.

Each of them is told in its own documentation and is rebuilt here with the defaults that it names.
They see what the real ones see: a supervisor the exits of its processes, a kubelet its probes, a
proxy the answers of each host, a circuit breaker the calls over one edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ..simulator.simulation import Course, Simulation
from .careful import Careful
from .network import CircuitBreakers, OutlierDetection
from .room import Room
from .runbook import Runbook
from .scaling import Autoscaler
from .supervisors import Kubernetes, Systemd

__all__ = ["BASELINES", "Baseline", "Room", "conduct"]


class Baseline(Protocol):
    """Somebody who looks after an estate."""

    def tick(self, now_s: float) -> None:
        """Look and act; called once a second."""
        ...


Make = Callable[[Room], Baseline]

# The stack that most of those run who run many services: probes and back-off, more replicas when
# they are busy, hosts left out by the proxy, and circuit breakers in the callers.
BASELINES: Mapping[str, Sequence[Make]] = {
    "systemd": (Systemd,),
    "kubernetes": (Kubernetes,),
    "usual": (Kubernetes, Autoscaler, OutlierDetection, CircuitBreakers),
    "runbook": (Runbook,),
    "careful": (Careful,),
}


def conduct(course: Course, name: str) -> Simulation:
    """Follow a course to its end while somebody acts.

    Args:
        course: what happens.
        name: one of `BASELINES`.
    """
    simulation = Simulation(course)
    room = Room(simulation)
    acting = [make(room) for make in BASELINES[name]]
    for second in range(int(course.until_s)):
        simulation.advance(float(second))
        for each in acting:
            each.tick(float(second))
    simulation.advance(course.until_s)
    return simulation
