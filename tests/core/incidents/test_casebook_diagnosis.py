"""Stories of incidents in which replicas, edges and symptoms are weighed before anybody acts."""

from __future__ import annotations

import pytest
from clinic import Clinic, a_care
from mendel.bus.messages import IncidentDiagnosed, RunAction, Status, Symptom, TargetAnnotated
from mendel.core.effects import Publish
from mendel.core.incidents.treatment import Care
from mendel.core.levels import Level
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import ActionFacts
from msgspec import structs

REPLICAS = ("cart/1", "cart/2", "cart/3")


def a_diagnosing_care(*plan: str, level: Level = "advanced") -> Care:
    """Care on a level that diagnoses; each replica has a restart and a replacement of its own."""
    own = {name: ActionFacts(name=name) for name in ("restart", "replace")}
    care = a_care(*plan, level=level)
    return Care(
        plan=care.plan, actions=care.actions, parts=dict.fromkeys(REPLICAS, own), level=level
    )


class Ward(Clinic):
    """A clinic whose looks tell symptoms: those that a test gave a target, or none."""

    def __init__(self, level: Level = "advanced") -> None:
        self.symptoms: dict[str, tuple[Symptom, ...]] = {}
        super().__init__(
            {"cart": (), "web": ("cart",)},
            targets=(*REPLICAS, "web>cart"),
            care=a_diagnosing_care("restart", "replace", level=level),
        )

    def symptoms_of(self, target: str) -> tuple[Symptom, ...]:
        return self.symptoms.get(target, (a_symptom("ok", 1.0, 1.0),))

    def suffers(self, target: str, metric: str, value: float, usual: float) -> None:
        """A metric of a target stands so from now on, and is in alarm."""
        known = tuple(each for each in self.symptoms.get(target, ()) if each.metric != metric)
        self.symptoms[target] = (*known, a_symptom(metric, value, usual))
        self.sick(target, metric)

    @property
    def diagnoses(self) -> list[str]:
        told = [each.message for each in self.effects if isinstance(each, Publish)]
        return [each.cause for each in told if isinstance(each, IncidentDiagnosed)]


def a_symptom(metric: str, value: float, usual: float) -> Symptom:
    return Symptom(metric=metric, value=value, latest=value, usual=usual)


def test_only_the_sick_replica_is_replaced() -> None:
    ward = Ward()

    ward.suffers("cart/2", "error_rate", 0.8, 0.0)

    assert ward.diagnoses == ["gray_failure"]
    assert ward.actions == ["cart/2: replace"]
    assert ward.isolated == []


def test_what_was_refuted_is_not_repeated_and_the_next_best_is_tried() -> None:
    ward = Ward()
    ward.suffers("cart/2", "error_rate", 0.8, 0.0)
    ward.finish("cart/2")
    ward.wait(60.0)

    assert ward.actions[:2] == ["cart/2: replace", "cart/2: restart"]
    ward.finish("cart/2")
    ward.wait(600.0)

    assert ward.actions.count("cart/2: replace") == 1
    assert ward.stage() == "escalated"


def test_it_is_closed_when_the_replica_is_proven_good() -> None:
    ward = Ward()
    ward.suffers("cart/2", "error_rate", 0.8, 0.0)
    ward.finish("cart/2")

    ward.symptoms = {}
    ward.well("cart/2")
    ward.well("cart")

    assert ward.closed == [("cart", "healed")]
    record = next(reversed(list(ward.records.values())))
    assert (record.cause, record.actions) == ("gray_failure", ("replace cart/2",))


def test_what_helped_one_replica_goes_on_with_the_next() -> None:
    ward = Ward()
    ward.well("cart")
    ward.suffers("cart/2", "error_rate", 0.8, 0.0)
    ward.finish("cart/2")
    ward.symptoms = {}
    ward.clear("cart/2")
    ward.suffers("cart/3", "error_rate", 0.8, 0.0)

    ward.wait(20.0)

    assert ward.actions == ["cart/2: replace", "cart/3: replace"]
    assert "replace cart/2 helped, but cart is not well yet" in " ".join(ward.reasons)


def test_a_lone_replica_that_comes_back_by_itself_is_left_alone() -> None:
    ward = Ward()
    ward.well("cart")
    ward.suffers("cart/2", "alive", 0.0, 1.0)
    ward.wait(3.0)

    ward.symptoms = {}
    ward.well("cart/2")
    ward.wait(60.0)

    assert ward.actions == []
    assert ward.closed == [("cart", "cleared")]


def test_one_that_stays_away_is_restarted() -> None:
    ward = Ward()
    ward.well("cart")

    ward.suffers("cart/2", "alive", 0.0, 1.0)
    ward.wait(10.0)

    assert ward.actions == ["cart/2: restart"]


def test_nobody_is_blamed_before_all_were_looked_at() -> None:
    ward = Ward()
    ward.is_blind = True

    ward.suffers("cart", "ok", 0.0, 1.0)
    waits = ward.stage()
    ward.wait(3.0)

    assert (waits, ward.stage()) == ("triage", "waiting")


def test_what_nobody_understands_follows_the_plan() -> None:
    ward = Ward()
    for target in ("cart", *REPLICAS):
        ward.symptoms[target] = (a_symptom("ok", 0.0, 1.0), a_symptom("answered", 1.0, 1.0))

    ward.suffers("cart", "ok", 0.0, 1.0)
    ward.wait(10.0)

    assert ward.diagnoses == [""]
    assert ward.actions == ["cart: restart"]


def test_a_line_that_somebody_drew_is_acted_on_by_the_plan_that_somebody_wrote() -> None:
    drawn = a_diagnosing_care("restart", "replace")
    drawn = structs.replace(drawn, drawn=("queue",), playbook=PlaybookConfig(plan=drawn.plan))

    def done(care: Care) -> list[str]:
        ward = Ward()
        ward.book.cares = ward.twin.cares = {"cart": care, "web": care}
        ward.suffers("cart", "queue", 9.0, 8.0)
        return ward.actions

    assert done(drawn) == ["cart: restart"]
    assert done(structs.replace(drawn, drawn=())) == []
    assert done(structs.replace(drawn, playbook=PlaybookConfig())) == ["cart: restart"]
    assert done(structs.replace(drawn, plan=(), playbook=PlaybookConfig())) == []


def test_what_a_person_was_asked_about_is_taken_up_again_when_more_is_known_to_be_wrong() -> None:
    ward = Ward()
    ward.symptoms["web>cart"] = (a_symptom("latency_s", 3.0, 0.1),)
    ward.suffers("web>cart", "error_rate", 0.95, 0.0)
    ward.wait(600.0)
    assert (ward.stage(), ward.actions) == ("escalated", ["cart: notify"])

    ward.sick("cart", "latency_s")
    ward.wait(60.0)
    assert ward.stage() == "escalated"

    ward.suffers("cart", "alive", 0.0, 1.0)
    assert ward.actions == ["cart: notify", "cart: restart"]


def a_ward_that_hangs() -> Ward:
    ward = Ward()
    for target in REPLICAS:
        ward.health[target] = Status.SICK
        ward.symptoms[target] = (a_symptom("answered", 0.0, 1.0), a_symptom("cpu_share", 0.0, 0.5))
    for target in (*REPLICAS, "cart"):
        ward.sick(target, "answered")
    assert ward.isolated == ["cart"]
    return ward


def test_calls_are_let_in_as_soon_as_it_answers_again_and_are_evidence_from_then_on() -> None:
    ward = a_ward_that_hangs()
    ward.finish("cart")
    ward.sick("web>cart", "ok")

    for target in (*REPLICAS, "cart"):
        ward.well(target)
    assert (ward.closed, ward.isolated) == ([], [])

    ward.well("web>cart")
    assert ward.closed == [("cart", "healed")]


def test_calls_that_are_kept_away_are_no_evidence() -> None:
    ward = a_ward_that_hangs()
    ward.sick("web>cart", "ok")
    for target in (*REPLICAS, "cart"):
        ward.well(target)

    ward.finish("cart", "failed")

    assert (ward.closed, ward.isolated) == ([("cart", "healed")], [])


def test_a_command_names_the_replica() -> None:
    ward = Ward()
    ward.suffers("cart/2", "error_rate", 0.8, 0.0)

    assert ward.sent == [
        RunAction(
            target="cart/2",
            intent="1-1.1",
            incident="1-1",
            action="replace",
            attempt=1,
            timeout_s=30.0,
        )
    ]


def test_who_made_it_worse_tries_the_next_best() -> None:
    ward = Ward()
    ward.suffers("cart/2", "error_rate", 0.8, 0.0)
    ward.finish("cart/2")
    ward.suffers("cart", "answered", 0.0, 1.0)

    ward.wait(17.0)

    assert "cart waiting: replace cart/2 made it worse" in " ".join(ward.reasons)
    assert ward.actions[:2] == ["cart/2: replace", "cart/2: restart"]


def test_what_another_incident_treats_is_left_to_it_until_that_shows() -> None:
    ward = Ward()
    ward.suffers("web>cart", "error_rate", 0.9, 0.0)
    assert ward.actions == ["web: restart"]
    ward.finish("web")

    ward.crash("web")
    ward.wait(4.0)

    assert "web waiting: restart must wait: web is being treated for incident 1-1" in ward.reasons
    ward.well("web>cart")
    ward.well("cart")
    ward.wait(6.0)
    assert ward.actions == ["web: restart", "web: restart"]


def test_its_replicas_serve_on_so_nobody_is_kept_away() -> None:
    ward = Ward()
    ward.well("cart/1")

    for target in ("cart/2", "cart"):
        ward.suffers(target, "answered", 0.0, 1.0)
    ward.wait(5.0)

    assert ward.isolated == []


def test_a_deployment_that_was_rolled_back_is_no_suspect_any_more() -> None:
    ward = Ward()
    ward.book.cares = ward.twin.cares = dict.fromkeys(
        ("cart", "web"), a_diagnosing_care("roll_back", "restart")
    )
    ward.tell(TargetAnnotated(target="cart", version="v2", deployed_s=5.0, told_s=5.0))
    for target in ("cart", *REPLICAS):
        ward.symptoms[target] = (a_symptom("error_rate", 0.5, 0.0),)
    ward.suffers("cart", "error_rate", 0.5, 0.0)
    ward.finish("cart")
    for target in ("cart", *REPLICAS):
        ward.symptoms[target] = (a_symptom("error_rate", 0.4, 0.0),)

    ward.wait(60.0)

    assert ward.diagnoses[:2] == ["bad_deploy", ""]
    assert ward.actions.count("cart: roll_back") == 1


@pytest.mark.parametrize(
    ("level", "told"),
    [("full", "; like incident 1-1 (100% alike), healed by replace cart/2"), ("advanced", "")],
)
def test_what_looks_like_an_earlier_incident_is_recognised_on_the_level_that_does(
    level: Level, told: str
) -> None:
    ward = Ward(level)
    ward.suffers("cart/2", "error_rate", 0.8, 0.0)
    ward.finish("cart/2")
    ward.symptoms = {}
    ward.well("cart/2")
    ward.well("cart")
    ward.wait(3600.0)

    ward.suffers("cart/3", "error_rate", 0.8, 0.0)

    assert "like incident" not in ward.records["1-1"].diagnosis
    _, like, words = ward.records["1-2"].diagnosis.partition("; like incident")
    assert like + words == told
    assert ward.actions == ["cart/2: replace", "cart/3: replace"]
