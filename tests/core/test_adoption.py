import random
from typing import Any

import pytest
from mendel.core.adoption import (
    Adoption,
    AdoptionConfig,
    Deploy,
    Proposal,
    Stage,
    Standing,
    Told,
    Wish,
)
from mendel.errors import ConfigError

GENES = {"triage.hold_s": 1.0}
OLD = {"triage.hold_s": 3.0}
QUICK = AdoptionConfig(shadow_s=60.0, alarms=1, canary_pairs=100)


def an_adoption(standing: Standing | None = None, config: AdoptionConfig = QUICK) -> Adoption:
    in_force = Standing(incumbent=3, incumbent_genes=OLD, last_good=2, last_good_genes={})
    return Adoption(config, standing or in_force, random.Random(1).random)


def a_proposal(**changes: Any) -> Proposal:
    fields: dict[str, Any] = {
        "genome": 7,
        "genes": GENES,
        "support": 50,
        "incumbent": [[1.0, 2.0]] * 20,
        "candidate": [[0.5, 2.0]] * 20,
    }
    return Proposal(**fields | changes)


def in_shadow(config: AdoptionConfig = QUICK) -> Adoption:
    adoption = an_adoption(config=config)
    adoption.propose(a_proposal(), 100.0)
    assert adoption.standing.stage is Stage.SHADOW
    return adoption


def in_canary(config: AdoptionConfig = QUICK) -> Adoption:
    adoption = in_shadow(config)
    adoption.on_time(160.0)
    assert adoption.standing.stage is Stage.CANARY
    return adoption


def meets(adoption: Adoption, control: float, canary: float) -> list[Wish]:
    """Two incidents of one cause, one on each side."""
    assert adoption.on_incident(control, cause="crash", is_canary=False) == []
    return adoption.on_incident(canary, cause="crash", is_canary=True)


def told(wishes: list[Wish]) -> Told:
    (found,) = [each for each in wishes if isinstance(each, Told)]
    return found


class TestGate:
    def test_a_candidate_that_gains_goes_into_the_shadow(self) -> None:
        adoption = an_adoption()

        assert adoption.propose(a_proposal(), 100.0) == [
            Deploy(7, GENES, "shadow"),
            Told("shadowed", 7, "gains 50% of the harm on held-out incidents, 50% at least"),
        ]
        assert adoption.standing == Standing(
            stage=Stage.SHADOW,
            incumbent=3,
            incumbent_genes=OLD,
            last_good=2,
            candidate=7,
            candidate_genes=GENES,
        )

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"candidate": [[1.1, 2.0]] * 20}, "which may be chance"),
            ({"candidate": [[0.5, 2.1]] * 20}, "another objective gets worse by 5.0%"),
            ({"genes": OLD}, "nothing better was found"),
        ],
    )
    def test_a_candidate_that_proves_nothing_is_rejected(
        self, changes: dict[str, Any], reason: str
    ) -> None:
        adoption = an_adoption()
        before = adoption.standing

        (rejected,) = adoption.propose(a_proposal(**changes), 100.0)

        assert isinstance(rejected, Told)
        assert (rejected.decision, rejected.genome) == ("rejected", 7)
        assert reason in rejected.reason
        assert adoption.standing == before

    def test_one_at_a_time(self) -> None:
        (rejected,) = in_shadow().propose(a_proposal(genome=8), 110.0)

        assert rejected == Told("rejected", 8, "another candidate is on trial")

    def test_where_history_is_thin_a_person_has_to_agree(self) -> None:
        adoption = an_adoption()

        (asked,) = adoption.propose(a_proposal(support=7), 100.0)
        assert isinstance(asked, Told)
        assert asked.decision == "approval_needed"
        assert "history has only 7 observations" in asked.reason
        assert adoption.on_time(1e6) == []

        assert adoption.approve("ada", 200.0) == [
            Deploy(7, GENES, "shadow"),
            Told("shadowed", 7, "approved by ada"),
        ]
        with pytest.raises(ConfigError, match="no genome waits for approval"):
            adoption.approve("ada", 201.0)


class TestShadow:
    def test_one_as_calm_as_the_incumbent_goes_on_to_the_canary_when_its_time_is_over(self) -> None:
        adoption = in_shadow()
        adoption.on_wish(by_candidate=False)
        for _ in range(3):
            assert adoption.on_wish(by_candidate=True) == []

        assert adoption.on_time(159.0) == []
        assert adoption.on_time(160.0) == [
            Deploy(7, GENES, "canary"),
            Told(
                "canaried",
                7,
                "in shadow it wished for 3 alarms and actions, the one in force for 1",
            ),
        ]

    def test_one_that_wishes_for_too_much_is_rejected(self) -> None:
        adoption = in_shadow()
        adoption.on_wish(by_candidate=True)

        assert adoption.on_wish(by_candidate=True) == [
            Deploy(3, OLD, "nowhere"),
            Told(
                "rejected",
                7,
                "in shadow it wished for 2 alarms and actions, the one in force for 0",
            ),
        ]
        assert adoption.standing.stage is Stage.IDLE
        assert adoption.on_wish(by_candidate=True) == []


class TestCanary:
    def test_one_that_is_better_is_promoted_and_the_old_one_kept(self) -> None:
        adoption, rng = in_canary(), random.Random(2)
        wishes: list[Wish] = []
        while not wishes:
            wishes = meets(adoption, 0.3 + 0.4 * rng.random(), 0.3 * rng.random())

        assert wishes[0] == Deploy(7, GENES, "everywhere")
        assert told(wishes).decision == "promoted"
        assert "proven better, after" in told(wishes).reason
        promised = adoption.standing.promised
        assert promised is not None
        assert 0.1 < promised < 0.2, "the mean harm of its canary"
        assert adoption.standing == Standing(
            incumbent=7,
            incumbent_genes=GENES,
            last_good=3,
            last_good_genes=OLD,
            promised=promised,
        )
        assert meets(adoption, 0.5, 0.5) == []

    def test_one_that_does_harm_is_rolled_back(self) -> None:
        adoption, rng = in_canary(), random.Random(2)
        wishes: list[Wish] = []
        while not wishes:
            wishes = meets(adoption, 0.3 * rng.random(), 0.3 + 0.4 * rng.random())

        assert wishes[0] == Deploy(3, OLD, "nowhere")
        assert told(wishes).decision == "rolled_back"
        assert "does more harm" in told(wishes).reason

    def test_one_that_makes_no_difference_ends_unproven(self) -> None:
        adoption = in_canary()
        wishes: list[Wish] = []
        while not wishes:
            wishes = meets(adoption, 0.4, 0.4)

        assert told(wishes) == Told(
            "rolled_back",
            7,
            "nothing is proven after 100 incidents, 100 beside one of the same cause",
        )

    def test_with_a_margin_no_worse_is_enough(self) -> None:
        adoption = in_canary(AdoptionConfig(shadow_s=60.0, margin=0.2))
        wishes: list[Wish] = []
        while not wishes:
            wishes = meets(adoption, 0.4, 0.4)

        assert told(wishes).decision == "promoted"
        assert "proven no worse" in told(wishes).reason

    def test_one_that_acts_twice_as_often_is_rolled_back_at_once(self) -> None:
        adoption = in_canary()
        for _ in range(8):  # Four times the components: two of these are one of the canary's.
            adoption.on_wish(by_candidate=False)
        for _ in range(5):
            assert adoption.on_wish(by_candidate=True) == []

        assert told(adoption.on_wish(by_candidate=True)) == Told(
            "rolled_back",
            7,
            "on 20% of the components it wished for 6 alarms and actions, the one in force for 8",
        )
        assert adoption.on_wish(by_candidate=True) == []


class TestDrift:
    def test_one_that_breaks_its_promise_is_told_and_taken_back(self) -> None:
        adoption = in_force(promised=0.2)

        wishes = until_told(adoption, harm=0.6)

        assert [type(each).__name__ for each in wishes] == ["Told", "Deploy", "Told"]
        drifted, _, back = wishes
        assert isinstance(drifted, Told)
        assert (drifted.decision, drifted.genome) == ("drifted", 3)
        assert "came to a harm of 0.60 each, 0.20 was promised" in drifted.reason
        assert back == Told("rolled_back", 3, "it has drifted away from what it promised")
        assert adoption.standing == Standing(incumbent=2, last_good=2)

    def test_where_the_policy_says_so_a_person_is_told_and_that_is_all(self) -> None:
        adoption = in_force(promised=0.2, config=AdoptionConfig(on_drift="alert"))

        assert told(until_told(adoption, harm=0.6)).decision == "drifted"
        assert adoption.standing.incumbent == 3
        assert told(until_told(adoption, harm=0.6)).decision == "drifted", "and told again"

    def test_what_is_frozen_and_what_has_nothing_behind_it_stays(self) -> None:
        for standing in (
            Standing(incumbent=3, incumbent_genes=OLD, promised=0.2, is_frozen=True),
            Standing(incumbent=3, incumbent_genes=OLD, last_good=3, promised=0.2),
        ):
            adoption = an_adoption(standing)
            assert told(until_told(adoption, harm=0.6)).decision == "drifted"
            assert adoption.standing.incumbent == 3

    def test_harm_within_the_margin_is_borne(self) -> None:
        adoption, rng = in_force(promised=0.3), random.Random(4)

        for _ in range(2000):
            assert adoption.on_incident(rng.uniform(0.1, 0.6), cause="", is_canary=False) == []

    def test_the_configuration_as_it_is_written_has_promised_nothing(self) -> None:
        adoption = an_adoption(Standing())

        for harm in [0.1] * 50 + [0.9] * 50:
            assert adoption.on_incident(harm, cause="", is_canary=False) == []
        assert adoption.standing == Standing()

    def test_what_a_person_promotes_is_held_to_what_was_usual_before(self) -> None:
        adoption = an_adoption(Standing())
        for _ in range(50):
            adoption.on_incident(0.2, cause="", is_canary=False)

        adoption.promote(7, GENES, "ada")

        assert adoption.standing.promised == pytest.approx(0.2)
        assert told(until_told(adoption, harm=0.6)[:1]).decision == "drifted"
        assert adoption.standing.incumbent == 0

    def test_without_anything_usual_its_first_incidents_are_its_promise(self) -> None:
        adoption = an_adoption(Standing())
        adoption.promote(7, GENES, "ada")
        assert adoption.standing.promised is None

        for _ in range(20):
            adoption.on_incident(0.3, cause="", is_canary=False)

        assert adoption.standing.promised == pytest.approx(0.3)

    def test_what_is_on_trial_beside_it_ends_with_it(self) -> None:
        adoption = in_canary()
        for _ in range(20):
            adoption.on_incident(0.2, cause="", is_canary=False)

        wishes = until_told(adoption, harm=0.9)

        decisions = [(each.decision, each.genome) for each in wishes if isinstance(each, Told)]
        assert decisions == [("drifted", 3), ("rolled_back", 7), ("rolled_back", 3)]
        assert adoption.standing.incumbent == 2


def in_force(promised: float, config: AdoptionConfig = QUICK) -> Adoption:
    return an_adoption(
        Standing(incumbent=3, incumbent_genes=OLD, last_good=2, promised=promised), config
    )


def until_told(adoption: Adoption, harm: float) -> list[Wish]:
    """Incidents until something is said about it."""
    for _ in range(100):
        wishes = adoption.on_incident(harm, cause="", is_canary=False)
        if wishes:
            return wishes
    return []


class TestPeople:
    def test_a_person_may_promote_without_proof_and_take_it_back(self) -> None:
        adoption = an_adoption()

        assert adoption.promote(9, GENES, "ada") == [
            Deploy(9, GENES, "everywhere"),
            Told("promoted", 9, "promoted by ada"),
        ]
        with pytest.raises(ConfigError, match="genome 9 is in force already"):
            adoption.promote(9, GENES, "ada")
        assert adoption.roll_back("ada") == [
            Deploy(3, OLD, "everywhere"),
            Told("rolled_back", 9, "by ada"),
        ]
        with pytest.raises(ConfigError, match="nothing to roll back to"):
            adoption.roll_back("ada")

    def test_rolling_back_ends_what_is_on_trial_first(self) -> None:
        adoption = in_canary()

        assert told(adoption.roll_back("ada")) == Told("rolled_back", 7, "by ada")
        assert adoption.standing.incumbent == 3

    def test_frozen_means_that_nothing_goes_on_trial(self) -> None:
        adoption = in_shadow()

        wishes = adoption.freeze("ada", frozen=True)
        decisions = [each.decision for each in wishes if isinstance(each, Told)]
        assert decisions == ["rolled_back", "frozen"]
        assert adoption.propose(a_proposal(), 0.0) == [Told("rejected", 7, "adoption is frozen")]
        assert adoption.freeze("ada", frozen=False) == [Told("thawed", 0, "by ada")]
        assert adoption.propose(a_proposal(), 0.0) != []
        assert adoption.standing.stage is Stage.SHADOW


class TestRestart:
    def test_what_was_in_force_is_so_again_and_a_trial_begins_anew(self) -> None:
        adoption = an_adoption(in_canary().standing)

        assert adoption.begin(500.0) == [
            Deploy(3, OLD, "everywhere"),
            Deploy(7, GENES, "canary"),
            Told("canaried", 7, "mendel has started again"),
        ]

    def test_the_configuration_as_it_is_written_needs_nothing(self) -> None:
        assert an_adoption(Standing()).begin(0.0) == []

    def test_a_shadow_begins_anew_too(self) -> None:
        adoption = an_adoption(in_shadow().standing)

        adoption.begin(500.0)

        assert adoption.on_time(559.0) == []
        assert told(adoption.on_time(560.0)).decision == "canaried"
