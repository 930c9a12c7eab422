import pytest
from mendel.bus.messages import Status
from mendel.core.incidents.verify import Condition, VerifyConfig, conclude, condition_of


@pytest.mark.parametrize(
    ("scores", "condition"),
    [
        ({}, Condition(-1, 0.0)),
        ({"latency_s": 7.0, "load": 9.0}, Condition(0, 9.0)),
        ({"latency_s": 700.0, "ok": 2.0}, Condition(1, 2.0)),
        ({"alive": 1.0, "stopped": 2.0, "answered": 3.0}, Condition(4, 1.0)),
    ],
)
def test_the_gravest_metric_tells_how_ill_a_target_is(
    scores: dict[str, float], condition: Condition
) -> None:
    assert condition_of(scores) == condition


@pytest.mark.parametrize(
    ("status", "before", "after", "conclusion"),
    [
        (Status.HEALTHY, {"ok": 2.0}, {}, "helped"),
        (Status.HEALTHY, {"ok": 2.0}, {"alive": 2.0}, "helped"),
        (Status.SICK, {"ok": 2.0}, {"ok": 2.0}, "no_effect"),
        (Status.SICK, {"ok": 2.0}, {"ok": 4.0}, "no_effect"),
        (Status.SICK, {"ok": 2.0}, {"ok": 4.1}, "worse"),
        (Status.SICK, {"ok": 2.0}, {"answered": 1.1}, "worse"),
        (Status.SICK, {"alive": 2.0}, {"ok": 9.0}, "no_effect"),
        (Status.UNKNOWN, {"ok": 2.0}, {}, "no_effect"),
        (Status.SICK, {}, {"alive": 2.0}, "no_effect"),
    ],
)
def test_an_action_is_judged_by_how_ill_its_target_was_and_is(
    status: Status, before: dict[str, float], after: dict[str, float], conclusion: str
) -> None:
    config = VerifyConfig(worse_factor=2.0)

    assert conclude(status, condition_of(before), condition_of(after), config) == conclusion
