import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.policy import (
    ActionFacts,
    Denied,
    EstateView,
    NeedsApproval,
    Pause,
    Permit,
    Policy,
    PolicyConfig,
    Ruling,
)

NAMES = ["a", "b", "c", "d", "e", "f"]
RESTART = ActionFacts(name="restart")
NOTIFY = ActionFacts(name="notify", disruptive=False)


def a_policy(modes: dict[str, Any] | None = None, **settings: Any) -> Policy:
    return Policy(PolicyConfig(**settings), modes)


def an_estate(**fields: Any) -> EstateView:
    """Ten components, one of them sick."""
    return EstateView(**{"components": 10, "blamed": 1} | fields)


def ruling(
    policy: Policy,
    target: str = "a",
    action: ActionFacts = RESTART,
    now_s: float = 100.0,
    **estate: Any,
) -> Ruling:
    return policy.rule(target, action, an_estate(**estate), now_s)


class TestNever:
    def test_an_empty_target_means_nothing_never_everything(self) -> None:
        assert ruling(a_policy(), target="") == Denied(
            "no target: an empty target means nothing, never everything"
        )

    def test_what_is_only_observed_is_never_touched(self) -> None:
        policy = a_policy({"a": "observe"})

        assert ruling(policy, "a") == Denied("mode is observe", math.inf)
        assert ruling(policy, "b") == Permit()

    def test_what_is_not_on_the_allow_list_never_runs(self) -> None:
        policy = a_policy(allow=("notify",))

        assert ruling(policy) == Denied("action restart is not on the allow-list")
        assert ruling(policy, action=NOTIFY) == Permit()


class TestApproval:
    def test_in_mode_recommend_a_person_says_yes_to_each_action(self) -> None:
        assert ruling(a_policy(mode="recommend")) == NeedsApproval("mode is recommend")

    def test_some_actions_always_need_a_person(self) -> None:
        policy = a_policy(approve=("restart",))

        assert ruling(policy) == NeedsApproval("action restart needs approval")
        assert ruling(policy, action=NOTIFY) == Permit()


class TestPauses:
    def test_hands_are_off_until_the_last_of_the_pauses_ends(self) -> None:
        policy = a_policy()
        policy.pause(Pause(target="a", start_s=90.0, end_s=200.0, who="ada", reason="upgrade"))
        policy.pause(Pause(target="*", start_s=90.0, end_s=150.0, who="bob"))

        assert ruling(policy, "a") == Denied("a is paused by ada: upgrade", 200.0, wanted=True)
        assert ruling(policy, "b") == Denied("* is paused by bob", 150.0, wanted=True)
        assert ruling(policy, "b", now_s=150.0) == Permit()
        assert policy.pauses == [
            Pause(target="a", start_s=90.0, end_s=200.0, who="ada", reason="upgrade")
        ]

    def test_a_window_that_has_not_begun_holds_nothing_and_outlives_a_resume(self) -> None:
        policy = a_policy()
        window = Pause(target="a", start_s=500.0, end_s=600.0, who="ada")
        policy.pause(window)

        assert ruling(policy, "a") == Permit()
        assert (policy.resume("a", 100.0), policy.pauses) == (False, [window])
        assert (policy.resume("a", 550.0), policy.pauses) == (True, [])

    def test_calls_are_kept_away_only_where_mendel_acts_by_itself(self) -> None:
        paused = a_policy()
        paused.pause(Pause(target="*", start_s=0.0, end_s=200.0, who="ada"))

        assert a_policy().may_isolate("a", 100.0)
        assert a_policy(allow=("isolate",)).may_isolate("a", 100.0)
        assert not a_policy(allow=("restart",)).may_isolate("a", 100.0)
        assert not a_policy(mode="recommend").may_isolate("a", 100.0)
        assert not a_policy().may_isolate("", 100.0)
        assert not paused.may_isolate("a", 100.0)


class TestRates:
    def test_what_an_earlier_run_of_mendel_did_counts_until_its_period_is_over(self) -> None:
        policy = a_policy(component_actions=2, component_period_s=60.0)
        policy.remember("a", 30.0)
        policy.remember("a", 90.0)

        assert ruling(policy, now_s=89.0) == Denied("a had 2 actions in the last 60 s", 90.0)
        assert ruling(policy, now_s=90.0) == Permit()

    def test_a_component_has_its_own_limit(self) -> None:
        policy = a_policy(component_actions=2, component_period_s=60.0)
        for number, now_s in enumerate((50.0, 80.0)):
            policy.started(str(number), "a", NOTIFY, now_s)

        assert ruling(policy, "a") == Denied("a had 2 actions in the last 60 s", 110.0)
        assert ruling(policy, "b") == Permit()
        assert ruling(policy, "a", now_s=110.0) == Permit()

    def test_the_estate_has_a_limit_for_all_together(self) -> None:
        policy = a_policy(estate_actions=2, estate_period_s=60.0)
        for name, now_s in (("a", 50.0), ("b", 80.0)):
            policy.started(name, name, NOTIFY, now_s)

        assert ruling(policy, "c") == Denied("the estate had 2 actions in the last 60 s", 110.0)

    @pytest.mark.parametrize(("components", "limit"), [(1, 60), (30, 60), (31, 62), (1000, 2000)])
    def test_the_limit_of_an_estate_grows_with_it_unless_it_is_set(
        self, components: int, limit: int
    ) -> None:
        assert PolicyConfig().estate_limit(components) == limit
        assert PolicyConfig(estate_actions=7).estate_limit(components) == 7

    def test_asking_again_at_the_promised_time_is_not_in_vain(self) -> None:
        policy = a_policy(component_actions=1, component_period_s=0.6)
        policy.started("1", "a", NOTIFY, 0.1)  # 0.1 + 0.6 - 0.6 is a little less than 0.1.
        denied = ruling(policy, now_s=0.2)
        assert isinstance(denied, Denied)

        assert ruling(policy, now_s=denied.retry_s) == Permit()


class TestWidth:
    def test_so_many_actions_at_once_and_no_more(self) -> None:
        policy = a_policy(concurrent_actions=1)
        policy.started("1", "b", NOTIFY, 99.0)

        assert ruling(policy, action=NOTIFY) == Denied("1 actions are under way", 101.0)
        policy.finished("1")
        policy.finished("unheard of")
        assert ruling(policy, action=NOTIFY) == Permit()

    def test_one_disruptive_action_per_component(self) -> None:
        policy = a_policy()
        policy.started("1", "a", RESTART, 99.0)

        assert ruling(policy, "a") == Denied("another action is under way on a", 101.0)
        assert ruling(policy, "a", NOTIFY) == Permit()

    def test_disruptive_actions_touch_a_share_of_the_components(self) -> None:
        policy = a_policy(blast_share=0.2)
        policy.started("1", "b", RESTART, 99.0)
        policy.started("2", "c", RESTART, 99.0)
        policy.started("3", "d", NOTIFY, 99.0)

        assert ruling(policy, "a") == Denied("disruptive actions touch 2 of 10 components", 101.0)
        assert ruling(policy, "a", NOTIFY) == Permit()

    def test_a_single_one_is_always_possible(self) -> None:
        assert ruling(a_policy(blast_share=0.01)) == Permit()


class TestDoubt:
    @pytest.mark.parametrize(
        ("blamed", "components", "permitted"),
        [(5, 10, True), (6, 10, False), (4, 5, True), (5, 5, False)],
    )
    def test_when_most_look_sick_by_themselves_nothing_is_done(
        self, blamed: int, components: int, permitted: bool
    ) -> None:
        found = ruling(a_policy(), action=NOTIFY, blamed=blamed, components=components)

        assert (found == Permit()) is permitted
        assert permitted or found == Denied(
            f"{blamed} of {components} components look sick by themselves: "
            "rather the monitoring is",
            101.0,
        )

    def test_a_disruptive_action_leaves_a_minimum_of_its_group_healthy(self) -> None:
        policy = a_policy(healthy_minimum=2)

        assert ruling(policy, group_healthy=1) == Denied(
            "only 1 others of its group are healthy", 101.0
        )
        assert ruling(policy, group_healthy=2) == Permit()
        assert ruling(policy, action=NOTIFY, group_healthy=0) == Permit()
        assert ruling(policy, group_healthy=None) == Permit()


ASKS = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, ""]),
        st.booleans(),
        st.floats(0, 30),
        st.integers(-5, 20),
    ),
    max_size=60,
)


@given(asks=ASKS, mine=st.integers(1, 4), all_of_it=st.integers(1, 6), share=st.floats(0.01, 1.0))
def test_whatever_is_asked_no_limit_is_ever_exceeded(
    asks: list[tuple[str, bool, float, int]], mine: int, all_of_it: int, share: float
) -> None:
    policy = a_policy(
        component_actions=mine,
        component_period_s=60.0,
        estate_actions=all_of_it,
        estate_period_s=100.0,
        blast_share=share,
    )
    begun: list[tuple[float, str]] = []
    running: dict[int, tuple[str, bool]] = {}
    now_s = 0.0
    for number, (target, disruptive, wait_s, finished) in enumerate(asks):
        now_s += wait_s
        if finished in running:
            del running[finished]
            policy.finished(str(finished))
        action = RESTART if disruptive else NOTIFY
        if ruling(policy, target, action, now_s, components=6) != Permit():
            continue
        policy.started(str(number), target, action, now_s)
        begun.append((now_s, target))
        running[number] = (target, disruptive)
        disrupted = [name for name, is_disruptive in running.values() if is_disruptive]
        assert target
        assert len([at_s for at_s, name in begun if name == target and at_s + 60.0 > now_s]) <= mine
        assert len([at_s for at_s, _ in begun if at_s + 100.0 > now_s]) <= all_of_it
        assert len(set(disrupted)) == len(disrupted)
        assert len(disrupted) <= max(1.0, share * 6)


def test_a_replica_counts_for_its_component() -> None:
    policy = a_policy(component_actions=1)
    policy.started("1-1.1", "a/1", RESTART, now_s=90.0)

    assert ruling(policy, "a/2") == Denied("a had 1 actions in the last 600 s", 690.0)
    assert ruling(policy, "b/1") == Permit()


def test_two_replicas_of_a_component_are_not_disrupted_at_once() -> None:
    policy = a_policy()
    policy.started("1-1.1", "a/1", RESTART, now_s=90.0)

    assert ruling(policy, "a/2") == Denied("another action is under way on a", 101.0)
    policy.finished("1-1.1")
    assert ruling(policy, "a/2") == Permit()


def test_a_pause_of_a_component_holds_for_its_parts_and_for_edges_of_both_sides() -> None:
    policy = a_policy()
    policy.pause(Pause(target="a", start_s=0.0, end_s=200.0, who="ada"))

    for target in ("a", "a/1", "a>b", "b>a"):
        assert ruling(policy, target) == Denied("a is paused by ada", 200.0, wanted=True)
    assert ruling(policy, "b>c") == Permit()


def test_on_an_edge_the_more_careful_mode_of_its_two_sides_holds() -> None:
    policy = a_policy(modes={"a": "observe", "b": "recommend"})

    assert policy.mode_of("a>b") == "observe"
    assert policy.mode_of("c>b/1") == "recommend"
    assert policy.mode_of("c") == "act"


def test_work_that_is_announced_anew_replaces_what_was_announced_not_what_people_paused() -> None:
    policy = a_policy()
    policy.pause(Pause(target="a", start_s=0.0, end_s=150.0, who="ada"))
    policy.announce("a", [(0.0, 900.0), (2000.0, 2100.0)])
    policy.announce("b", [(0.0, 900.0)])
    policy.announce("a", [(0.0, 120.0)])

    assert ruling(policy, "a") == Denied("a is paused by ada", 150.0, wanted=True)
    assert ruling(policy, "b") == Denied(
        "b is paused by announcement: maintenance", 900.0, wanted=True
    )
    assert ruling(policy, "a", now_s=150.0) == Permit()


def test_what_is_under_way_is_counted_by_component() -> None:
    policy = a_policy()
    for number, target in enumerate(("cart/1", "cart/2", "db")):
        policy.started(f"{number}", target, RESTART, 0.0)
    policy.finished("2")

    assert policy.running_by_target() == {"cart": 2}


def test_who_had_nothing_done_finds_room_that_others_cannot_use_up() -> None:
    policy = Policy(PolicyConfig(estate_actions=8, component_actions=10))
    for number in range(6):
        policy.started(f"{number}", "cart", RESTART, 0.0)
        policy.finished(f"{number}")
    view = EstateView(components=9, blamed=1)

    again = policy.rule("cart", RESTART, view, 1.0)
    assert again == Denied("the estate had 6 actions in the last 600 s", 600.0)
    assert policy.rule("db", RESTART, view, 1.0) == Permit()
    assert (policy.spent("cart", 1.0), policy.spent("cart", 600.0), policy.spent("db", 1.0)) == (
        6,
        0,
        0,
    )


def test_of_what_may_be_under_way_at_once_a_part_is_for_those_that_had_nothing() -> None:
    policy = Policy(PolicyConfig(concurrent_actions=4, blast_share=1.0))
    for name in ("a", "b", "c"):
        policy.started(name, name, NOTIFY, 0.0)
    view = EstateView(components=9, blamed=1)

    assert policy.rule("a", RESTART, view, 1.0) == Denied("3 actions are under way", 2.0)
    assert policy.rule("d", RESTART, view, 1.0) == Permit()
    assert (policy.running("a"), policy.running("d")) == (1, 0)


def test_other_limits_count_what_was_done_before() -> None:
    policy = Policy(PolicyConfig(), {"cart": "observe"})
    for number in range(3):
        policy.started(f"{number}", "cart", RESTART, 0.0)
        policy.finished(f"{number}")

    policy.reconfigure(PolicyConfig(component_actions=3), {})

    ruling = policy.rule("cart", RESTART, EstateView(components=9, blamed=1), 1.0)
    assert isinstance(ruling, Denied)
    assert ruling.reason == "cart had 3 actions in the last 600 s"


def test_the_line_is_stopped_when_things_get_worse_again_and_again() -> None:
    policy = a_policy(worse_actions=2, worse_period_s=300.0)
    policy.made_worse(10.0)
    assert ruling(policy) == Permit()
    policy.made_worse(90.0)

    assert ruling(policy) == Denied("2 actions made things worse in 300 s: a person goes on")
    assert ruling(policy, now_s=310.0) == Permit()
