import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.evidence import Gain, Pairing, Wager, gain_of, history_problem, lots_of


class TestLots:
    def test_every_cause_is_in_all_three_and_the_newest_are_held_out(self) -> None:
        lots = lots_of(["crash", "hang"] * 10)

        assert lots[::2] == lots[1::2] == ["train"] * 6 + ["validation"] * 2 + ["hold_out"] * 2

    @given(causes=st.lists(st.sampled_from("abc")))
    def test_each_incident_is_in_one_lot_and_time_runs_forward_within_a_cause(
        self, causes: list[str]
    ) -> None:
        lots = lots_of(causes)
        order = ["train", "validation", "hold_out"]

        for cause in "abc":
            own = [
                order.index(lot) for lot, each in zip(lots, causes, strict=True) if each == cause
            ]
            assert own == sorted(own)
            if len(own) >= 5:
                assert set(own) == {0, 1, 2}


class TestHistory:
    @pytest.mark.parametrize(
        ("causes", "problem"),
        [
            ([], "there are no incidents yet; at least 30 are needed"),
            (["crash"] * 3, "there are 3 incidents; at least 30 are needed"),
            (["crash"] * 40 + ["hang"] * 4, "40 of 44 incidents have the same cause"),
            (["crash"] * 40 + ["hang"] * 5, ""),
        ],
    )
    def test_a_poor_history_is_refused_with_what_is_missing(
        self, causes: list[str], problem: str
    ) -> None:
        assert history_problem(causes, least=30).startswith(problem)
        assert bool(history_problem(causes, least=30)) is bool(problem)


class TestGain:
    def test_half_of_the_harm_is_a_gain_of_a_half(self) -> None:
        incumbent = [[1.0, 4.0], [3.0, 4.0]]
        candidate = [[0.5, 2.0], [1.5, 4.0]]

        found = gain_of(incumbent, candidate, random.Random(1).random)

        assert found == Gain(mean=0.5, low=0.5, worst=-0.25)

    def test_what_one_incident_gained_may_be_chance(self) -> None:
        incumbent = [[1.0]] * 10
        candidate = [[0.0], *[[1.05]] * 9]

        found = gain_of(incumbent, candidate, random.Random(1).random)

        assert found.mean == pytest.approx(0.055)
        assert found.low < 0.0
        assert found.worst == 0.0, "there is no other objective"

    @pytest.mark.parametrize(("price", "worst"), [(0.0, 0.0), (2.0, 1.0), (-2.0, -1.0)])
    def test_what_had_no_price_gets_worse_as_a_whole(self, price: float, worst: float) -> None:
        found = gain_of([[0.0, 0.0]], [[0.0, price]], random.Random(1).random)

        assert found == Gain(mean=0.0, low=0.0, worst=worst)


class TestWager:
    def test_a_mean_above_the_null_is_found_and_one_at_it_is_not(self) -> None:
        rng = random.Random(3)
        above, at = Wager(0.5), Wager(0.5)
        for _ in range(200):
            above.take(min(1.0, rng.random() + 0.15))
            at.take(rng.random())

        assert above.capital > 20.0
        assert at.capital < 20.0
        assert (above.values, at.values) == (200, 200)

    def test_looking_after_every_value_deceives_in_no_more_than_one_case_of_twenty(self) -> None:
        deceived = 0
        for seed in range(400):
            rng, wager, highest = random.Random(seed), Wager(0.5), 0.0
            for _ in range(300):
                wager.take(rng.random())
                highest = max(highest, wager.capital)
            deceived += highest >= 20.0

        assert deceived <= 0.05 * 400

    @given(values=st.lists(st.floats(0.0, 1.0)), null=st.floats(0.05, 0.95))
    def test_nobody_is_ever_ruined(self, values: list[float], null: float) -> None:
        wager = Wager(null)
        for value in values:
            wager.take(value)
            assert 0.0 < wager.capital < float("inf")


class TestPairing:
    def test_an_incident_waits_for_one_of_its_cause(self) -> None:
        pairing = Pairing()

        assert pairing.take("crash", 0.1, is_canary=False) is None
        assert pairing.take("hang", 0.2, is_canary=True) is None
        assert pairing.take("crash", 0.3, is_canary=True) == (0.1, 0.3)
        assert pairing.take("hang", 0.4, is_canary=False) == (0.4, 0.2)
        assert (pairing.alike, pairing.unlike, pairing.dropped) == (2, 0, 0)

    def test_who_has_waited_for_too_long_takes_what_there_is(self) -> None:
        pairing = Pairing()
        pairing.take("crash", 0.9, is_canary=True)

        pairs = [pairing.take("hang", 0.1 * number, is_canary=False) for number in range(9)]

        assert pairs == [None] * 8 + [(0.0, 0.9)]
        assert (pairing.alike, pairing.unlike, pairing.dropped) == (0, 1, 0)

    def test_where_nobody_is_on_the_other_side_the_oldest_is_let_go(self) -> None:
        pairing = Pairing()

        for _ in range(100):
            assert pairing.take("hang", 0.5, is_canary=False) is None

        assert (pairing.alike, pairing.unlike, pairing.dropped) == (0, 0, 92)
