"""What is drawn from a seed, what is refused, and the two ends of the scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mendel.core.topology import Topology
from mendel.errors import ConfigError
from mendel.scenarios import faults
from mendel.scenarios.catalogue import CATALOGUE, FaultKind
from mendel.scenarios.simulator import (
    SHAPES,
    USERS,
    Edge,
    Estate,
    Order,
    SimulatedWorld,
    candidates,
    draw_course,
    draw_estate,
    draw_fault,
    nobody,
    oracle,
    play,
    score,
)
from mendel.scenarios.simulator.policies import remedies
from mendel.scenarios.simulator.topologies import visits
from msgspec import structs
from shops import a_service, a_shop


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_seed_draws_the_same_course_and_another_one_another(shape: str) -> None:
    assert draw_course(shape, 5) == draw_course(shape, 5)
    assert draw_course(shape, 5) != draw_course(shape, 6)
    assert draw_estate(shape, 5) != draw_estate(shape, 6)


@pytest.mark.parametrize("shape", SHAPES)
def test_capacity_follows_from_the_load_that_calls_bring(shape: str) -> None:
    estate = draw_estate(shape, 3)
    peak = estate.traffic.rate * (1.0 + estate.traffic.day_swing)
    counts = visits(estate.services, estate.edges)

    for service in estate.services:
        busy = peak * counts[service.name] / service.replicas / service.capacity_rate
        assert busy < 0.65, service.name


def test_shapes_differ_in_depth_and_width() -> None:
    def depth(shape: str) -> int:
        estate = draw_estate(shape, 1)
        below = Topology(estate.components).below
        return max(len(below(each.name)) for each in estate.components)

    def width(shape: str) -> int:
        return max(len(each.depends_on) for each in draw_estate(shape, 1).components)

    assert (depth("chain"), width("chain")) >= (7, 1)
    assert width("chain") == 1
    assert width("fan_out") >= 8
    assert {each.kind for each in draw_estate("pipeline", 1).components} >= {"queue", "worker"}


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_kind_of_fault_can_be_drawn_somewhere_and_runs(kind: FaultKind) -> None:
    shape = next(name for name in SHAPES if candidates(kind, draw_estate(name, 2)))
    course = draw_course(shape, 2, kinds=[kind], until_s=200.0)

    assert [fault.kind for fault in course.faults] == [kind]
    assert 60.0 <= course.faults[0].at_s <= 150.0
    assert np.isfinite(play(course).harm())
    assert course.faults[0].words


@pytest.mark.parametrize("seed", [1, 17])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_drawn_overload_is_one_at_any_time_of_the_day(shape: str, seed: int) -> None:
    course = draw_course(shape, seed, kinds=["overload"], until_s=250.0)

    assert nobody(course).harm > 0.5


def test_a_fault_that_can_befall_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="poison_message can befall nothing in 'chain'"):
        draw_course("chain", 1, kinds=["poison_message"])


def test_what_stands_in_for_another_is_not_drawn_for_it_harms_nobody() -> None:
    estate = draw_estate("shop", 1)

    assert "payment-b" not in candidates("dependency_outage", estate)
    assert candidates("dependency_outage", estate) == ["payment"]
    fault = draw_fault("dependency_outage", estate, np.random.default_rng(0))
    assert (fault.target, fault.severity) == ("payment", 1.0)


def test_an_unknown_shape_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no topology 'star'; there are: shop, chain"):
        draw_estate("star", 1)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ((Edge(caller="a", callee="b"),), "nobody would use it"),
        ((Edge(caller=USERS, callee="c"),), "names 'c', which is no service"),
        ((Edge(caller=USERS, callee="a"), Edge(caller="a", callee=USERS)), "which is no service"),
        ((Edge(caller=USERS, callee="a"), Edge(caller=USERS, callee="a")), "is there twice"),
        (
            (Edge(caller=USERS, callee="a"), Edge(caller="a", callee="b", spared_by="a")),
            "spared by 'a', never called",
        ),
        (
            (
                Edge(caller=USERS, callee="a"),
                Edge(caller="a", callee="b", need="fallback", instead_of="b"),
            ),
            "no required callee",
        ),
    ],
)
def test_an_estate_that_does_not_hang_together_is_refused(
    edges: tuple[Edge, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Estate(name="e", services=(a_service("a"), a_service("b")), edges=edges)


def test_doubled_and_unknown_services_are_refused() -> None:
    edges = (Edge(caller=USERS, callee="a"),)
    with pytest.raises(ConfigError, match="'a' is there twice"):
        Estate(name="e", services=(a_service("a"), a_service("a")), edges=edges)
    with pytest.raises(ConfigError, match="no service 'b' in estate 'e'; there are: a"):
        Estate(name="e", services=(a_service("a"),), edges=edges).service("b")


def test_calls_in_a_circle_have_no_load_that_could_be_computed() -> None:
    services = (a_service("a"), a_service("b"))
    edges = (
        Edge(caller=USERS, callee="a"),
        Edge(caller="a", callee="b"),
        Edge(caller="b", callee="a"),
    )

    with pytest.raises(ConfigError, match="circle"):
        visits(services, edges)


@pytest.mark.parametrize(
    ("kind", "target"), [("crash", "web>cart"), ("partition", "cart"), ("hang", "")]
)
def test_a_fault_of_the_wrong_sort_of_target_is_refused(kind: Any, target: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind} befalls"):
        faults.Fault(kind=kind, target=target)


class TestScale:
    @pytest.mark.parametrize("seed", range(2))
    def test_the_oracle_is_never_worse_than_nobody(self, seed: int) -> None:
        course = draw_course("shop", seed, until_s=200.0)

        assert oracle(course).harm <= nobody(course).harm

    def test_the_oracle_waits_where_acting_at_once_is_of_no_use(self) -> None:
        course = structs.replace(
            a_shop(faults.disk_fill("db", 60.0, severity=0.004)), until_s=500.0
        )
        alone, best = nobody(course), oracle(course)

        assert best.harm < 0.6 * alone.harm
        assert best.orders[0].at_s > 60.0

    def test_the_oracle_treats_all_callers_and_each_of_two_faults(self) -> None:
        crash, stale = faults.crash("web", 60.0), faults.stale_pool("db", 90.0, severity=1.0)
        course = structs.replace(a_shop(stale, crash), until_s=300.0)

        best = oracle(course)

        assert [order.target.partition("/")[0] for order in best.orders] == ["web", "cart"]

    def test_remedies_name_every_concerned_component(self) -> None:
        loss = faults.correlated_loss("*", 10.0)
        course = a_shop(loss)

        assert remedies(course, loss) == [
            tuple(Order(10.0, "replace", name) for name in ("web", "cart")),
            tuple(Order(10.0, "replace", name) for name in ("web/1", "cart/1", "cart/2")),
        ]

    def test_nothing_is_thought_of_that_nobody_can_do(self) -> None:
        slow = faults.cascade("advice", 10.0)  # Others run it.

        found = remedies(a_shop(slow), slow)

        assert {order.name for orders in found for order in orders} == {"isolate", "degrade"}

    def test_what_helps_together_is_found(self) -> None:
        course = draw_course("shop", 1, kinds=["overload"], until_s=300.0)

        best = oracle(course)

        assert {"shed", "scale"} <= {order.name for order in best.orders}
        alone = [
            play(course, orders).harm()
            for orders in remedies(course, course.faults[0])
            if len({order.name for order in orders}) == 1
        ]
        assert best.harm < 0.95 * min(alone)

    @pytest.mark.parametrize(
        ("fault", "orders"),
        [
            (
                faults.partition("web>cart", 5.0),
                {("isolate", ("web>cart",)), ("degrade", ("web",)), ("notify", ("web",))},
            ),
            (
                faults.overload("*", 5.0),
                {("shed", ("web",)), ("scale", ("web",)), ("degrade", ("web",))},
            ),
            (
                faults.bad_deploy("cart", 5.0),
                {("roll_back", ("cart",)), ("isolate", ("cart",)), ("degrade", ("web",))},
            ),
            (
                faults.hang("cart", 5.0, share=0.34),
                {
                    ("restart", ("cart",)),
                    ("restart", ("cart/1",)),
                    ("rolling_restart", ("cart",)),
                    ("replace", ("cart",)),
                    ("replace", ("cart/1",)),
                    ("drain", ("cart/1",)),
                },
            ),
        ],
    )
    def test_remedies_are_done_to_those_whom_they_help(
        self, fault: faults.Fault, orders: set[tuple[str, tuple[str, ...]]]
    ) -> None:
        found = remedies(a_shop(fault), fault)
        single = [each for each in found if len({order.name for order in each}) == 1]

        assert {(each[0].name, tuple(o.target for o in each)) for each in single} >= orders

    def test_all_that_is_right_is_tried_one_after_the_other_as_well(self) -> None:
        poison = faults.poison_message("sorter", 5.0)
        course = a_shop(poison, more=(a_service("sorter", kind="worker"),))

        assert remedies(course, poison)[-1] == (
            Order(5.0, "quarantine", "sorter"),
            Order(15.0, "restart", "sorter"),
        )

    def test_the_score_is_the_share_of_avoidable_harm_that_was_avoided(self) -> None:
        assert score(10.0, null=10.0, best=2.0) == 0.0
        assert score(2.0, null=10.0, best=2.0) == 100.0
        assert score(14.0, null=10.0, best=2.0) == -50.0
        assert score(0.75, null=0.5, best=0.5) == 75.0


def test_one_replica_of_each_is_lost_with_a_machine() -> None:
    world = SimulatedWorld(a_shop(faults.correlated_loss("*", 10.0)))
    world.simulation.advance(20.0)
    layout, state = world.simulation.layout, world.simulation.state

    dead = [layout.replica_name(place) for place in range(layout.outside) if state.present[place]
            and state.is_dead(place)]  # fmt: skip
    assert dead == ["web/1", "cart/1", "cart/2"]
