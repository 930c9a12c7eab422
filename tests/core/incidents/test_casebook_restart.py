"""Stories across a restart of mendel: nothing is lost, nothing is done twice."""

import pytest
from clinic import Clinic, a_care
from mendel.bus.messages import Advice, ReleaseTarget, Status
from mendel.core.effects import Publish
from mendel.core.incidents.casebook import Casebook
from mendel.core.policy import Denied, EstateView, Mode, Policy, PolicyConfig
from mendel.core.records import IncidentRecord, IntentRecord
from mendel.core.topology import Component, Topology

TAKEN_UP = "taken up again after mendel was restarted"


def test_the_end_of_an_action_under_way_is_waited_for() -> None:
    before = Clinic()
    before.crash()
    intent = before.intent_of()

    clinic = before.restart_mendel(intent)
    clinic.crash()
    clinic.finish()
    clinic.well()

    assert clinic.actions == []
    assert clinic.reasons == [f"cart recovering: {TAKEN_UP}", "cart verifying: restart succeeded"]
    assert clinic.closed == [("cart", "healed")]


def test_an_action_under_way_keeps_its_place_in_the_accounts() -> None:
    before = Clinic(policy=PolicyConfig(concurrent_actions=1))
    before.crash()

    clinic = before.restart_mendel(before.intent_of())
    view = EstateView(components=1, blamed=0)

    assert clinic.book.policy.rule("web", a_care().actions["restart"], view, 10.0) == Denied(
        "1 actions are under way", 11.0
    )


def test_an_action_whose_end_stays_unknown_is_asked_for_by_the_same_intent() -> None:
    before = Clinic()
    before.crash()

    clinic = before.restart_mendel(before.intent_of())
    clinic.wait(200)

    assert clinic.intents == ["1-1.1", "1-1.1", "1-1.1", "1-1.2"]
    assert clinic.escalated == [("cart", "nobody knows how restart ended")]


@pytest.mark.parametrize("finished", [True, False])
def test_a_target_that_may_still_boot_is_not_restarted_again(finished: bool) -> None:
    before = Clinic()
    before.sick()
    if finished:
        before.finish()

    clinic = before.restart_mendel()
    clinic.sick()
    clinic.wait(14)
    assert (clinic.actions, clinic.stage()) == ([], "verifying")
    clinic.wait(2)

    assert clinic.actions == ["cart: restart"]


def test_what_is_still_sick_after_a_restart_of_mendel_is_not_called_worse() -> None:
    before = Clinic(care=a_care("roll_forward", undo="roll_back"))
    before.sick()
    before.finish()

    clinic = before.restart_mendel()
    clinic.crash()
    clinic.wait(17)

    assert clinic.actions == ["cart: roll_forward"]


def test_an_escalated_incident_stays_with_the_person_and_is_released_in_the_end() -> None:
    before = Clinic(care=a_care("unheard_of"))
    before.crash()

    told = IntentRecord(
        intent="1-1.1",
        incident="1-1",
        target="cart",
        action="notify",
        attempt=1,
        timeout_s=30.0,
        at_s=10.0,
    )
    clinic = before.restart_mendel(told)
    clinic.crash()
    clinic.wait(10_000)
    assert (clinic.actions, clinic.stage()) == ([], "escalated")
    clinic.well()

    assert (clinic.closed, clinic.isolated) == ([("cart", "cleared")], [])


def test_no_intent_is_named_twice_when_a_person_resumes_after_the_restart() -> None:
    before = Clinic(care=a_care("restart"))
    before.crash()
    before.finish(outcome="unknown")

    clinic = before.restart_mendel()
    clinic.crash()
    clinic.resume("cart")

    assert before.intents == ["1-1.1", "1-1.2"]
    assert clinic.intents == ["1-1.3"]


@pytest.mark.parametrize("prepare", [[], ["waiting"], ["approval"], ["observed"], ["attributed"]])
def test_where_nothing_was_under_way_the_question_of_the_cause_is_asked_anew(
    prepare: list[str],
) -> None:
    modes: dict[str, Mode] = {"cart": "observe"} if "observed" in prepare else {}
    approve = ("restart",) if "approval" in prepare else ()
    before = Clinic({"db": (), "cart": ("db",)}, policy=PolicyConfig(approve=approve), modes=modes)
    if prepare == ["attributed"]:
        before.sick("db")
    if prepare == []:
        before.health["db"] = Status.SUSPECT
    before.sick()
    if prepare == ["waiting"]:
        before.finish(outcome="failed")

    clinic = before.restart_mendel()

    assert clinic.reasons[-1] == f"cart triage: {TAKEN_UP}"
    clinic.health["db"] = Status.HEALTHY
    clinic.well("db")
    clinic.well("cart")
    assert clinic.book.incidents == {}


def test_what_was_refuted_before_the_restart_stays_refuted() -> None:
    before = Clinic(care=a_care("roll_forward", "restart", undo="roll_back"))
    before.sick()
    before.finish()
    before.crash()
    before.wait(15)

    clinic = before.restart_mendel(before.intent_of())
    clinic.crash()
    clinic.finish()

    assert before.actions == ["cart: roll_forward", "cart: roll_back"]
    assert clinic.escalated == [("cart", "roll_forward made it worse; roll_back succeeded")]


def test_after_an_interrupted_preparation_the_step_follows() -> None:
    before = Clinic(advice=[Advice(before=("drain",))])
    before.sick()

    clinic = before.restart_mendel(before.intent_of())
    clinic.advice = ()
    clinic.sick()
    clinic.finish()

    assert (before.actions, clinic.actions) == (["cart: drain"], ["cart: restart"])


def test_nothing_is_known_of_a_target_for_too_long_so_a_person_is_asked() -> None:
    before = Clinic(policy=PolicyConfig(approve=("restart",)))
    before.sick()

    clinic = before.restart_mendel()
    clinic.wait(1000)

    assert clinic.actions == ["cart: notify"]
    assert [target for target, _ in clinic.escalated] == ["cart"]


def test_an_incident_of_what_is_no_longer_configured_is_dismissed() -> None:
    before = Clinic({"cart": (), "old": ()})
    before.sick("old")

    clinic = Clinic(left_open=list(before.records.values()), run=2)
    clinic.isolated = ["old"]
    clinic.begin()

    assert clinic.closed == [("old", "dismissed")]
    assert clinic.book.incidents == {}


def test_what_was_left_open_is_taken_up_once() -> None:
    before = Clinic()
    before.sick()
    clinic = before.restart_mendel()
    clinic.effects.clear()

    clinic.begin()

    assert clinic.effects == []


def test_names_of_new_incidents_do_not_collide_with_old_ones() -> None:
    before = Clinic({"cart": (), "web": ()})
    before.sick()

    clinic = before.restart_mendel()
    clinic.sick("web")

    assert (before.opened, clinic.opened) == ([("cart", "1-1")], [("web", "2-1")])


def test_an_isolation_that_stands_is_wished_again_because_guards_forgot_it() -> None:
    before = Clinic()
    before.crash()

    clinic = before.restart_mendel(before.intent_of())

    assert clinic.kept_away == ["cart"]


def test_what_was_left_isolated_is_released_unless_its_incident_is_still_open() -> None:
    def isolation(target: str) -> IntentRecord:
        return IntentRecord(
            intent=f"1-{target}.isolate.1",
            incident=f"1-{target}",
            target=target,
            action="isolate",
            attempt=1,
            timeout_s=30.0,
            at_s=5.0,
        )

    left = IncidentRecord(
        incident="1-cart",
        target="cart",
        stage="escalated",
        reason="",
        at_s=5.0,
        onset_s=4.0,
        isolated=True,
    )
    book = Casebook(
        Topology([Component(name="cart"), Component(name="db")]),
        {},
        Policy(PolicyConfig()),
        left_open=[left],
        isolations=[isolation("cart"), isolation("db")],
    )

    first, second = book.begin(10.0), book.begin(20.0)

    released = [
        each.message
        for each in first
        if isinstance(each, Publish) and isinstance(each.message, ReleaseTarget)
    ]
    reason = "left isolated by an earlier run of mendel"
    assert released == [ReleaseTarget(target="db", incident="1-db", reason=reason)]
    assert second == []
