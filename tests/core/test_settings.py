import math
from typing import Annotated, Any

import msgspec
import pytest
from mendel.core.circuits.circuit import CircuitConfig
from mendel.core.settings import Settings
from mendel.errors import ConfigError
from msgspec import Meta


class Bounded(Settings, frozen=True, kw_only=True):
    above: Annotated[float, Meta(gt=0)] = 1.0
    from_on: Annotated[int, Meta(ge=1, le=10)] = 1
    below: Annotated[float, Meta(lt=5)] | None = None
    name: str = ""


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("above", 0, "Bounded.above=0 must be > 0"),
        ("from_on", 0, "Bounded.from_on=0 must be >= 1"),
        ("from_on", 11, "Bounded.from_on=11 must be <= 10"),
        ("below", 5.0, "Bounded.below=5.0 must be < 5"),
        ("above", math.nan, "Bounded.above=nan must be a finite number"),
        ("above", math.inf, "Bounded.above=inf must be a finite number"),
        ("above", "3", "Bounded.above='3' must be a number"),
        ("from_on", True, "Bounded.from_on=True must be a number"),
    ],
)
def test_an_impossible_setting_is_refused_when_it_is_made(
    field: str, value: Any, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Bounded(**{field: value})

    assert str(caught.value) == complaint


def test_settings_at_their_bounds_and_optional_ones_that_are_absent_are_fine() -> None:
    assert Bounded(above=0.001, from_on=10, below=4.9).from_on == 10
    assert Bounded().below is None


def test_a_file_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="evry"):
        msgspec.convert({"evry": 1}, Bounded)


def test_a_word_that_is_not_among_the_choices_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mode='off' must be one of 'active', 'shadow'"):
        CircuitConfig(mode="off")  # type: ignore[arg-type]
