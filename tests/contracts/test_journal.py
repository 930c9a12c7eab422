"""What every journal promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mendel.agents.journal import MemoryJournal
from mendel.agents.ports import Journal
from mendel.core.adoption import Stage, Standing
from mendel.core.records import (
    AdoptionRecord,
    Ailment,
    Breeding,
    ExperienceRecord,
    GenomeRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    SearchRecord,
    WindowRecord,
)
from mendel.runtime.store import Store


@pytest.fixture(params=["memory", "store"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
    else:
        async with Store(tmp_path / "store.db") as store:
            yield store


def an_incident(incident: str = "1-1", stage: str = "triage", outcome: str = "") -> IncidentRecord:
    return IncidentRecord(
        incident=incident,
        target="cart",
        stage=stage,
        reason="latency_s is 0.9, at most 0.5",
        at_s=12.5,
        onset_s=11.0,
        outcome=outcome,
    )


def an_intent(intent: str = "1-1", incident: str = "1-1", action: str = "restart") -> IntentRecord:
    return IntentRecord(
        intent=intent,
        incident=incident,
        target="cart",
        action=action,
        attempt=1,
        timeout_s=30.0,
        at_s=13.0,
        before={"pid": 4711, "started": 99.5},
    )


def an_outcome(intent: str = "1-1", outcome: str = "succeeded") -> OutcomeRecord:
    return OutcomeRecord(intent=intent, outcome=outcome, detail="", duration_s=0.4, at_s=13.4)


def a_genome(genome: int = 1) -> GenomeRecord:
    genes = {"triage.hold_s": 1.5, "playbook.plan": ["restart", "replace"]}
    return GenomeRecord(genome=genome, parent=0, origin="bred", signature="5f", genes=genes)


def a_search(generation: int) -> SearchRecord:
    return SearchRecord(
        search=1,
        generation=generation,
        generations=25,
        evaluations=40.0 * generation,
        hypervolume=0.5,
        is_over=False,
        state={"population": [[0.1, 0.2]]},
    )


def an_adoption(decision: str) -> AdoptionRecord:
    standing = Standing(stage=Stage.SHADOW, candidate=1, candidate_genes={"triage.hold_s": 1.5})
    return AdoptionRecord(decision=decision, genome=1, reason="gains 50%", standing=standing)


def an_experience(action: str = "restart", at_s: float = 20.0) -> ExperienceRecord:
    return ExperienceRecord(
        incident="1-1",
        target="cart",
        action=action,
        ailment=Ailment(kind="api", cause="hang", signature="answered"),
        verdict="helped",
        took_s=7.0,
        at_s=at_s,
    )


class TestJournal:
    async def test_is_empty_at_first(self, journal: Journal) -> None:
        assert list(journal.unfinished_intents()) == []
        assert list(journal.open_incidents()) == []

    async def test_an_intent_is_unfinished_until_it_has_an_outcome(self, journal: Journal) -> None:
        await journal.commit(an_intent())
        before = list(journal.unfinished_intents())

        await journal.commit(an_outcome())

        assert before == [an_intent()]
        assert list(journal.unfinished_intents()) == []

    async def test_a_note_is_known_at_once(self, journal: Journal) -> None:
        journal.note(an_intent())
        journal.note(an_incident())

        assert list(journal.unfinished_intents()) == [an_intent()]
        assert list(journal.open_incidents()) == [an_incident()]

    @pytest.mark.parametrize("outcome", ["failed", "timed_out", "not_run", "unknown"])
    async def test_every_outcome_finishes_an_intent(self, journal: Journal, outcome: str) -> None:
        journal.note(an_intent())

        journal.note(an_outcome(outcome=outcome))

        assert list(journal.unfinished_intents()) == []

    async def test_an_outcome_finishes_only_its_own_intent(self, journal: Journal) -> None:
        journal.note(an_intent("1-1"))
        journal.note(an_intent("1-2"))

        journal.note(an_outcome("1-1"))

        assert list(journal.unfinished_intents()) == [an_intent("1-2")]

    async def test_an_outcome_without_an_intent_is_no_error(self, journal: Journal) -> None:
        await journal.commit(an_outcome("9-9"))

        assert list(journal.unfinished_intents()) == []

    async def test_the_newest_record_of_an_incident_counts(self, journal: Journal) -> None:
        journal.note(an_incident(stage="triage"))
        journal.note(an_incident(stage="recovering"))

        assert list(journal.open_incidents()) == [an_incident(stage="recovering")]

    async def test_open_incidents_stand_in_the_order_they_were_opened(
        self, journal: Journal
    ) -> None:
        journal.note(an_incident("1-1"))
        journal.note(an_incident("1-2"))
        journal.note(an_incident("1-1", stage="escalated"))

        assert list(journal.open_incidents()) == [
            an_incident("1-1", stage="escalated"),
            an_incident("1-2"),
        ]

    async def test_an_incident_with_an_outcome_is_not_open(self, journal: Journal) -> None:
        journal.note(an_incident())

        await journal.commit(an_incident(stage="closed", outcome="healed"))

        assert list(journal.open_incidents()) == []

    async def test_an_incident_that_is_taken_up_again_is_open_again(self, journal: Journal) -> None:
        journal.note(an_incident(stage="closed", outcome="healed"))

        journal.note(an_incident(stage="recovering"))

        assert list(journal.open_incidents()) == [an_incident(stage="recovering")]

    async def test_readings_open_nothing(self, journal: Journal) -> None:
        window = WindowRecord(
            incident="1-1", target="cart", times_s=(1.0, 2.0), metrics={"latency_s": (0.1, None)}
        )

        await journal.commit(window)

        assert list(journal.open_incidents()) == []
        assert list(journal.unfinished_intents()) == []

    async def test_a_target_is_isolated_until_a_release_has_succeeded(
        self, journal: Journal
    ) -> None:
        isolate = an_intent("1-1.isolate.1", action="isolate")
        failed, release = (an_intent(f"1-1.release.{n}", action="release") for n in (2, 3))
        seen = []
        for record in (
            *(isolate, an_outcome("1-1.isolate.1")),
            *(failed, an_outcome("1-1.release.2", outcome="timed_out")),
            *(release, an_outcome("1-1.release.3")),
        ):
            journal.note(record)
            seen.append(list(journal.isolations()))

        assert seen == [[isolate], [isolate], [failed], [failed], [release], []]

    async def test_what_was_handed_out_does_not_change_later(self, journal: Journal) -> None:
        journal.note(an_intent())
        seen = journal.unfinished_intents()

        journal.note(an_outcome())

        assert list(seen) == [an_intent()]

    async def test_tells_what_actions_led_to_oldest_first(self, journal: Journal) -> None:
        journal.note(an_experience("restart"))
        await journal.commit(an_experience("replace"))

        assert list(journal.experiences()) == [an_experience("restart"), an_experience("replace")]

    async def test_tells_genomes_and_where_breeding_stands(self, journal: Journal) -> None:
        assert journal.breeding() == Breeding()

        for record in (a_genome(1), a_search(1), a_genome(2), an_adoption("shadowed")):
            journal.note(record)
        await journal.commit(a_search(2))

        assert journal.breeding() == Breeding(
            genomes=(a_genome(1), a_genome(2)),
            search=a_search(2),
            adoption=an_adoption("shadowed"),
        )
