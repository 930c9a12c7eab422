"""What the pages show runs, block by block, as a reader would run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[dict[str, Any]]:
    """Names that are there when each block of a page has run by itself."""
    names: list[dict[str, Any]] = []
    for code in BLOCK.findall((DOCS / page).read_text()):
        names.append({"__name__": page})
        exec(compile(code, f"<{page}>", "exec"), names[-1])
    return names


def test_the_page_of_the_simulator_heals_a_shop_and_a_boiler(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop, boiler = blocks("simulator.md")

    assert 0.0 <= shop["harm"] < 300.0 / 60.0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert (boiler["burns"], boiler["health"]) == (True, "healthy")
