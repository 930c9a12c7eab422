import pytest
from mendel.bus.messages import Status
from mendel.core.health import Overall, of_component, overall

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


@pytest.mark.parametrize(
    ("own", "parts", "concerned", "expected"),
    [
        (H, {}, (), H),
        (U, {}, (), U),
        (H, {"cart/1": X, "cart/2": H}, (), X),
        (H, {"web>cart": X}, (), X),
        (H, {"cart/1": S}, (), H),
        (H, {"cart/1": S}, ("cart/1",), S),
        (U, {"cart/1": H, "cart/2": S}, (), S),
        (U, {"cart/1": H, "cart/2": U}, (), H),
        (U, {"cart/1": U, "web>cart": H}, (), U),
        (S, {"cart/1": H}, ("cart", "cart/1"), S),
    ],
)
def test_a_component_is_as_well_as_what_is_looked_at_of_it(
    own: Status, parts: dict[str, Status], concerned: tuple[str, ...], expected: Status
) -> None:
    assert of_component(own, parts, concerned) is expected
