"""How Sphinx builds these pages; `make docs` calls it."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path

from mendel.core import adoption
from mendel.core.incidents import incident
from mendel.core.playbook import DEFAULT_PLANS
from mendel.core.ranking.priors import BY_CAUSE, BY_KIND
from mendel.runtime.cli.app import app

project = "mendel"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "priors-by-*.md"]
html_theme = "furo"
html_title = "mendel"
myst_enable_extensions = ["colon_fence"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = True
myst_heading_anchors = 3

# What the commands say of themselves, written anew with every build.
_reference = app.generate_docs(output_format="markdown")
Path(__file__).with_name("command-reference.md").write_text(_reference, encoding="utf-8")


def _grades(grades: Mapping[str, float]) -> str:
    best_first = sorted(grades.items(), key=lambda each: -each[1])
    return ", ".join(f"`{action}` {chance:.0%}" for action, chance in best_first)


def _write_table(name: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [heads, ["---"] * len(heads), *rows]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    Path(__file__).with_name(name).write_text(text, encoding="utf-8")


# Likewise what is known of components and causes before anything was learned.
_write_table(
    "priors-by-kind.md",
    ("kind", "plan", "chance of a cure while the cause is not known"),
    (
        (kind, ", ".join(f"`{each}`" for each in plan) or "none", _grades(BY_KIND[kind]))
        for kind, plan in DEFAULT_PLANS.items()
    ),
)
_write_table(
    "priors-by-cause.md",
    ("cause", "chance of a cure"),
    ((cause.replace("_", " "), _grades(grades)) for cause, grades in BY_CAUSE.items()),
)

# The lives of incidents and candidates are drawn where they are decided.
for _module in (incident, adoption):
    _name = _module.__name__.rpartition(".")[2]
    _picture = Path(__file__).with_name(f"states-{_name}.txt")
    _picture.write_text(cleandoc(_module.__doc__ or "") + "\n", encoding="utf-8")

# A field may be called `type`, and there is more than one.
suppress_warnings = ["ref.python"]
