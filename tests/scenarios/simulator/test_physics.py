"""How requests flow, and what becomes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mendel.scenarios import faults
from mendel.scenarios.catalogue import CATALOGUE
from mendel.scenarios.simulator import (
    REMEDIES,
    SHAPES,
    USERS,
    Course,
    Edge,
    Estate,
    Simulation,
    Traffic,
    candidates,
    draw_course,
    draw_estate,
)
from mendel.scenarios.simulator.physics import geometric, hill
from shops import a_run, a_service, a_shop, counts, share_ok


@settings(max_examples=12)
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_every_request_ends_as_exactly_one_of_five(
    shape: str, seed: int, data: st.DataObject
) -> None:
    estate = draw_estate(shape, seed)
    possible = [kind for kind in CATALOGUE if candidates(kind, estate)]
    kinds = data.draw(st.lists(st.sampled_from(possible), min_size=1, max_size=3))
    simulation = Simulation(draw_course(shape, seed, kinds=kinds))
    targets = [service.name for service in estate.services]
    names = [name for name, remedy in REMEDIES.items() if "component" in remedy.on]
    for at_s in (100.0, 160.0, 200.0):
        simulation.advance(at_s)
        simulation.begin(data.draw(st.sampled_from(names)), data.draw(st.sampled_from(targets)))
    simulation.advance(260.0)

    found = counts(simulation.outcome)
    offered = found.pop("offered")
    assert sum(found.values()) == pytest.approx(offered, rel=1e-9)
    assert all(value >= -1e-9 * offered for value in found.values())
    assert np.isfinite(simulation.harm())
    assert simulation.harm() >= 0.0


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["crash", "overload", "limplock"]))
def test_what_arrives_at_a_replica_is_done_waits_or_is_turned_away(seed: int, kind: str) -> None:
    simulation = Simulation(draw_course("shop", seed, kinds=[kind]))  # type: ignore[list-item]
    simulation.advance(100.0)
    state, layout = simulation.state, simulation.layout
    for _ in range(40):
        queued = state.queue.copy()
        simulation.advance(simulation.now_s + simulation.step_s)
        came = (state.arrivals * state.admitted)[layout.replica_component] * state.share
        up = state.present & (state.up_from_s < simulation.now_s)
        ours = np.arange(layout.outside)

        kept = queued + came * up - state.done - state.queue
        assert (kept[ours] >= -1e-6).all(), "something was done that never came"
        assert (state.queue <= layout.queue_max + 1e-9).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_without_faults_there_is_no_harm(shape: str) -> None:
    simulation = a_run(Course(estate=draw_estate(shape, 3), seed=3), 600.0)

    assert simulation.harm() < 0.01
    assert simulation.outcome.ok > 0.995 * simulation.outcome.offered


def test_traffic_does_not_wait_for_answers() -> None:
    well = a_run(a_shop(), 120.0)
    ill = a_run(a_shop(faults.crash("web", 30.0)), 120.0)

    assert ill.outcome.offered == well.outcome.offered == pytest.approx(12_000.0)


def test_traffic_follows_the_day_and_fluctuates_around_it() -> None:
    traffic = Traffic(rate=100.0, day_swing=0.3, day_phase=0.25, noise=0.05)
    simulation = a_run(a_shop(traffic=traffic), 600.0)

    assert traffic.usual_rate(0.0) == pytest.approx(130.0)
    assert traffic.usual_rate(43_200.0) == pytest.approx(70.0)
    assert simulation.outcome.offered == pytest.approx(130.0 * 600.0, rel=0.1)
    assert simulation.outcome.offered != pytest.approx(130.0 * 600.0, rel=1e-4)


def test_a_required_callee_fails_the_request_and_an_optional_one_degrades_it() -> None:
    required = a_run(a_shop(faults.crash("db", 30.0)), 60.0)
    optional = a_run(a_shop(faults.dependency_outage("advice", 30.0)), 60.0)

    assert share_ok(required, 30.0) < 0.01
    assert required.outcome.failed > 2_500.0
    assert optional.outcome.failed < 10.0
    assert optional.outcome.degraded > 2_500.0
    assert optional.outcome.harm == pytest.approx(0.1 * 0.5, rel=0.1)


def test_a_fallback_answers_degraded_where_the_first_choice_fails() -> None:
    stand_in = Edge(caller="web", callee="plain", need="fallback", instead_of="cart")
    course = a_shop(faults.crash("cart", 30.0), plain=stand_in, more=(a_service("plain"),))

    simulation = a_run(course, 40.0)
    before = counts(simulation.outcome)
    simulation.advance(100.0)

    after = counts(simulation.outcome)
    assert after["degraded"] - before["degraded"] > 0.95 * 6_000.0
    assert after["failed"] - before["failed"] < 0.01 * 6_000.0


def test_a_dead_replica_gets_requests_until_the_balancer_notices() -> None:
    one_attempt = Edge(caller="web", callee="cart", retries=0)
    simulation = a_run(a_shop(faults.crash("cart", 30.0, share=0.34), cart=one_attempt), 35.0)

    assert share_ok(simulation, 4.0) == pytest.approx(2 / 3, abs=0.02)
    simulation.advance(50.0)
    assert share_ok(simulation, 10.0) > 0.99


def test_a_slow_callee_holds_the_threads_of_its_callers() -> None:
    patient = Edge(caller="cart", callee="db", timeout_s=10.0)
    course = a_shop(faults.cascade("db", 30.0, severity=100.0), db=patient)

    simulation = a_run(course, 120.0)

    state, layout = simulation.state, simulation.layout
    web = layout.slots[layout.component_of["cart"]][0]
    assert state.hold_s[web] > 5.0
    assert state.queue[web] > 100.0  # Its processor idles, and yet it falls behind.
    assert state.done[web] < 0.3 * layout.capacity[web] * simulation.step_s


def test_work_is_done_for_callers_who_have_gone() -> None:
    simulation = a_run(a_shop(faults.overload("*", 30.0, severity=3.0)), 100.0)

    done = simulation.state.done[simulation.layout.slots[0]].sum() / simulation.step_s
    assert done == pytest.approx(200.0, rel=0.05)
    assert share_ok(simulation, 20.0) < 0.35


def test_a_replica_is_slow_right_after_its_start() -> None:
    slow_start = a_shop()
    services = tuple(
        a_service(each.name, replicas=each.replicas, capacity_rate=60.0, warmup_s=60.0)
        for each in slow_start.estate.services
    )
    course = Course(
        estate=Estate(
            name="shop",
            services=services,
            edges=slow_start.estate.edges,
            traffic=Traffic(rate=50.0, day_swing=0.0, noise=0.0),
        )
    )
    simulation = a_run(course, 45.0, (30.0, "restart", "web"))

    cold = simulation.state.busy[simulation.layout.slots[0][0]]
    simulation.advance(120.0)
    warm = simulation.state.busy[simulation.layout.slots[0][0]]
    assert cold == pytest.approx(1.0, abs=0.01)
    assert warm == pytest.approx(25 / 60, abs=0.05)


def test_a_cold_cache_lets_through_what_it_used_to_answer() -> None:
    estate = Estate(
        name="cached",
        services=(
            a_service("web", kind="ui"),
            a_service("cache", kind="cache", replicas=1, capacity_rate=1_000.0, heat_s=60.0),
            a_service("db", kind="database", replicas=1, capacity_rate=250.0),
        ),
        edges=(
            Edge(caller=USERS, callee="web", timeout_s=4.0),
            Edge(caller="web", callee="cache", need="optional", timeout_s=0.2),
            Edge(caller="web", callee="db", spared_by="cache", spared_share=0.8),
        ),
        traffic=Traffic(rate=100.0, day_swing=0.0, noise=0.0),
    )
    simulation = a_run(Course(estate=estate), 30.0)
    database = simulation.layout.component_of["db"]

    def asked() -> float:
        return float(simulation.state.arrivals[database]) / simulation.step_s

    assert asked() == pytest.approx(20.0, abs=1.0)
    simulation.begin("restart", "cache")
    simulation.advance(36.0)
    assert asked() > 90.0
    simulation.advance(400.0)
    assert asked() == pytest.approx(20.0, abs=2.0)


def test_a_queue_keeps_work_while_its_consumers_are_away() -> None:
    estate = Estate(
        name="queue",
        services=(
            a_service("intake", kind="api"),
            a_service("jobs", kind="queue", replicas=1, queue_items_max=50_000.0),
            a_service("worker", kind="worker"),
        ),
        edges=(
            Edge(caller=USERS, callee="intake", timeout_s=4.0),
            Edge(caller="intake", callee="jobs", need="put", timeout_s=20.0),
            Edge(caller="jobs", callee="worker"),
        ),
        traffic=Traffic(rate=60.0, day_swing=0.0, noise=0.0),
    )
    course = Course(estate=estate, faults=(faults.crash("worker", 30.0),))

    simulation = a_run(course, 90.0)
    waiting = simulation.state.queue[simulation.layout.slots[1]].sum()
    assert waiting == pytest.approx(60.0 * 60.0, rel=0.1)
    assert simulation.outcome.failed == pytest.approx(0.0, abs=40.0)
    assert simulation.outcome.degraded > 1_000.0  # It will be done, but late.
    simulation.begin("restart", "worker")
    simulation.advance(400.0)
    assert simulation.state.queue[simulation.layout.slots[1]].sum() < 100.0


def test_more_pools_than_a_database_has_connections_for_are_turned_away() -> None:
    services = (
        a_service("web", kind="ui", replicas=4, capacity_rate=50.0),
        a_service("db", kind="database", replicas=1, capacity_rate=300.0, connections_max=200),
    )
    edges = (
        Edge(caller=USERS, callee="web", timeout_s=4.0, retries=0),
        Edge(caller="web", callee="db", pool=50, retries=0),
    )
    traffic = Traffic(rate=100.0, day_swing=0.0, noise=0.0)
    course = Course(estate=Estate(name="pools", services=services, edges=edges, traffic=traffic))

    simulation = a_run(course, 60.0)
    assert share_ok(simulation, 10.0) > 0.99
    simulation.begin("scale", "web")  # Two more replicas want 100 connections more.
    simulation.advance(120.0)
    assert share_ok(simulation, 30.0) == pytest.approx(200 / 300, abs=0.02)


def test_half_of_the_answers_are_late_when_latency_equals_patience() -> None:
    assert hill(np.array([0.0, 0.5, 1.0, 2.0])).round(3).tolist() == [0.0, 0.004, 0.5, 0.996]


@given(again=st.floats(0, 1), retries=st.integers(0, 10))
def test_retries_never_exceed_their_number(again: float, retries: int) -> None:
    extra = geometric(np.array([again]), np.array([float(retries)]))[0]

    assert 0.0 <= extra <= retries + 1e-9
    assert extra == pytest.approx(sum(min(again, 1 - 1e-6) ** k for k in range(1, retries + 1)))
