"""Estates that fail and heal as real ones do, in virtual time and without agents or with them."""

from ..scoring import score
from .draws import candidates, draw_course, draw_fault
from .estate import USERS, Edge, Estate, Service, Traffic
from .operations import REMEDIES
from .physics import Outcome
from .policies import Order, Result, nobody, oracle, play
from .readings import Monitoring
from .simulation import Course, Simulation
from .topologies import SHAPES, draw_estate
from .world import Annotation, SimulatedWorld

__all__ = [
    "REMEDIES",
    "SHAPES",
    "USERS",
    "Annotation",
    "Course",
    "Edge",
    "Estate",
    "Monitoring",
    "Order",
    "Outcome",
    "Result",
    "Service",
    "SimulatedWorld",
    "Simulation",
    "Traffic",
    "candidates",
    "draw_course",
    "draw_estate",
    "draw_fault",
    "nobody",
    "oracle",
    "play",
    "score",
]
