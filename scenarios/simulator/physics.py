"""How requests flow: one step of queues, waits, failures and retries over the whole estate.

A fluid model. Each step, callers call at the rate at which they answered in the step before; what
comes of it reaches their own callers a step later, so trouble climbs one hop per step. A replica
answers as fast as its processor and its threads allow; a request holds a thread for its own time
and all it waits for. What waits longer than its caller's patience is done all the same, for
nobody. The share of late answers is a Hill curve of latency over timeout: half of them when the
two are equal, 0.4 % at half of it, nearly all at twice.

Turned down: events per request (true distributions, but a hundred times slower and noisier than
what healing is judged by) and a steady state per step (fast, but without memory there is no
queue that outlives its cause, and metastable failure is just that).
"""

from __future__ import annotations

import numpy as np

from .layout import Floats, Indices, Layout, Mask
from .state import State

# The least a division is by; far below any rate or time that means something.
_EPS = 1e-9
_LATENCY_S_MAX = 1_000.0
_REFUSED_S = 0.005  # A refused connection, or the hand-over to a queue.
_COLD_SPEED = 0.3  # Right after its start a process compiles, and its caches are cold.
_HERD_S = 8.0  # Time constant in which those who wait come back.
_GC_SHARE = 0.85  # From this share of memory on, collection costs speed.
_HUNG_SPEED = 1e-6

# The balancer asks every few seconds and wants several bad answers, and fewer good ones.
NOTICE_S = 10.0
_READMIT = 3.0


class Outcome:
    """What became of the users' requests so far; the five add up to all.

    Attributes:
        offered, ok, degraded, slow, failed, shed: requests.
        harm: error-minutes, actions left out: failed, shed, a tenth of degraded and up to a
            quarter of slow, each as a share of the usual load, times minutes.
    """

    __slots__ = ("degraded", "failed", "harm", "offered", "ok", "shed", "slow")

    def __init__(self) -> None:
        self.offered = self.ok = self.degraded = self.slow = 0.0
        self.failed = self.shed = self.harm = 0.0


class Physics:
    """Advance the state of an estate.

    Args:
        layout: of the estate.
        state: what it changes.
        step_s: length of one step.

    Attributes:
        outcome: of the users' requests.
    """

    def __init__(self, layout: Layout, state: State, step_s: float) -> None:
        self.layout = layout
        self.state = state
        self.step_s = step_s
        self.outcome = Outcome()
        self._usable = state.present.copy()
        self._split()

    def step(self, offered: float, usual: float, now_s: float) -> None:
        """One step from ``now_s`` on.

        Args:
            offered: requests of users that come in it.
            usual: requests that one would expect in it.
            now_s: seconds since the start of the run.
        """
        state = self.state
        up = state.present & (state.up_from_s <= now_s)
        self._balance(up)
        self._call(offered)
        self._work(up, self._pace(up, now_s))
        self._answer(up)
        self._hear()
        self._judge(offered, usual)
        self._wear(up)

    # --- calls --------------------------------------------------------------------------------

    def _call(self, offered: float) -> None:
        """Answers of the last step were calls; they arrive with their retries."""
        layout, state = self.layout, self.state
        state.done[layout.outside] = offered
        calls = state.effective_calls = state.calls.copy()
        if layout.fallbacks.size:
            calls[layout.fallbacks] *= state.final[layout.fallback_of]
        if layout.spared.size:
            hits = state.heat[layout.link_callee[layout.spared_by]]
            found = 1.0 - state.final[layout.spared_by]
            calls[layout.spared] *= 1.0 - layout.spared_share * hits * found
        state.originals = state.done[layout.link_caller] * calls
        arriving = state.originals * (1.0 + state.extra) * state.reach
        state.arrivals = totals(layout.link_callee, arriving, len(layout.slots))
        if state.herd.any() or state.backlog.any():
            self._gather_herd()
        allowed = state.limit_rate * self.step_s / np.maximum(state.arrivals, _EPS)
        state.admitted = np.minimum(allowed, 1.0)

    def _gather_herd(self) -> None:
        layout, state = self.layout, self.state
        size = len(layout.slots)
        made = totals(layout.link_callee, state.originals, size)
        failed = totals(layout.link_callee, state.originals * state.final, size)
        back = state.backlog * min(1.0, self.step_s / _HERD_S)
        # Those who came back and failed again wait once more, unless they give up.
        again = failed + back * failed / np.maximum(made, _EPS)
        state.backlog += again * state.herd - back
        state.backlog[state.backlog < 1e-3] = 0.0
        state.arrivals += back

    # --- work ---------------------------------------------------------------------------------

    def _pace(self, up: Mask, now_s: float) -> Floats:
        """Speed of each replica: its illness, its memory, and how long it has been up."""
        layout, state = self.layout, self.state
        age = (now_s - state.up_from_s) / layout.warmup_s
        pace = state.speed * (1.0 - state.steal)
        if age[up].min() < 1.0:
            pace = pace * np.clip(age, 0.0, 1.0) * (1.0 - _COLD_SPEED) + pace * _COLD_SPEED
        if state.leak.any():
            pace = pace / (1.0 + 20.0 * np.maximum(state.memory - _GC_SHARE, 0.0))
        return np.maximum(pace, _HUNG_SPEED)

    def _work(self, up: Mask, pace: Floats) -> None:
        """Queues take what arrives, and replicas do what they can."""
        layout, state, step_s = self.layout, self.state, self.step_s
        of = layout.replica_component
        arriving = (state.arrivals * state.admitted)[of] * state.share * up
        own_s = layout.service_s / pace
        capacity = np.minimum(layout.capacity * pace, layout.threads / state.hold_s) * up
        if layout.queues:
            self._throttle(capacity)
        possible = capacity * step_s
        waiting = state.queue + arriving
        state.done = np.minimum(waiting, possible)
        queue = waiting - state.done
        state.queue = np.minimum(queue, layout.queue_max)
        turned_away = queue - state.queue + state.lost
        state.lost[:] = 0.0
        state.refused = np.minimum(turned_away / np.maximum(arriving, _EPS), 1.0) * (
            turned_away > _EPS
        )
        state.busy = state.done / np.maximum(possible, _EPS)
        crowd = state.busy * state.busy / (1.1 - state.busy)
        latency = state.hold_s + state.queue / np.maximum(capacity, 1e-3) + own_s * crowd
        state.latency_s = np.minimum(latency, _LATENCY_S_MAX)
        self._own_s = own_s

    def _throttle(self, capacity: Floats) -> None:
        """A queue hands on what its consumers can take, one second ahead."""
        layout, state = self.layout, self.state
        for queue, consumer, calls in layout.queues:
            takers, givers = layout.slots[consumer], layout.slots[queue]
            ready = max(0.0, 2.0 * capacity[takers].sum() - state.queue[takers].sum())
            able = max(1, np.count_nonzero(capacity[givers]))
            capacity[givers] = np.minimum(capacity[givers], ready / calls / able)

    # --- answers ------------------------------------------------------------------------------

    def _answer(self, up: Mask) -> None:
        """What callers get over each edge: right answers, waits, degraded ones."""
        layout, state = self.layout, self.state
        error = np.where(state.disk >= 1.0, 1.0, state.error) if state.fill.any() else state.error
        keeps = (1.0 - error) * (1.0 - state.refused)
        state.answers = keeps * state.dependable
        replica = layout.pair_replica
        latency = state.latency_s[replica]
        late = hill(latency / layout.pair_timeout_s)
        reachable = up[replica]
        share = state.share[replica]
        # What is handed over to a queue is safe, whatever becomes of those who take it.
        relied = np.maximum(state.dependable[replica], layout.pair_put)
        right = share * reachable * keeps[replica] * relied * (1.0 - late * layout.pair_waits)
        waits = np.minimum(latency, layout.pair_timeout_s) * reachable * layout.pair_waits
        undone = np.maximum(late, 1.0 - state.dependable[replica]) * layout.pair_put
        spoiled = np.maximum(state.spoiled[replica], undone)
        starts = layout.pair_starts
        state.edge_ok = np.add.reduceat(right, starts)
        self._edge_wait_s = np.add.reduceat(share * waits, starts) + _REFUSED_S
        some = np.maximum(state.edge_ok, _EPS)
        state.edge_spoiled = np.add.reduceat(right * spoiled, starts) / some
        slow = hill(latency[self._user_pairs] / layout.estate.traffic.slow_s)
        self._slow = np.add.reduceat(right[self._user_pairs] * slow, self._user_starts)
        self._slow = self._slow / some[self._user_pair_edges]

    def _hear(self) -> None:
        """Callers add up attempts, waits and failures of all they call."""
        layout, state = self.layout, self.state
        edge = layout.link_edge
        admitted = state.admitted[layout.link_callee]
        blocked = 1.0 - (1.0 - state.cut) * (1.0 - state.starved)
        state.reach = (1.0 - blocked) * (1.0 - state.stale) * state.is_open
        if layout.has_limits:
            state.reach = state.reach * (1.0 - self._crowding()[layout.link_callee])
        success = state.reach * admitted * state.edge_ok[edge]
        self._shed = state.reach * (1.0 - admitted)
        again = np.maximum((1.0 - success - self._shed) * state.is_open, 0.0)
        state.extra = np.minimum(geometric(again, state.retries), state.budget)
        state.final = np.clip(1.0 - success - state.extra * success, 0.0, 1.0)
        wait_s = self._edge_wait_s[edge]
        state.wait_s = (wait_s + blocked * (layout.timeout_s - wait_s)) * state.is_open
        attempts_rate = state.originals * (1.0 + state.extra) / self.step_s
        free = layout.pool * np.maximum(1.0 - state.leaked, _EPS)
        held = attempts_rate * (wait_s + state.cut * layout.timeout_s)
        state.starved = 1.0 - free / np.maximum(held, free)
        state.pool_use = np.minimum(state.leaked + held / layout.pool, 1.0)
        self._rely(edge)

    def _crowding(self) -> Floats:
        """Share of connections that each component turns away, for all pools together want more."""
        layout, state = self.layout, self.state
        ours = state.present[layout.link_caller] & (layout.link_caller != layout.outside)
        wanted = layout.pool * ours
        demand = totals(layout.link_callee, wanted, len(layout.slots))
        state.connections = demand / layout.connections_max
        crowding: Floats = 1.0 - 1.0 / np.maximum(state.connections, 1.0)
        return crowding

    def _rely(self, edge: Indices) -> None:
        """What its callees make of a replica's own answers: failed, degraded, slow."""
        layout, state = self.layout, self.state
        starts, linked = layout.link_starts, layout.linked
        calls = state.effective_calls
        risk = np.minimum(state.calls, 1.0) * state.final
        spoil = risk * layout.spoils
        if layout.fallbacks.size:
            spoil[layout.fallback_of] = risk[layout.fallback_of]
            risk[layout.fallback_of] *= state.final[layout.fallbacks]
        asked = np.minimum(calls, 1.0)
        fresh = (1.0 - spoil) * (1.0 - asked * state.edge_spoiled[edge])
        held_s = calls * (1.0 + state.extra) * state.wait_s
        state.spoiled[:] = 0.0
        state.dependable[linked] = np.multiply.reduceat(1.0 - risk * layout.required, starts)
        state.spoiled[linked] = 1.0 - np.multiply.reduceat(fresh, starts)
        state.spoiled = np.maximum(state.spoiled, state.plain)
        hold_s = self._own_s.copy()
        hold_s[linked] += np.add.reduceat(held_s, starts)
        # Half way: threads that wait now will be free a moment later, not all at once.
        state.hold_s = 0.5 * (state.hold_s + hold_s)
        state.hold_s[layout.outside] = _EPS

    def _judge(self, offered: float, usual: float) -> None:
        """Count what the users got."""
        layout, state, outcome = self.layout, self.state, self.outcome
        links = layout.user_links
        made = state.originals[links]
        share = made / max(float(made.sum()), _EPS)
        missed = float(share @ state.final[links])
        shed = min(float(share @ self._shed[links]), missed)
        slow = float(share @ ((1.0 - state.final[links]) * self._slow))
        good = 1.0 - missed - slow
        degraded = good * float(share @ state.edge_spoiled[layout.user_edges])
        wait_s = float(share @ state.wait_s[links])
        patience_s = float(share @ layout.timeout_s[links])
        outcome.offered += offered
        outcome.ok += offered * (good - degraded)
        outcome.degraded += offered * degraded
        outcome.slow += offered * slow
        outcome.shed += offered * shed
        outcome.failed += offered * (missed - shed)
        weight = missed + 0.1 * degraded + 0.25 * slow * min(1.0, wait_s / patience_s)
        outcome.harm += weight * offered / usual * self.step_s / 60.0

    # --- what wears and what watches ----------------------------------------------------------

    def _wear(self, up: Mask) -> None:
        """Memory, disks, connections and caches, while time passes."""
        layout, state, step_s = self.layout, self.state, self.step_s
        if state.leak.any():
            state.memory = state.memory + state.leak * up * step_s
            full = np.flatnonzero(up & (state.memory >= 1.0))
            if full.size:
                state.kill(full)
        if state.fill.any():
            state.disk = np.minimum(state.disk + state.fill * up * step_s, 1.0)
        if state.pool_leak.any():
            grown = state.leaked + state.pool_leak * up[layout.link_caller] * step_s
            state.leaked = np.minimum(grown, 1.0)
        for cache in layout.caches:
            if state.heat[cache] < 1.0 and up[layout.slots[cache]].any():
                state.heat[cache] += (1.0 - state.heat[cache]) * step_s / layout.heat_s[cache]

    def _balance(self, up: Mask) -> None:
        """The balancer leaves out what it has seen to be bad for long enough; if all, none."""
        state = self.state
        bad = ~(up & (state.speed > _HUNG_SPEED))
        if bad.any() or state.bad_s.any():
            change = np.where(bad, self.step_s, -_READMIT * self.step_s)
            state.bad_s = np.clip(state.bad_s + change, 0.0, NOTICE_S + self.step_s)
        usable = state.present & ~state.drained & (state.bad_s < NOTICE_S)
        if not np.array_equal(usable, self._usable):
            self._usable = usable
            self._split()

    def _split(self) -> None:
        """Share of its component's arrivals that each replica gets."""
        layout, state = self.layout, self.state
        of, size = layout.replica_component, len(layout.slots)
        weight = self._usable.astype(float)
        none = totals(of, weight, size)[of] == 0.0
        weight[none] = state.present[none]
        total = np.maximum(totals(of, weight, size), 1.0)
        state.share = weight / total[of]
        self._user_pairs = np.flatnonzero(np.isin(layout.pair_edge, layout.user_edges))
        edges = layout.pair_edge[self._user_pairs]
        self._user_starts = np.flatnonzero(np.diff(edges, prepend=-1))
        self._user_pair_edges = edges[self._user_starts]


def totals(lanes: Indices, values: Floats, size: int) -> Floats:
    """Sum of the values of each lane."""
    result: Floats = np.bincount(lanes, values, size).astype(float, copy=False)
    return result


def hill(ratio: Floats) -> Floats:
    """Share of answers that take longer than a limit, from their mean latency over that limit."""
    power = np.minimum(ratio, 1e3) ** 2
    power *= power
    power *= power
    result: Floats = power / (1.0 + power)
    return result


def geometric(again: Floats, retries: Floats) -> Floats:
    """Attempts beyond the first when each is repeated with a chance, so often at most.

    Example:
        >>> geometric(np.array([0.0, 0.5, 1.0]), np.array([2.0, 2.0, 2.0])).round(3).tolist()
        [0.0, 0.75, 2.0]
    """
    chance = np.minimum(again, 1.0 - 1e-6)
    result: Floats = chance * (1.0 - chance**retries) / (1.0 - chance)
    return result
