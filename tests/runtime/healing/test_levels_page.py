"""The page of the levels tells what the table says, and its code runs."""

from __future__ import annotations

import asyncio
import doctest
import re
import runpy
from pathlib import Path
from typing import Any

import mendel
import pytest
from mendel.scenarios.compliance import Patient

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "levels.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_table_is_that_of_the_code() -> None:
    script = runpy.run_path(str(DOCS / "levels_table.py"))

    assert script["written"](PAGE) == PAGE
    assert "| `forecasts`: a trend is acted on before it reaches its limit. |  |  | yes |" in PAGE


@pytest.mark.virtual_time
async def test_the_ten_lines_heal(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"mendel": mendel, "asyncio": asyncio}
    exec(BLOCKS[0], names)
    cart = Patient("cart")
    cart.crash()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20.0):
            await names["tend"](cart)

    assert "closed all metrics within bounds" in capsys.readouterr().out
    assert cart.begun == 1


def test_the_recommendation_is_what_is_told() -> None:
    test = doctest.DocTestParser().get_doctest(BLOCKS[1], {"mendel": mendel}, "page", None, 0)

    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_the_suite_is_used_as_the_page_shows() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(BLOCKS[2], names)

    class Mine:
        def watch(self, name: str, actions: Any, depends_on: Any) -> None:
            self.said = (name, list(actions), depends_on)

    names["MyHealer"] = Mine

    assert names["TestMine"]().healer([Patient("cart")]).said == (
        "cart",
        ["restart", "notify"],
        (),
    )
