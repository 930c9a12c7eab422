"""The level that weighs nothing acts on what is plain, and leaves the rest to people."""

from __future__ import annotations

from typing import Any

import pytest
from mendel.core.diagnosis import Diagnosis, Signs, diagnose, plainly
from mendel.core.diagnosis.plain import Steady
from mendel.core.topology import Component, Topology
from msgspec import structs
from scenes import DEAD, WELL, a_scene, declared

HUNG = Signs(known=True, gone="answered", up=0.0, busy=0.0)
GRAY = Signs(known=True, errors=0.8, busy=0.5)
SLOW = Signs(known=True, latency=30.0, busy=0.3, busier=0.6)
ILL = Signs(known=True, errors=0.3)
DOORS = ("web", "app", "cart", "db")


def found(*args: Any, since_s: float = 105.0, is_drawn: bool = False, **fields: Any) -> Diagnosis:
    scene = a_scene(*args, **fields)
    diagnosis = diagnose(scene, declared)
    return plainly(diagnosis, scene, declared, since_s=since_s, is_drawn=is_drawn)


def keys(diagnosis: Diagnosis) -> list[str]:
    return [step.key for step in diagnosis.steps]


class TestSteady:
    def test_it_looks_the_same_until_it_looks_otherwise_or_was_not_looked_at_for_long(self) -> None:
        steady = Steady()

        seen = [("crash", 10.0), ("crash", 30.0), ("hang", 40.0), ("hang", 50.0), ("hang", 200.0)]

        assert [steady.since_s("cart", *each) for each in seen] == [10.0, 10.0, 40.0, 40.0, 200.0]


class TestWhatIsPlain:
    def test_a_process_that_is_gone_is_started_again(self) -> None:
        assert keys(found({"cart/2": DEAD})) == ["restart cart/2", "replace cart/2"]

    def test_one_that_takes_requests_and_does_nothing_is_restarted_at_once(self) -> None:
        hang = found({"cart/2": HUNG})

        assert keys(hang) == ["restart cart/2", "replace cart/2"]
        assert hang.hold_s <= 105.0

    def test_what_is_only_slow_has_to_look_the_same_for_a_while(self) -> None:
        felt = {"cart": Signs(known=True, errors=0.1), "web": ILL}
        slow = found({"cart/2": SLOW, **felt}, seen=("web", "cart", "cart/1", "cart/2", "db"))

        assert (slow.cause, keys(slow)[:1], slow.hold_s) == ("limplock", ["replace cart/2"], 115.0)

    def test_what_killed_it_is_seen_to_first_then_it_is_started_again(self) -> None:
        falls = {"cart/1": (100.0,), "cart/2": (105.0,)}
        eaten = found({"cart/1": DEAD, "cart/2": DEAD}, kind="worker", falls=falls)

        assert eaten.cause == "poison_message"
        assert keys(eaten)[0] == "quarantine"
        assert "restart cart/2" in keys(eaten)

    def test_calls_that_fail_between_two_who_are_well_go_over_dead_connections_in_the_end(
        self,
    ) -> None:
        lost = {"web>cart": Signs(known=True, errors=0.95, latency=20.0), "web": ILL}
        seen = ("web", "cart", "web>cart", "app>cart", "db")

        early, late = found(lost, seen=seen), found(lost, seen=seen, now_s=161.0)

        assert keys(early) == []
        assert keys(late) == ["rolling_restart web"]


class TestWhatIsNot:
    def test_what_speaks_for_two_causes_is_watched_and_then_a_persons(self) -> None:
        late = Signs(known=True, latency=6.0, errors=0.3)
        slow = found({"cart": late, "web": late}, seen=("web", "cart", "db"))

        assert (keys(slow), slow.follows_plan, slow.hold_s) == ([], False, 205.0)

    def test_load_is_no_cause_to_restart_anybody(self) -> None:
        busy = Signs(known=True, latency=6.0, errors=0.5, rate=3.0, busy=0.95)

        assert keys(found({"cart": busy, "cart/1": busy, "cart/2": busy, "cart/3": busy})) == []

    def test_what_users_do_not_feel_is_left_alone(self) -> None:
        seen = ("web", "app", "cart", "cart/1", "cart/2", "cart/3", "db")

        assert keys(found({"cart/2": GRAY}, seen=seen)) == []
        assert keys(found({"cart/2": GRAY, "app": ILL}, seen=seen))[0] == "replace cart/2"
        assert keys(found({"cart/2": DEAD}, seen=seen))[0] == "restart cart/2"
        assert keys(found({"cart/2": GRAY}, seen=seen, kind="worker"))[0] == "replace cart/2"

    def test_in_a_circle_nobody_knows_where_users_come_in(self) -> None:
        scene = a_scene({"cart/2": GRAY}, seen=("cart", "cart/1", "cart/2", "cart/3", "db"))
        round_about = structs.replace(
            scene,
            topology=Topology(
                [
                    Component(name="web", depends_on=("cart",)),
                    Component(name="cart", depends_on=("web",)),
                ],
                ("cart/1", "cart/2", "cart/3"),
            ),
        )
        diagnosis = diagnose(round_about, declared)

        plain = plainly(diagnosis, round_about, declared, since_s=105.0, is_drawn=False)

        assert keys(plain)[0] == "replace cart/2"


class TestBlindly:
    @pytest.mark.parametrize(("up", "walks", "hold_s"), [(0.0, True, 125.0), (0.8, False, 205.0)])
    def test_the_plan_is_walked_where_there_is_little_to_lose(
        self, up: float, walks: bool, hold_s: float
    ) -> None:
        unknown = found({"cart": Signs(known=True, up=up), "web": ILL}, seen=DOORS)

        assert (unknown.cause, unknown.follows_plan, unknown.hold_s) == ("", walks, hold_s)

    def test_of_one_that_answers_nobody_and_tells_no_more_a_restart_may_be_all_there_is(
        self,
    ) -> None:
        ill = {"cart": Signs(known=True, gone="answered", up=0.0), "web": ILL}
        silent = found(ill, seen=DOORS)
        unfelt = found({"cart": ill["cart"]}, seen=DOORS)

        assert (silent.steps, silent.follows_plan) == ((), True)
        assert (unfelt.steps, unfelt.follows_plan) == ((), False)

    def test_a_line_that_somebody_drew_asks_for_the_plan_at_once(self) -> None:
        drawn = found({"cart": WELL}, is_drawn=True)

        assert (drawn.cause, drawn.follows_plan, drawn.hold_s) == ("", True, 105.0)
