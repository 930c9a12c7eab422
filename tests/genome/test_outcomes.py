import numpy as np
import pytest
from mendel.core.records import Ailment
from mendel.genome.history import History, PastIncident
from mendel.genome.outcomes import TRIES, Outcomes
from pasts import a_history, a_past, a_verdict, means

EVERY = np.arange(40)


def a_world(known: History, incidents: tuple[PastIncident, ...] = (), seed: int = 1) -> Outcomes:
    return Outcomes(incidents or known.incidents, known, seed)


def strangers(count: int = 40) -> tuple[PastIncident, ...]:
    """Incidents like those of the history, in which nothing was tried."""
    like = a_verdict("restart", "").ailment
    return tuple(
        PastIncident(
            incident=f"2-{number}", target="cart", ailment=like, utc=0.0, onset_s=0.0, opened_s=1.0
        )
        for number in range(count)
    )


def test_what_is_on_record_happens_again() -> None:
    world = a_world(a_history(3))
    three = np.arange(3)

    first, replaced = world.draw("restart", 0, three), world.draw("replace", 0, three)

    assert (first.cured.tolist(), replaced.cured.tolist()) == ([False] * 3, [True] * 3)
    assert replaced.after_s.tolist() == [10.0] * 3


def test_what_is_not_on_record_happens_as_often_as_it_did_elsewhere() -> None:
    world = a_world(a_history(20), strangers())

    cures = [world.draw(action, 0, EVERY).cured.mean() for action in ("restart", "replace")]

    assert cures == [pytest.approx(0.0, abs=0.1), pytest.approx(1.0, abs=0.1)]


def test_durations_are_spread_about_those_on_record() -> None:
    after_s = a_world(a_history(20), strangers()).draw("replace", 0, EVERY).after_s

    assert np.median(after_s) == pytest.approx(10.0, rel=0.25)
    assert 0.0 < after_s.min() < after_s.max() < 30.0


def test_chance_belongs_to_the_incident_so_that_leaving_others_out_changes_nothing() -> None:
    some = strangers()
    whole, part = a_world(a_history(), some), a_world(a_history(), some[10:])

    assert np.array_equal(
        whole.draw("scale", 0, np.arange(10, 40)).cured, part.draw("scale", 0, np.arange(30)).cured
    )


def test_another_seed_is_another_world() -> None:
    worlds = [a_world(a_history(), strangers(), seed) for seed in (1, 2)]

    one, other = (each.draw("scale", 0, EVERY).cured for each in worlds)
    assert not np.array_equal(one, other)


def test_in_other_worlds_the_same_is_on_record_and_the_rest_falls_out_anew() -> None:
    known = a_history(3).incidents + strangers()
    one, three = Outcomes(known, a_history(), 1), Outcomes(known, a_history(), 1, worlds=3)

    first, drawn = one.draw("scale", 0, np.arange(43)), three.draw("scale", 0, np.arange(129))

    cured = drawn.cured.reshape(3, 43)
    assert np.array_equal(cured[0], first.cured)
    assert not np.array_equal(cured[1], cured[2])
    recorded = three.draw("replace", 0, np.arange(129)).cured.reshape(3, 43)
    assert recorded[:, :3].all()


def test_what_failed_once_will_rather_fail_again_and_the_last_draw_stands() -> None:
    world = a_world(a_history(), strangers(400))
    every = np.arange(400)

    first, second = (world.draw("scale", attempt, every).cured for attempt in (0, 1))
    last, later = (world.draw("scale", n, every).cured for n in (TRIES - 1, TRIES + 5))

    assert second.mean() < 0.6 * first.mean()
    assert np.array_equal(last, later)


def test_what_made_things_worse_before_does_so_again() -> None:
    worse = tuple(
        a_past(f"1-{number}", a_verdict("restart", "worse", f"1-{number}")) for number in range(30)
    )
    world = a_world(History(incidents=worse, means={"service": means("restart")}), strangers())

    drawn = world.draw("restart", 0, EVERY)

    assert drawn.worse.mean() > 0.5
    assert not (drawn.worse & drawn.cured).any()


def test_support_counts_cases_of_the_kind() -> None:
    world = a_world(a_history(10))

    assert world.support(Ailment(kind="service"), "replace") > 8.0
    assert world.support(Ailment(kind="database"), "replace") == 0.0


def test_a_cure_that_did_not_last_is_none() -> None:
    relapsed = a_past("1-1", a_verdict("restart", "helped"), a_verdict("restart", "relapsed"))
    world = a_world(History(incidents=(relapsed,), means={"service": means("restart")}))

    assert world.draw("restart", 0, np.arange(1)).cured.tolist() == [False]
