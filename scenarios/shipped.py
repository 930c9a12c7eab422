"""The scenarios that come with mendel, by name."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from ..errors import ConfigError
from .format import Scenario, load_scenario

_LIBRARY = Path(__file__).with_name("library")


def shipped() -> dict[str, Path]:
    """The file of each scenario, in alphabetical order of the names."""
    return {path.stem: path for path in sorted(_LIBRARY.glob("*.toml"))}


def find_scenario(name: str | os.PathLike[str]) -> Scenario:
    """A scenario of a file, or one that ships.

    Args:
        name: path of a file, or the name of one that ships.

    Raises:
        ConfigError: there is neither, or the file is wrong; then with every mistake in it.
    """
    text = os.fspath(name)
    known = shipped()
    if text in known and not Path(text).exists():
        return load_scenario(known[text])
    if Path(text).suffix != ".toml" and not Path(text).exists():
        close = get_close_matches(text, known, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        raise ConfigError(f"no file and no shipped scenario {text!r}; {remedy}")
    return load_scenario(name)
