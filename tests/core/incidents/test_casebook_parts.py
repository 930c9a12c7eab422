"""Replicas and edges: what they show is a matter of their component."""

from __future__ import annotations

import pytest
from clinic import Clinic, a_care
from mendel.bus.messages import Status, TargetAnnotated
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import ActionFacts
from mendel.core.topology import Annotation
from msgspec import structs

REPLICAS = ("cart/1", "cart/2", "cart/3")


def test_a_sick_replica_is_an_incident_of_its_component() -> None:
    clinic = Clinic({"cart": ()}, targets=REPLICAS)

    clinic.crash("cart/2")
    clinic.crash("cart/3")

    assert clinic.opened == [("cart", "1-1")]


def test_an_edge_is_a_matter_of_the_called_one() -> None:
    clinic = Clinic({"cart": (), "web": ("cart",)}, targets=("web>cart",))

    clinic.sick("web>cart")

    assert clinic.opened == [("cart", "1-1")]


def test_it_is_over_when_the_sick_replica_is_proven_good() -> None:
    clinic = Clinic({"cart": ()}, targets=REPLICAS)
    clinic.crash("cart/2")
    clinic.now_s = 20.0
    clinic.finish()

    clinic.clear("cart/2")
    assert clinic.closed == []
    clinic.well("cart/2")

    assert clinic.closed == [("cart", "healed")]


def test_a_doubtful_replica_that_was_never_sick_does_not_keep_it_open() -> None:
    clinic = Clinic({"cart": ()}, targets=REPLICAS)
    clinic.well("cart")
    clinic.crash("cart/2")
    clinic.now_s = 20.0
    clinic.finish()

    clinic.clear("cart/3", Status.SUSPECT)
    clinic.well("cart/2")

    assert clinic.closed == [("cart", "healed")]


def test_one_dead_replica_of_several_does_not_cut_the_component_off() -> None:
    clinic = Clinic({"cart": ()}, targets=REPLICAS)

    clinic.sick("cart/2", "reachable")
    clinic.wait(0.0)

    incident = clinic.book.incidents["cart"]
    assert list(incident.scores) == ["cart/2: reachable"]
    assert list(incident.concerned) == ["cart", "cart/2"]


def test_a_caller_waits_for_the_sick_replica_of_what_it_needs() -> None:
    clinic = Clinic({"cart": (), "web": ("cart",)}, targets=("cart/1",))
    clinic.crash("cart/1")

    clinic.sick("web")

    assert clinic.stage("web") == "attributed"
    assert clinic.book.incidents["web"].cause == "cart"


def test_announced_work_keeps_hands_off_until_it_is_over() -> None:
    clinic = Clinic({"cart": ()})
    clinic.tell(TargetAnnotated(target="cart", maintenance=((5.0, 60.0),), told_s=5.0))

    clinic.crash()
    assert clinic.reasons[-1] == (
        "cart waiting: restart must wait: cart is paused by announcement: maintenance"
    )
    clinic.wait(49.0)
    assert clinic.actions == []
    clinic.wait(1.0)

    assert clinic.actions == ["cart: restart"]


def test_what_is_announced_anew_replaces_what_was_announced() -> None:
    clinic = Clinic({"cart": ()})
    clinic.tell(TargetAnnotated(target="cart", maintenance=((5.0, 60.0),), told_s=5.0))
    clinic.tell(TargetAnnotated(target="cart", version="v2", deployed_s=9.0, told_s=9.0))

    clinic.crash()

    assert clinic.book.annotations == {"cart": Annotation(version="v2", deployed_s=9.0)}
    assert clinic.actions == ["cart: restart"]


def test_news_of_incidents_that_are_over_concern_nobody() -> None:
    clinic = Clinic({"cart": ()}, targets=REPLICAS)
    clinic.crash("cart/2")
    command = clinic.running["cart"]
    clinic.finish()
    clinic.well("cart/2")
    clinic.running["cart"] = command

    clinic.finish()
    clinic.clear("cart/2")

    assert clinic.closed == [("cart", "healed")]


def test_a_plan_stops_nobody_who_serves_on_where_replicas_can_be_taken_in_turn() -> None:
    care = a_care("rolling_restart", "restart", "replace", playbook=PlaybookConfig(attempts=1))
    actions = {**care.actions, "rolling_restart": ActionFacts(name="rolling_restart")}
    clinic = Clinic({"cart": ()}, targets=REPLICAS, care=structs.replace(care, actions=actions))
    clinic.well("cart/1")
    clinic.sick("cart/2")

    clinic.finish()
    clinic.wait(60.0)

    assert clinic.actions[:2] == ["cart: rolling_restart", "cart: replace"]


@pytest.mark.parametrize(("status", "is_blind"), [(Status.HEALTHY, False), (Status.UNKNOWN, True)])
def test_who_sees_some_replicas_well_and_others_gone_is_not_blind(
    status: Status, is_blind: bool
) -> None:
    names = ("cart", "mail", "shop", "user", "bank", "web")
    replicas = [f"{name}/{number}" for name in names for number in (1, 2)]
    clinic = Clinic(dict.fromkeys(names, ()), targets=replicas)
    for name in names:
        clinic.clear(f"{name}/2", status)

    for name in names:
        clinic.crash(f"{name}/1")

    assert any("rather the monitoring is" in each for each in clinic.reasons) is is_blind


def test_a_level_that_does_not_diagnose_stops_no_replica_that_serves() -> None:
    care = a_care("restart", "rolling_restart", level="basic")
    rolling = structs.replace(care.actions["restart"], name="rolling_restart")
    care = structs.replace(care, actions={**care.actions, rolling.name: rolling})
    clinic = Clinic({"cart": ()}, targets=REPLICAS, care=care)
    assert clinic.book.levels == {"cart": "basic"}

    clinic.sick()

    assert clinic.actions == ["cart: rolling_restart"]
