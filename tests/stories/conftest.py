"""What stories are played on."""

from __future__ import annotations

import pytest
from estates import Estate, a_shop


@pytest.fixture
def shop() -> Estate:
    return a_shop()
