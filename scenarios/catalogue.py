"""The catalogue of faults: what may befall a target, what cures it, and how surely.

Each kind has an entry here and a constructor in `faults`, which says what its parameters mean.
``cures`` holds the chance that an action takes the cause away, per replica where the fault sits in
replicas; what is not in it never does, however often it is tried. Some kinds have no cure but pass
by themselves, and some have symptoms that load control ends without any cure: that is left to the
physics.

The rows, their right and wrong answers and time constants are those operators of large systems
tell of in their reports (gray failure: Huang et al., HotOS 2017; limplock: Do et al., SoCC 2013;
metastable failures: Bronson et al., HotOS 2021). The chances are rounded judgements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..errors import ConfigError

FaultKind = Literal[
    "crash",
    "hang",
    "gray_failure",
    "limplock",
    "memory_leak",
    "pool_exhaustion",
    "retry_storm",
    "cascade",
    "thundering_herd",
    "flapping",
    "dependency_outage",
    "stale_pool",
    "partition",
    "bad_deploy",
    "good_deploy",
    "noisy_neighbour",
    "spike",
    "overload",
    "maintenance",
    "correlated_loss",
    "disk_fill",
    "monitoring_outage",
    "poison_message",
    "late_monitoring",
    "check_flapping",
]

# Where a fault sits: in replicas of a component, in the clients that call it, in the edge between
# two components, in the component as a whole, in the users' traffic or in what is seen.
Seat = Literal["replicas", "clients", "edge", "component", "traffic", "monitoring"]


class Entry(Struct, frozen=True, kw_only=True):
    """One kind of fault.

    Attributes:
        seat: where it sits.
        cures: chance that an action on the target takes the cause away.
        right: what a good operator does first; empty for keeping hands off.
        eases: further actions that make it bearable while it lasts.
        words: what happens, for people.
    """

    seat: Seat
    cures: Mapping[str, float] = {}
    right: tuple[str, ...] = ()
    eases: tuple[str, ...] = ()
    words: str = ""


CATALOGUE: Mapping[FaultKind, Entry] = {
    "crash": Entry(
        seat="replicas",
        cures={"restart": 1.0, "rolling_restart": 1.0, "replace": 1.0},
        right=("restart",),
        words="processes of {target} are gone",
    ),
    "hang": Entry(
        seat="replicas",
        cures={"restart": 0.97, "rolling_restart": 0.97, "replace": 0.99},
        right=("restart",),
        eases=("drain",),
        words="{target} takes requests and answers none",
    ),
    "gray_failure": Entry(
        seat="replicas",
        cures={"restart": 0.6, "rolling_restart": 0.6, "replace": 0.95},
        right=("replace",),
        eases=("drain",),
        words="some replicas of {target} fail requests, though their own checks are green",
    ),
    "limplock": Entry(
        seat="replicas",
        cures={"replace": 0.97},
        right=("replace",),
        eases=("drain", "scale", "shed"),
        words="a failing disk or card makes {target} many times slower",
    ),
    "memory_leak": Entry(
        seat="component",
        cures={"roll_back": 0.9},
        right=("rolling_restart", "roll_back"),
        eases=("restart", "replace"),
        words="{target} leaks memory until it is killed",
    ),
    "pool_exhaustion": Entry(
        seat="clients",
        cures={"restart": 0.97, "rolling_restart": 0.97, "replace": 0.97, "roll_back": 0.5},
        right=("rolling_restart",),
        eases=("restart", "degrade"),
        words="callers of {target} lose one connection after the other",
    ),
    "retry_storm": Entry(
        seat="component",
        cures={"retry_budget": 1.0},
        right=("shed", "retry_budget"),
        eases=("isolate",),
        words="a short weakness of {target} lets its callers retry without limit",
    ),
    "cascade": Entry(
        seat="component",
        cures={"replace": 0.5, "fail_over": 0.8},
        right=("isolate", "fail_over"),
        eases=("degrade", "shed"),
        words="{target} is slow and holds the threads of its callers",
    ),
    "thundering_herd": Entry(
        seat="component",
        right=("shed",),
        eases=("isolate", "retry_budget", "scale"),
        words="all that waited for {target} comes back at once",
    ),
    "flapping": Entry(
        seat="replicas",
        cures={"restart": 0.1, "rolling_restart": 0.1, "replace": 0.95},
        right=("replace",),
        eases=("drain",),
        words="{target} goes down and comes back, again and again",
    ),
    "dependency_outage": Entry(
        seat="component",
        right=("isolate", "notify"),
        eases=("degrade",),
        words="{target}, which others run, is out of order",
    ),
    "stale_pool": Entry(
        seat="clients",
        cures={"restart": 0.97, "rolling_restart": 0.97, "replace": 0.97},
        right=("rolling_restart",),
        eases=("restart", "degrade"),
        words="{target} was away briefly; its callers still use the dead connections",
    ),
    "partition": Entry(
        seat="edge",
        right=(),
        eases=("isolate", "degrade", "notify"),
        words="packets between the two sides of {target} are lost",
    ),
    "bad_deploy": Entry(
        seat="component",
        cures={"roll_back": 0.97},
        right=("roll_back",),
        eases=("isolate", "degrade"),
        words="the new version of {target} fails requests",
    ),
    "good_deploy": Entry(
        seat="component",
        words="{target} gets a new version, which is well",
    ),
    "noisy_neighbour": Entry(
        seat="replicas",
        cures={"replace": 0.9},
        right=("scale", "replace"),
        eases=("drain", "shed"),
        words="something else on their machines slows replicas of {target}",
    ),
    "spike": Entry(
        seat="traffic",
        words="more users than usual, within capacity",
    ),
    "overload": Entry(
        seat="traffic",
        right=("shed", "scale"),
        eases=("degrade",),
        words="more users than {target} can serve",
    ),
    "maintenance": Entry(
        seat="replicas",
        words="somebody works on {target}, as announced",
    ),
    "correlated_loss": Entry(
        seat="replicas",
        cures={"replace": 0.99},
        right=("replace",),
        words="a machine is lost, with replicas of {target} and of others on it",
    ),
    "disk_fill": Entry(
        seat="component",
        cures={"roll_back": 0.3},
        right=("clean_up",),
        eases=("replace",),
        words="the disk of {target} fills up",
    ),
    "monitoring_outage": Entry(
        seat="monitoring",
        words="nothing is heard of {target}; nothing else is wrong with it",
    ),
    "poison_message": Entry(
        seat="component",
        cures={"quarantine": 1.0},
        right=("quarantine", "restart"),
        words="a message kills each replica of {target} that takes it",
    ),
    "late_monitoring": Entry(
        seat="monitoring",
        words="what is seen of {target} is old when it arrives",
    ),
    "check_flapping": Entry(
        seat="monitoring",
        words="the check of {target} fails now and then, though {target} is well",
    ),
}


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that befalls a target.

    Attributes:
        kind: which entry of the catalogue.
        target: component, edge (``web>cart``) or, where the kind says so, ``*`` for all.
        at_s: seconds from the start of the run.
        lasts_s: after so long it passes by itself; infinite for never.
        severity: how bad; what it measures is said by the constructor of its kind.
        share: share of the replicas (or of the callers' replicas) that have it, at least one.
        trigger_s: how long that lasts which only sets the fault off; 0 where there is nothing.

    Raises:
        ConfigError: the target is not of the form that its kind needs.
    """

    kind: FaultKind
    target: str
    at_s: Annotated[float, Meta(ge=0)] = 0.0
    lasts_s: Annotated[float, Meta(gt=0)] = math.inf
    severity: Annotated[float, Meta(ge=0)] = 1.0
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    trigger_s: Annotated[float, Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        is_edge = ">" in self.target
        if not self.target or is_edge != (self.entry.seat == "edge"):
            form = "an edge (caller>callee)" if self.entry.seat == "edge" else "a component"
            raise ConfigError(f"{self.kind} befalls {form}, not {self.target!r}")

    @property
    def entry(self) -> Entry:
        """What the catalogue says of its kind."""
        return CATALOGUE[self.kind]

    @property
    def words(self) -> str:
        """What happens, for people."""
        return self.entry.words.format(target=self.target)
