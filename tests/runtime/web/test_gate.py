from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.runtime.web.gate import PEERS_MAX, Asked, Gate, Pace, Refusal

TOKEN = "a" * 43
HOST = "127.0.0.1:8765"


def a_gate(**settings: object) -> Gate:
    return Gate(TOKEN, {HOST, "localhost:8765"}, **settings)  # type: ignore[arg-type]


def asked(**head: object) -> Asked:
    return Asked(**({"host": HOST, "peer": "127.0.0.1"} | head))  # type: ignore[arg-type]


def status(refusal: Refusal | None) -> int | None:
    return refusal.status if refusal else None


class TestReading:
    @pytest.mark.parametrize("host", [HOST, "localhost:8765", "LOCALHOST:8765"])
    def test_on_the_machine_itself_needs_no_token(self, host: str) -> None:
        assert a_gate().judge(asked(host=host), 0.0) is None

    def test_from_elsewhere_needs_it(self) -> None:
        gate = a_gate(guarded=True)

        assert status(gate.judge(asked(), 0.0)) == 401
        assert gate.judge(asked(authorization=f"Bearer {TOKEN}"), 0.0) is None


class TestNames:
    @pytest.mark.parametrize(
        "host",
        ["", "evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:8765.evil.example"],
    )
    def test_a_name_that_is_not_ours_is_refused(self, host: str) -> None:
        refusal = a_gate().judge(asked(host=host), 0.0)

        assert refusal is not None
        assert refusal.status == 421
        assert "127.0.0.1:8765, localhost:8765" in refusal.detail

    @given(st.text())
    def test_whatever_is_asked_for(self, host: str) -> None:
        ours = host.lower() in (HOST, "localhost:8765")

        assert (a_gate().judge(asked(host=host), 0.0) is None) is ours


class TestPages:
    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1"]
    )
    @pytest.mark.parametrize("changes", [True, False])
    def test_a_page_of_somebody_else_may_not_ask_even_with_the_token(
        self, origin: str, changes: bool
    ) -> None:
        request = asked(origin=origin, changes=changes, authorization=f"Bearer {TOKEN}")

        assert status(a_gate().judge(request, 0.0)) == 403

    @pytest.mark.parametrize("origin", [f"http://{HOST}", f"https://{HOST}"])
    def test_our_own_may_through_a_proxy_too(self, origin: str) -> None:
        assert a_gate().judge(asked(origin=origin), 0.0) is None


class TestToken:
    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            TOKEN,
            f"Basic {TOKEN}",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            "Bearer ",
            "Bearer ü",
        ],
    )
    def test_a_change_needs_the_whole_of_it(self, authorization: str) -> None:
        refusal = a_gate().judge(asked(changes=True, authorization=authorization), 0.0)

        assert status(refusal) == 401
        assert TOKEN not in str(refusal)

    def test_the_word_before_it_may_be_written_in_any_case(self) -> None:
        assert a_gate().judge(asked(changes=True, authorization=f"bearer {TOKEN}"), 0.0) is None


class TestPaceOfAnAddress:
    def test_guessing_tokens_is_slowed_down_like_anything_else(self) -> None:
        gate = a_gate(changes_per_s=1.0)
        guesses = [gate.judge(asked(changes=True, authorization="Bearer x"), 0.0) for _ in range(4)]

        assert [status(each) for each in guesses] == [401, 401, 429, 429]
        assert guesses[-1] is not None
        assert guesses[-1].retry_s == pytest.approx(1.0)
        assert gate.refused == {401: 2, 429: 2}

    def test_others_are_not_slowed_down_by_it(self) -> None:
        gate = a_gate(reads_per_s=1.0)
        for _ in range(5):
            gate.judge(asked(), 0.0)

        assert gate.judge(asked(peer="127.0.0.2"), 0.0) is None

    @given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=200), st.floats(0.5, 50.0))
    def test_never_more_than_its_pace_and_one_burst(
        self, gaps_s: list[float], per_s: float
    ) -> None:
        pace, now_s, passed = Pace(per_s), 0.0, 0
        for gap_s in gaps_s:
            now_s += gap_s
            passed += pace.take("a", now_s) == 0.0

        assert passed <= max(1.0, 2.0 * per_s) + now_s * per_s + 1e-6

    def test_who_waits_as_told_may_pass(self) -> None:
        pace = Pace(0.5)
        pace.take("a", 0.0)
        wait_s = pace.take("a", 0.0)

        assert wait_s == pytest.approx(2.0)
        assert pace.take("a", wait_s) == 0.0

    def test_a_clock_that_goes_back_gives_nothing_away(self) -> None:
        pace = Pace(0.5)
        pace.take("a", 100.0)

        assert pace.take("a", 0.0) > 0.0

    def test_a_million_addresses_do_not_fill_the_memory(self) -> None:
        pace = Pace(1.0)
        for number in range(3 * PEERS_MAX):
            pace.take(str(number), 0.0)

        assert len(pace._buckets) == PEERS_MAX
