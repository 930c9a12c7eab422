"""Stories: how load is held back from what is overloaded, from the first word of it to the end."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from clinic import Clinic
from mendel.bus.messages import Advice, LoadChanged, Status, Symptom, TargetProbed
from mendel.core.incidents.treatment import Care
from mendel.core.load import ReliefConfig
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import ActionFacts, PolicyConfig
from msgspec import structs

UNDO = {"shed": "unshed", "degrade": "restore"}
NAMES = ("restart", "retry_budget", "shed", "unshed", "degrade", "restore")


def a_care(*names: str, **fields: Any) -> Care:
    """Care that has these actions, or all; it looks 20 s after a measure whether it helped.

    After requests are refused it looks 40 s later.
    """
    actions = {
        name: ActionFacts(
            name=name,
            disruptive=name == "restart",
            timeout_s=10.0,
            settle_s=10.0,
            undo=UNDO.get(name, ""),
        )
        for name in names or NAMES
    }
    return Care(plan=("restart",), actions=actions, level="advanced", **fields)


class Crowd(Clinic):
    """A clinic that hears of load."""

    def __init__(self, needs: dict[str, tuple[str, ...]] | None = None, **options: Any) -> None:
        super().__init__(needs or {"web": ()}, **({"care": a_care()} | options))

    def load(self, state: str, target: str = "web", **fields: Any) -> None:
        sort: dict[str, Any] = (
            {"busy": True, "crowded": True, "reason": "too much"} if state != "calm" else {}
        )
        change = LoadChanged(
            target=target,
            state=state,
            onset_s=self.now_s,
            changed_s=self.now_s,
            **(sort | fields),
        )
        self.tell(change)

    def overload(self, target: str = "web", **fields: Any) -> None:
        self.load("overloaded", target, **fields)

    def held(self, target: str = "web") -> str:
        relief = self.book.load.reliefs.get(target)
        return str(relief.stage) if relief is not None else ""


class TestHoldingBack:
    def test_a_crowd_is_shed_at_once_and_let_in_when_it_has_gone(self) -> None:
        crowd = Crowd()

        crowd.overload()
        crowd.finish("web")
        crowd.load("eased")
        crowd.wait(300.0)
        crowd.load("calm")
        crowd.finish("web")

        assert crowd.commands == [(10.0, "web", "shed"), (310.0, "web", "unshed")]
        assert crowd.opened == [("web", "1-L1")]
        assert crowd.closed == [("web", "healed")]
        assert crowd.reasons == [
            "web recovering: too much; runs shed",
            "web verifying: shed succeeded",
            "web verifying: in time while load is held back",
            "web recovering: the load is calm; runs unshed",
        ]

    @pytest.mark.parametrize(
        ("sort", "cause"),
        [
            ({}, "overload"),
            ({"retried": True, "crowded": False}, "retry_storm"),
        ],
    )
    def test_what_sort_of_load_it_is_is_told(self, sort: dict[str, Any], cause: str) -> None:
        crowd = Crowd()

        crowd.overload(**sort)

        assert crowd.records["1-L1"].cause == cause

    def test_all_that_waited_for_who_was_away_is_a_herd(self) -> None:
        crowd = Crowd()
        gone = Symptom(metric="reachable", value=0.0, latest=0.0, usual=1.0)
        look = TargetProbed(
            target="web", status=Status.SICK, since_s=5.0, taken_s=10.0, symptoms=(gone,)
        )
        crowd.tell(look)
        crowd.wait(60.0)

        crowd.overload()

        assert crowd.records["1-L1"].cause == "thundering_herd"

    def test_retries_are_limited_before_anybody_is_refused(self) -> None:
        crowd = Crowd()

        crowd.overload(retried=True)
        crowd.finish("web")
        crowd.wait(21.0)
        crowd.finish("web")
        crowd.wait(39.0)
        assert crowd.actions == ["web: retry_budget", "web: shed"]
        crowd.wait(2.0)

        assert crowd.actions == ["web: retry_budget", "web: shed", "web: degrade"]
        record = crowd.records["1-L1"]
        assert [each.verdict for each in record.attempts] == ["no_effect", "no_effect", ""]

    def test_nobody_is_refused_for_retries_alone(self) -> None:
        crowd = Crowd()

        crowd.overload(retried=True, busy=False, crowded=False)
        crowd.finish("web")
        crowd.wait(300.0)

        assert crowd.actions == ["web: retry_budget"]
        assert crowd.held() == "escalated"

    def test_what_helps_is_all_that_is_done(self) -> None:
        crowd = Crowd()

        crowd.overload()
        crowd.finish("web")
        crowd.wait(15.0)
        crowd.load("eased")
        crowd.wait(1000.0)

        assert crowd.actions == ["web: shed"]

    def test_when_it_comes_back_while_held_back_the_measure_first_gets_time(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")
        crowd.load("eased")
        crowd.wait(100.0)

        crowd.overload()
        crowd.wait(39.0)
        assert crowd.actions == ["web: shed"]
        crowd.wait(2.0)

        assert crowd.actions == ["web: shed", "web: degrade"]

    def test_when_nothing_is_left_a_person_is_told_and_what_was_done_stays(self) -> None:
        crowd = Crowd(care=a_care("shed", "unshed"))

        crowd.overload()
        crowd.finish("web")
        crowd.wait(41.0)

        assert crowd.escalated == [("web", "still overloaded while shed holds load back: too much")]
        crowd.load("calm")
        crowd.finish("web")
        assert crowd.actions == ["web: shed", "web: unshed"]
        assert crowd.closed == [("web", "healed")]

    def test_another_sort_of_load_has_other_measures(self) -> None:
        crowd = Crowd(care=a_care("shed", "retry_budget"))
        crowd.overload()
        crowd.finish("web")
        crowd.wait(41.0)

        crowd.overload(retried=True)

        assert crowd.actions == ["web: shed", "web: retry_budget"]

    def test_a_measure_that_fails_is_not_taken_to_be_on(self) -> None:
        crowd = Crowd()

        crowd.overload()
        crowd.finish("web", outcome="failed")
        crowd.finish("web")
        crowd.load("eased")
        crowd.load("calm")
        crowd.finish("web")

        assert crowd.actions == ["web: shed", "web: degrade", "web: restore"]

    def test_nobody_knows_how_it_went_so_it_is_asked_again_and_then_a_person_is(self) -> None:
        crowd = Crowd()

        crowd.overload()
        crowd.wait(200.0)

        assert crowd.intents == ["1-L1.1"] * 4
        assert crowd.held() == "escalated"

    def test_an_end_that_is_told_twice_counts_once(self) -> None:
        crowd = Crowd()
        crowd.overload()
        command = crowd.running["web"]
        crowd.finish("web")
        before = list(crowd.effects)

        crowd.running["web"] = command
        crowd.finish("web")

        assert crowd.effects == before

    def test_calm_that_comes_while_a_measure_is_taken_is_seen_afterwards(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.load("calm")
        crowd.finish("web")
        crowd.wait(41.0)
        crowd.finish("web")

        assert crowd.actions == ["web: shed", "web: unshed"]
        assert crowd.closed == [("web", "healed")]

    def test_a_measure_without_an_undo_is_simply_over(self) -> None:
        crowd = Crowd()
        crowd.overload(retried=True, busy=False, crowded=False)
        crowd.finish("web")

        crowd.load("calm")

        assert crowd.actions == ["web: retry_budget"]
        assert crowd.closed == [("web", "healed")]

    def test_a_level_without_load_control_does_nothing(self) -> None:
        care = Care(plan=(), actions=a_care().actions, level="basic")
        crowd = Crowd(care=care)

        crowd.overload()

        assert crowd.effects == []

    def test_where_nothing_can_be_held_back_nothing_is_opened(self) -> None:
        crowd = Crowd(care=a_care("restart"))

        crowd.overload()

        assert crowd.effects == []


class TestLettingGo:
    def come_back(self, crowd: Crowd, times: int) -> None:
        for number in range(times):
            crowd.overload()
            crowd.finish("web")
            crowd.load("calm")
            crowd.wait(0.0 if number == 0 else 20.0 * 2.0 ** (number - 1))
            crowd.finish("web")

    def test_a_load_that_comes_back_is_held_twice_as_long_each_time(self) -> None:
        crowd = Crowd(care=a_care(relief=ReliefConfig(relapse_s=2000.0)))

        self.come_back(crowd, 4)

        starts = [at_s for at_s, _, action in crowd.commands if action == "shed"]
        ends = [at_s for at_s, _, action in crowd.commands if action == "unshed"]
        assert [end - start for start, end in zip(starts, ends, strict=True)] == [0, 20, 40, 80]

    def test_one_that_comes_later_is_another_one(self) -> None:
        crowd = Crowd()

        self.come_back(crowd, 1)
        crowd.wait(301.0)
        self.come_back(crowd, 1)

        assert crowd.commands[-2][0] == crowd.commands[-1][0]

    def test_one_that_comes_back_while_it_is_let_in_is_held_back_again(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")
        crowd.load("calm")
        crowd.overload()

        crowd.finish("web")

        assert crowd.actions == ["web: shed", "web: unshed", "web: shed"]
        assert crowd.opened == [("web", "1-L1")]

    def test_one_that_comes_back_before_it_is_let_in_stays_held_back(self) -> None:
        crowd = Crowd()
        self.come_back(crowd, 1)
        crowd.overload()
        crowd.finish("web")
        crowd.load("calm")
        crowd.wait(10.0)

        crowd.load("eased")
        crowd.wait(100.0)

        assert crowd.actions == ["web: shed", "web: unshed", "web: shed"]

    def test_only_so_many_ends_are_remembered(self) -> None:
        names = [f"web-{number}" for number in range(1002)]
        policy = PolicyConfig(estate_actions=2000)
        crowd = Crowd(dict.fromkeys(names, ()), policy=policy)

        for name in names:
            crowd.overload(name, retried=True, busy=False)
            crowd.finish(name)
            crowd.load("calm", name)

        assert len(crowd.book.load._past) == 1000


class TestWhere:
    CHAIN: ClassVar[dict[str, tuple[str, ...]]] = {"web": ("cart",), "cart": ("db",), "db": ()}

    def test_of_a_chain_the_caller_is_relieved_and_the_rest_gets_time_to_follow(self) -> None:
        crowd = Crowd(self.CHAIN)

        crowd.overload("web")
        crowd.overload("cart")
        crowd.finish("web")
        crowd.load("eased", "web")
        crowd.wait(19.0)
        assert crowd.actions == ["web: shed"]
        crowd.wait(2.0)

        assert crowd.actions == ["web: shed", "cart: shed"]

    def test_what_followed_needs_nothing(self) -> None:
        crowd = Crowd(self.CHAIN)
        crowd.overload("web")
        crowd.overload("cart")
        crowd.finish("web")
        crowd.load("eased", "web")

        crowd.load("eased", "cart")
        crowd.wait(100.0)
        crowd.load("calm", "cart")

        assert crowd.actions == ["web: shed"]
        assert crowd.closed == [("cart", "cleared")]

    def test_two_that_call_each_other_do_not_wait_for_each_other(self) -> None:
        crowd = Crowd({"web": ("cart",), "cart": ("web",)})

        crowd.overload("web")
        crowd.overload("cart")

        assert crowd.actions == ["web: shed", "cart: shed"]

    def test_who_follows_at_once_may(self) -> None:
        crowd = Crowd(self.CHAIN, care=a_care(relief=ReliefConfig(follow_s=0.0)))

        crowd.overload("web")
        crowd.overload("cart")

        assert crowd.actions == ["web: shed", "cart: shed"]


class TestBesideIncidents:
    def test_nobody_restarts_what_is_only_busy(self) -> None:
        crowd = Crowd()

        crowd.overload()
        crowd.sick("web", "answered")
        crowd.finish("web")
        crowd.wait(200.0)

        assert "web: restart" not in crowd.actions
        assert crowd.stage("web") == "waiting"
        assert "web waiting: overload" in crowd.reasons[1]

    def test_nobody_does_though_nothing_more_can_be_held_back_while_the_crowd_stays(self) -> None:
        crowd = Crowd(care=a_care("restart", "shed", "unshed"))

        crowd.overload()
        crowd.finish("web")
        crowd.wait(60.0)
        assert crowd.held() == "escalated"
        crowd.load("eased", crowded=False)
        crowd.sick("web", "answered")
        crowd.wait(200.0)

        assert crowd.actions == ["web: shed"]

    def test_what_is_gone_is_restarted_all_the_same(self) -> None:
        crowd = Crowd(TestWhere.CHAIN)

        crowd.overload("web")
        crowd.crash("cart")

        assert crowd.actions == ["web: shed", "cart: restart"]

    def test_who_is_late_because_of_it_is_left_alone_and_others_are_not(self) -> None:
        crowd = Crowd({"web": ("cart",), "cart": (), "mail": ()})

        crowd.overload("web")
        crowd.sick("cart", "answered")
        crowd.sick("mail", "answered")

        assert crowd.actions == ["web: shed", "mail: restart"]

    def test_a_neighbour_that_does_not_diagnose_is_not_restarted_meanwhile_either(self) -> None:
        plain = structs.replace(a_care(), level="basic", playbook=PlaybookConfig(plan=("restart",)))
        crowd = Crowd({"web": ("cart",), "cart": ()}, care={"web": a_care(), "cart": plain})

        crowd.overload("web")
        crowd.sick("cart", "answered")

        assert crowd.actions == ["web: shed"]
        assert "the load of web is being held back, and restart costs capacity" in crowd.reasons[-1]

    def test_retries_alone_keep_nobody_waiting_for_long(self) -> None:
        crowd = Crowd()

        crowd.overload(retried=True, busy=False, crowded=False)
        crowd.finish("web")
        crowd.sick("web", "answered")
        crowd.wait(15.0)

        assert crowd.actions == ["web: retry_budget", "web: restart"]

    def test_a_busy_one_that_nobody_crowds_is_treated_when_its_measures_do_not_help(self) -> None:
        crowd = Crowd(care=a_care("restart", "shed", "unshed"))

        crowd.overload(crowded=False)
        crowd.finish("web")
        crowd.sick("web", "answered")
        crowd.wait(35.0)
        assert crowd.actions == ["web: shed"]
        crowd.wait(10.0)

        assert crowd.actions == ["web: shed", "web: restart"]

    def test_what_is_let_in_is_not_in_the_way_of_anybody(self) -> None:
        crowd = Crowd({"web": ("cart",), "cart": ()})
        crowd.overload()
        crowd.finish("web")
        crowd.load("calm")

        crowd.sick("cart", "answered")

        assert crowd.actions == ["web: shed", "web: unshed", "cart: restart"]


class TestPeople:
    def test_a_person_is_asked_where_that_is_the_mode(self) -> None:
        crowd = Crowd(policy=PolicyConfig(mode="recommend"))

        crowd.overload()
        assert crowd.actions == []
        assert [each.approval for each in crowd.approvals] == ["1-L1.1.shed"]
        crowd.approve("1-L1.1.other")
        crowd.approve("1-L1.1.shed")

        assert crowd.actions == ["web: shed"]

    def test_where_one_only_watches_it_is_said_what_would_be_done(self) -> None:
        crowd = Crowd(policy=PolicyConfig(mode="observe"))

        crowd.overload()
        crowd.load("calm")

        assert crowd.reasons == ["web observed: too much; would run shed"]
        assert crowd.closed == [("web", "cleared")]

    def test_what_is_not_allowed_is_left_out(self) -> None:
        crowd = Crowd(policy=PolicyConfig(allow=("degrade",)))

        crowd.overload()

        assert crowd.actions == ["web: degrade"]

    def test_a_plug_in_may_veto(self) -> None:
        crowd = Crowd(care=a_care("shed", "unshed"), advice=[Advice(veto="a launch")])

        crowd.overload()

        assert crowd.actions == []
        assert crowd.held() == "escalated"

    def test_plug_ins_that_never_answer_are_not_waited_for(self) -> None:
        crowd = Crowd(advice=None)

        crowd.overload()
        crowd.wait(3.0)

        assert crowd.actions == ["web: shed"]

    def test_advice_that_comes_late_changes_nothing(self) -> None:
        crowd = Crowd()
        crowd.overload()

        crowd._call("on_advice", "web", (Advice(veto="late"),), name="1-L1")

        assert crowd.held() == "recovering"

    def test_a_pause_is_waited_for(self) -> None:
        crowd = Crowd()
        crowd.pause(60.0)

        crowd.overload()
        crowd.overload(retried=True)
        assert crowd.actions == []
        crowd.wait(61.0)

        assert crowd.actions == ["web: retry_budget"]

    def test_letting_go_waits_for_a_pause_too(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")
        crowd.pause(60.0)

        crowd.load("calm")
        assert crowd.actions == ["web: shed"]
        crowd.wait(61.0)

        assert crowd.actions == ["web: shed", "web: unshed"]

    def test_a_person_may_have_it_tried_again(self) -> None:
        crowd = Crowd(care=a_care("shed", "unshed"))
        crowd.overload()
        crowd.finish("web", outcome="failed")
        crowd.resume("cart")
        crowd.load("eased")
        crowd.resume("web")
        crowd.overload(retried=True)
        assert crowd.held() == "escalated"

        crowd.resume("web")

        assert crowd.actions == ["web: shed"] * 2


class TestAfterARestart:
    def test_what_was_held_back_is_let_in_when_nobody_says_that_it_must_be(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")

        after = Crowd.__new__(Crowd)
        after.__dict__.update(crowd.restart_mendel().__dict__)
        after.wait(21.0)
        after.finish("web")

        assert after.actions == ["web: unshed"]
        assert after.closed == [("web", "healed")]
        assert after.ended == ["1-L1"]

    def test_it_stays_held_back_while_it_has_to_be(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")

        after = Crowd.__new__(Crowd)
        after.__dict__.update(crowd.restart_mendel().__dict__)
        after.overload()
        after.wait(30.0)

        assert "web: unshed" not in after.actions

    @pytest.mark.parametrize("level", ["advanced", "full"])
    def test_what_was_let_in_before_is_not_let_in_again(self, level: str) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")
        crowd.load("calm")

        after = crowd.restart_mendel()
        after.wait(30.0)

        assert after.actions == []
        assert after.closed == [("web", "healed")]

    def test_another_configuration_holds_from_then_on(self) -> None:
        crowd = Crowd()
        crowd.overload()
        crowd.finish("web")

        crowd.reconfigure({"web": a_care("shed")})
        crowd.load("calm")

        assert crowd.actions == ["web: shed"]
        assert crowd.closed == [("web", "healed")]
