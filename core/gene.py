"""What evolution may change in a configuration."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Gene(Struct, frozen=True):
    """Search range of one numeric field, given as ``Annotated[float, Meta(...), Gene(...)]``.

    ``Meta`` says what is valid, ``Gene`` where to look; a field without one belongs to the
    operator alone.

    Attributes:
        low: least value tried, in the unit of the field.
        high: greatest value tried.
        scale: ``log`` where a factor matters more than a difference.
        unit: for display (``s``), or empty.
    """

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    unit: str = ""
