"""Restart types, strategies, pauses and the end of patience, without a single task."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.restarts import (
    ChildSpec,
    Ended,
    GivenUp,
    Restarted,
    Restarts,
    SupervisorSpec,
    Verdict,
)
from mendel.errors import ConfigError

ALWAYS = SupervisorSpec(max_restarts=1000, first_delay_s=1.0, max_delay_s=8.0, jitter_share=0.0)


def restarts_of(*names: str, chance: Callable[[], float] = lambda: 0.0, **changes: Any) -> Restarts:
    """Children that all run since 0 s; ``worker!`` is transient, ``job?`` temporary."""
    kinds = {"!": "transient", "?": "temporary"}
    restarts = Restarts(msgspec.structs.replace(ALWAYS, **changes), chance)
    for name in names:
        restart = kinds.get(name[-1], "permanent")
        restarts.add(msgspec.convert({"name": name, "restart": restart}, ChildSpec))
        restarts.on_started(name, now_s=0.0)
    return restarts


class TestRestartTypes:
    @pytest.mark.parametrize(
        ("name", "failed", "is_restarted"),
        [
            ("agent", True, True),
            ("agent", False, True),
            ("worker!", True, True),
            ("worker!", False, False),
            ("job?", True, False),
            ("job?", False, False),
        ],
    )
    def test_decide_whether_a_child_is_restarted(
        self, name: str, failed: bool, is_restarted: bool
    ) -> None:
        verdict = restarts_of(name).on_exit(name, failed=failed, now_s=1.0)

        restarted = Restarted(stop=(), start=(name,), delay_s=1.0)
        assert verdict == (restarted if is_restarted else Ended())

    def test_a_temporary_child_is_forgotten_with_its_end(self) -> None:
        restarts = restarts_of("job?")

        restarts.on_exit("job?", failed=False, now_s=1.0)

        restarts.add(ChildSpec(name="job?"))  # Its name is free.

    def test_a_transient_child_that_ended_comes_back_with_its_group(self) -> None:
        restarts = restarts_of("worker!", "agent", strategy="one_for_all")
        restarts.on_exit("worker!", failed=False, now_s=1.0)

        verdict = restarts.on_exit("agent", failed=True, now_s=2.0)

        assert verdict == Restarted(stop=("worker!",), start=("worker!", "agent"), delay_s=1.0)


class TestStrategies:
    @pytest.mark.parametrize(
        ("strategy", "stop", "start"),
        [
            ("one_for_one", (), ("c",)),
            ("one_for_all", ("e", "d?", "b", "a"), ("a", "b", "c", "e")),
            ("rest_for_one", ("e", "d?"), ("c", "e")),
        ],
    )
    def test_decide_who_is_restarted_with_a_child(
        self, strategy: str, stop: tuple[str, ...], start: tuple[str, ...]
    ) -> None:
        restarts = restarts_of("a", "b", "c", "d?", "e", strategy=strategy)

        verdict = restarts.on_exit("c", failed=True, now_s=1.0)

        assert verdict == Restarted(stop=stop, start=start, delay_s=1.0)

    def test_a_child_that_was_removed_is_left_alone(self) -> None:
        restarts = restarts_of("a", "b", "c", strategy="one_for_all")

        restarts.remove("a")
        restarts.remove("unknown")

        assert restarts.on_exit("b", failed=True, now_s=1.0) == Restarted(
            stop=("c",), start=("b", "c"), delay_s=1.0
        )


class TestPauses:
    def test_double_up_to_the_longest(self) -> None:
        restarts = restarts_of("agent")

        delays_s = [delay_after(restarts, "agent", now_s) for now_s in (1.0, 2.0, 3.0, 4.0, 5.0)]

        assert delays_s == [1.0, 2.0, 4.0, 8.0, 8.0]

    def test_begin_again_for_a_child_that_ran_for_a_while(self) -> None:
        restarts = restarts_of("agent", stable_s=10.0)
        delay_after(restarts, "agent", 1.0)
        restarts.on_started("agent", now_s=2.0)
        assert delay_after(restarts, "agent", 11.9) == 2.0
        restarts.on_started("agent", now_s=14.0)

        assert delay_after(restarts, "agent", 24.0) == 1.0

    def test_are_those_of_the_child_alone(self) -> None:
        restarts = restarts_of("a", "b")
        delay_after(restarts, "a", 1.0)

        assert delay_after(restarts, "b", 1.0) == 1.0

    @pytest.mark.parametrize(("chance", "delay_s"), [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5)])
    def test_are_shortened_at_random_by_no_more_than_their_share(
        self, chance: float, delay_s: float
    ) -> None:
        restarts = restarts_of("agent", chance=lambda: chance, jitter_share=0.5)

        assert delay_after(restarts, "agent", 1.0) == delay_s

    def test_do_not_overflow_in_an_endless_crash_loop(self) -> None:
        restarts = restarts_of("agent", max_restarts=5000)

        assert {delay_after(restarts, "agent", 1.0) for _ in range(3000)} == {1.0, 2.0, 4.0, 8.0}


class TestIntensity:
    def test_one_restart_too_many_in_the_period_is_the_end(self) -> None:
        restarts = restarts_of("agent", max_restarts=2, period_s=10.0)
        delay_after(restarts, "agent", 1.0)
        delay_after(restarts, "agent", 2.0)

        verdict = restarts.on_exit("agent", failed=True, now_s=11.0)

        assert verdict == GivenUp("3 restarts in 10 s; allowed are 2 in 10 s")

    def test_restarts_before_the_period_do_not_count(self) -> None:
        restarts = restarts_of("agent", max_restarts=2, period_s=10.0)
        for now_s in (1.0, 2.0, 11.5, 12.5):
            assert isinstance(restarts.on_exit("agent", failed=True, now_s=now_s), Restarted)

    def test_all_children_count_together_and_ends_do_not(self) -> None:
        restarts = restarts_of("a", "b", "worker!", "job?", max_restarts=1)
        restarts.on_exit("worker!", failed=False, now_s=1.0)
        restarts.on_exit("job?", failed=True, now_s=1.0)
        assert isinstance(restarts.on_exit("a", failed=True, now_s=1.0), Restarted)

        assert isinstance(restarts.on_exit("b", failed=False, now_s=1.0), GivenUp)

    def test_none_may_be_allowed(self) -> None:
        restarts = restarts_of("agent", max_restarts=0)

        assert restarts.on_exit("agent", failed=True, now_s=1.0) == GivenUp(
            "1 restarts in 0 s; allowed are 0 in 30 s"
        )


def test_names_are_unique() -> None:
    with pytest.raises(ConfigError, match="there is a child 'a' already"):
        restarts_of("a", "a")


def test_the_first_pause_is_not_longer_than_the_longest() -> None:
    with pytest.raises(ConfigError, match="first_delay_s=5 exceeds max_delay_s=1"):
        SupervisorSpec(first_delay_s=5.0, max_delay_s=1.0)


NAMES = ("a", "b!", "c?", "d", "e?", "f!")
EXITS = st.lists(st.tuples(st.sampled_from(NAMES), st.booleans(), st.floats(0.0, 5.0)), max_size=60)


@given(
    strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    exits=EXITS,
    seed=st.integers(0, 99),
)
def test_whatever_happens_order_pauses_and_intensity_are_kept(
    strategy: str, exits: list[tuple[str, bool, float]], seed: int
) -> None:
    chance = random.Random(seed).random
    restarts = restarts_of(
        *NAMES, chance=chance, strategy=strategy, max_restarts=4, period_s=10.0, jitter_share=0.3
    )
    known, now_s = list(NAMES), 0.0
    restarted_s: list[float] = []

    for name, failed, pause_s in exits:
        if name not in known:
            continue
        now_s += pause_s
        verdict = restarts.on_exit(name, failed=failed, now_s=now_s)
        if isinstance(verdict, GivenUp):
            assert now_s - restarted_s[-4] <= 10.0
            break
        if isinstance(verdict, Ended):
            assert name.endswith("?") or (name.endswith("!") and not failed)
            known = [each for each in known if each != name or not name.endswith("?")]
            continue
        restarted_s.append(now_s)
        assert len([each for each in restarted_s if now_s - each <= 10.0]) <= 4
        assert 0.7 <= verdict.delay_s <= 8.0
        assert name in verdict.start
        assert list(verdict.start) == [each for each in known if each in verdict.start]
        assert list(verdict.stop) == [
            each for each in reversed(known) if each in verdict.stop and each != name
        ]
        assert {each for each in verdict.stop if not each.endswith("?")} == (
            set(verdict.start) - {name}
        )
        known = [each for each in known if each in verdict.start or each not in verdict.stop]
        for each in verdict.start:
            restarts.on_started(each, now_s)


def delay_after(restarts: Restarts, name: str, now_s: float) -> float:
    verdict: Verdict = restarts.on_exit(name, failed=True, now_s=now_s)
    assert isinstance(verdict, Restarted)
    return verdict.delay_s
