"""The policies of the field do what their documentation says, and see no more than they would."""

from __future__ import annotations

from itertools import pairwise

import pytest
from mendel.scenarios import faults
from mendel.scenarios.baselines import BASELINES, conduct
from mendel.scenarios.faults import Fault
from mendel.scenarios.simulator import (
    Course,
    Edge,
    Simulation,
    Traffic,
    nobody,
)
from msgspec import structs
from shops import QUIET, a_service, a_shop


def a_course(*befalls: Fault, until_s: float = 300.0, traffic: Traffic = QUIET) -> Course:
    """No caller hides anything by trying again."""
    cart = Edge(caller="web", callee="cart", retries=0)
    db = Edge(caller="cart", callee="db", retries=0)
    course = a_shop(*befalls, traffic=traffic, cart=cart, db=db)
    return structs.replace(course, until_s=until_s)


def done(simulation: Simulation, *names: str) -> list[tuple[float, str, str]]:
    return [each for each in simulation.ran if not names or each[1] in names]


@pytest.mark.parametrize("name", BASELINES)
def test_on_a_quiet_day_nobody_does_anything(name: str) -> None:
    simulation = conduct(a_course(), name)

    assert simulation.ran == []
    assert simulation.harm() == pytest.approx(nobody(a_course()).harm)


class TestSystemd:
    def test_a_process_that_exits_is_started_at_once(self) -> None:
        simulation = conduct(a_course(faults.crash("cart", 60.0, share=0.34)), "systemd")

        assert done(simulation) == [(61.0, "restart", "cart/1")]

    def test_after_five_starts_in_ten_seconds_it_stays_down(self) -> None:
        poison = faults.poison_message("sorter", 60.0, severity=0.5)
        sorter = a_service("sorter", kind="worker", replicas=1, boot_s=0.0)
        course = structs.replace(a_shop(poison, more=(sorter,)), until_s=300.0)

        starts = done(conduct(course, "systemd"), "restart")

        assert len(starts) == 5
        assert starts[-1][0] - starts[0][0] < 10.0

    def test_it_does_not_see_what_hangs(self) -> None:
        assert done(conduct(a_course(faults.hang("cart", 60.0)), "systemd")) == []

    def test_with_its_machine_the_supervisor_is_lost(self) -> None:
        lost = faults.correlated_loss("cart", 60.0, share=0.34)

        assert done(conduct(a_course(lost), "systemd")) == []


class TestKubernetes:
    def test_three_failed_probes_restart_a_container(self) -> None:
        simulation = conduct(a_course(faults.hang("cart", 61.0, share=0.34)), "kubernetes")

        assert done(simulation)[0] == (90.0, "restart", "cart/1")

    def test_restarts_wait_longer_and_longer(self) -> None:
        poison = faults.poison_message("sorter", 60.0, severity=0.5)
        sorter = a_service("sorter", kind="worker", replicas=1, boot_s=0.0)
        course = structs.replace(a_shop(poison, more=(sorter,)), until_s=300.0)

        starts = [at_s for at_s, _, _ in done(conduct(course, "kubernetes"), "restart")]

        waits = [after - before for before, after in pairwise(starts)]
        assert waits == [10.0, 20.0, 40.0, 80.0]

    def test_pods_of_a_lost_node_are_replaced_after_minutes(self) -> None:
        lost = faults.correlated_loss("cart", 60.0, share=0.34)

        simulation = conduct(a_course(lost, until_s=600.0), "kubernetes")

        assert done(simulation) == [(401.0, "replace", "cart/1")]

    def test_a_gray_failure_passes_its_probes(self) -> None:
        assert done(conduct(a_course(faults.gray_failure("cart", 60.0)), "kubernetes")) == []


class TestTheUsualStack:
    def test_a_host_that_answers_with_errors_is_left_out_and_let_in_again(self) -> None:
        gray = faults.gray_failure("cart", 60.0, severity=0.9)

        drains = done(conduct(a_course(gray), "usual"), "drain", "undrain")

        assert [(name, target) for _, name, target in drains[:2]] == [
            ("drain", "cart/1"),
            ("undrain", "cart/1"),
        ]
        assert drains[1][0] - drains[0][0] >= 30.0
        assert conduct(a_course(gray), "usual").harm() < nobody(a_course(gray)).harm

    def test_one_of_two_hosts_is_the_most_that_is_left_out(self) -> None:
        both = faults.gray_failure("web", 60.0, severity=0.9, share=1.0)

        drains = done(conduct(a_course(both), "usual"), "drain")

        assert drains
        assert {target for _, _, target in drains[:1]} == {"web/1"}

    def test_a_circuit_opens_for_a_minute_when_half_of_its_calls_fail(self) -> None:
        outage = faults.dependency_outage("advice", 60.0, lasts_s=90.0)

        edges = done(conduct(a_course(outage), "usual"), "isolate", "release")

        assert [(name, target) for _, name, target in edges] == [
            ("isolate", "web>advice"),
            ("release", "web>advice"),
        ] * 2
        opened_s, released_s = edges[0][0], edges[1][0]
        assert released_s - opened_s == 60.0

    def test_busy_replicas_are_joined_by_others_up_to_twice_as_many(self) -> None:
        more = faults.overload("*", 60.0, severity=2.5)

        simulation = conduct(a_course(more), "usual")

        scaled = done(simulation, "scale")
        assert {target for _, _, target in scaled} == {"web", "cart"}  # Nobody scales a database.
        assert len(simulation.state.members(0)) == 4

    def test_what_is_routine_has_no_price(self) -> None:
        outage = faults.dependency_outage("advice", 60.0, lasts_s=90.0)
        simulation = conduct(a_course(outage), "usual")

        assert simulation.harm() == simulation.outcome.harm


class TestRunbook:
    def test_one_step_after_the_other_is_taken_on_whoever_looks_sick(self) -> None:
        bad = faults.bad_deploy("cart", 60.0, severity=1.0)

        steps = done(conduct(a_course(bad, until_s=400.0), "runbook"))

        assert [name for _, name, target in steps if target == "cart"][:3] == [
            "restart",
            "replace",
            "roll_back",
        ]
        assert "web" in {target for _, _, target in steps}  # It is only a caller.


class TestCareful:
    def test_a_version_that_fails_is_rolled_back_and_its_callers_are_left_alone(self) -> None:
        bad = faults.bad_deploy("cart", 60.0, severity=1.0)

        steps = done(conduct(a_course(bad, until_s=400.0), "careful"))

        assert [(name, target) for _, name, target in steps] == [("roll_back", "cart")]

    def test_a_replica_is_restarted_once_then_replaced(self) -> None:
        slow = faults.limplock("cart", 60.0, severity=1000.0, share=0.34)

        steps = done(conduct(a_course(slow, until_s=400.0), "careful"))

        (first_s, *first), (second_s, *second) = (each for each in steps if each[2] == "cart/1")
        assert (first, second) == (["restart", "cart/1"], ["replace", "cart/1"])
        assert second_s - first_s >= 90.0

    def test_a_lost_machine_is_not_waited_for(self) -> None:
        lost = faults.correlated_loss("cart", 60.0, share=0.34)

        steps = done(conduct(a_course(lost, until_s=400.0), "careful"))

        assert [(name, target) for _, name, target in steps] == [("replace", "cart/1")]

    def test_busy_is_not_broken(self) -> None:
        more = faults.overload("*", 60.0, severity=2.5)

        steps = done(conduct(a_course(more, until_s=90.0), "careful"))

        assert {name for _, name, _ in steps} <= {"shed", "scale"}
        assert steps[0][1] == "shed"

    def test_a_disk_is_cleaned_up_before_it_is_full(self) -> None:
        fills = faults.disk_fill("db", 60.0, severity=0.005)

        simulation = conduct(a_course(fills, until_s=400.0), "careful")

        assert done(simulation)[0][1:] == ("clean_up", "db")
        assert simulation.harm() < nobody(a_course(fills, until_s=400.0)).harm

    def test_announced_work_is_left_alone(self) -> None:
        work = faults.maintenance("cart", 60.0, lasts_s=200.0)

        assert done(conduct(a_course(work, until_s=240.0), "careful")) == []


def test_nobody_does_what_makes_no_sense_for_a_component() -> None:
    hang, outage = faults.hang("db", 60.0), faults.dependency_outage("advice", 60.0)

    ran = conduct(a_course(hang, outage, until_s=600.0), "runbook").ran

    assert {target for _, _, target in ran} == {"web", "cart", "db"}  # Others run advice.
    assert {name for _, name, target in ran if target == "db"} <= {"restart", "replace"}
