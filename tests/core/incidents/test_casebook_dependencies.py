"""Stories of components that need each other: blame before acting."""

import pytest
from clinic import Clinic, a_care
from mendel.bus.messages import ProbeNow, Status
from mendel.core.effects import Publish
from mendel.core.policy import PolicyConfig

SHOP: dict[str, tuple[str, ...]] = {"db": (), "cart": ("db",), "web": ("cart", "db")}


def probed(clinic: Clinic) -> list[str]:
    """Targets that were asked to be looked at, in order."""
    return [
        each.message.target
        for each in clinic.effects
        if isinstance(each, Publish) and isinstance(each.message, ProbeNow)
    ]


class TestCallers:
    def test_callers_of_a_sick_dependency_are_left_alone_and_closed_with_it(self) -> None:
        clinic = Clinic(SHOP)
        clinic.crash("db")
        clinic.sick("web")
        clinic.sick("cart")

        clinic.finish("db")
        clinic.well("db")
        clinic.wait(1)
        clinic.well("cart")
        clinic.well("web")

        assert clinic.actions == ["db: restart"]
        assert clinic.closed == [("db", "healed"), ("cart", "attributed"), ("web", "attributed")]

    def test_callers_that_alarm_first_wait_for_a_look_at_what_they_need(self) -> None:
        clinic = Clinic(SHOP)
        clinic.health["db"] = Status.SUSPECT
        clinic.sick("web")
        clinic.wait(1)

        clinic.sick("db")

        assert clinic.actions == ["db: restart"]
        assert clinic.reasons[-1] == "web attributed: db is sick and web needs it"
        assert probed(clinic) == ["cart", "db"]

    def test_the_caller_is_treated_at_once_when_all_that_it_needs_is_well(self) -> None:
        clinic = Clinic(SHOP)

        clinic.sick("web")

        assert clinic.commands == [(10.0, "web", "restart")]
        assert clinic.reasons == [
            "web recovering: all that it needs is well: cart, db; runs restart"
        ]

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.SUSPECT, Status.SICK])
    def test_a_dependency_in_doubt_is_waited_for_but_not_forever(self, status: Status) -> None:
        clinic = Clinic({"db": (), "cart": ("db",)})
        clinic.health["db"] = status

        clinic.sick("cart")
        clinic.wait(10)

        assert clinic.commands == [(13.0, "cart", "restart")]

    def test_a_caller_whose_own_process_is_gone_is_treated_beside_its_dependency(self) -> None:
        clinic = Clinic(SHOP, policy=PolicyConfig(blast_share=1.0))
        clinic.crash("db")
        clinic.sick("cart")
        assert clinic.stage("cart") == "attributed"

        clinic.crash("cart")

        assert clinic.actions == ["db: restart", "cart: restart"]

    def test_a_gone_process_is_no_symptom_after_a_resume_either(self) -> None:
        clinic = Clinic(SHOP, policy=PolicyConfig(blast_share=1.0))
        clinic.pause(1000, "cart")
        clinic.crash("cart")
        clinic.sick("db")

        clinic.resume("cart")

        assert clinic.actions == ["db: restart", "cart: restart"]

    def test_evidence_of_its_own_that_is_gone_again_counts_no_more(self) -> None:
        clinic = Clinic(SHOP)
        clinic.pause(1000, "cart")
        clinic.crash("cart")
        clinic.clear("cart")
        clinic.sick("cart")
        clinic.sick("db")

        clinic.resume("cart")

        assert (clinic.actions, clinic.stage("cart")) == (["db: restart"], "attributed")

    def test_a_caller_in_treatment_becomes_a_symptom_when_its_dependency_falls_ill(self) -> None:
        clinic = Clinic(SHOP)
        clinic.sick("cart")
        clinic.finish("cart")
        clinic.crash("db")

        clinic.wait(15)

        assert clinic.actions == ["cart: restart", "db: restart"]
        assert clinic.stage("cart") == "attributed"

    def test_a_caller_that_was_held_back_is_no_longer_treated_for_its_dependency(self) -> None:
        clinic = Clinic(SHOP)
        clinic.pause(60, "cart")
        clinic.sick("cart")
        clinic.crash("db")

        clinic.wait(61)

        assert (clinic.actions[:1], clinic.stage("cart")) == (["db: restart"], "attributed")
        assert "cart: restart" not in clinic.actions

    def test_an_escalated_dependency_still_explains_its_callers(self) -> None:
        clinic = Clinic(SHOP, care=a_care("unheard_of"))
        clinic.sick("db")
        clinic.sick("cart")

        clinic.wait(10_000)

        assert (clinic.stage("db"), clinic.stage("cart")) == ("escalated", "attributed")


class TestAfterTheCause:
    def test_a_stale_pool_is_treated_when_the_dependency_has_been_well_for_a_while(self) -> None:
        clinic = Clinic({"db": (), "cart": ("db",)})
        clinic.crash("db")
        clinic.sick("cart")
        clinic.finish("db")
        clinic.wait(10)
        clinic.well("db")

        clinic.wait(5)

        assert clinic.commands == [(10.0, "db", "restart"), (25.0, "cart", "restart")]
        assert clinic.reasons[-2:] == [
            "cart triage: still sick 5 s after db recovered",
            "cart recovering: all that it needs is well: db; runs restart",
        ]

    @pytest.mark.parametrize("action", [True, False])
    def test_trouble_that_began_before_a_dependency_recovered_gets_time(self, action: bool) -> None:
        clinic = Clinic({"db": (), "cart": ("db",)}, care=a_care(*(() if action else ("none",))))
        clinic.sick("db")
        if action:
            clinic.finish("db")
        clinic.wait(5)
        clinic.well("db")

        clinic.sick("cart", onset_s=12.0)
        clinic.wait(2)
        clinic.well("cart")

        assert "cart: restart" not in clinic.actions
        assert clinic.closed[1:] == [("cart", "attributed")]

    def test_a_dependency_that_falls_ill_again_meanwhile_is_blamed_again(self) -> None:
        clinic = Clinic({"db": (), "cart": ("db",)})
        clinic.crash("db")
        clinic.sick("cart")
        clinic.finish("db")
        clinic.well("db")
        clinic.wait(3)
        clinic.crash("db")

        clinic.wait(10)

        assert clinic.actions == ["db: restart", "db: restart"]
        assert clinic.stage("cart") == "attributed"


class TestCircles:
    def test_of_two_that_need_each_other_the_first_to_fall_ill_is_treated(self) -> None:
        clinic = Clinic({"a": ("b",), "b": ("a",)})
        clinic.health |= {"a": Status.SICK, "b": Status.SICK}
        clinic.sick("b", onset_s=8.0)
        clinic.sick("a", onset_s=9.0)

        clinic.wait(10)

        assert (clinic.actions, clinic.stage("a")) == (["b: restart"], "attributed")

    def test_of_two_that_recovered_and_relapse_together_one_is_treated(self) -> None:
        clinic = Clinic({"a": ("b",), "b": ("a",)}, policy=PolicyConfig(blast_share=1.0))
        for name in ("a", "b"):
            clinic.crash(name)
            clinic.finish(name)
        for name in ("a", "b"):
            clinic.well(name)
        clinic.wait(1)

        clinic.sick("a")
        clinic.sick("b")
        clinic.wait(20)

        assert clinic.actions[2:] == ["b: restart"]

    def test_of_three_in_a_circle_one_is_treated_and_all_are_closed(self) -> None:
        clinic = Clinic({"a": ("b",), "b": ("c",), "c": ("a",)})
        clinic.health |= dict.fromkeys("abc", Status.SICK)
        for onset_s, name in ((7.0, "b"), (6.0, "c"), (5.0, "a")):
            clinic.sick(name, onset_s=onset_s)
            clinic.wait(0.5)
        clinic.wait(5)
        assert len(clinic.actions) == 1

        (treated,) = clinic.running
        clinic.finish(treated)
        for name in "abc":
            clinic.well(name)

        assert sorted(outcome for _, outcome in clinic.closed) == [
            "attributed",
            "attributed",
            "healed",
        ]
