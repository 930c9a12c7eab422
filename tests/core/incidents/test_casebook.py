"""Stories: what the casebook wishes for, from the first anomaly to the end."""

import pytest
from clinic import Clinic, a_care, an_anomaly
from mendel.bus.messages import (
    Advice,
    ConfigChanged,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    IsolateTarget,
    Reading,
    RecoveryProposed,
    ReleaseTarget,
    RunAction,
    Status,
)
from mendel.core.effects import CancelTimer, Consult, Effect, Publish, Record, StartTimer
from mendel.core.incidents.treatment import IncidentConfig
from mendel.core.playbook import Attempt, PlaybookConfig
from mendel.core.policy import EstateView, Permit, PolicyConfig
from mendel.core.records import Ailment, ExperienceRecord, IncidentRecord


def went(stage: str, reason: str, at_s: float, verdict: str) -> list[Effect]:
    record = IncidentRecord(
        incident="1-1",
        target="cart",
        stage=stage,
        reason=reason,
        at_s=at_s,
        onset_s=10.0,
        actions=("restart",),
        attempts=(Attempt("restart", verdict),),
        isolated=True,
    )
    changed = IncidentChanged(
        target="cart", incident="1-1", stage=stage, reason=reason, changed_s=at_s
    )
    return [Record(record), Publish(changed)]


class TestTreating:
    def test_a_crash_is_restarted_at_once_and_closed_on_proof_of_health(self) -> None:
        clinic = Clinic()

        clinic.crash()
        clinic.now_s = 12.0
        clinic.finish()
        clinic.now_s = 15.0
        clinic.well()

        first, own = "the evidence speaks of it alone", "all metrics within bounds"
        assert clinic.effects == [
            Record(
                IncidentRecord(
                    incident="1-1",
                    target="cart",
                    stage="triage",
                    reason="",
                    at_s=10.0,
                    onset_s=10.0,
                )
            ),
            Publish(IncidentOpened(target="cart", incident="1-1", onset_s=10.0, opened_s=10.0)),
            StartTimer("consult", "cart", 12.0),
            Consult(
                RecoveryProposed(
                    target="cart", incident="1-1", action="restart", attempt=1, deadline_s=11.0
                )
            ),
            CancelTimer("consult", "cart"),
            *went("recovering", f"{first}; runs restart", 10.0, ""),
            Publish(IsolateTarget(target="cart", incident="1-1", reason=first)),
            Publish(
                RunAction(
                    target="cart",
                    intent="1-1.1",
                    incident="1-1",
                    action="restart",
                    attempt=1,
                    timeout_s=30.0,
                )
            ),
            StartTimer("action", "cart", 45.0),
            CancelTimer("action", "cart"),
            *went("verifying", "restart succeeded", 12.0, ""),
            StartTimer("verify", "cart", 27.0),
            Record(
                ExperienceRecord(
                    incident="1-1",
                    target="cart",
                    action="restart",
                    ailment=Ailment(kind="service", signature="alive"),
                    verdict="helped",
                    took_s=5.0,
                    at_s=15.0,
                )
            ),
            CancelTimer("verify", "cart"),
            Record(
                IncidentRecord(
                    incident="1-1",
                    target="cart",
                    stage="closed",
                    reason=own,
                    at_s=15.0,
                    onset_s=10.0,
                    outcome="healed",
                    actions=("restart",),
                    attempts=(Attempt("restart", "helped"),),
                    isolated=True,
                )
            ),
            Publish(ReleaseTarget(target="cart", incident="1-1", reason=own)),
            Publish(
                IncidentClosed(
                    target="cart",
                    incident="1-1",
                    outcome="healed",
                    actions=("restart",),
                    onset_s=10.0,
                    opened_s=10.0,
                    closed_s=15.0,
                    reason=own,
                )
            ),
        ]

    def test_what_does_not_help_is_tried_again_then_the_next_step_then_a_person(self) -> None:
        clinic = Clinic(care=a_care("restart", "replace"))
        clinic.sick()

        for pause_s in (1, 2, 4, 8):
            clinic.finish()
            clinic.wait(15 + pause_s)

        assert clinic.commands == [
            (10.0, "cart", "restart"),
            (26.0, "cart", "restart"),
            (43.0, "cart", "replace"),
            (62.0, "cart", "replace"),
            (85.0, "cart", "notify"),
        ]
        assert clinic.escalated == [("cart", "the wait is over; nothing is left to try")]
        assert clinic.isolated == ["cart"]

    @pytest.mark.parametrize(
        ("metric", "isolated"), [("answered", ["cart"]), ("ok", []), ("latency_s", [])]
    )
    def test_who_still_answers_is_not_isolated_for_want_of_a_cure(
        self, metric: str, isolated: list[str]
    ) -> None:
        clinic = Clinic(care=a_care("nothing_declared"))

        clinic.sick(metric=metric)

        assert (clinic.stage(), clinic.isolated) == ("escalated", isolated)

    def test_who_flaps_is_not_reported_and_cut_off_at_each_dip(self) -> None:
        clinic = Clinic(care=a_care("nothing_declared"))
        for _ in range(3):
            clinic.sick(metric="answered")
            clinic.wait(1)
            clinic.well()
            clinic.wait(1)
        assert clinic.actions == ["cart: notify"]
        clinic.wait(400)

        clinic.sick(metric="answered")

        assert clinic.actions == ["cart: notify", "cart: notify"]
        assert (clinic.stage(), clinic.isolated) == ("escalated", ["cart"])

    def test_who_still_answers_is_isolated_for_an_action_that_stops_it(self) -> None:
        clinic = Clinic(care=a_care("restart"))

        clinic.sick(metric="latency_s")

        assert clinic.isolated == ["cart"]

    def test_an_escalated_incident_is_closed_and_released_by_good_health(self) -> None:
        clinic = Clinic(care=a_care("nothing_declared"))
        clinic.sick()

        clinic.well()

        assert (clinic.closed, clinic.isolated) == ([("cart", "cleared")], [])

    def test_what_recovers_after_every_action_was_refuted_was_not_healed_by_them(self) -> None:
        clinic = Clinic(care=a_care("restart", playbook=PlaybookConfig(attempts=1)))
        clinic.sick()
        clinic.finish()
        clinic.wait(100)

        clinic.well()

        assert clinic.actions == ["cart: restart", "cart: notify"]
        assert clinic.closed == [("cart", "cleared")]

    def test_what_made_it_worse_is_taken_back_and_the_line_stops(self) -> None:
        clinic = Clinic(care=a_care("roll_forward", "restart", undo="roll_back"))
        clinic.sick(score=2.0)
        clinic.finish()
        clinic.sick(score=5.0)
        clinic.wait(15)
        clinic.finish()

        clinic.wait(1000)

        assert clinic.actions == ["cart: roll_forward", "cart: roll_back", "cart: notify"]
        assert clinic.escalated == [
            ("cart", "roll_forward made it worse; roll_back succeeded"),
        ]

    def test_what_made_it_worse_and_cannot_be_taken_back_goes_to_a_person(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.finish()
        clinic.crash()

        clinic.wait(1000)

        assert clinic.actions == ["cart: restart", "cart: notify"]
        assert clinic.escalated == [("cart", "restart made it worse and cannot be taken back")]

    def test_taking_back_is_under_the_same_policy(self) -> None:
        policy = PolicyConfig(allow=("roll_forward",))
        clinic = Clinic(care=a_care("roll_forward", undo="roll_back"), policy=policy)
        clinic.sick()
        clinic.finish()
        clinic.crash()

        clinic.wait(1000)

        assert clinic.actions == ["cart: roll_forward", "cart: notify"]
        assert clinic.escalated == [("cart", "roll_forward made it worse; nothing is left to try")]

    def test_after_an_undoing_a_resumed_incident_is_judged_as_ever(self) -> None:
        clinic = Clinic(care=a_care("roll_forward", undo="roll_back"))
        clinic.sick()
        clinic.finish()
        clinic.crash()
        clinic.wait(15)
        clinic.finish()

        clinic.resume("cart")
        clinic.finish()

        assert clinic.stage() == "verifying"
        assert clinic.actions[-1] == "cart: roll_forward"

    def test_a_failed_action_is_tried_again(self) -> None:
        clinic = Clinic()
        clinic.sick()

        clinic.finish(outcome="timed_out", detail="not done after 30 s")
        clinic.wait(1)

        assert clinic.actions == ["cart: restart", "cart: restart"]
        assert clinic.reasons[1] == (
            "cart waiting: restart timed out: not done after 30 s; goes on in 1 s"
        )

    def test_a_failed_action_on_a_target_that_is_well_meanwhile_is_not_repeated(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.well()

        clinic.finish(outcome="failed")
        clinic.wait(1000)

        assert clinic.actions == ["cart: restart"]
        assert clinic.closed == [("cart", "healed")]

    def test_an_unknown_outcome_goes_to_a_person(self) -> None:
        clinic = Clinic()
        clinic.sick()

        clinic.finish(outcome="unknown")
        clinic.wait(1000)

        assert clinic.actions == ["cart: restart", "cart: notify"]
        assert clinic.escalated == [("cart", "cannot tell whether restart ran")]

    def test_an_unanswered_action_is_asked_for_by_the_same_intent_then_goes_to_a_person(
        self,
    ) -> None:
        clinic = Clinic(care=a_care(incident=IncidentConfig(asks=2)))
        clinic.sick()

        clinic.wait(1000)

        assert clinic.intents == ["1-1.1", "1-1.1", "1-1.1", "1-1.2"]
        assert clinic.escalated == [("cart", "nobody knows how restart ended")]
        view = EstateView(components=1, blamed=0)
        again = clinic.policy.rule("cart", a_care().actions["drain"], view, clinic.now_s)
        assert again == Permit()  # The one that nobody knows of takes no place any more.

    def test_an_action_that_left_the_configuration_is_not_asked_for_again(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.reconfigure({})

        clinic.wait(1000)

        assert clinic.intents == ["1-1.1"]
        assert clinic.escalated == [("cart", "nobody knows how restart ended")]

    def test_the_end_of_another_execution_is_old_news(self) -> None:
        clinic = Clinic()
        clinic.sick()
        late = clinic.running["cart"]
        clinic.finish(outcome="failed")
        clinic.wait(1)
        current = clinic.running["cart"]

        clinic.running["cart"] = late
        clinic.finish()

        assert (late.intent, current.intent) == ("1-1.1", "1-1.2")
        assert clinic.stage() == "recovering"

    def test_a_timer_of_a_stage_that_is_over_is_old_news(self) -> None:
        clinic = Clinic()
        clinic.sick()

        late = clinic.book.on_timer("verify", "cart", 11.0)

        assert (late, clinic.book.on_timer("retry", "web", 11.0)) == ([], [])

    def test_a_message_of_no_concern_changes_nothing(self) -> None:
        clinic = Clinic()

        clinic.tell(Reading(target="cart", metrics={"ok": 1.0}, taken_s=10.0))
        clinic.well()
        clinic.clear()

        assert (clinic.effects, clinic.book.incidents) == ([], {})

    def test_a_target_in_no_configuration_goes_to_a_person(self) -> None:
        clinic = Clinic(care={})

        clinic.sick("cart")

        reason = "it depends on nothing that is watched; nothing is left to try"
        assert clinic.escalated == [("cart", reason)]


class TestEvidence:
    def test_nothing_is_run_when_health_returned_while_plug_ins_were_asked(self) -> None:
        clinic = Clinic(advice=None)
        clinic.sick()

        clinic.well()
        clinic.wait(1000)

        assert (clinic.actions, clinic.closed) == ([], [("cart", "cleared")])

    def test_nothing_is_run_while_nothing_is_in_alarm(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.finish(outcome="failed")
        clinic.clear()

        clinic.wait(200)

        assert (clinic.actions, clinic.stage()) == (["cart: restart"], "waiting")

    def test_no_data_after_an_action_is_neither_a_cure_nor_a_failure(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.finish()
        clinic.clear(status=Status.UNKNOWN)

        clinic.wait(200)

        assert (clinic.actions, clinic.stage()) == (["cart: restart"], "verifying")

    def test_no_data_for_too_long_goes_to_a_person(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.finish()
        clinic.clear(status=Status.UNKNOWN)

        clinic.wait(1000)

        assert clinic.actions == ["cart: restart", "cart: notify"]
        assert clinic.escalated == [
            (
                "cart",
                "held back for 300 s: it is not seen to be sick, but not proven well either",
            )
        ]

    def test_an_alarm_that_returns_while_proof_is_owed_is_treated_by_the_plan(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.finish()
        clinic.clear()
        clinic.wait(20)
        clinic.sick()

        clinic.wait(6)

        assert clinic.actions == ["cart: restart", "cart: restart"]

    def test_good_health_at_the_end_of_the_window_closes_it(self) -> None:
        clinic = Clinic()
        clinic.sick()
        clinic.well()  # Before the action has ended: no proof yet.
        assert clinic.stage() == "recovering"
        clinic.finish()

        clinic.wait(15)

        assert clinic.closed == [("cart", "healed")]


class TestRelapse:
    def test_a_relapse_goes_on_where_the_last_incident_stopped(self) -> None:
        clinic = Clinic(care=a_care(playbook=PlaybookConfig(attempts=1)))
        clinic.sick()
        clinic.finish()
        clinic.wait(16)
        clinic.finish()
        clinic.well()

        clinic.wait(100)
        clinic.sick()

        assert clinic.actions == ["cart: restart", "cart: replace", "cart: replace"]
        assert clinic.opened == [("cart", "1-1"), ("cart", "1-2")]

    def test_long_after_the_last_incident_everything_is_forgiven(self) -> None:
        clinic = Clinic(care=a_care(playbook=PlaybookConfig(attempts=1, relapse_s=60)))
        clinic.sick()
        clinic.finish()
        clinic.wait(16)
        clinic.finish()
        clinic.well()

        clinic.wait(100)
        clinic.sick()

        assert clinic.actions == ["cart: restart", "cart: replace", "cart: restart"]

    def test_too_many_relapses_go_to_a_person(self) -> None:
        clinic = Clinic(care=a_care(playbook=PlaybookConfig(relapses=1)))
        for _ in range(2):
            clinic.sick()
            clinic.finish()
            clinic.well()

        clinic.sick()

        assert clinic.actions == ["cart: restart", "cart: restart", "cart: notify"]
        assert [reason.split("; ")[1] for _, reason in clinic.escalated] == [
            "cart was healed 2 times and fell ill again each time"
        ]


class TestAdvice:
    def test_a_preparation_is_run_first(self) -> None:
        clinic = Clinic(advice=[Advice(before=("drain", "restart", "unheard_of"))])
        clinic.sick()

        clinic.finish()
        clinic.finish()
        clinic.well()

        assert clinic.actions == ["cart: drain", "cart: restart"]
        assert clinic.book.incidents == {}

    def test_what_was_prepared_is_carried_through(self) -> None:
        clinic = Clinic(advice=[Advice(before=("drain",))])
        clinic.sick()
        clinic.well()  # Of course: it gets no more requests.

        clinic.finish(outcome="failed")

        assert clinic.actions == ["cart: drain", "cart: restart"]

    def test_a_veto_leaves_the_step_out(self) -> None:
        clinic = Clinic(advice=[Advice(), Advice(veto="is the last replica")])

        clinic.sick()

        assert clinic.actions == ["cart: notify"]
        assert clinic.escalated == [
            ("cart", "replace was vetoed: is the last replica; nothing is left to try")
        ]

    def test_advice_that_got_lost_is_asked_for_again_but_not_forever(self) -> None:
        clinic = Clinic(advice=None)
        clinic.sick()
        clinic.wait(7)
        assert clinic.commands == []

        clinic.wait(1)

        assert clinic.commands == [(18.0, "cart", "restart")]

    def test_a_veto_counts_when_it_was_lost_the_first_time(self) -> None:
        clinic = Clinic(advice=None)
        clinic.sick()
        clinic.advice = [Advice(veto="is the last replica")]

        clinic.wait(2)

        assert clinic.actions == ["cart: notify"]

    def test_advice_that_comes_too_late_changes_nothing(self) -> None:
        clinic = Clinic(advice=None)
        clinic.sick()
        clinic.wait(8)

        late = clinic.book.on_advice("cart", [Advice(veto="no")], 18.5, "1-1")

        assert (late, clinic.book.on_advice("web", [], 18.5, "1-2")) == ([], [])


class TestPeople:
    def test_an_approved_action_is_run(self) -> None:
        clinic = Clinic(policy=PolicyConfig(approve=("restart",)))
        clinic.sick()
        clinic.wait(10_000)
        clinic.approve("1-1.2.restart")
        assert (clinic.stage(), clinic.actions) == ("awaiting_approval", [])

        clinic.approve("1-1.1.restart")

        assert clinic.actions == ["cart: restart"]
        assert [(each.approval, each.reason) for each in clinic.approvals] == [
            ("1-1.1.restart", "action restart needs approval")
        ]

    def test_approving_twice_approves_nothing_else(self) -> None:
        advice = [Advice(before=("drain",))]
        clinic = Clinic(policy=PolicyConfig(mode="recommend"), advice=advice)
        clinic.sick()

        clinic.approve("1-1.1.restart")
        clinic.approve("1-1.1.restart")

        assert clinic.actions == []
        assert [each.approval for each in clinic.approvals] == ["1-1.1.restart", "1-1.1.drain"]

    def test_an_approved_action_that_is_no_longer_needed_is_not_run(self) -> None:
        clinic = Clinic(policy=PolicyConfig(mode="recommend"))
        clinic.sick()
        clinic.clear()

        clinic.approve("1-1.1.restart")

        assert (clinic.actions, clinic.stage()) == ([], "waiting")

    def test_observing_does_nothing_but_says_what_it_would(self) -> None:
        clinic = Clinic(modes={"cart": "observe"}, care=a_care("unheard_of", "replace"))
        clinic.crash()

        clinic.wait(10_000)
        clinic.well()

        assert (clinic.actions, clinic.isolated) == ([], [])
        assert clinic.reasons == [
            "cart observed: the evidence speaks of it alone; would run replace"
        ]
        assert clinic.closed == [("cart", "cleared")]

    def test_a_pause_keeps_hands_off_until_it_ends(self) -> None:
        clinic = Clinic()
        clinic.pause(60)
        clinic.crash()
        assert clinic.reasons == ["cart waiting: restart must wait: * is paused by ada: upgrade"]

        clinic.wait(60)

        assert clinic.commands == [(70.0, "cart", "restart")]

    def test_a_pause_ends_when_a_person_resumes(self) -> None:
        clinic = Clinic()
        clinic.pause(60, "cart")
        clinic.crash()
        clinic.wait(20)

        clinic.resume("cart")

        assert clinic.commands == [(30.0, "cart", "restart")]

    def test_resuming_tries_an_escalated_plan_from_its_start(self) -> None:
        clinic = Clinic(care=a_care("restart", playbook=PlaybookConfig(attempts=1)))
        clinic.sick()
        clinic.finish()
        clinic.wait(100)

        clinic.resume("web")
        clinic.resume("*")

        assert clinic.actions == ["cart: restart", "cart: notify", "cart: restart"]
        assert len(set(clinic.intents)) == 3

    def test_resuming_while_an_action_runs_changes_nothing(self) -> None:
        clinic = Clinic()
        clinic.sick()

        clinic.resume("*")

        assert (clinic.stage(), clinic.actions) == ("recovering", ["cart: restart"])

    def test_the_end_of_a_pause_does_not_forget_what_made_it_worse(self) -> None:
        clinic = Clinic(care=a_care("roll_forward", undo="roll_back"))
        clinic.sick()
        clinic.finish()
        clinic.pause(100)
        clinic.crash()
        clinic.wait(15)

        clinic.resume("*")

        assert clinic.actions == ["cart: roll_forward", "cart: roll_back"]


class TestLimits:
    def test_a_rate_limit_holds_until_a_place_is_free(self) -> None:
        policy = PolicyConfig(component_actions=1, component_period_s=100.0)
        clinic = Clinic(policy=policy)
        clinic.sick()
        clinic.finish()

        clinic.wait(120)

        assert clinic.commands == [(10.0, "cart", "restart"), (110.0, "cart", "restart")]

    def test_waiting_for_the_same_thing_is_told_once(self) -> None:
        policy = PolicyConfig(concurrent_actions=1)
        clinic = Clinic({"cart": (), "db": ()}, policy=policy)
        clinic.sick("db")

        clinic.sick("cart")
        clinic.wait(3)

        assert [each for each in clinic.reasons if each.startswith("cart")] == [
            "cart waiting: restart must wait: 1 actions are under way"
        ]

    def test_an_incident_that_is_held_for_too_long_goes_to_a_person(self) -> None:
        policy = PolicyConfig(component_actions=1, component_period_s=10_000.0)
        care = a_care(incident=IncidentConfig(held_s=60.0))
        clinic = Clinic(policy=policy, care=care)
        clinic.sick()
        clinic.finish()
        clinic.wait(16 + 59)
        assert clinic.actions == ["cart: restart"]

        clinic.wait(2)

        assert clinic.actions == ["cart: restart", "cart: notify"]
        reason = "held back for 60 s: restart must wait: cart had 1 actions in the last 10000 s"
        assert clinic.escalated == [("cart", reason)]

    def test_nobody_is_told_of_a_wait_that_a_person_wants(self) -> None:
        clinic = Clinic(care=a_care(incident=IncidentConfig(held_s=60.0)))
        clinic.pause(20_000)
        clinic.crash()

        clinic.wait(20_000)

        assert clinic.escalated == []
        assert clinic.actions == ["cart: restart"]

    def test_when_most_look_sick_the_monitoring_is_suspected(self) -> None:
        names = [f"s{number}" for number in range(8)]
        clinic = Clinic(dict.fromkeys(names, ()), policy=PolicyConfig(blast_share=1.0))
        for name in names[:4]:
            clinic.crash(name)
            clinic.finish(name, outcome="failed")

        for name in names[4:]:
            clinic.crash(name)

        assert clinic.actions == [f"s{number}: restart" for number in range(4)]
        assert clinic.reasons[-1] == (
            "s7 waiting: restart must wait: 7 of 8 components look sick by themselves: "
            "rather the monitoring is"
        )

    def test_a_group_keeps_its_minimum_healthy(self) -> None:
        groups = dict.fromkeys(["a", "b"], "web")
        clinic = Clinic({"a": (), "b": ()}, groups=groups)
        clinic.well("a")
        clinic.clear("b")

        clinic.sick("a")  # It still answers, and the other one is in doubt.
        assert clinic.actions == []
        clinic.well("b")
        clinic.wait(1)

        assert clinic.actions == ["a: restart"]

    def test_one_that_does_no_work_any_more_costs_its_group_nothing(self) -> None:
        clinic = Clinic({"a": (), "b": ()}, groups=dict.fromkeys(["a", "b"], "web"))

        clinic.crash("a")

        assert clinic.actions == ["a: restart"]

    def test_a_group_of_one_is_no_group(self) -> None:
        clinic = Clinic(groups={"cart": "web"})

        clinic.sick()

        assert clinic.actions == ["cart: restart"]


class TestOtherComponents:
    def test_an_incident_of_a_component_that_is_gone_is_put_away(self) -> None:
        clinic = Clinic({"cart": (), "db": ()})
        clinic.sick("cart")
        clinic.sick("db")

        clinic.reconfigure({"db": a_care()}, components=("db",))
        clinic.tell(ConfigChanged(changes=(), changed_s=10.0))

        assert clinic.closed == [("cart", "dismissed")]
        assert list(clinic.book.incidents) == ["db"]

    def test_what_is_still_said_of_it_opens_no_incident(self) -> None:
        clinic = Clinic({"cart": (), "db": ()})

        clinic.reconfigure({"db": a_care()}, components=("db",))
        clinic.tell(an_anomaly("cart"))
        clinic.tell(an_anomaly("db"))

        assert [target for target, _ in clinic.opened] == ["db"]

    def test_a_component_that_comes_back_is_healed_like_any_other(self) -> None:
        clinic = Clinic({"cart": (), "db": ()})
        cares = {"cart": a_care(), "db": a_care()}

        clinic.reconfigure({"db": a_care()}, components=("db",))
        clinic.reconfigure(cares, components=("db", "cart"))
        clinic.tell(an_anomaly("cart"))

        assert [target for target, _ in clinic.opened] == ["cart"]
        assert clinic.book.health == {"db": Status.UNKNOWN, "cart": Status.SICK}
