"""Guards are shared by name within a program; each test starts without any."""

from collections.abc import Iterator

import pytest
from mendel.agents.guards.registry import forget, guards


@pytest.fixture(autouse=True)
def no_guards() -> Iterator[None]:
    yield
    for target in list(guards()):
        forget(target)
