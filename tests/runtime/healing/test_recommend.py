"""Which level is recommended, and what is said for it."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from mendel.core.levels import Level
from mendel.core.topology import Kind
from mendel.runtime.healing.recommend import Traits, recommend
from msgspec import structs

ORDER = get_args(Level)

TRAITS = st.builds(
    Traits,
    kind=st.sampled_from(get_args(Kind)),
    criticality=st.sampled_from(("low", "normal", "high")),
    replicas=st.integers(1, 50),
    request_rate=st.floats(0.0, 1e6),
    dependents=st.integers(0, 20),
    keeps_state=st.booleans(),
    resources=st.sampled_from(("scarce", "normal", "ample")),
)


def test_what_nothing_speaks_for_stays_simple() -> None:
    found = recommend(Traits(kind="worker"))

    assert found.level == "basic"
    assert found.reasons == ("nothing speaks for more than fixed lines and a fixed plan",)


def test_one_reason_is_worth_a_level_and_two_are_worth_agents() -> None:
    busy = Traits(kind="api", request_rate=250.0)

    assert recommend(busy).level == "advanced"
    assert recommend(structs.replace(busy, criticality="high")).level == "full"


def test_what_speaks_against_it_is_weighed_and_told() -> None:
    found = recommend(Traits(request_rate=250.0, criticality="high", resources="scarce"))

    assert found.level == "advanced"
    assert found.reasons[-1] == "the machine has little to spare for healing"


def test_a_wish_decides_and_what_speaks_against_it_is_told() -> None:
    found = recommend(Traits(kind="external", wish="full"))

    assert found.level == "full"
    assert found.reasons[0] == "its team wants full; by its traits it would be basic"
    assert "somebody else's" in found.reasons[1]


def test_a_wish_that_fits_is_a_reason() -> None:
    assert recommend(Traits(wish="basic")).reasons[0] == "its team wants it so"


@given(TRAITS)
def test_more_at_stake_never_means_less_healing(traits: Traits) -> None:
    level = ORDER.index(recommend(traits).level)

    for more in (
        structs.replace(traits, criticality="high"),
        structs.replace(traits, dependents=traits.dependents + 3),
        structs.replace(traits, request_rate=traits.request_rate + 100.0),
        structs.replace(traits, replicas=traits.replicas + 2),
        structs.replace(traits, resources="ample"),
    ):
        assert ORDER.index(recommend(more).level) >= level
    assert recommend(traits).reasons
