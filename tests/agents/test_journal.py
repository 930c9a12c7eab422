from __future__ import annotations

import pytest
from mendel.agents.journal import MemoryJournal
from mendel.core.records import IncidentRecord, IntentRecord, OutcomeRecord


def an_incident(incident: str, stage: str = "triage") -> IncidentRecord:
    return IncidentRecord(
        incident=incident, target="cart", stage=stage, reason="", at_s=1.0, onset_s=0.5
    )


def an_intent(intent: str) -> IntentRecord:
    return IntentRecord(
        intent=intent,
        incident="1-1",
        target="cart",
        action="restart",
        attempt=1,
        timeout_s=5.0,
        at_s=1.0,
    )


def an_outcome(intent: str) -> OutcomeRecord:
    return OutcomeRecord(intent=intent, outcome="succeeded", detail="", duration_s=0.1, at_s=2.0)


class TestMemoryJournal:
    async def test_shows_its_records_oldest_first(self) -> None:
        journal = MemoryJournal()

        journal.note(an_intent("1-1"))
        await journal.commit(an_outcome("1-1"))

        assert journal.records == (an_intent("1-1"), an_outcome("1-1"))

    def test_keeps_the_newest_records_only(self) -> None:
        journal = MemoryJournal(capacity=2)

        for number in range(4):
            journal.note(an_outcome(f"1-{number}"))

        assert journal.records == (an_outcome("1-2"), an_outcome("1-3"))
        assert journal.forgotten == 0

    def test_forgets_the_oldest_open_ones_beyond_its_capacity_and_counts_them(self) -> None:
        journal = MemoryJournal(capacity=2)

        for number in range(3):
            journal.note(an_intent(f"1-{number}"))
            journal.note(an_incident(f"1-{number}"))

        assert journal.unfinished_intents() == (an_intent("1-1"), an_intent("1-2"))
        assert journal.open_incidents() == (an_incident("1-1"), an_incident("1-2"))
        assert journal.forgotten == 2

    def test_what_is_restored_is_older_than_what_is_known(self) -> None:
        journal = MemoryJournal()
        journal.note(an_intent("2-1"))
        journal.note(an_incident("1-1", stage="recovering"))

        journal.restore([an_incident("1-0"), an_incident("1-1"), an_intent("1-1")])

        assert journal.unfinished_intents() == (an_intent("1-1"), an_intent("2-1"))
        assert journal.open_incidents() == (
            an_incident("1-0"),
            an_incident("1-1", stage="recovering"),
        )

    def test_refuses_to_keep_nothing(self) -> None:
        with pytest.raises(ValueError, match="capacity=0 keeps nothing"):
            MemoryJournal(capacity=0)
