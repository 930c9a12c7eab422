"""The configuration as JSON Schema, for editors and other programs.

The types are the ones that the file is read with, so nothing is said twice; what JSON Schema knows
nothing of is added here: that a quantity may be written with its unit and without the suffix of its
name (``every = "800ms"`` for ``every_s = 0.8``), and what each field means, from its docstring.
Checks that span several fields are left to `mendel check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import Struct, inspect

from ..core.units import short_name, unit_of
from ..documents.kinds import is_unbounded
from .config import Config
from .layers import Layer
from .system import OWN_AGENTS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"
_NUMBER = r"\d+(\.\d+)?"
# As `mendel.core.units.parse_quantity` reads them.
_WRITTEN = {
    "s": rf"^\s*({_NUMBER}\s*(us|ms|s|min|m|h|d)\s*)+$",
    "bytes": rf"^\s*({_NUMBER}\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*)+$",
}
_ENTRY = re.compile(r"^    (\w+): ", re.MULTILINE)


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration file."""
    kinds: list[type[Struct]] = [
        Config,
        *(agent.Config for agent in OWN_AGENTS),
        *_parts().values(),
    ]
    _, found = msgspec.json.schema_components(kinds, ref_template=_REF)
    classes = {kind.__name__: kind for kind in structs_of(kinds)}
    definitions = {
        name: _finished(schema, classes[name]) if name in classes else schema
        for name, schema in found.items()
    }
    root = definitions.pop(Config.__name__)
    known = {agent.name: {"$ref": _REF.format(name=agent.Config.__name__)} for agent in OWN_AGENTS}
    root["properties"]["agent"]["properties"] = known
    return {
        "$schema": _DIALECT,
        "title": "Configuration of mendel",
        **root,
        "$defs": definitions,
    }


def _parts() -> dict[str, type[Struct]]:
    """Sections that stand in layers with some of their fields, by name."""
    info = inspect.type_info(Layer)
    assert isinstance(info, inspect.StructType), "a layer is a struct"
    return {
        field.name: field.type.extra["part_of"]
        for field in info.fields
        if isinstance(field.type, inspect.Metadata) and field.type.extra
    }


def structs_of(kinds: Sequence[Any]) -> Iterator[type[Struct]]:
    """All structs that can be reached, once each."""
    seen: set[type] = set()
    waiting: list[Any] = [inspect.type_info(kind) for kind in kinds]
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            yield info.cls
            waiting += [field.type for field in info.fields]
        for name in ("type", "types", "item_type", "item_types", "key_type", "value_type"):
            inner = getattr(info, name, ())
            waiting += inner if isinstance(inner, list | tuple) else [inner]


def _finished(schema: dict[str, Any], kind: type[Struct]) -> dict[str, Any]:
    """A struct with its docstring, its parts, and all spellings of its fields."""
    meanings = _meanings(kind)
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType), f"{kind} is a struct"
    types = {field.encode_name: field.type for field in info.fields}
    parts = _parts() if issubclass(kind, Layer) else {}
    properties: dict[str, Any] = {}
    for name, each in schema.get("properties", {}).items():
        if name in parts:
            each = {"$ref": _REF.format(name=parts[name].__name__), "default": {}}
        unit = unit_of(name)
        if unit:
            each = _with_unit(each, _WRITTEN[unit])
        elif is_unbounded(types[name]):
            each = _with_unit(each, "|".join(_WRITTEN.values()))
        each = _with_known_keys(each, types[name])
        meaning = meanings.get(name) or meanings.get(short_name(name))
        if meaning:
            each = {**each, "description": meaning}
        properties[short_name(name)] = properties[name] = each
    finished = {**schema, "description": _first_line(kind), "properties": properties}
    return _spelled_requirements(finished)


def _with_known_keys(schema: dict[str, Any], info: inspect.Type) -> dict[str, Any]:
    """A table that has only certain keys, with all of them, so that they can be completed."""
    if not isinstance(info, inspect.DictType) or not isinstance(info.key_type, inspect.LiteralType):
        return schema
    value = schema["additionalProperties"]
    keys = {str(key): value for key in info.key_type.values}
    return {**schema, "properties": keys, "additionalProperties": False}


def _with_unit(schema: dict[str, Any], pattern: str) -> dict[str, Any]:
    """A number, or a text that has the number with its unit."""
    outer: dict[str, Any] = {
        name: schema[name] for name in ("default", "description") if name in schema
    }
    inner = {name: each for name, each in schema.items() if name not in outer}
    choices = inner["anyOf"] if list(inner) == ["anyOf"] else [inner]
    return {**outer, "anyOf": [*choices, {"type": "string", "pattern": pattern}]}


def _spelled_requirements(schema: dict[str, Any]) -> dict[str, Any]:
    """What must be there may be there in either spelling."""
    needed = schema.pop("required", [])
    plain = [name for name in needed if not unit_of(name)]
    either = [
        {"anyOf": [{"required": [name]}, {"required": [short_name(name)]}]}
        for name in needed
        if unit_of(name)
    ]
    if plain:
        schema["required"] = plain
    if either:
        schema["allOf"] = either
    return schema


def _first_line(kind: type) -> str:
    return cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ").replace("`", "")


def _meanings(kind: type[Struct]) -> dict[str, str]:
    """What the docstrings of a struct and its bases say of its fields."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, text = cleandoc(base.__doc__ or "").partition("Attributes:\n")
        pieces = _ENTRY.split(text.split("\n\n")[0])[1:]
        for name, meaning in zip(pieces[::2], pieces[1::2], strict=True):
            found[name] = " ".join(meaning.split()).replace("``", "`")
    return found
