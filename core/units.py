"""Durations and sizes as people write them: ``800ms``, ``1m30s``, ``64MB``, ``1.5GiB``.

The unit of a quantity is the suffix of its name, here and everywhere: ``every_s``, ``log_bytes``.
People may leave the suffix out and write the unit with the value instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..errors import ConfigError

Unit = Literal["", "s", "bytes"]

_FACTORS: dict[Unit, dict[str, float]] = {
    "s": {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400},
    "bytes": {
        "B": 1,
        "kB": 10**3,
        "KB": 10**3,  # Not SI, but what most people write.
        "MB": 10**6,
        "GB": 10**9,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
    },
}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
_SUFFIX = re.compile(r"_(s|bytes)(?=$|_min$|_max$)")

HELP: dict[Unit, str] = {
    "s": 'a duration such as "800ms", "2s", "1m30s" or "1h", or a number of seconds',
    "bytes": 'a size such as "64MB" or "1.5GiB", or a number of bytes',
}


def unit_of(field: str) -> Unit:
    """Unit that the name of a field ends in; empty when it has none."""
    found = _SUFFIX.search(field)
    unit = found.group(1) if found else ""
    return "s" if unit == "s" else "bytes" if unit == "bytes" else ""


def short_name(field: str) -> str:
    """Name of a field without its unit, as it may be written in a file.

    Example:
        >>> short_name("every_s"), short_name("latency_s_max"), short_name("status")
        ('every', 'latency_max', 'status')
    """
    return _SUFFIX.sub("", field)


def field_of(key: str, fields: Iterable[str]) -> str | None:
    """The field that a key stands for, written with or without its unit."""
    known = list(fields)
    if key in known:
        return key
    return next((name for name in known if short_name(name) == key), None)


def spelled_out(settings: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Settings as people write them, with the names and numbers that their fields have.

    Args:
        settings: by key; a key that is no field stays as it is.
        fields: names of all fields.

    Raises:
        ConfigError: a quantity is not of its form, or one field is set in two spellings.

    Example:
        >>> spelled_out({"drain": "800ms", "tries": 3}, ["drain_s", "tries"])
        {'drain_s': 0.8, 'tries': 3}
    """
    known = list(fields)
    result: dict[str, Any] = {}
    for key, value in settings.items():
        name = field_of(key, known) or key
        if name in result:
            raise ConfigError(f"`{short_name(name)}` and `{name}` are the same field; keep one")
        unit = unit_of(name)
        if unit and isinstance(value, str):
            try:
                value = parse_quantity(value, unit)
                value = int(value) if unit == "bytes" else value
            except ValueError as error:
                raise ConfigError(f"{key}: {value!r} will not do; {error}") from None
        result[name] = value
    return result


def parse_quantity(text: str, unit: Unit) -> float:
    """Value of a duration in seconds or of a size in bytes.

    Args:
        text: one or more numbers, each with its unit, largest first by custom: ``1m30s``.
        unit: ``s`` or ``bytes``.

    Raises:
        ValueError: it is not of that form; the text says what would be.

    Example:
        >>> parse_quantity("1m30s", "s"), parse_quantity("64MB", "bytes")
        (90.0, 64000000.0)
    """
    factors = _FACTORS[unit]
    total, at = 0.0, 0
    written = text.strip()
    while at < len(written):
        piece = _PIECE.match(written, at)
        if piece is None or piece.group(2) not in factors:
            break
        # Rounded, because 0.1 + 0.2 of anything should read back as 0.3 of it.
        total = round(total + float(piece.group(1)) * factors[piece.group(2)], 9)
        at = piece.end()
    if not written or at < len(written):
        raise ValueError(f"expected {HELP[unit]}")
    return total


def format_duration(duration_s: float) -> str:
    """A duration for people: three digits, or its two largest parts.

    Example:
        >>> format_duration(0.0124), format_duration(3.2), format_duration(5400.0)
        ('12.4ms', '3.2s', '1h 30m')
    """
    if duration_s < 0.9995:  # What would round to 1000ms is 1s.
        return f"{duration_s * 1000:.3g}ms"
    if duration_s < 60:
        return f"{duration_s:.3g}s"
    total = round(duration_s)
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "m")]
    words = [f"{count}{name}" for count, name in (*parts, (total % 60, "s")) if count]
    return " ".join(words[:2])


def format_value(metric: str, value: float) -> str:
    """A value of a metric for people, in the unit that its name tells.

    Example:
        >>> format_value("latency_s", 0.0124), format_value("memory_bytes", 2.19e7)
        ('12.4ms', '21.9MB')
    """
    unit = unit_of(metric)
    if unit == "s" and value >= 0:
        return format_duration(value)
    if unit == "bytes":
        for name in ("GB", "MB", "kB"):
            if abs(value) >= _FACTORS["bytes"][name]:
                return f"{value / _FACTORS['bytes'][name]:.3g}{name}"
        return f"{value:.3g}B"
    return f"{value:.4g}"
