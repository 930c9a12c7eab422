"""The public names of the package itself."""

from __future__ import annotations

import mendel
import pytest


@pytest.mark.parametrize("name", mendel.__all__)
def test_a_public_name_is_what_its_home_calls_so(name: str) -> None:
    assert getattr(mendel, name).__name__ == name


def test_all_names_are_told() -> None:
    assert set(mendel.__all__) <= set(dir(mendel))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Mendel'"):
        mendel.Mendel  # noqa: B018  Looking it up is the test.
