"""What cures which fault, what eases it, and what is of no use."""

from __future__ import annotations

import numpy as np
import pytest
from mendel.errors import ConfigError
from mendel.scenarios import faults
from mendel.scenarios.catalogue import CATALOGUE, FaultKind
from mendel.scenarios.faults import Fault
from mendel.scenarios.simulator import REMEDIES, Course, Edge, Simulation, oracle
from msgspec import structs
from shops import a_run, a_shop, counts, share_ok

# Before the cure the users feel it, and after it they do not.
CURED = [
    pytest.param(faults.crash("cart", 30.0), "restart", id="crash"),
    pytest.param(faults.hang("db", 30.0), "restart", id="hang"),
    pytest.param(faults.gray_failure("cart", 30.0), "replace", id="gray failure"),
    pytest.param(faults.limplock("cart", 30.0, severity=200.0), "replace", id="limplock"),
    pytest.param(faults.cascade("db", 30.0, lasts_s=9e9), "fail_over", id="cascade"),
    pytest.param(faults.flapping("cart", 30.0, share=1.0), "replace", id="flapping"),
    pytest.param(faults.bad_deploy("cart", 30.0, severity=0.9), "roll_back", id="bad deploy"),
    pytest.param(faults.correlated_loss("cart", 30.0, share=1.0), "replace", id="lost machine"),
    pytest.param(faults.disk_fill("db", 0.0, severity=0.0095), "clean_up", id="full disk"),
    pytest.param(
        faults.noisy_neighbour("cart", 30.0, severity=9.0, share=1.0, lasts_s=9e9),
        "replace",
        id="noisy neighbour",
    ),
]
USELESS = [
    pytest.param(faults.limplock("cart", 30.0, severity=200.0), "restart", id="limplock"),
    pytest.param(faults.bad_deploy("cart", 30.0, severity=0.9), "restart", id="bad deploy"),
    pytest.param(faults.bad_deploy("cart", 30.0, severity=0.9), "replace", id="bad deploy again"),
    pytest.param(faults.correlated_loss("cart", 30.0, share=1.0), "restart", id="lost machine"),
    pytest.param(faults.crash("cart", 30.0), "clean_up", id="crash"),
    pytest.param(faults.stale_pool("cart", 30.0), "restart", id="callee of a stale pool"),
    pytest.param(faults.disk_fill("db", 0.0, severity=0.02), "restart", id="full disk"),
    pytest.param(faults.dependency_outage("db", 30.0, lasts_s=9e9), "restart", id="not ours"),
]


# Enough connections that only patience bounds how much a caller asks.
UNBOUNDED = Edge(caller="web", callee="cart", pool=1_000)


def ailing(fault: Fault) -> Simulation:
    """Followed until the users feel it; no caller hides it by trying again."""
    cart = Edge(caller="web", callee="cart", retries=0)
    db = Edge(caller="cart", callee="db", retries=0)
    simulation = a_run(a_shop(fault, cart=cart, db=db), 80.0)
    assert share_ok(simulation, 10.0) < 0.9
    return simulation


@pytest.mark.parametrize(("fault", "action"), CURED)
def test_the_right_action_cures(fault: Fault, action: str) -> None:
    simulation = ailing(fault)
    simulation.begin(action, fault.target)
    simulation.advance(160.0)

    assert share_ok(simulation, 10.0) > 0.99


@pytest.mark.parametrize(("fault", "action"), USELESS)
def test_the_wrong_action_cures_nothing_however_often_it_is_tried(
    fault: Fault, action: str
) -> None:
    simulation = ailing(fault)
    for _ in range(4):
        simulation.begin(action, fault.target)
        simulation.advance(simulation.now_s + 60.0)

    assert share_ok(simulation, 10.0) < 0.9


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_cure_and_every_right_action_is_something_one_can_do(kind: FaultKind) -> None:
    entry = CATALOGUE[kind]

    assert set(entry.cures) | set(entry.right) | set(entry.eases) <= set(REMEDIES)
    assert all(0.0 < chance <= 1.0 for chance in entry.cures.values())


def test_a_stale_pool_is_cured_caller_by_caller() -> None:
    fault = faults.stale_pool("cart", 30.0, severity=1.0)
    once = Edge(caller="web", callee="cart", retries=0)
    simulation = a_run(a_shop(fault, cart=once), 60.0)
    assert share_ok(simulation, 5.0) < 0.01

    simulation.begin("restart", "web/1")
    simulation.advance(80.0)
    assert share_ok(simulation, 5.0) == pytest.approx(0.5, abs=0.02)
    simulation.begin("restart", "web/2")
    simulation.advance(110.0)
    assert share_ok(simulation, 5.0) > 0.99


def test_a_retry_storm_outlives_its_trigger_until_load_is_cut() -> None:
    storm = faults.retry_storm("cart", 30.0, trigger_s=30.0)

    simulation = a_run(a_shop(storm, cart=UNBOUNDED), 300.0)
    assert share_ok(simulation, 30.0) < 0.3  # Its trigger has been over for four minutes.

    simulation.begin("shed", "cart")
    simulation.advance(480.0)
    assert share_ok(simulation, 30.0) > 0.95


def test_without_the_habit_of_retrying_the_same_trigger_passes() -> None:
    weakness = faults.limplock("cart", 30.0, severity=5.0, share=1.0)

    simulation = a_run(a_shop(structs.replace(weakness, lasts_s=30.0)), 120.0)

    assert share_ok(simulation, 30.0) > 0.99


def test_a_retry_storm_is_not_cured_by_a_restart() -> None:
    course = a_shop(faults.retry_storm("cart", 30.0), cart=UNBOUNDED)
    simulation = a_run(course, 120.0, (120.0, "restart", "cart"))
    simulation.advance(300.0)

    assert share_ok(simulation, 30.0) < 0.3


def test_a_herd_collapses_again_what_has_come_back_until_fewer_are_let_in() -> None:
    herd = faults.thundering_herd("db", 30.0, outage_s=60.0)

    simulation = a_run(a_shop(herd), 200.0)
    assert share_ok(simulation, 20.0) < 0.5
    simulation.begin("shed", "db")
    simulation.advance(420.0)
    assert share_ok(simulation, 20.0) > 0.95


def test_a_leak_ends_in_a_crash_of_all_replicas_and_a_restart_only_puts_it_off() -> None:
    leak = faults.memory_leak("cart", 0.0, severity=0.01)

    alone = a_run(a_shop(leak), 90.0)
    cart = alone.layout.slots[1][:3]
    assert [alone.state.is_dead(int(each)) for each in cart] == [True, True, True]

    restarted = a_run(a_shop(leak), 90.0, (40.0, "rolling_restart", "cart"))
    assert share_ok(restarted, 1.0) > 0.99
    restarted.advance(130.0)
    assert restarted.state.is_dead(int(cart[0]))


def test_memory_near_its_limit_costs_speed_before_it_costs_the_process() -> None:
    simulation = a_run(a_shop(faults.memory_leak("cart", 0.0, severity=0.01)), 30.0)
    calm = simulation.state.busy[simulation.layout.slots[1][0]]
    simulation.advance(59.0)

    assert simulation.state.busy[simulation.layout.slots[1][0]] > 2.0 * calm


def test_leaked_connections_starve_callers_of_a_callee_that_is_well() -> None:
    simulation = a_run(a_shop(faults.pool_exhaustion("db", 0.0, severity=0.02)), 60.0)
    db = simulation.layout.slots[2][0]
    assert share_ok(simulation, 5.0) < 0.01
    assert simulation.state.answers[db] == 1.0

    simulation.begin("restart", "cart")
    simulation.advance(75.0)
    assert share_ok(simulation, 5.0) > 0.99


def test_poison_kills_whoever_is_restarted_until_the_message_is_put_aside() -> None:
    simulation = a_run(a_shop(faults.poison_message("cart", 30.0, severity=2.0)), 60.0)
    simulation.begin("restart", "cart")
    simulation.advance(80.0)
    assert share_ok(simulation, 5.0) < 0.1

    simulation.begin("quarantine", "cart")
    simulation.advance(90.0)
    simulation.begin("restart", "cart")
    simulation.advance(110.0)
    assert share_ok(simulation, 5.0) > 0.99


def test_a_partition_ends_in_timeouts_while_both_sides_are_well() -> None:
    simulation = a_run(a_shop(faults.partition("cart>db", 30.0, lasts_s=60.0)), 60.0)
    db = simulation.layout.slots[2][0]

    assert share_ok(simulation, 5.0) < 0.01
    assert simulation.state.answers[db] == 1.0
    assert simulation.state.done[db] < 0.5
    simulation.advance(140.0)
    assert share_ok(simulation, 5.0) > 0.99


def test_an_isolated_edge_costs_its_answers_and_frees_its_caller() -> None:
    slow = faults.cascade("advice", 30.0, severity=500.0)
    patient = Edge(caller="web", callee="advice", need="optional", timeout_s=3.9, retries=0)
    alone = a_run(a_shop(slow, advice=patient), 150.0)
    isolated = a_run(a_shop(slow, advice=patient), 150.0, (40.0, "isolate", "web>advice"))

    assert alone.state.hold_s[0] > 3.0
    assert isolated.state.hold_s[0] < 0.2
    released = a_run(
        a_shop(advice=patient), 60.0, (10.0, "isolate", "advice"), (30.0, "release", "advice")
    )
    assert share_ok(released, 10.0) > 0.99
    assert released.outcome.degraded == pytest.approx(20.0 * 100.0, rel=0.05)


def test_overload_is_shed_to_what_can_be_served_and_shedding_ends_by_itself() -> None:
    overload = faults.overload("*", 30.0, severity=3.0, lasts_s=120.0)
    alone = a_run(a_shop(overload), 150.0)
    shed = a_run(a_shop(overload), 150.0, (35.0, "shed", "web"))

    assert shed.outcome.ok > 2.0 * alone.outcome.ok
    assert shed.outcome.shed > 5_000.0
    shed.advance(400.0)
    before = counts(shed.outcome)["shed"]
    shed.advance(500.0)
    assert shed.outcome.shed == before


def test_scaling_serves_more_and_only_as_far_as_there_is_room() -> None:
    overload = faults.overload("*", 30.0, severity=2.6, lasts_s=9e9)
    simulation = a_run(a_shop(overload), 120.0)
    assert share_failed(simulation) > 0.9
    for name in ("web", "web", "web", "cart", "db", "db"):
        simulation.begin(name="scale", target=name)
    simulation.begin("shed", "web")
    simulation.advance(300.0)

    assert simulation.state.count(0) == 4
    assert share_failed(simulation) < 0.01
    # The bottleneck has moved to what is not ours to scale, and may be left out.
    assert simulation.state.busy[simulation.layout.slots[3][0]] == 1.0


def share_failed(simulation: Simulation) -> float:
    before = counts(simulation.outcome)
    simulation.advance(simulation.now_s + 20.0)
    after = counts(simulation.outcome)
    return (after["failed"] - before["failed"]) / (after["offered"] - before["offered"])


def test_degrading_leaves_out_what_is_not_required() -> None:
    simulation = a_run(a_shop(), 60.0, (10.0, "degrade", "web"))
    advice = simulation.layout.component_of["advice"]

    assert simulation.state.arrivals[advice] == 0.0
    assert share_ok(simulation, 5.0) == 0.0
    assert simulation.outcome.failed < 1.0
    simulation.begin("restore", "web")
    simulation.advance(75.0)
    assert share_ok(simulation, 5.0) > 0.99


def test_a_drained_replica_gets_nothing_until_it_is_taken_back() -> None:
    simulation = a_run(a_shop(), 20.0, (10.0, "drain", "cart/2"))
    assert simulation.state.share[simulation.layout.slots[1][:3]].tolist() == [0.5, 0.0, 0.5]

    simulation.begin("undrain", "cart/2")
    simulation.advance(30.0)
    assert simulation.state.share[simulation.layout.slots[1][:3]] == pytest.approx(1 / 3)


def test_a_rolling_restart_hurts_less_than_one_of_all_at_once() -> None:
    at_once = a_run(a_shop(), 120.0, (30.0, "restart", "cart"))
    rolling = a_run(a_shop(), 120.0, (30.0, "rolling_restart", "cart"))

    assert at_once.outcome.failed > 250.0
    assert rolling.outcome.failed < 25.0


def test_maintenance_ends_by_itself_and_nobody_can_restart_what_is_taken_apart() -> None:
    work = faults.maintenance("cart", 30.0, lasts_s=60.0)
    simulation = a_run(a_shop(work), 40.0)
    operation = simulation.begin("restart", "cart/1")
    simulation.advance(45.0)

    assert operation.problem == "nothing to start cart/1 on"
    simulation.advance(100.0)
    assert not any(simulation.state.is_dead(int(each)) for each in simulation.layout.slots[1][:3])


def test_a_spike_and_a_good_deploy_need_nobody() -> None:
    for fault in (faults.spike("*", 30.0, severity=1.3), faults.good_deploy("cart", 30.0)):
        assert a_run(a_shop(fault), 300.0).harm() < 0.01


def test_luck_is_the_same_for_everybody_who_tries_the_same() -> None:
    def cured(seed: int, *before: tuple[float, str, str]) -> bool:
        base = a_shop(faults.gray_failure("cart", 30.0, severity=1.0))
        course = Course(estate=base.estate, faults=base.faults, seed=seed)
        simulation = a_run(course, 120.0, *before, (60.0, "restart", "cart/1"))
        return not simulation.illnesses

    outcomes = [cured(seed) for seed in range(30)]
    beside = [cured(seed, (40.0, "restart", "web"), (50.0, "drain", "db/1")) for seed in range(30)]

    assert outcomes == beside
    assert 0.4 < np.mean(outcomes) < 0.8  # The catalogue says 0.6.


def test_every_action_has_its_price_even_when_nothing_is_wrong() -> None:
    simulation = a_run(a_shop(), 60.0, (10.0, "notify", "web"), (20.0, "notify", "web"))

    assert simulation.harm() == pytest.approx(0.04, abs=0.002)


def test_the_oracle_does_what_is_right() -> None:
    best = oracle(a_shop(faults.crash("cart", 30.0)))
    nothing = oracle(a_shop(faults.good_deploy("cart", 30.0)))

    assert [(order.at_s, order.name, order.target) for order in best.orders] == [
        (30.0, "restart", "cart")
    ]
    assert nothing.orders == ()


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("reboot", "cart", "no operation 'reboot'"),
        ("restart", "basket", "'basket' is unknown"),
        ("restart", "cart/9", "'cart/9' is unknown"),
        ("drain", "cart", "drain is done to a replica; 'cart' is component"),
        ("restart", "web>cart", "restart is done to a component or replica"),
        ("restart", "", "'' is unknown"),
    ],
)
def test_what_cannot_be_done_is_refused(name: str, target: str, words: str) -> None:
    simulation = Simulation(a_shop())

    with pytest.raises(ConfigError, match=words):
        simulation.begin(name, target)
    assert simulation.ran == []


@pytest.mark.parametrize(
    "fault",
    [
        faults.crash("basket", 1.0),
        faults.partition("web>db", 1.0),
        faults.stale_pool("web", 1.0),  # Nobody but users calls it.
    ],
)
def test_a_fault_of_what_is_not_there_is_refused_before_the_run(fault: Fault) -> None:
    with pytest.raises(ConfigError):
        Simulation(a_shop(fault))


@pytest.mark.parametrize("step_s", [0.0, -1.0, 2.0])
def test_steps_are_fractions_of_a_second(step_s: float) -> None:
    with pytest.raises(ConfigError, match="step_s"):
        Simulation(a_shop(), step_s=step_s)
