"""What faults do to an estate while they last, and how actions take them away again.

An illness knows which replicas or links have it. It acts in three ways: once when it begins, as an
influence that is set anew whenever anything changes, and, for the few kinds that move, at every
step. A treatment takes it from the replicas that were treated, each with the chance that the
catalogue states; when nobody has it any more, it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...errors import ConfigError
from ..catalogue import FaultKind
from ..faults import Fault
from .layout import Indices
from .state import State

Luck = Callable[[int], float]

_TRIGGER_SPEED = 0.2  # What is left of a service while a retry storm is set off.
_DOWN_SHARE = 0.4  # A flapping replica is down for so much of its period.


class Illness:
    """One fault while it lasts.

    Args:
        fault: which.
        state: what it befalls.
        now_s: when it begins.

    Attributes:
        ill: places of the replicas that have it (of the calling ones where the fault sits in
            clients).
        is_over: whether it is gone, by treatment or by itself.

    Raises:
        ConfigError: the estate has no such target, or none that it could befall.
    """

    def __init__(self, fault: Fault, state: State, now_s: float) -> None:
        self.fault = fault
        self.is_over = False
        self.began_s = now_s
        self._state = state
        self._was_down = False
        self._delivered_s = now_s
        self.components = self._find_components()
        self.ill = self._choose()
        if not self.ill.size:
            raise ConfigError(f"{fault.kind} befalls nobody: nothing of {fault.target!r} can ail")

    def begin(self) -> None:
        """Do what happens once, at the onset."""
        state = self._state
        match self.fault.kind:
            case "crash":
                state.kill(self.ill)
            case "correlated_loss" | "maintenance":
                state.kill(self.ill)
                state.hardware_lost[self.ill] = True

    def influence(self, now_s: float) -> None:
        """Set what it changes in the state."""
        setter = _INFLUENCES.get(self.fault.kind)
        if setter is not None:
            setter(self, self._state, now_s)

    def tick(self, now_s: float) -> bool:
        """Move on.

        Returns:
            Whether influences have to be set anew.
        """
        fault = self.fault
        if now_s >= fault.at_s + fault.lasts_s:
            self.end(now_s)
            return True
        match fault.kind:
            case "flapping":
                self._flap(now_s)
            case "poison_message":
                self._deliver(now_s)
            case "retry_storm" | "thundering_herd":
                return self._change(now_s < fault.at_s + fault.trigger_s)
            case "crash":
                self.is_over = not any(self._state.is_dead(int(each)) for each in self.ill)
        return False

    def treat(self, action: str, component: str, replicas: Indices, luck: Luck) -> None:
        """Somebody has done something to replicas of a component.

        Args:
            action: what.
            component: to whom.
            replicas: which of it.
            luck: draws a number from 0 to 1 for each replica.
        """
        chance = self.fault.entry.cures.get(action, 0.0)
        if not chance or self.is_over:
            return
        if self.fault.entry.seat in ("replicas", "clients"):
            touched = [each for each in self.ill if each in replicas]
            cured = [each for each in touched if luck(int(each)) < chance]
            self._state.hardware_lost[cured] = False
            self.ill = self.ill[~np.isin(self.ill, cured)]
            self.is_over = not self.ill.size
        elif component == self.fault.target:
            self.is_over = luck(0) < chance

    def end(self, now_s: float) -> None:
        """It passes by itself."""
        self.is_over = True
        state = self._state
        if self.fault.kind == "maintenance":
            state.hardware_lost[self.ill] = False
            state.start(self.ill, now_s)
        elif self.fault.kind == "flapping" and self._was_down:
            self._come_back(now_s)

    def links(self) -> Indices:
        """Links to the target, or of the edge, that it sits in."""
        layout = self._state.layout
        if self.fault.entry.seat == "edge":
            return layout.links_of[layout.edge_of[self.fault.target]]
        into = layout.links_into(self.fault.target)
        if self.fault.entry.seat == "clients":
            return into[np.isin(layout.link_caller[into], self.ill)]
        return into

    # --- whom it befalls ----------------------------------------------------------------------

    def _find_components(self) -> list[int]:
        layout, target = self._state.layout, self.fault.target
        if self.fault.entry.seat == "edge":
            if target not in layout.edge_of:
                known = ", ".join(layout.edge_of)
                raise ConfigError(f"no edge {target!r}; there are: {known}")
            return []
        if target == "*" and self.fault.entry.seat in ("traffic", "monitoring"):
            return list(range(len(layout.names)))
        if target == "*" and self.fault.kind == "correlated_loss":
            several = enumerate(layout.estate.services)  # On machines of ours.
            return [n for n, each in several if each.replicas > 1 and each.kind != "external"]
        layout.estate.service(target)  # Raises when there is none.
        return [layout.component_of[target]]

    def _choose(self) -> Indices:
        """The first of those concerned: a share of each component's, one at least."""
        state, layout, seat = self._state, self._state.layout, self.fault.entry.seat
        if seat == "edge":
            return np.unique(layout.link_caller[self.links()])
        components = self.components
        if seat == "clients":
            callers = layout.link_caller[layout.links_into(self.fault.target)]
            known = np.unique(layout.replica_component[callers[callers != layout.outside]])
            components = [int(each) for each in known]
        share = self.fault.share if seat in ("replicas", "clients") else 1.0
        chosen = [np.zeros(0, dtype=np.intp)]
        for component in components:
            members = state.members(component)
            chosen.append(members[: max(1, round(share * members.size))])
        return np.concatenate(chosen)

    # --- those that move ----------------------------------------------------------------------

    def _flap(self, now_s: float) -> None:
        period_s = max(self.fault.severity, 0.1)
        is_down = (now_s - self.began_s) % period_s < _DOWN_SHARE * period_s
        if is_down:
            self._state.kill(self.ill)
        elif self._was_down:
            self._come_back(now_s)
        self._was_down = is_down

    def _come_back(self, now_s: float) -> None:
        self._state.start(self.ill, now_s)
        self._state.up_from_s[self.ill] = now_s

    def _deliver(self, now_s: float) -> None:
        if now_s < self._delivered_s + self.fault.severity:
            return
        state = self._state
        slots = state.layout.slots[self.components[0]]
        alive = slots[state.up_from_s[slots] <= now_s]
        if alive.size:
            state.kill(alive[:1])
            self._delivered_s = now_s

    def _change(self, triggering: bool) -> bool:
        changed = self._was_down != triggering
        self._was_down = triggering
        return changed


# --- influences, by kind ----------------------------------------------------------------------


def _hang(illness: Illness, state: State, now_s: float) -> None:
    state.speed[illness.ill] = 0.0


def _slow(illness: Illness, state: State, now_s: float) -> None:
    state.speed[illness.ill] /= max(1.0, illness.fault.severity)


def _slow_all(illness: Illness, state: State, now_s: float) -> None:
    slots = np.concatenate([state.layout.slots[each] for each in illness.components])
    state.speed[slots] /= max(1.0, illness.fault.severity)


def _steal(illness: Illness, state: State, now_s: float) -> None:
    state.steal[illness.ill] = 1.0 - 1.0 / max(1.0, illness.fault.severity)


def _fail(illness: Illness, state: State, now_s: float) -> None:
    fails = min(1.0, illness.fault.severity)
    state.error[illness.ill] = 1.0 - (1.0 - state.error[illness.ill]) * (1.0 - fails)


def _fail_all(illness: Illness, state: State, now_s: float) -> None:
    """A version is everywhere, on replicas that are added later too."""
    fault = illness.fault
    slots = np.concatenate([state.layout.slots[each] for each in illness.components])
    ill = slots if fault.share >= 1.0 else illness.ill[: max(1, round(fault.share * len(slots)))]
    state.error[ill] = 1.0 - (1.0 - state.error[ill]) * (1.0 - min(1.0, fault.severity))


def _leak(illness: Illness, state: State, now_s: float) -> None:
    state.leak[state.layout.slots[illness.components[0]]] += illness.fault.severity


def _fill(illness: Illness, state: State, now_s: float) -> None:
    state.fill[state.layout.slots[illness.components[0]]] += illness.fault.severity


def _leak_connections(illness: Illness, state: State, now_s: float) -> None:
    state.pool_leak[illness.links()] += illness.fault.severity


def _go_stale(illness: Illness, state: State, now_s: float) -> None:
    links = illness.links()
    state.stale[links] = np.maximum(state.stale[links], min(1.0, illness.fault.severity))


def _cut(illness: Illness, state: State, now_s: float) -> None:
    links = illness.links()
    state.cut[links] = np.maximum(state.cut[links], min(1.0, illness.fault.severity))


def _retry(illness: Illness, state: State, now_s: float) -> None:
    fault, links = illness.fault, illness.links()
    state.retries[links] = np.maximum(state.retries[links], fault.severity)
    state.budget[links] = np.maximum(state.budget[links], fault.severity)
    if now_s < fault.at_s + fault.trigger_s:
        state.speed[state.layout.slots[illness.components[0]]] *= _TRIGGER_SPEED


def _be_away(illness: Illness, state: State, now_s: float) -> None:
    fault, component = illness.fault, illness.components[0]
    state.herd[component] = min(0.95, fault.severity)
    if now_s < fault.at_s + fault.trigger_s:
        state.error[state.layout.slots[component]] = 1.0


_INFLUENCES: Mapping[FaultKind, Callable[[Illness, State, float], None]] = {
    "hang": _hang,
    "gray_failure": _fail,
    "limplock": _slow,
    "memory_leak": _leak,
    "pool_exhaustion": _leak_connections,
    "retry_storm": _retry,
    "cascade": _slow_all,
    "thundering_herd": _be_away,
    "dependency_outage": _fail_all,
    "stale_pool": _go_stale,
    "partition": _cut,
    "bad_deploy": _fail_all,
    "noisy_neighbour": _steal,
    "disk_fill": _fill,
}
