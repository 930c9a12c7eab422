"""Configurations that refuse what is impossible at the moment they are made."""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from ..errors import ConfigError


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of configurations that people also build by hand, in Python.

    msgspec checks the bounds of `Meta` when it reads a file, not when a program calls the
    constructor. A limit that is set wrong in code should fail in that line too, so the same bounds
    are checked here. What spans several fields is checked by a subclass, after ``super()``.

    Raises:
        ConfigError: a number is out of its bounds, is not finite, or is no number.
    """

    def __post_init__(self) -> None:
        for field, bounds in _bounds(type(self)):
            value = getattr(self, field)
            if value is not None:
                _check(f"{type(self).__name__}.{field}", value, bounds)
        for field, choices in _choices(type(self)):
            if getattr(self, field) not in choices:
                raise ConfigError(
                    f"{type(self).__name__}.{field}={getattr(self, field)!r} must be one of "
                    f"{', '.join(map(repr, choices))}"
                )


def _check(field: str, value: object, bounds: Meta) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{field}={value!r} must be a number")
    if not math.isfinite(value):
        raise ConfigError(f"{field}={value!r} must be a finite number")
    for holds, sign, bound in (
        (bounds.gt is None or value > bounds.gt, ">", bounds.gt),
        (bounds.ge is None or value >= bounds.ge, ">=", bounds.ge),
        (bounds.lt is None or value < bounds.lt, "<", bounds.lt),
        (bounds.le is None or value <= bounds.le, "<=", bounds.le),
    ):
        if not holds:
            raise ConfigError(f"{field}={value!r} must be {sign} {bound:g}")


@cache
def _bounds(settings: type[Settings]) -> tuple[tuple[str, Meta], ...]:
    hints = get_type_hints(settings, include_extras=True)
    found = ((name, _meta(hint)) for name, hint in hints.items())
    return tuple((name, meta) for name, meta in found if meta is not None)


@cache
def _choices(settings: type[Settings]) -> tuple[tuple[str, tuple[object, ...]], ...]:
    hints = get_type_hints(settings)
    return tuple(
        (name, get_args(hint)) for name, hint in hints.items() if get_origin(hint) is Literal
    )


def _meta(hint: Any) -> Meta | None:
    """Numeric bounds of a field, also when it is ``Annotated[...] | None``."""
    if get_origin(hint) is Annotated:
        return next((each for each in hint.__metadata__ if isinstance(each, Meta)), None)
    return next((meta for each in get_args(hint) if (meta := _meta(each))), None)
