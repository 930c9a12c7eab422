"""What evolution may change in a configuration."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..errors import ConfigError


class Gene(Struct, frozen=True):
    """Marks a field as open to evolution, as ``Annotated[float, Meta(...), Gene(...)]``.

    ``Meta`` says what is valid, ``Gene`` where to look; a field without one belongs to the
    operator alone. What kind of gene it is follows from the type of the field:

    - ``float`` and ``int`` are searched from ``low`` to ``high``;
    - ``bool`` is flipped, a ``Literal`` changes to another of its choices;
    - ``tuple[str, ...]`` changes its order, and never what is in it.

    Attributes:
        low: least value tried, in the unit of the field; numbers only.
        high: greatest value tried.
        scale: ``log`` where a factor matters more than a difference.
        unit: for display (``s``), or empty.
        at_most: a field of the same config that this one must not exceed, or empty; a value that
            does is lowered to it.
        at_least: one that it must not fall below, likewise.

    Raises:
        ConfigError: the range is empty, or does not fit its scale.

    Example:
        >>> Gene(low=0.5, high=60, scale="log", unit="s").high
        60
    """

    low: float | None = None
    high: float | None = None
    scale: Literal["linear", "log"] = "linear"
    unit: str = ""
    at_most: str = ""
    at_least: str = ""

    def __post_init__(self) -> None:
        if self.low is None or self.high is None:
            if self.low is not None or self.high is not None or self.scale != "linear":
                raise ConfigError("a gene of a number needs both `low` and `high`")
        elif not self.low < self.high:
            raise ConfigError(f"gene with low={self.low:g}, high={self.high:g} has no range")
        elif self.scale == "log" and self.low <= 0:
            raise ConfigError(f"gene with low={self.low:g} cannot be on a log scale; use low > 0")
