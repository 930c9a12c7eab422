from __future__ import annotations

from typing import Any

import pytest
from mendel.core.diagnosis import Signs, diagnose
from mendel.core.diagnosis.remedies import meaning_of
from mendel.core.policy import ActionFacts
from mendel.core.topology import Annotation
from scenes import DEAD, a_scene, declared

REPLICAS = ("cart/1", "cart/2", "cart/3")
HUNG = Signs(known=True, gone="answered", up=0.0, busy=0.0)
GRAY = Signs(known=True, errors=0.8, busy=0.5)


def steps(*args: Any, **fields: Any) -> list[str]:
    return [step.key for step in diagnose(a_scene(*args, **fields), declared).steps]


class TestSteps:
    def test_only_the_sick_replica_is_treated(self) -> None:
        assert steps({"cart/2": HUNG}) == ["restart cart/2", "replace cart/2"]
        assert steps({"cart/2": GRAY})[0] == "replace cart/2"

    def test_several_are_restarted_in_turn_and_replaced_at_once(self) -> None:
        found = diagnose(a_scene({"cart/1": DEAD, "cart/2": DEAD}), declared).steps

        assert [(step.key, step.before) for step in found] == [
            ("restart cart/2", ("restart cart/1",)),
            ("replace", ()),
        ]

    def test_when_all_are_gone_the_component_is_treated_as_one(self) -> None:
        assert steps(dict.fromkeys(REPLICAS, DEAD)) == ["restart", "replace"]

    def test_what_is_gone_already_costs_no_capacity(self) -> None:
        gone = diagnose(a_scene({"cart/2": DEAD}), declared).steps
        hung = diagnose(a_scene({"cart/2": HUNG}), declared).steps

        assert [each.facts.disruptive for each in gone] == [False, False]
        assert [each.facts.disruptive for each in hung] == [True, True]

    def test_the_callers_are_treated_for_their_dead_connections(self) -> None:
        stale = dict.fromkeys(("web>cart", "app>cart"), Signs(known=True, errors=0.9))
        found = diagnose(a_scene(stale), declared).steps

        assert [(each.key, each.before, each.facts.target) for each in found] == [
            ("restart app", ("rolling_restart web",), "app")
        ]

    def test_of_who_serves_on_the_replicas_are_taken_in_turn(self) -> None:
        some = Signs(known=True, gone="reachable", living=0.67, errors=0.33, served=0.67)

        assert steps({"cart": some}, seen=("cart", "db")) == ["rolling_restart", "replace"]

    def test_what_a_replica_does_not_declare_is_done_to_its_component(self) -> None:
        def whole_only(target: str) -> dict[str, ActionFacts]:
            return dict(declared(target)) if "/" not in target else {}

        found = diagnose(a_scene({"cart/2": HUNG}), whole_only)

        assert [each.key for each in found.steps] == ["restart", "replace"]

    def test_what_nobody_declares_is_no_step(self) -> None:
        assert diagnose(a_scene({"cart/2": HUNG}), lambda _: {}).steps == ()

    def test_nothing_is_done_about_what_belongs_to_others(self) -> None:
        assert steps(dict.fromkeys(("cart", *REPLICAS), GRAY), kind="external") == []

    def test_what_cures_two_likely_causes_has_the_chances_of_both(self) -> None:
        unclear = Signs(known=True, latency=9.0, gone="answered", busy=-1.0)
        found = {each.key: each for each in diagnose(a_scene({"cart/2": unclear}), declared).steps}

        assert found["replace cart/2"].prior > found["restart cart/2"].prior

    @pytest.mark.parametrize(
        ("name", "meaning"),
        [
            ("rollback", "roll_back"),
            ("RollingRestart", "rolling_restart"),
            ("restart-pod", "restart"),
            ("failover", "fail_over"),
            ("scale_out", "scale"),
            ("recreate", "replace"),
            ("vacuum", "clean_up"),
            ("page", "page"),
        ],
    )
    def test_actions_are_read_by_what_they_mean(self, name: str, meaning: str) -> None:
        assert meaning_of(name) == meaning


class TestWaiting:
    def test_a_lone_replica_may_come_back_by_itself(self) -> None:
        assert diagnose(a_scene({"cart/2": DEAD}), declared).hold_s == 106.0
        assert diagnose(a_scene(dict.fromkeys(REPLICAS, DEAD)), declared).hold_s == 100.0

    def test_who_was_just_started_is_slow_for_a_while(self) -> None:
        slow = dict.fromkeys(("cart", *REPLICAS), Signs(known=True, errors=0.4, latency=9.0))

        assert diagnose(a_scene(slow, warm_s=130.0), declared).hold_s == 130.0
        assert diagnose(a_scene(slow, warm_s=105.0), declared).hold_s == 100.0

    def test_who_is_slow_and_does_its_work_is_left_to_a_person(self) -> None:
        limps = Signs(known=True, latency=9.0, busy=0.05, busier=0.1)

        assert diagnose(a_scene({"cart/2": limps}), declared).hold_s == 400.0

    def test_a_network_gets_a_minute(self) -> None:
        cut = Signs(known=True, errors=1.0, latency=20.0)

        assert diagnose(a_scene({"web>cart": cut}), declared).hold_s == 160.0

    def test_as_long_as_load_is_held_back_there_is_time(self) -> None:
        assert diagnose(a_scene(is_relieved=True, now_s=900.0), declared).hold_s == 1020.0

    def test_what_was_worked_on_gets_time_to_boot(self) -> None:
        work = Annotation(maintenance=((90.0, 108.0),))

        assert diagnose(a_scene({"cart/2": DEAD}, annotation=work), declared).hold_s == 153.0

    def test_others_may_be_ill_while_the_one_that_was_started_warms_up(self) -> None:
        cold: dict[str, Any] = {"warm_s": 130.0, "cold": "cart/1"}

        assert diagnose(a_scene({"cart/1": GRAY}, **cold), declared).hold_s == 130.0
        assert diagnose(a_scene({"cart/2": GRAY}, **cold), declared).hold_s == 100.0
        tried = a_scene({"cart/1": GRAY}, **cold, is_tried=True)
        assert diagnose(tried, declared).hold_s == 100.0

    def test_what_nobody_understands_is_let_warm_up(self) -> None:
        odd = {"cart": Signs(known=True, up=0.0)}

        assert diagnose(a_scene(odd, warm_s=130.0), declared).hold_s == 130.0

    def test_who_was_held_for_a_symptom_is_watched_from_when_it_was_found_to_be_none(self) -> None:
        odd = {"cart": Signs(known=True, up=0.5)}

        assert diagnose(a_scene(odd, freed_s=108.0), declared).hold_s == 118.0

    def test_a_check_that_is_wrong_is_left_to_a_person(self) -> None:
        denied = Signs(known=True, up=0.4, errors=0.6, served=1.0)

        found = diagnose(a_scene({"cart": denied}), declared)

        assert (found.cause, found.hold_s, found.steps) == ("check_flapping", 400.0, ())

    @pytest.mark.parametrize(
        ("up", "hold_s", "follows_plan"),
        [(1.0, 400.0, False), (0.5, 110.0, True), (0.0, 100.0, True)],
    )
    def test_what_nobody_understands_is_watched_as_long_as_that_is_cheap(
        self, up: float, hold_s: float, follows_plan: bool
    ) -> None:
        found = diagnose(a_scene({"cart": Signs(known=True, up=up)}), declared)

        assert (found.cause, found.hold_s, found.follows_plan) == ("", hold_s, follows_plan)

    def test_what_is_not_known_for_sure_is_watched_for_a_while(self) -> None:
        scene = a_scene({"cart": Signs(known=True, errors=0.3)}, seen=("cart", "db"))

        found = diagnose(scene, declared)

        assert found.hold_s == 110.0
        assert found.reason.startswith("not known for sure, perhaps gray failure")


class TestWords:
    def test_an_unknown_cause_is_said_to_be_unknown(self) -> None:
        found = diagnose(a_scene(), declared)

        assert (found.cause, found.confidence, found.steps) == ("", 0.0, ())
        assert found.reason == "its cause is not known: nothing that is seen speaks for one"

    def test_what_was_turned_down_is_told(self) -> None:
        scene = a_scene({"cart/2": DEAD}, falls={"cart/2": (60.0, 100.0)})

        assert diagnose(scene, declared).reason == (
            "flapping (49% sure): cart/2 fell again and again; less likely: crash 0.75"
        )

    def test_a_clear_case_is_sure(self) -> None:
        assert diagnose(a_scene({"cart/2": DEAD}), declared).confidence == 0.75


class TestLinesThatSomebodyDrew:
    def test_are_acted_on_though_nobody_suffers(self) -> None:
        odd = {"cart": Signs(known=True, queue=9.0)}

        found = diagnose(a_scene(odd, is_meant=True), declared)

        assert (found.cause, found.hold_s, found.follows_plan) == ("", 100.0, True)

    def test_are_acted_on_though_it_is_only_slow(self) -> None:
        limps = {"cart/2": Signs(known=True, latency=9.0, busy=0.05, busier=0.1)}

        found = diagnose(a_scene(limps, is_meant=True), declared)

        assert (found.hold_s, found.follows_plan) == (100.0, False)
        assert found.steps[0].key == "replace cart/2"

    def test_follow_their_plan_where_nothing_is_known_against_the_cause(self) -> None:
        asked = {"cart": Signs(known=True, rate=3.0, latency=4.0, busy=0.95)}

        found = diagnose(a_scene(asked, is_meant=True), declared)

        assert (found.cause, found.hold_s, found.follows_plan) == ("overload", 100.0, True)
