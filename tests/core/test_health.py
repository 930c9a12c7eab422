import pytest
from mendel.bus.messages import Status
from mendel.core.health import Overall, overall

H, S, X, U = Status.HEALTHY, Status.SUSPECT, Status.SICK, Status.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], Overall.UNKNOWN),
        ([U, U, H], Overall.UNKNOWN),
        ([U, H], Overall.DEGRADED),
        ([H, H, H], Overall.HEALTHY),
        ([H, H, S], Overall.DEGRADED),
        ([H, H, X], Overall.DEGRADED),
        ([H, X], Overall.CRITICAL),
        ([U, X], Overall.CRITICAL),
    ],
)
def test_the_whole_is_judged_by_its_parts(statuses: list[Status], expected: Overall) -> None:
    assert overall({str(number): each for number, each in enumerate(statuses)}) is expected
