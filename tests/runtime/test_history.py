"""What evolution is told of a store, written as a running mendel would have."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from mendel.core.policy import ActionFacts
from mendel.core.records import (
    Ailment,
    ExperienceRecord,
    IncidentRecord,
    IntentRecord,
    OutcomeRecord,
    Record,
    WindowRecord,
)
from mendel.errors import StoreError
from mendel.genome.history import History, Means
from mendel.runtime.history import read_history
from mendel.runtime.store import Store
from msgspec import structs

HANG = Ailment(kind="api", cause="hang", signature="answered")


def a_state(
    name: str, stage: str, at_s: float, *, target: str = "cart", outcome: str = ""
) -> IncidentRecord:
    return IncidentRecord(
        incident=name,
        target=target,
        stage=stage,
        reason="",
        at_s=at_s,
        onset_s=at_s - 1.0,
        outcome=outcome,
    )


def a_try(name: str, number: int, at_s: float, verdict: str) -> list[Record]:
    """A restart of ten seconds, and its verdict."""
    intent = f"{name}.{number}"
    return [
        IntentRecord(
            intent=intent,
            incident=name,
            target="cart",
            action="restart",
            attempt=number,
            timeout_s=30.0,
            at_s=at_s,
            settle_s=7.0,
        ),
        OutcomeRecord(
            intent=intent, outcome="succeeded", detail="", duration_s=10.0, at_s=at_s + 10.0
        ),
        a_lesson(name, verdict, at_s + 12.0),
    ]


def a_lesson(name: str, verdict: str, at_s: float) -> ExperienceRecord:
    return ExperienceRecord(
        incident=name,
        target="cart",
        action="restart",
        ailment=HANG,
        verdict=verdict,
        took_s=12.0,
        at_s=at_s,
    )


def a_window(name: str, *times_s: float) -> WindowRecord:
    return WindowRecord(
        incident=name, target="cart", times_s=times_s, metrics={"ok": (0.0,) * len(times_s)}
    )


async def told_of(path: Path, *records: Record) -> History:
    async with Store(path, clock=lambda: 1_000.0) as store:
        for record in records:
            await store.commit(record)
    return await read_history(path)


async def test_an_incident_is_told_with_its_readings_and_all_that_was_tried(tmp_path: Path) -> None:
    history = await told_of(
        tmp_path / "store.db",
        a_state("1-1", "triage", 100.0),
        a_window("1-1", 98.0, 99.0),
        *a_try("1-1", 1, 101.0, "no_effect"),
        *a_try("1-1", 2, 120.0, "helped"),
        a_window("1-1", 99.0, 130.0),
        a_state("1-1", "closed", 133.0, outcome="healed"),
    )

    (told,) = history.incidents
    assert (told.opened_s, told.acted_s, told.ailment) == (100.0, 101.0, HANG)
    assert (told.times_s, told.metrics) == ((98.0, 99.0, 130.0), {"ok": (0.0, 0.0, 0.0)})
    assert [each.verdict for each in told.tried] == ["no_effect", "helped"]
    facts = ActionFacts(name="restart", timeout_s=30.0, settle_s=7.0)
    assert history.means == {"api": {"restart": Means(facts=facts, run_s=10.0)}}


@pytest.mark.parametrize("target", ["cart/2", "web>cart"])
async def test_what_is_done_to_a_replica_or_at_an_edge_is_known_of_its_component(
    tmp_path: Path, target: str
) -> None:
    tries: list[Record] = []
    for each in a_try("1-1", 1, 101.0, "helped"):
        tries.append(structs.replace(each, target=target) if hasattr(each, "target") else each)

    history = await told_of(
        tmp_path / "store.db",
        a_state("1-1", "triage", 100.0),
        *tries,
        a_state("1-1", "closed", 133.0, outcome="healed"),
        a_state("1-2", "triage", 900.0, target=target),
        a_state("1-2", "closed", 903.0, target=target, outcome="cleared"),
    )

    assert list(history.means) == ["api"]
    assert list(history.means["api"]) == ["restart"]
    assert [each.ailment.kind for each in history.incidents] == ["api", "api"]


async def test_a_relapse_is_part_of_the_story_before_it(tmp_path: Path) -> None:
    history = await told_of(
        tmp_path / "store.db",
        a_state("1-1", "triage", 100.0),
        *a_try("1-1", 1, 101.0, "helped"),
        a_state("1-1", "closed", 113.0, outcome="healed"),
        a_lesson("1-1", "relapsed", 200.0),
        a_state("1-2", "triage", 200.0),
        *a_try("1-2", 1, 201.0, "helped"),
        a_state("1-2", "closed", 213.0, outcome="healed"),
        a_state("1-3", "triage", 900.0),
        a_state("1-3", "closed", 901.0, outcome="cleared"),
        a_state("2-1", "triage", 902.0),
        a_state("2-1", "closed", 903.0, outcome="healed"),
    )

    assert [(each.incident, each.is_real) for each in history.incidents] == [
        ("1-1", True),
        ("1-3", False),
        ("2-1", True),
    ]
    first = history.incidents[0]
    assert [each.verdict for each in first.tried] == ["helped", "relapsed", "helped"]


async def test_symptoms_and_what_is_not_over_are_left_out(tmp_path: Path) -> None:
    history = await told_of(
        tmp_path / "store.db",
        a_state("1-1", "triage", 100.0),
        a_state("1-2", "triage", 101.0, target="web"),
        a_state("1-2", "closed", 140.0, target="web", outcome="attributed"),
        a_state("1-3", "triage", 150.0, target="db"),
        a_state("1-3", "closed", 151.0, target="db", outcome="cleared"),
    )

    assert [each.incident for each in history.incidents] == ["1-3"]
    assert history.incidents[0].acted_s == math.inf


async def test_without_a_store_there_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store here"):
        await read_history(tmp_path / "store.db")


async def test_the_history_that_ships_can_be_read_and_is_rich_enough_to_learn_from() -> None:
    shipped = Path(__file__).parents[2] / "examples" / "history.sqlite"

    history = await read_history(shipped)

    assert shipped.stat().st_size <= 5_000_000
    assert len(history.incidents) >= 250
    assert len(history.experiences) >= 400
    verdicts = {each.verdict for each in history.experiences}
    assert verdicts == {"helped", "no_effect", "failed", "worse", "relapsed"}
    assert {"service", "ui", "cache", "database"} <= set(history.means)
