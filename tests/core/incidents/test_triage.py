from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mendel.bus.messages import Status
from mendel.core.incidents.triage import (
    Attribute,
    Blame,
    Standing,
    Treat,
    TriageConfig,
    Wait,
    blame,
)

NOBODY = Standing(status=Status.HEALTHY, fresh=True)


def the_blame(waited: bool = False, onset_s: float = 100.0, **standings: Standing) -> Blame:
    """For ``web``, which needs the given ones, the nearest first."""
    return blame_of(standings, waited=waited, onset_s=onset_s)


def blame_of(
    standings: dict[str, Standing], *, waited: bool = True, onset_s: float = 100.0
) -> Blame:
    return blame(
        "web",
        onset_s,
        list(standings),
        standings,
        TriageConfig(hold_s=3.0, settle_s=5.0),
        waited=waited,
    )


def test_one_that_needs_nothing_is_its_own_cause() -> None:
    assert the_blame() == Treat("it depends on nothing that is watched")


def test_one_whose_dependencies_were_just_seen_well_is_its_own_cause() -> None:
    assert the_blame(cart=NOBODY, db=NOBODY) == Treat("all that it needs is well: cart, db")


def test_the_deepest_one_under_treatment_is_the_cause() -> None:
    found = the_blame(cart=Standing(treated_as="cart"), db=Standing(treated_as="db"))

    assert found == Attribute("db", "db is sick and web needs it")


def test_a_symptom_below_leads_to_its_cause() -> None:
    found = the_blame(cart=Standing(treated_as="disk"), db=NOBODY)

    assert found == Attribute("disk", "cart is sick and web needs it")


def test_it_waits_for_what_has_not_been_looked_at_and_for_what_is_in_doubt() -> None:
    found = the_blame(
        old=Standing(status=Status.HEALTHY),
        silent=Standing(status=Status.UNKNOWN, fresh=True),
        doubtful=Standing(status=Status.SUSPECT, fresh=True),
        sick=Standing(status=Status.SICK, fresh=True),
        asked=Standing(status=Status.HEALTHY, fresh=True, undecided=True),
        well=NOBODY,
    )

    assert found == Wait("looking at asked, sick, doubtful, silent, old first")


def test_when_time_is_up_doubt_is_no_cause() -> None:
    found = the_blame(waited=True, cart=Standing(status=Status.SICK, fresh=True))

    assert found == Treat("nothing that it needs was found sick in time: cart")


def test_when_time_is_up_one_below_that_is_ill_itself_is_the_cause() -> None:
    found = the_blame(waited=True, cart=Standing(undecided=True, onset_s=200.0))

    assert found == Attribute("cart", "cart is ill as well and web needs it")


def test_of_two_that_need_each_other_the_first_to_fall_ill_is_the_cause() -> None:
    earlier = Standing(undecided=True, mutual=True, onset_s=99.0)
    later = Standing(undecided=True, mutual=True, onset_s=101.0)

    assert isinstance(the_blame(waited=True, cart=earlier), Attribute)
    assert isinstance(the_blame(waited=True, cart=later), Treat)


def test_what_began_before_a_dependency_had_recovered_for_a_while_is_put_down_to_it() -> None:
    recovered = Standing(status=Status.HEALTHY, fresh=True, recovered_s=95.0)

    assert the_blame(onset_s=100.0, db=recovered) == Attribute(
        "db", "began before db had recovered for 5 s"
    )
    assert isinstance(the_blame(onset_s=100.1, db=recovered), Treat)


def test_one_that_is_a_symptom_of_the_target_explains_nothing() -> None:
    circular = Standing(status=Status.HEALTHY, fresh=True, treated_as="web", recovered_s=99.0)

    assert isinstance(the_blame(db=circular), Treat)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    settings: dict[str, Any] = {
        "status": draw(st.sampled_from(Status)),
        "fresh": draw(st.booleans()),
        "treated_as": draw(st.sampled_from(["", "", "a", "b", "web"])),
        "undecided": draw(st.booleans()),
        "mutual": draw(st.booleans()),
        "onset_s": draw(st.sampled_from([90.0, 100.0, 110.0])),
        "recovered_s": draw(st.sampled_from([float("-inf"), 95.0])),
    }
    return Standing(**settings)


ESTATES = st.dictionaries(st.sampled_from(["a", "b", "c"]), standings())


@given(estate=ESTATES, waited=st.booleans())
def test_a_healthy_dependency_that_was_just_seen_and_never_sick_is_never_the_cause(
    estate: dict[str, Standing], waited: bool
) -> None:
    found = blame_of(estate | {"fine": NOBODY}, waited=waited)

    assert not (isinstance(found, Attribute) and found.cause == "fine")


@given(estate=ESTATES, waited=st.booleans())
def test_while_a_dependency_is_under_treatment_the_target_is_not(
    estate: dict[str, Standing], waited: bool
) -> None:
    found = blame_of(estate | {"db": Standing(treated_as="db")}, waited=waited)

    assert isinstance(found, Attribute)


@given(estate=ESTATES)
def test_when_time_is_up_there_is_a_decision_and_never_the_target_as_its_own_symptom(
    estate: dict[str, Standing],
) -> None:
    found = blame_of(estate)

    assert not isinstance(found, Wait)
    assert not (isinstance(found, Attribute) and found.cause == "web")
