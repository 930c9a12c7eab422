"""Every command that a page shows can be typed, and every state has its place in a picture."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from mendel.core.circuits.circuit_config import State
from mendel.core.incidents import incident
from mendel.core.incidents.casefile import Stage
from mendel.runtime.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN_BY_THE_BUILD = ("command-reference.md", "priors-by-kind.md", "priors-by-cause.md")
_LINE = re.compile(r"^(?: {4}|\$ )(mendel [^\n]*(?:\\\n[^\n]*)*)", re.MULTILINE)
_FENCE = re.compile(r"^```(?!console).*?^```$", re.MULTILINE | re.DOTALL)
# Options of all commands, which are taken before these parse.
_FORMS = re.compile(r" --output (text|json|jsonl)| --debug")


def commands(page: Path) -> Iterator[str]:
    """What a page lets its reader type; alternatives in one line and what a shell adds left out."""
    for line in _LINE.findall(_FENCE.sub("", page.read_text("utf-8"))):
        text = re.split(r"\s+#|\s+[|<>&]|\s*;|\s+2>", line.replace("\\\n", " "))[0]
        if "…" not in text and " | " not in line and "..." not in text:
            yield _FORMS.sub("", text)


SHOWN = [
    pytest.param(text, id=f"{page.name}: {text}")
    for page in PAGES
    if page.name not in WRITTEN_BY_THE_BUILD and "_build" not in page.parts
    for text in dict.fromkeys(commands(page))
]


def test_there_are_many() -> None:
    assert len(SHOWN) > 60


@pytest.mark.parametrize("text", SHOWN)
def test_it_can_be_typed(text: str) -> None:
    # A place that the reader fills with a number.
    tokens = [re.sub(r"^[NM]$", "1", each) for each in shlex.split(text)]

    command, _, _ = app.parse_args(tokens[1:], exit_on_error=False, print_error=False)

    assert command is not app.default_command


def test_no_stage_of_an_incident_is_missing_in_its_picture() -> None:
    told = incident.__doc__ or ""

    assert [each.name for each in Stage if each.name not in told] == []


def test_no_state_of_a_circuit_is_missing_on_its_page() -> None:
    told = (ROOT / "docs" / "states.md").read_text("utf-8")

    assert [each for each in State if f"`{each}`" not in told] == []
