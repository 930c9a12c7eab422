"""Estates that fail and heal as real ones do, in virtual time and without agents or with them."""

from ...core.topology import Annotation
from ..scoring import score
from .draws import candidates, draw_course, draw_fault
from .estate import USERS, Edge, Estate, Service, Traffic
from .operations import REMEDIES
from .physics import Outcome
from .policies import Order, Result, nobody, oracle, play
from .readings import Monitoring
from .simulation import Course, Simulation
from .splits import GROUPS, SPLITS, TRAINING, VALIDATION, Group, Split, name_of
from .topologies import SHAPES, draw_estate, estate_like
from .world import SimulatedWorld

__all__ = [
    "GROUPS",
    "REMEDIES",
    "SHAPES",
    "SPLITS",
    "TRAINING",
    "USERS",
    "VALIDATION",
    "Annotation",
    "Course",
    "Edge",
    "Estate",
    "Group",
    "Monitoring",
    "Order",
    "Outcome",
    "Result",
    "Service",
    "SimulatedWorld",
    "Simulation",
    "Split",
    "Traffic",
    "candidates",
    "draw_course",
    "draw_estate",
    "draw_fault",
    "estate_like",
    "name_of",
    "nobody",
    "oracle",
    "play",
    "score",
]
