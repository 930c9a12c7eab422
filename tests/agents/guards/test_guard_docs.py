"""The documentation page names what exists."""

import re
from pathlib import Path

import pytest
from mendel.agents.guards.config import GuardConfig
from mendel.core.circuits.circuit import CircuitConfig
from msgspec.structs import fields

PAGE = (Path(__file__).parents[3] / "docs" / "circuit-breaker.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", re.findall(r"^from mendel.*$", PAGE, re.MULTILINE))
def test_what_is_imported_is_there(line: str) -> None:
    exec(line, {})


def test_all_settings_are_explained() -> None:
    explained = set(re.findall(r"\w+", PAGE))
    settings = {field.name for field in (*fields(CircuitConfig), *fields(GuardConfig))}

    assert settings - explained == set()


def test_defaults_in_the_table_are_the_real_ones() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+)(?: s)? \|", PAGE, re.MULTILINE)

    assert len(rows) >= 7
    assert {name: float(value) for name, value in rows} == {
        name: getattr(CircuitConfig(), name) for name, _ in rows
    }
