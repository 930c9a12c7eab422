from collections import Counter

import pytest
from mendel.core.circuits.circuit import CircuitConfig, Outcome
from mendel.core.circuits.fleet import Fleet, FleetConfig
from mendel.errors import ConfigError

CIRCUIT = CircuitConfig(
    minimum_calls=2, window_calls=2, permitted_calls=1, ramp_calls=0, open_jitter=0.0
)


def a_fleet(size: int, **settings: float) -> Fleet:
    config = FleetConfig(circuit=CIRCUIT, **settings)
    return Fleet([f"cart/{number}" for number in range(size)], config, now_s=0.0)


def play(fleet: Fleet, calls: int, sick: set[str], now_s: float = 0.0) -> Counter[str]:
    """Make calls, of which those to sick replicas fail; how many each replica got."""
    got: Counter[str] = Counter()
    for _ in range(calls):
        name, granted = fleet.acquire(now_s)
        got[name] += 1
        if granted is not None:
            outcome = Outcome.FAILURE if name in sick else Outcome.SUCCESS
            granted.record(outcome, now_s)
    return got


def test_calls_go_to_the_replicas_in_turn() -> None:
    assert play(a_fleet(3), 9, sick=set()) == {"cart/0": 3, "cart/1": 3, "cart/2": 3}


def test_a_sick_replica_is_left_out() -> None:
    fleet = a_fleet(4)
    play(fleet, 8, sick={"cart/1"})

    got = play(fleet, 90, sick={"cart/1"})

    assert fleet.ejected() == {"cart/1"}
    assert got == {"cart/0": 30, "cart/2": 30, "cart/3": 30}


def test_no_more_than_the_cap_are_left_out_and_the_first_sick_go_first() -> None:
    fleet = a_fleet(10, ejected_max=0.2)
    play(fleet, 20, sick={"cart/7"})
    play(fleet, 30, sick={"cart/7", "cart/2", "cart/3"})

    assert fleet.ejected() == {"cart/7", "cart/2"}
    assert play(fleet, 80, sick={"cart/7", "cart/2", "cart/3"})["cart/3"] == 10
    assert fleet.overruled > 0


def test_sixty_seven_percent_never_eject_three_of_three() -> None:
    fleet = a_fleet(3, ejected_max=0.67, panic=0.0)

    play(fleet, 30, sick={"cart/0", "cart/1", "cart/2"})

    assert len(fleet.ejected()) == 2


def test_when_most_look_sick_all_are_called() -> None:
    fleet = a_fleet(4, ejected_max=0.9)
    sick = {"cart/0", "cart/1", "cart/2"}
    play(fleet, 16, sick)

    assert fleet.ejected() == set()
    assert play(fleet, 40, sick) == {f"cart/{number}": 10 for number in range(4)}


def test_a_replica_returns_by_a_trial() -> None:
    fleet = a_fleet(4)
    play(fleet, 8, sick={"cart/1"})

    got = play(fleet, 40, sick=set(), now_s=5.0)

    assert fleet.ejected() == set()
    assert got["cart/1"] == 10


def test_while_a_trial_is_under_way_the_others_get_the_calls() -> None:
    fleet = a_fleet(2, ejected_max=0.5)
    play(fleet, 4, sick={"cart/1"})
    trials = [fleet.acquire(5.0) for _ in range(4)]

    assert [name for name, _ in trials].count("cart/1") == 1


def test_when_all_are_busy_with_their_trials_somebody_is_called_nevertheless() -> None:
    fleet = a_fleet(1)
    play(fleet, 2, sick={"cart/0"})
    trial = fleet.acquire(5.0)

    other = fleet.acquire(5.0)

    assert trial[1] is not None
    assert other == ("cart/0", None)
    assert fleet.overruled == 1


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_a_fleet_needs_different_replicas(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="replicas of different names"):
        Fleet(names, FleetConfig(), now_s=0.0)
