"""Stories of a level that does not diagnose, about components for which nobody wrote a plan."""

from __future__ import annotations

from clinic import Clinic, a_care
from mendel.bus.messages import Status, Symptom
from mendel.core.incidents.treatment import Care
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import ActionFacts
from msgspec import structs

REPLICAS = ("cart/1", "cart/2")


def a_basic_care(*written: str) -> Care:
    own = {"restart": ActionFacts(name="restart")}
    care = a_care("restart", "replace", playbook=PlaybookConfig(plan=written))
    return structs.replace(care, parts=dict.fromkeys(REPLICAS, own))


class Ward(Clinic):
    """A cart with two replicas, behind a web page; its looks tell what a test says."""

    def __init__(self, *written: str) -> None:
        self.symptoms: dict[str, tuple[Symptom, ...]] = {}
        care = a_basic_care(*written)
        super().__init__({"cart": (), "web": ("cart",)}, targets=REPLICAS, care=care)

    def symptoms_of(self, target: str) -> tuple[Symptom, ...]:
        return self.symptoms.get(target, (a_symptom("ok", 1.0),))


def a_symptom(metric: str, value: float, usual: float = 1.0) -> Symptom:
    return Symptom(metric=metric, value=value, latest=value, usual=usual)


class TestAPlanThatNobodyWrote:
    def test_only_the_replica_that_is_gone_is_restarted(self) -> None:
        ward = Ward()
        ward.symptoms["cart/2"] = (a_symptom("alive", 0.0),)

        ward.sick("cart/2", "alive")
        ward.wait(10.0)

        assert ward.actions == ["cart/2: restart"]

    def test_what_did_not_help_is_not_done_again(self) -> None:
        ward = Ward()
        for target in ("cart", *REPLICAS):
            ward.symptoms[target] = (a_symptom("alive", 0.0),)
            ward.health[target] = Status.SICK
        ward.sick("cart", "alive")
        assert ward.actions == ["cart: restart"]

        ward.finish()
        ward.wait(30.0)

        assert ward.actions == ["cart: restart", "cart: replace"]

    def test_a_wrong_answer_now_and_then_is_watched_and_told_to_a_person(self) -> None:
        ward = Ward()
        ward.symptoms["cart"] = (a_symptom("ok", 0.7),)

        ward.sick("cart", "ok")
        assert ward.actions == []
        ward.wait(200.0)

        assert ward.actions == ["cart: notify"]

    def test_what_comes_and_goes_is_not_new_each_time(self) -> None:
        ward = Ward()
        ward.symptoms["cart/2"] = (a_symptom("error_rate", 0.8, usual=0.0),)
        ward.symptoms["cart"] = (a_symptom("ok", 0.4),)
        ward.symptoms["web"] = (a_symptom("error_rate", 0.4, usual=0.0),)

        ward.sick("cart", "ok")
        ward.wait(3.0)
        ward.well("cart")
        ward.wait(4.0)
        ward.sick("cart", "ok")
        assert ward.actions == []
        ward.wait(4.0)

        assert ward.actions == ["cart: replace"]


class TestAPlanThatSomebodyWrote:
    def test_it_is_walked_as_it_stands(self) -> None:
        ward = Ward("restart")
        ward.symptoms["cart"] = (a_symptom("ok", 0.7),)

        ward.sick("cart", "ok")

        assert ward.actions == ["cart: restart"]
