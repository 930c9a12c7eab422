from clinic import a_care
from mendel.bus.messages import Advice
from mendel.core.diagnosis.remedies import Step
from mendel.core.incidents.treatment import (
    AskPerson,
    AskPlugins,
    GiveUp,
    Hold,
    Move,
    OnlyWatch,
    Run,
    Treatment,
)
from mendel.core.playbook import Attempt
from mendel.core.policy import ActionFacts, Denied, NeedsApproval, Permit, Ruling
from msgspec import structs


def a_treatment(*plan: str, undo: str = "") -> Treatment:
    return Treatment("cart", a_care(*plan, undo=undo))


def move(treatment: Treatment, ruling: Ruling | None = None, *, observes: bool = False) -> Move:
    return treatment.next_move(lambda action: ruling or Permit(), observes=observes)


def facts(name: str) -> ActionFacts:
    return a_care().actions[name]


def test_plug_ins_are_heard_before_a_step_and_only_once() -> None:
    treatment = a_treatment()

    first = move(treatment)
    vetoes = treatment.hear([Advice()])

    assert (first, vetoes, move(treatment)) == (
        AskPlugins(facts("restart")),
        "",
        Run(facts("restart")),
    )


def test_policy_is_asked_again_before_it_runs() -> None:
    treatment = a_treatment()
    move(treatment)
    treatment.hear([])

    assert move(treatment, Denied("too many", 20.0)) == Hold(
        facts("restart"), Denied("too many", 20.0)
    )
    assert move(treatment, NeedsApproval("why")) == AskPerson(facts("restart"), "why")
    treatment.approve()
    assert move(treatment, NeedsApproval("why")) == Run(facts("restart"))


def test_an_approval_holds_for_one_execution() -> None:
    treatment = a_treatment("restart")
    move(treatment, NeedsApproval("why"))
    treatment.approve()
    treatment.hear([])
    move(treatment, NeedsApproval("why"))
    treatment.start({"ok": 2.0})

    assert move(treatment, NeedsApproval("why")) == AskPerson(facts("restart"), "why")


def test_what_never_may_run_is_left_out() -> None:
    treatment = a_treatment("unheard_of", "restart")

    assert move(treatment, Denied("never")) == GiveUp("nothing is left to try")
    assert treatment.attempts == [Attempt("unheard_of", "refused"), Attempt("restart", "refused")]


def test_where_it_only_watches_it_names_a_step_that_there_is() -> None:
    assert move(a_treatment("unheard_of", "replace"), observes=True) == OnlyWatch("replace")


def test_each_preparation_of_several_plug_ins_runs_once_before_the_step() -> None:
    treatment = a_treatment("restart")
    move(treatment)
    treatment.hear([Advice(before=("drain", "restart")), Advice(before=("drain", "roll_back"))])

    ran = []
    for _ in range(3):
        step = move(treatment)
        assert isinstance(step, Run)
        ran.append((step.action.name, treatment.is_preparing, treatment.start({})))

    assert ran == [("drain", True, 1), ("roll_back", True, 2), ("restart", False, 3)]
    assert treatment.attempts == [Attempt("restart")]


def test_after_an_undoing_nothing_of_the_plan_is_left() -> None:
    treatment = a_treatment("roll_forward", "restart", undo="roll_back")
    move(treatment)
    treatment.hear([])
    move(treatment)
    treatment.start({"ok": 2.0})
    treatment.mark("worse")

    assert treatment.take_back()
    assert move(treatment) == Run(facts("roll_back"))
    treatment.start({})
    assert move(treatment) == GiveUp("nothing is left to try")


def test_what_has_no_undoing_is_not_taken_back() -> None:
    treatment = a_treatment()
    move(treatment)

    assert not treatment.take_back()
    assert not a_treatment().take_back()


def test_telling_a_person_is_not_something_done_to_the_target() -> None:
    treatment = a_treatment()

    treatment.count("notify")

    assert (treatment.was_applied, treatment.ran) == (False, ["notify"])


def test_what_nobody_carried_out_is_nothing_done_to_the_target() -> None:
    treatment = a_treatment()
    treatment.count("restart")

    treatment.was_not_run()

    assert (treatment.was_applied, treatment.ran) == (False, ["restart"])
    treatment.count("restart")
    assert treatment.was_applied


def test_the_first_verdict_on_an_attempt_stands() -> None:
    treatment = a_treatment("restart")
    move(treatment)
    treatment.start({"ok": 2.0})

    assert (treatment.mark("no_effect"), treatment.mark("helped")) == (True, False)
    assert treatment.attempts == [Attempt("restart", "no_effect")]


def test_what_was_about_to_be_proposed_is_dropped_when_something_else_is_needed() -> None:
    treatment = a_treatment("restart")
    assert move(treatment) == AskPlugins(facts("restart"))

    treatment.prescribe([Step(key="replace", facts=facts("replace"), prior=0.5)])

    assert move(treatment) == AskPlugins(facts("replace"))


def test_a_step_on_a_part_is_known_by_its_name_and_that_of_the_part() -> None:
    own = structs.replace(facts("restart"), timeout_s=5.0)
    treatment = Treatment("cart", a_care(parts={"cart/1": {"restart": own}}))

    found = [treatment.facts_of(f"restart cart/{number}") for number in (1, 2)]

    assert found == [
        structs.replace(own, target="cart/1"),
        structs.replace(facts("restart"), target="cart/2"),
    ]
    assert treatment.facts_of("unheard_of cart/1") is None


def test_what_cannot_be_undone_is_not_taken_back() -> None:
    treatment = a_treatment("roll_forward", undo="unheard_of")
    move(treatment)
    treatment.hear([])
    move(treatment)
    treatment.start({"ok": 2.0})

    assert not treatment.take_back()
