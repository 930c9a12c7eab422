"""Stories: what incidents teach, and who makes use of it."""

from clinic import Clinic, a_care
from mendel.core.effects import Record
from mendel.core.incidents.treatment import Care
from mendel.core.playbook import PlaybookConfig
from mendel.core.records import ExperienceRecord, IncidentRecord

# The cure is the second step of the plan of a kind; nobody wrote one.
ANEW = PlaybookConfig(attempts=1, relapse_s=0.0)
ADVANCED = a_care(playbook=ANEW, level="advanced")
BASIC = a_care(playbook=ANEW, level="basic")


def a_trouble(clinic: Clinic, cure: str = "replace") -> list[str]:
    """Wrong answers that only one action ends; returns what was run for it."""
    before = len(clinic.actions)
    clinic.wait(400)
    clinic.sick()
    while clinic.running:
        action = clinic.running["cart"].action
        clinic.finish()
        if action == cure:
            clinic.well()
        else:
            clinic.wait(30)
    return [each.removeprefix("cart: ") for each in clinic.actions[before:]]


def learned(clinic: Clinic) -> list[tuple[str, str, float]]:
    records = [each.record for each in clinic.effects if isinstance(each, Record)]
    found = [each for each in records if isinstance(each, ExperienceRecord)]
    return [(each.action, each.verdict, each.took_s) for each in found]


def care(playbook: PlaybookConfig) -> Care:
    return a_care(playbook=playbook, level="advanced")


class TestExperience:
    def test_what_cured_before_is_tried_first(self) -> None:
        clinic = Clinic(care=ADVANCED)

        tried = [a_trouble(clinic) for _ in range(3)]

        assert tried == [["restart", "replace"], ["replace"], ["replace"]]

    def test_a_level_that_does_not_rank_keeps_to_its_plan_but_learns_for_another_one(self) -> None:
        clinic = Clinic(care=BASIC)
        tried = [a_trouble(clinic) for _ in range(3)]

        clinic.reconfigure({"cart": ADVANCED})

        assert tried == [["restart", "replace"]] * 3
        assert a_trouble(clinic) == ["replace"]

    def test_each_verdict_goes_on_record_with_the_time_that_it_took(self) -> None:
        clinic = Clinic(care=ADVANCED)

        a_trouble(clinic)

        assert learned(clinic) == [("restart", "no_effect", 15.0), ("replace", "helped", 14.0)]

    def test_what_nobody_did_teaches_nothing(self) -> None:
        clinic = Clinic(care=ADVANCED)
        clinic.sick()

        clinic.finish(outcome="not_run", detail="it was well before")

        assert learned(clinic) == []
        assert clinic.stage() == "waiting"

    def test_a_plan_that_a_person_wrote_is_left_for_good_reasons_only(self) -> None:
        plan = ("restart", "replace")
        clinic = Clinic(care=care(PlaybookConfig(plan=plan, attempts=1, relapse_s=0.0)))

        tried = [len(a_trouble(clinic)) for _ in range(6)]

        assert tried[:2] == [2, 2]
        assert tried[-1] == 1

    def test_other_symptoms_are_another_matter(self) -> None:
        clinic = Clinic(care=ADVANCED)
        for _ in range(2):
            a_trouble(clinic)
        clinic.wait(400)

        clinic.crash()
        clinic.finish()
        clinic.well()
        a_trouble(clinic)

        assert clinic.actions[-1] == "cart: replace"

    def test_what_did_not_help_is_not_tried_again_where_nobody_wrote_a_plan(self) -> None:
        clinic = Clinic(care=care(PlaybookConfig(attempts=2, relapse_s=0.0)))

        assert a_trouble(clinic, cure="nothing") == ["restart", "replace", "notify"]

    def test_in_a_plan_it_is_tried_again_only_after_the_others(self) -> None:
        plan = ("restart", "replace")
        clinic = Clinic(care=care(PlaybookConfig(plan=plan, attempts=2, relapse_s=0.0)))

        assert a_trouble(clinic, cure="nothing") == ["restart", "replace"] * 2 + ["notify"]

    def test_an_action_that_failed_teaches_as_well(self) -> None:
        clinic = Clinic(care=ADVANCED)
        clinic.sick()

        clinic.finish(outcome="failed")

        assert learned(clinic) == [("restart", "failed", 0.0)]

    def test_nothing_is_learned_of_an_action_that_was_chosen_by_an_earlier_run(self) -> None:
        before = Clinic(care=ADVANCED)
        before.sick()
        clinic = before.restart_mendel(before.intent_of())

        clinic.finish()
        clinic.well()

        assert (clinic.closed, learned(clinic)) == ([("cart", "healed")], [])


class TestRelapse:
    def test_a_cure_that_did_not_last_was_none(self) -> None:
        clinic = Clinic(care=care(PlaybookConfig()))
        clinic.sick()
        clinic.finish()
        clinic.wait(3)
        clinic.well()

        clinic.wait(60)
        clinic.sick()

        assert learned(clinic) == [("restart", "helped", 3.0), ("restart", "relapsed", 0.0)]
        assert clinic.actions == ["cart: restart", "cart: replace"]

    def test_one_that_held_for_long_stays_one(self) -> None:
        clinic = Clinic(care=care(PlaybookConfig()))

        a_trouble(clinic, cure="restart")
        a_trouble(clinic, cure="restart")

        assert [verdict for _, verdict, _ in learned(clinic)] == ["helped", "helped"]

    def test_a_relapse_after_no_cure_says_nothing_new(self) -> None:
        clinic = Clinic(care=care(PlaybookConfig()))
        clinic.sick()
        clinic.finish(outcome="failed")
        clinic.well()

        clinic.sick()

        assert learned(clinic) == [("restart", "failed", 0.0)]


class TestWords:
    def test_the_choice_is_explained_once_there_is_experience(self) -> None:
        clinic = Clinic(care=ADVANCED)
        for _ in range(2):
            a_trouble(clinic)

        choices = [
            each.record.choice
            for each in clinic.effects
            if isinstance(each, Record) and isinstance(each.record, IncidentRecord)
        ]
        assert [each for each in choices if each] == [
            "replace cured 1 of 1 like this, about 16.2s; restart cured 0 of 1 like this"
        ]
