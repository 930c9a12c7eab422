from __future__ import annotations

from typing import Any

import pytest
from mendel.core.diagnosis import Hypothesis, Signs
from mendel.core.diagnosis.rules import hypotheses
from mendel.core.topology import Annotation
from scenes import ALL, DEAD, WELL, a_scene

REPLICAS = ("cart/1", "cart/2", "cart/3")
EDGES = ("web>cart", "app>cart")
ALONE = ("cart", "db", "cart>db")  # What is seen where nobody looks at replicas and callers.


def signs(**fields: Any) -> Signs:
    return Signs(**{"known": True, "busy": 0.5, **fields})


def first(*args: Any, **fields: Any) -> tuple[str, tuple[str, ...]]:
    """The likeliest cause, and who has it."""
    found = hypotheses(a_scene(*args, **fields))
    return (found[0].cause, found[0].where) if found else ("", ())


def test_where_all_are_well_nothing_is_suspected() -> None:
    assert hypotheses(a_scene()) == []


class TestLosses:
    def test_a_process_that_is_gone_crashed(self) -> None:
        assert hypotheses(a_scene({"cart/2": DEAD})) == [
            Hypothesis(
                cause="crash",
                where=("cart/2",),
                score=0.75,
                reason="processes are gone: cart/2",
            )
        ]

    def test_without_replicas_in_sight_the_component_itself_is_gone(self) -> None:
        assert first({"cart": DEAD}, seen=ALONE) == ("crash", ("cart",))

    def test_some_of_its_processes_may_be_gone_unseen(self) -> None:
        some = signs(up=0.6)

        assert first({"cart": some}, seen=ALONE, falls={"cart": (99.0,)}) == ("crash", ("cart",))
        assert first({"cart": some}, seen=ALONE) == ("", ())

    def test_of_processes_behind_one_name_some_may_be_gone(self) -> None:
        some = signs(gone="reachable", living=0.67, up=0.0, errors=0.33, served=0.67)

        assert hypotheses(a_scene({"cart": some}, seen=ALONE)) == [
            Hypothesis(
                cause="crash",
                where=("cart",),
                score=0.75,
                reason="only 67% of its processes are there",
            )
        ]

    def test_who_fell_and_is_there_again_by_itself_may_flap_and_is_not_stuck(self) -> None:
        cold = {"cart/2": signs(latency=30.0, busy=0.1)}

        assert first(cold, falls={"cart/2": (100.0,)}) == ("flapping", ("cart/2",))
        assert first(cold, falls={"cart/2": (100.0,)}, warm_s=115.0) == ("", ())

    def test_connections_that_will_run_out_are_missed_before_they_do(self) -> None:
        grows = signs(pool=0.65, pool_trend=0.012)

        assert first({"web>cart": grows}) == ("pool_exhaustion", ("web",))
        assert first({"web>cart": signs(pool=0.65, pool_trend=0.001)}) == ("", ())
        assert first({"web>cart": signs(pool=0.3, pool_trend=0.012)}) == ("", ())

    def test_of_whom_nothing_is_heard_those_who_call_it_are_asked(self) -> None:
        unseen = ("web>cart", "app>cart", "db")
        fail = dict.fromkeys(EDGES, signs(errors=1.0))

        assert first(fail, seen=unseen) == ("crash", ("cart",))
        some = fail | {"app>cart": WELL}
        assert first(some, seen=unseen) == ("stale_pool", ("web",))
        waits = dict.fromkeys(EDGES, signs(errors=1.0, latency=30.0))
        assert first(waits, seen=unseen) == ("partition", EDGES)

    def test_several_components_that_lose_something_at_once_were_on_one_machine(self) -> None:
        falls = {"cart/2": (100.0,), "web/1": (101.0,), "db": (99.0,), "mail/1": (20.0,)}

        assert first({"cart/2": DEAD}, falls=falls) == ("correlated_loss", ("cart/2",))

    def test_two_components_are_a_coincidence(self) -> None:
        falls = {"cart/2": (100.0,), "db": (99.0,)}

        assert first({"cart/2": DEAD}, falls=falls)[0] == "crash"

    def test_what_falls_again_comes_and_goes(self) -> None:
        falls = {"cart/2": (50.0, 90.0, 100.0)}

        assert first({"cart/2": DEAD}, falls=falls) == ("flapping", ("cart/2",))
        assert first(falls=falls) == ("flapping", ("cart/2",))

    def test_falls_of_long_ago_are_forgotten(self) -> None:
        assert first({"cart/2": DEAD}, falls={"cart/2": (1.0, 400.0)}, now_s=410.0)[0] == "crash"

    @pytest.mark.parametrize(("kind", "cause"), [("worker", "poison_message"), ("api", "crash")])
    def test_workers_that_die_in_turn_eat_a_message(self, kind: Any, cause: str) -> None:
        falls = {"cart/1": (100.0,), "cart/2": (106.0,)}

        assert first({"cart/1": DEAD, "cart/2": DEAD}, kind=kind, falls=falls)[0] == cause

    def test_who_dies_full_of_memory_may_leak(self) -> None:
        found = hypotheses(a_scene({"cart/2": DEAD, "cart": signs(memory=2.0)}))

        assert {each.cause for each in found} == {"crash", "memory_leak"}


class TestSpeed:
    @pytest.mark.parametrize(
        ("sick", "cause"),
        [
            (signs(gone="answered", latency=60.0, busy=0.0), "hang"),
            (signs(latency=20.0, busy=0.05, busier=0.1), "limplock"),
            (signs(latency=4.0, busy=0.95, busier=1.9), "noisy_neighbour"),
            (signs(gone="answered", busy=-1.0), "hang"),
            (signs(latency=9.0, busy=-1.0), "limplock"),
        ],
    )
    def test_a_slow_replica_is_told_by_what_its_processor_does(
        self, sick: Signs, cause: str
    ) -> None:
        assert first({"cart/2": sick}) == (cause, ("cart/2",))

    @pytest.mark.parametrize(
        ("sick", "cause"),
        [
            (signs(latency=30.0, busy=0.03, busier=0.06), "cascade"),
            (signs(gone="answered", busy=0.0), "hang"),
            (signs(latency=9.0, busy=-1.0), "cascade"),
        ],
    )
    def test_when_all_are_slow_it_is_the_component(self, sick: Signs, cause: str) -> None:
        assert first(dict.fromkeys(REPLICAS, sick)) == (cause, REPLICAS)

    def test_who_waits_for_a_slow_database_is_not_the_cause(self) -> None:
        slow = signs(latency=9.0, busy=0.1)

        assert first({**dict.fromkeys(REPLICAS, slow), "cart>db": signs(latency=8.0)}) == ("", ())
        unseen = ("cart", "db")
        assert first({"cart": slow, "db": slow}, seen=unseen) == ("", ())

    def test_who_collects_garbage_is_not_limping(self) -> None:
        found = hypotheses(a_scene({"cart/2": signs(latency=9.0, memory=2.2)}))

        assert [each.cause for each in found] == ["memory_leak"]


class TestErrors:
    def test_a_replica_that_fails_what_its_peers_answer_is_gray(self) -> None:
        assert first({"cart/1": signs(errors=0.8)}) == ("gray_failure", ("cart/1",))

    def test_where_all_fail_a_little_it_is_who_fails_far_more(self) -> None:
        sick = {"cart/1": 0.1, "cart/2": 0.8, "cart/3": 0.1}

        assert first({name: signs(errors=share) for name, share in sick.items()}) == (
            "gray_failure",
            ("cart/2",),
        )

    def test_since_a_deployment_it_is_the_version(self) -> None:
        wrong = dict.fromkeys(("cart", *REPLICAS), signs(errors=0.4))
        new = Annotation(version="v2", deployed_s=95.0)

        assert first(wrong, annotation=new) == ("bad_deploy", ("cart",))
        assert "v2 was deployed, 5 s before" in hypotheses(a_scene(wrong, annotation=new))[0].reason

    @pytest.mark.parametrize("deployed_s", [-1000.0, 120.0])
    def test_a_deployment_of_long_ago_or_afterwards_is_innocent(self, deployed_s: float) -> None:
        wrong = dict.fromkeys(("cart", *REPLICAS), signs(errors=0.4))

        assert first(wrong, annotation=Annotation(version="v2", deployed_s=deployed_s)) == ("", ())

    def test_a_deployment_is_innocent_of_what_is_needed_and_fails(self) -> None:
        wrong = {
            **dict.fromkeys(("cart", *REPLICAS), signs(errors=0.4)),
            "cart>db": signs(errors=0.5),
        }

        assert first(wrong, annotation=Annotation(version="v2", deployed_s=95.0)) == ("", ())

    def test_where_most_replicas_fail_since_a_deployment_it_is_the_version(self) -> None:
        most = dict.fromkeys(("cart", "cart/1", "cart/2"), signs(errors=0.8))

        assert first(most, annotation=Annotation(version="v2", deployed_s=95.0)) == (
            "bad_deploy",
            ("cart",),
        )

    def test_a_deployment_is_innocent_of_a_crash(self) -> None:
        scene = a_scene(
            {"cart": signs(errors=0.4), "cart/1": DEAD},
            annotation=Annotation(version="v2", deployed_s=95.0),
        )

        assert [each.cause for each in hypotheses(scene)] == ["crash"]

    def test_what_belongs_to_others_is_their_outage(self) -> None:
        wrong = dict.fromkeys(("cart", *REPLICAS), signs(errors=0.9))

        assert first(wrong, kind="external") == ("dependency_outage", ("cart",))

    @pytest.mark.parametrize(("errors", "cause"), [(0.3, "gray_failure"), (0.95, "")])
    def test_without_replicas_in_sight_some_failing_may_be_one_of_them(
        self, errors: float, cause: str
    ) -> None:
        assert first({"cart": signs(errors=errors)}, seen=ALONE)[0] == cause


class TestBetween:
    def test_calls_that_fail_at_once_while_all_are_well_are_dead_connections(self) -> None:
        assert first(dict.fromkeys(EDGES, signs(errors=0.9))) == ("stale_pool", ("web", "app"))

    def test_calls_that_end_in_timeouts_meet_no_network(self) -> None:
        cut = signs(errors=1.0, latency=20.0)

        assert first({"web>cart": cut}) == ("partition", ("web>cart",))

    def test_calls_without_a_connection_left_are_the_callers_leak(self) -> None:
        full = signs(errors=0.5, latency=9.0, pool=0.95)

        assert first({"web>cart": full}) == ("pool_exhaustion", ("web",))

    def test_a_network_that_is_gone_fills_the_pool_as_well(self) -> None:
        cut = signs(errors=0.99, latency=20.0, pool=1.0)

        assert first({"web>cart": cut}) == ("partition", ("web>cart",))

    def test_who_is_slow_keeps_connections_busy_that_are_not_lost(self) -> None:
        busy = {"web>cart": signs(pool=0.95), "cart/1": signs(latency=20.0, busy=0.01)}

        assert first(busy) == ("hang", ("cart/1",))

    def test_who_is_ill_itself_is_not_cut_off(self) -> None:
        found = hypotheses(a_scene({"web>cart": signs(errors=0.3), "cart/1": signs(errors=0.8)}))

        assert [each.cause for each in found] == ["gray_failure"]

    def test_a_failed_call_counts_where_errors_are_not_measured(self) -> None:
        assert first({"web>cart": signs(gone="ok", errors=0.9)}) == ("stale_pool", ("web",))


class TestCreeping:
    @pytest.mark.parametrize(
        ("sick", "cause"),
        [
            (signs(disk=0.9), "disk_fill"),
            (signs(disk=1.0, errors=1.0), "disk_fill"),
            (signs(memory=1.4, memory_trend=0.002), "memory_leak"),
            (signs(memory=1.7), "memory_leak"),
        ],
    )
    def test_what_fills_up_is_named(self, sick: Signs, cause: str) -> None:
        assert first({"cart": sick}) == (cause, ("cart",))

    def test_its_own_connections_run_out(self) -> None:
        assert first({"cart>db": signs(pool=0.9)}) == ("pool_exhaustion", ("cart",))
        assert first({"cart": signs(pool=0.9)}, seen=ALONE) == ("pool_exhaustion", ("cart",))


class TestLoad:
    def test_more_than_it_can_do_is_overload(self) -> None:
        busy = signs(rate=2.0, busy=0.97, latency=6.0)

        assert first(dict.fromkeys(("cart", *REPLICAS), busy)) == ("overload", ("cart",))

    def test_retries_that_keep_it_busy_are_a_storm(self) -> None:
        busy = signs(rate=1.1, busy=0.97, errors=0.5, retries=0.4)

        assert first({"cart": busy, "cart/1": WELL}) == ("retry_storm", ("cart",))

    def test_more_users_within_capacity_are_no_fault(self) -> None:
        assert hypotheses(a_scene({"cart": signs(rate=1.3, busy=0.8, latency=1.4)})) == []

    def test_whose_load_is_held_back_is_overloaded(self) -> None:
        assert first(is_relieved=True) == ("overload", ("cart",))


def test_many_names_are_summed_up() -> None:
    seen = (*ALL, *(f"cart/{number}" for number in range(4, 8)))
    dead = {f"cart/{number}": DEAD for number in range(1, 6)}

    assert hypotheses(a_scene(dead, seen=seen))[0].reason == (
        "processes are gone: cart/1, cart/2, cart/3 and 2 more"
    )


class TestChecks:
    def test_who_answers_its_callers_is_well_whatever_its_check_says(self) -> None:
        denied = signs(up=0.4, errors=0.6, served=1.0)

        assert first({"cart": denied}) == ("check_flapping", ("cart",))

    @pytest.mark.parametrize(
        "ill",
        [
            {"cart": signs(up=0.4, errors=0.6, served=0.5)},
            {"cart": signs(up=0.4, errors=0.6)},
            {"cart": signs(up=0.4, errors=0.6, served=1.0), "web>cart": signs(errors=0.6)},
            {"cart": signs(up=0.4, errors=0.6, served=1.0), "cart/1": signs(errors=0.6)},
            {"cart": signs(up=0.0, gone="answered", errors=0.6, served=1.0)},
        ],
    )
    def test_a_check_that_anybody_confirms_is_believed(self, ill: dict[str, Signs]) -> None:
        assert first(ill)[0] != "check_flapping"


class TestCrowds:
    def test_who_is_asked_for_more_than_usual_and_is_late_is_crowded_not_slow(self) -> None:
        slow = {"latency": 9.0, "busy": 0.4, "busier": 0.8}
        all_slow = dict.fromkeys(REPLICAS, signs(**slow))

        assert first(all_slow | {"cart": signs(**slow)}) == ("cascade", REPLICAS)
        assert first(all_slow | {"cart": signs(**slow, rate=1.8)}) == ("overload", ("cart",))

    def test_what_waited_for_one_that_was_away_is_a_herd(self) -> None:
        crowd = {"cart": signs(rate=1.8, latency=9.0, busy=0.95)}

        assert first(crowd, away_s=50.0) == ("thundering_herd", ("cart",))
        assert first(crowd, away_s=-50.0) == ("overload", ("cart",))
