"""Writes the table of levels into its page, from the table that decides.

python docs/levels_table.py
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from mendel.core.levels import LEVELS, Abilities

PAGE = Path(__file__).parent / "levels.md"
_WORDS = re.compile(r"^    (\w+): (.*?)(?=\n    \w+: |\Z)", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(r"(?<=compares -->\n\n).*?(?=<!-- /levels -->)", re.DOTALL)


def table() -> str:
    """The table in Markdown: a row for each ability, in the words of its documentation."""
    attributes = inspect.getdoc(Abilities) or ""
    words = dict(
        re.findall(r"^    (\w+): (.*?)(?=\n    \w+: |\Z)", attributes, re.DOTALL | re.MULTILINE)
    )
    heads = ["what it can do beyond lines, a plan, policy and verification", *LEVELS]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for name in Abilities.__struct_fields__:
        told = " ".join(words[name].split())
        marks = ["yes" if getattr(each, name) else "" for each in LEVELS.values()]
        lines.append(f"| `{name}`: {told} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """A page with the table of now."""
    return _PLACE.sub(table(), page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
