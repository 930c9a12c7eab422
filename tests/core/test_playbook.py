import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.core.playbook import Attempt, PlaybookConfig, backoff_s, next_action, plan_of

PLAN = ("restart", "replace", "roll_back")
VERDICTS = ["", "helped", "no_effect", "worse", "failed", "refused"]


def attempts(*words: str) -> list[Attempt]:
    """From ``restart no_effect`` and the like; one word alone has no verdict yet."""
    return [Attempt(*word.split()) for word in words]


class TestPlan:
    def test_the_default_of_a_kind_holds_what_is_declared_only(self) -> None:
        assert plan_of("worker", PlaybookConfig(), {"replace", "restart"}) == (
            "restart",
            "replace",
        )

    def test_what_belongs_to_others_is_never_restarted(self) -> None:
        assert plan_of("external", PlaybookConfig(), {"restart"}) == ()

    def test_a_configured_plan_is_taken_as_it_is(self) -> None:
        assert plan_of("external", PlaybookConfig(plan=("call",)), set()) == ("call",)


class TestNext:
    @pytest.mark.parametrize(
        ("tried", "expected"),
        [
            ([], "restart"),
            (["restart no_effect"], "restart"),
            (["restart no_effect", "restart failed"], "replace"),
            (["restart worse"], "replace"),
            (["restart refused"], "replace"),
            (["restart no_effect", "restart"], "replace"),
            (["restart helped"] * 9, "restart"),
            (["restart refused", "replace refused", "roll_back worse"], None),
        ],
    )
    def test_steps_are_tried_in_order_until_they_are_refuted(
        self, tried: list[str], expected: str | None
    ) -> None:
        assert next_action(PLAN, attempts(*tried), PlaybookConfig(attempts=2)) == expected

    def test_without_a_plan_only_a_person_can_help(self) -> None:
        assert next_action((), [], PlaybookConfig()) is None


class TestBackoff:
    @pytest.mark.parametrize(
        ("tried", "wait_s"),
        [
            ([], 0.0),
            (["restart helped", "restart refused"], 0.0),
            (["restart no_effect"], 1.0),
            (["restart no_effect", "restart failed", "replace worse"], 4.0),
            (["restart no_effect"] * 5, 10.0),
            (["restart no_effect"] * 5000, 10.0),
        ],
    )
    def test_the_wait_doubles_with_each_refuted_attempt_up_to_its_bound(
        self, tried: list[str], wait_s: float
    ) -> None:
        config = PlaybookConfig(backoff_s=1.0, backoff_s_max=10.0)

        assert backoff_s(attempts(*tried), config) == wait_s


@given(
    tries=st.integers(1, 4),
    verdicts=st.lists(st.sampled_from([each for each in VERDICTS if each != "helped"])),
)
def test_a_plan_that_never_helps_comes_to_its_end(tries: int, verdicts: list[str]) -> None:
    config = PlaybookConfig(attempts=tries)
    tried: list[Attempt] = []

    supply = iter(verdicts)
    while action := next_action(PLAN, tried, config):
        tried.append(Attempt(action, next(supply, "no_effect")))

    assert len(tried) <= tries * len(PLAN)


@given(
    tried=st.lists(
        st.builds(Attempt, st.sampled_from([*PLAN, "drain"]), st.sampled_from(VERDICTS)),
        max_size=12,
    )
)
def test_what_was_refused_or_made_it_worse_is_never_tried_again(tried: list[Attempt]) -> None:
    banned = {each.action for each in tried if each.verdict in ("worse", "refused")}

    assert next_action(PLAN, tried, PlaybookConfig()) not in banned
