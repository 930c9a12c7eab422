"""Write a configuration as TOML for people and for the record, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import NODEFAULT, Struct, structs

from ..documents.document import format_path
from ..documents.kinds import toml_value
from ..documents.places import Path
from ..documents.redact import HIDDEN, is_sensitive, redact


def render(config: Struct, *, full: bool = False) -> str:
    """A configuration as TOML that reads back as the same configuration.

    What may be a secret by its name is replaced by ``***``; a value given as ``{ env = ... }`` or
    ``{ file = ... }`` stays just that. Quantities are numbers in the unit of their field.

    Args:
        config: the whole configuration.
        full: also write what is as it would be without a word.
    """
    scalars: list[str] = []
    tables: list[str] = []
    for name, value in _entries(config, full=full):
        if isinstance(value, Struct | Mapping):
            tables += _section((name,), value, full=full)
        elif isinstance(value, tuple) and value and all(isinstance(v, Struct) for v in value):
            for each in value:
                tables += ["", f"[[{name}]]", *_pairs(_entries(each, full=full), full=full)]
        else:
            scalars.append(f"{_key(name)} = {_inline(value, full=full)}")
    return "\n".join([*scalars, *tables]).strip() + "\n"


def shown(path: Path, value: Any) -> str:
    """One value as it stands in a file, without what may be a secret by the names around it."""
    if any(isinstance(step, str) and is_sensitive(step) for step in path):
        return toml_value(HIDDEN)
    return "none" if value is None else _inline(value, full=False)


def _section(path: tuple[str, ...], table: Any, *, full: bool) -> Iterator[str]:
    entries = list(_entries(table, full=full))
    inner = [(name, value) for name, value in entries if isinstance(value, Struct | Mapping)]
    plain = [(name, value) for name, value in entries if not isinstance(value, Struct | Mapping)]
    # Two levels of headers are what one can follow; deeper tables stand in one line.
    if len(path) > 1:
        plain, inner = entries, []
    if plain or (isinstance(table, Mapping) and not inner):
        yield from ("", f"[{format_path(path)}]", *_pairs(iter(plain), full=full))
    for name, value in inner:
        yield from _section((*path, name), value, full=full)


def _pairs(entries: Iterator[tuple[str, Any]], *, full: bool) -> list[str]:
    return [f"{_key(name)} = {_shown(name, value, full=full)}" for name, value in entries]


def _inline(value: Any, *, full: bool) -> str:
    if isinstance(value, Struct | Mapping):
        return "{ " + ", ".join(_pairs(_entries(value, full=full), full=full)) + " }"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(_inline(each, full=full) for each in value) + "]"
    return toml_value(redact(value) if isinstance(value, str) else value)


def _shown(name: str, value: Any, *, full: bool) -> str:
    if is_sensitive(name) and isinstance(value, str):
        return toml_value(HIDDEN)
    return _inline(value, full=full)


def _entries(table: Any, *, full: bool) -> Iterator[tuple[str, Any]]:
    if isinstance(table, Mapping):
        yield from table.items()
        return
    for field in structs.fields(table):
        value = getattr(table, field.name)
        default = field.default
        if field.default_factory is not NODEFAULT:
            default = field.default_factory()
        if value is not None and (full or value != default):
            yield field.encode_name, value


def _key(name: str) -> str:
    return format_path((name,))
