"""What operators can do to a simulated estate: how long it takes, what it costs, what it changes.

An operation is a list of steps, each at its time. Whether it also cures is for the illnesses to
say; all of it has its price and most of it costs capacity, needed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from ...core.topology import Kind
from .estate import USERS, Estate
from .layout import Indices
from .state import State

# How far degraded work is cheaper than the whole of it.
_PLAIN_SPEED = 1.6
_BUDGET = 0.1  # Of Finagle and linkerd: a tenth (0.2) of the calls may be retries.


class Remedy(Struct, frozen=True, kw_only=True):
    """One kind of operation.

    Attributes:
        price: error-minutes that it costs by itself: work, risk, attention.
        begins_s: from the order to the first change.
        disruptive: whether it costs capacity.
        on: what it can be done to: component, replica or edge.
        undo: what takes it back, or empty.
    """

    price: float
    begins_s: float
    disruptive: bool = False
    on: tuple[str, ...] = ("component",)
    undo: str = ""


REMEDIES: Mapping[str, Remedy] = {
    "restart": Remedy(price=0.05, begins_s=0.0, disruptive=True, on=("component", "replica")),
    "rolling_restart": Remedy(price=0.05, begins_s=0.0, disruptive=True),
    "replace": Remedy(price=0.1, begins_s=30.0, disruptive=True, on=("component", "replica")),
    "drain": Remedy(price=0.02, begins_s=2.0, on=("replica",), undo="undrain"),
    "undrain": Remedy(price=0.02, begins_s=2.0, on=("replica",)),
    "scale": Remedy(price=0.1, begins_s=20.0),
    "roll_back": Remedy(price=0.1, begins_s=15.0, disruptive=True),
    "fail_over": Remedy(price=0.2, begins_s=5.0, disruptive=True),
    "clean_up": Remedy(price=0.05, begins_s=15.0),
    "quarantine": Remedy(price=0.05, begins_s=5.0),
    "isolate": Remedy(price=0.02, begins_s=0.5, on=("component", "edge"), undo="release"),
    "release": Remedy(price=0.0, begins_s=0.5, on=("component", "edge")),
    "shed": Remedy(price=0.02, begins_s=1.0, undo="unshed"),
    "unshed": Remedy(price=0.0, begins_s=1.0),
    "retry_budget": Remedy(price=0.02, begins_s=2.0, on=("component", "edge")),
    "degrade": Remedy(price=0.02, begins_s=1.0, undo="restore"),
    "restore": Remedy(price=0.0, begins_s=1.0),
    "notify": Remedy(price=0.02, begins_s=0.5),
}

_COMMON = ("restart", "rolling_restart", "replace", "clean_up", "notify", "retry_budget")
_SERVING = ("scale", "roll_back", "shed", "unshed", "degrade", "restore")

# What there is to be done about a component: nobody scales a database or restarts what is not
# theirs, and only a queue's consumers have messages to put aside.
ACTIONS_OF: Mapping[Kind, tuple[str, ...]] = {
    "service": _COMMON + _SERVING,
    "api": _COMMON + _SERVING,
    "ui": _COMMON + _SERVING,
    "worker": (*_COMMON, "scale", "roll_back", "quarantine"),
    "pipeline": (*_COMMON, "scale", "roll_back", "quarantine"),
    "database": (*_COMMON, "fail_over", "shed", "unshed"),
    "cache": _COMMON,
    "queue": (*_COMMON, "quarantine"),
    "external": ("notify", "retry_budget"),
}

# What can also be done to one replica of a component that is ours.
_REPLICA = ("drain", "undrain")


def actions_on(estate: Estate, target: str) -> tuple[str, ...]:
    """What there is to be done about a component, a replica or an edge that the estate has."""
    caller, is_edge, _ = target.partition(">")
    if is_edge:
        ours = caller != USERS  # Users are nobody's to keep away.
        return tuple(name for name, each in REMEDIES.items() if ours and "edge" in each.on)
    name, is_replica, _ = target.partition("/")
    own = ACTIONS_OF[estate.service(name).kind]
    if is_replica:
        more = _REPLICA if "restart" in own else ()
        return (*(each for each in own if "replica" in REMEDIES[each].on), *more)
    called = any(edge.caller != USERS for edge in estate.edges_into(name))
    return (*own, "isolate", "release") if called else own


_STOP_S = 1.0  # From the signal to the exit of a process.
_PROMOTE_S = 20.0  # A standby replays its log before it takes writes.

Treat = Callable[[str, str, Indices], None]
Step = tuple[float, Callable[[float], None]]


class Operation:
    """One operation while it runs, and how it went.

    Attributes:
        name, target: what is done, to whom.
        ends_s: when it will be done.
        steps: what is still to come, in order of time.
        problem: why it did not work; empty when it did.
    """

    __slots__ = ("ends_s", "is_done", "name", "problem", "steps", "target")

    def __init__(self, name: str, target: str, steps: Sequence[Step]) -> None:
        self.name = name
        self.target = target
        self.steps = list(steps)
        self.ends_s = steps[-1][0]
        self.problem = ""
        self.is_done = False


class Shedder:
    """Let in what can be served: the limit falls while answers are late, and else rises slowly.

    Multiplicative decrease and increase, as load control needs no cause. It ends by itself when
    the limit has been well above what arrives for half a minute.
    """

    __slots__ = ("_calm_s", "limit_rate", "patience_s")

    _FALL_PER_S = 0.9
    _RISE_PER_S = 1.02
    _CALM_S = 30.0

    def __init__(self, served_rate: float, patience_s: float) -> None:
        self.limit_rate = max(0.7 * served_rate, 1.0)
        self.patience_s = patience_s
        self._calm_s = 0.0

    def tick(self, latency_s: float, arriving_rate: float, step_s: float) -> bool:
        """Adjust the limit; tells whether it is needed no longer."""
        is_late = latency_s > 0.5 * self.patience_s
        self.limit_rate *= (self._FALL_PER_S if is_late else self._RISE_PER_S) ** step_s
        self.limit_rate = min(max(self.limit_rate, 1.0), 2.0 * arriving_rate + 1.0)
        self._calm_s = self._calm_s + step_s if self.limit_rate > 1.2 * arriving_rate else 0.0
        return self._calm_s >= self._CALM_S


class Operators:
    """Carry out operations on a state, and keep what they have set.

    Args:
        state: what is changed.
        treat: tells illnesses that replicas of a component were treated.

    Attributes:
        isolated: names of edges and components that are isolated.
        budgeted: ... whose retries are limited.
        degraded: components that leave out what is not required.
        shedders: by component.
    """

    def __init__(self, state: State, treat: Treat) -> None:
        self.isolated: set[str] = set()
        self.budgeted: set[str] = set()
        self.degraded: set[str] = set()
        self.shedders: dict[str, Shedder] = {}
        self._switched: Mapping[str, tuple[set[str], bool]] = {
            "isolate": (self.isolated, True),
            "release": (self.isolated, False),
            "retry_budget": (self.budgeted, True),
            "degrade": (self.degraded, True),
            "restore": (self.degraded, False),
        }
        self._state = state
        self._treat = treat

    def plan(self, name: str, target: str, now_s: float) -> Operation:
        """Lay out the steps of an operation that is ordered now."""
        component = target.partition("/")[0]
        replicas = self._replicas(target)
        begins_s = now_s + REMEDIES[name].begins_s
        match name:
            case "restart":
                steps = self._restart(component, replicas, begins_s)
            case "rolling_restart" | "roll_back":
                steps = self._roll(name, component, replicas, begins_s)
            case "replace":
                steps = self._replace(component, replicas, begins_s)
            case "fail_over":
                steps = self._fail_over(component, replicas, begins_s)
            case _:
                steps = [(begins_s, lambda at_s: self._switch(name, target, at_s))]
        return Operation(name, target, steps)

    def problem_of(self, name: str, target: str) -> str:
        """Why an operation that has just ended did not work; empty when it did."""
        state = self._state
        replicas = self._replicas(target)
        if name in ("restart", "rolling_restart"):
            dead = [state.layout.replica_name(int(r)) for r in replicas if state.is_dead(int(r))]
            return f"nothing to start {', '.join(dead)} on" if dead else ""
        return ""

    def influence(self) -> None:
        """Set what operators have switched."""
        state, layout = self._state, self._state.layout
        for target in self.isolated:
            state.is_open[self._links(target)] = 0.0
        for target in self.budgeted:
            links = self._links(target)
            state.budget[links] = np.minimum(state.budget[links], _BUDGET)
        for name in self.degraded:
            slots = layout.slots[layout.component_of[name]]
            state.plain[slots] = 1.0
            state.speed[slots] *= _PLAIN_SPEED
            own = np.isin(layout.link_caller, slots)
            state.calls[own & (layout.required == 0.0)] = 0.0
            state.is_open[layout.fallback_of[own[layout.fallback_of]]] = 0.0
            state.calls[layout.fallbacks] = layout.calls[layout.fallbacks]
        self._limit()

    def tick(self, step_s: float) -> None:
        """Move on what operators have left running."""
        state, layout = self._state, self._state.layout
        for name, shedder in list(self.shedders.items()):
            component = layout.component_of[name]
            slots = layout.slots[component]
            latency_s = float(state.share[slots] @ state.latency_s[slots])
            if shedder.tick(latency_s, float(state.arrivals[component]) / step_s, step_s):
                del self.shedders[name]
                state.limit_rate[component] = np.inf
        self._limit()

    # --- steps --------------------------------------------------------------------------------

    def _restart(self, component: str, replicas: Indices, begins_s: float) -> list[Step]:
        state = self._state

        def stop(at_s: float) -> None:
            state.kill(replicas)

        def start(at_s: float) -> None:
            self._start(replicas, at_s)
            self._treat("restart", component, replicas)

        return [(begins_s, stop), (begins_s + _STOP_S, start)]

    def _roll(self, name: str, component: str, replicas: Indices, begins_s: float) -> list[Step]:
        """One after the other, dead ones first, each kept out of the balancer meanwhile."""
        state, layout = self._state, self._state.layout
        steps: list[Step] = []
        at_s = begins_s
        for replica in sorted(replicas, key=lambda each: not state.is_dead(int(each))):
            one = np.array([replica])

            def swap(at_s: float, one: Indices = one) -> None:
                state.hide(one)
                state.kill(one)
                self._start(one, at_s + _STOP_S)
                if name == "rolling_restart":
                    self._treat(name, component, one)

            steps.append((at_s, swap))
            at_s += _STOP_S + float(layout.boot_s[replica]) + 4.0  # Until it is let in again.

        def end(at_s: float) -> None:
            if name == "roll_back":
                self._treat(name, component, replicas)

        return [*steps, (at_s, end)]

    def _replace(self, component: str, replicas: Indices, begins_s: float) -> list[Step]:
        """New ones boot beside the old ones and take over: no capacity is lost, only warmth."""
        state, layout = self._state, self._state.layout
        ready_s = begins_s + float(layout.boot_s[replicas].max())

        def take_over(at_s: float) -> None:
            state.kill(replicas)
            state.hardware_lost[replicas] = False
            state.disk[replicas] = layout.disk[replicas]
            state.start(replicas, at_s)
            state.up_from_s[replicas] = at_s
            state.bad_s[replicas] = 0.0
            self._treat("replace", component, replicas)

        return [(ready_s, take_over)]

    def _fail_over(self, component: str, replicas: Indices, begins_s: float) -> list[Step]:
        state = self._state

        def promote(at_s: float) -> None:
            state.kill(replicas)
            state.start(replicas, at_s)
            state.up_from_s[replicas] = at_s + _PROMOTE_S

        def end(at_s: float) -> None:
            self._treat("fail_over", component, replicas)

        return [(begins_s, promote), (begins_s + _PROMOTE_S, end)]

    def _switch(self, name: str, target: str, at_s: float) -> None:
        """Operations of one step."""
        if name in self._switched:
            switched, is_on = self._switched[name]
            (switched.add if is_on else switched.discard)(target)
        match name:
            case "shed":
                self._shed(target)
            case "unshed":
                self.shedders.pop(target, None)
            case "drain" | "undrain":
                self._state.drained[self._replicas(target)] = name == "drain"
            case "scale":
                self._scale(target, at_s)
            case "clean_up":
                replicas = self._replicas(target)
                self._state.disk[replicas] = self._state.layout.disk[replicas]
        self._treat(name, target, self._replicas(target))

    def _shed(self, target: str) -> None:
        state, layout = self._state, self._state.layout
        slots = layout.slots[layout.component_of[target]]
        edges = layout.estate.edges_into(target)
        patience_s = min((edge.timeout_s for edge in edges), default=1.0)
        # What it would serve if all that are up were busy: their answers of now are for nobody.
        up = state.present[slots] & np.isfinite(state.up_from_s[slots])
        self.shedders[target] = Shedder(float(layout.capacity[slots][up].sum()), patience_s)

    def _scale(self, target: str, at_s: float) -> None:
        """Half as many again, as far as there are places."""
        state, layout = self._state, self._state.layout
        slots = layout.slots[layout.component_of[target]]
        free = slots[~state.present[slots]]
        more = free[: max(1, layout.estate.service(target).replicas // 2)]
        if more.size:
            state.disk[more] = layout.disk[more]
            state.hide(more)
            state.start(more, at_s)

    def _start(self, replicas: Indices, at_s: float) -> None:
        startable = replicas[~self._state.hardware_lost[replicas]]
        self._state.start(startable, at_s)

    def _limit(self) -> None:
        for name, shedder in self.shedders.items():
            component = self._state.layout.component_of[name]
            self._state.limit_rate[component] = shedder.limit_rate

    def _replicas(self, target: str) -> Indices:
        layout = self._state.layout
        if ">" in target:
            return np.zeros(0, dtype=np.intp)
        if "/" in target:
            return np.array([layout.replica(target)])
        return self._state.members(layout.component_of[target])

    def _links(self, target: str) -> Indices:
        """Links of an edge, or all that our own callers have to a component."""
        layout = self._state.layout
        if ">" in target:
            return layout.links_of[layout.edge_of[target]]
        links: Indices = layout.links_into(target)
        ours: Indices = links[layout.link_caller[links] != layout.outside]
        return ours
