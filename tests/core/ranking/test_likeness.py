from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.ranking.likeness import CASES_MAX, Cases, Likeness, alike_as, symptoms_of
from mendel.core.ranking.ranking import Experience
from mendel.core.records import Ailment, ExperienceRecord

WEEK_S = 7 * 86_400.0
MONTH_S = 30 * 86_400.0


def a_case(
    incident: str = "1-1",
    signature: str = "errors++ latency+",
    *,
    action: str = "restart",
    verdict: str = "helped",
    at_s: float = 0.0,
    **ailment: Any,
) -> ExperienceRecord:
    return ExperienceRecord(
        incident=incident,
        target="cart",
        action=action,
        ailment=Ailment(signature=signature, **ailment),
        verdict=verdict,
        took_s=5.0,
        at_s=at_s,
    )


def cases(*records: ExperienceRecord) -> Cases:
    known = Cases()
    for record in records:
        known.learn(record)
    return known


def like(known: Cases, signature: str, *, now_s: float = 0.0, **ailment: Any) -> Likeness | None:
    return known.like(Ailment(signature=signature, **ailment), now_s, MONTH_S)


signatures = st.dictionaries(st.sampled_from(["errors", "latency", "rate"]), st.integers(-2, 2))


@given(one=signatures, other=signatures)
def test_likeness_is_mutual_and_whole_only_of_equals(
    one: dict[str, int], other: dict[str, int]
) -> None:
    one, other = ({k: v for k, v in each.items() if v} for each in (one, other))

    assert alike_as(one, other) == alike_as(other, one)
    assert 0.0 <= alike_as(one, other) <= 1.0
    assert (alike_as(one, other) == 1.0) == (one == other and bool(one))


def test_what_looks_the_same_is_recognised_with_what_healed_it() -> None:
    found = like(cases(a_case()), "errors++ latency+")

    assert found == Likeness(
        incident="1-1", action="restart", signature="errors++ latency+", alike=1.0
    )
    assert found.words == "like incident 1-1 (100% alike), healed by restart"


@pytest.mark.parametrize(
    ("signature", "alike"),
    [
        ("errors++", 2 / 3),
        ("errors++ latency++", 3 / 4),
        ("errors+ latency+", 2 / 3),
        ("errors++ latency-", None),
        ("latency+", None),
        ("alive", None),
        ("none", None),
    ],
)
def test_a_symptom_more_or_less_makes_no_stranger(signature: str, alike: float | None) -> None:
    found = like(cases(a_case()), signature)

    assert (found.alike if found else None) == alike


def test_another_cause_is_another_matter_and_another_kind_is_less_alike() -> None:
    known = cases(a_case(cause="crash", kind="api"))

    assert like(known, "errors++ latency+", cause="bad_deploy", kind="api") is None
    other = like(known, "errors++ latency+", cause="crash", kind="database")
    unknown = like(known, "errors++ latency+", kind="api")
    assert other is not None
    assert unknown is not None
    assert (other.alike, unknown.alike) == (0.8, 1.0)


def test_of_equals_the_newest_counts_and_old_ones_fade() -> None:
    known = cases(
        a_case("1-1", action="restart", at_s=0.0),
        a_case("1-2", action="roll_back", at_s=WEEK_S),
        a_case("1-3", "errors++ latency++", action="scale", at_s=4 * MONTH_S),
    )

    soon = like(known, "errors++ latency+", now_s=WEEK_S)
    late = like(known, "errors++ latency+", now_s=4 * MONTH_S)

    assert [each.incident for each in (soon, late) if each] == ["1-2", "1-3"]


@pytest.mark.parametrize("verdict", ["no_effect", "worse", "failed"])
def test_what_did_not_help_is_no_cure(verdict: str) -> None:
    assert like(cases(a_case(verdict=verdict)), "errors++ latency+") is None


def test_a_cure_that_did_not_last_is_none() -> None:
    known = cases(a_case("1-1"), a_case("1-2", action="scale"), a_case("1-1", verdict="relapsed"))

    found = like(known, "errors++ latency+")

    assert found is not None
    assert found.incident == "1-2"


def test_no_more_is_remembered_than_fits() -> None:
    many = [a_case(f"1-{number}", f"errors{'+' * (number % 2 + 1)}") for number in range(1, 500)]
    known = cases(a_case("1-0", "disk++"), *many, a_case("1-500"))

    assert CASES_MAX == 500
    assert like(known, "disk++") is None
    assert like(known, "errors++ latency+") is not None


def test_what_one_experience_learns_another_view_of_it_recognises() -> None:
    experience = Experience()
    other = experience.seen_by(experience.config)

    experience.learn(a_case())

    assert other.recognise(Ailment(signature="errors++ latency+"), 0.0) is not None


def test_a_signature_is_read_as_it_was_written() -> None:
    assert symptoms_of("alive errors++ rate-") == {"alive": 2, "errors": 2, "rate": -1}
    assert symptoms_of("none") == {}
