"""Durations on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cyclopts import Token

from ...core.units import parse_quantity


def seconds(_: Any, tokens: Sequence[Token]) -> float:
    """Converter of options such as ``--until 10m``; a bare number is in seconds.

    Raises:
        ValueError: it is no duration, or none that takes any time.
    """
    text = tokens[0].value
    value = parse_quantity(f"{text}s" if text.isdecimal() else text, "s")
    if value <= 0:
        raise ValueError("it must take some time, such as 60 or 1m30s")
    return value
