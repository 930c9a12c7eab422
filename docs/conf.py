"""How Sphinx builds these pages; `make docs` calls it."""

from pathlib import Path

from mendel.runtime.cli.app import app

project = "mendel"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
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

# A field may be called `type`, and there is more than one.
suppress_warnings = ["ref.python"]
