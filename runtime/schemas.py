"""What mendel tells other programs, as JSON Schema: events, and the answers of commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from .schema import structs_of
from .web.openapi import COMPONENTS, describe

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"


def event_schema(version: str) -> dict[str, Any]:
    """The JSON Schema of one event, as `mendel events` and ``/v1/events`` tell it.

    Args:
        version: of mendel.
    """
    known = describe(version)["components"]["schemas"]
    names, waiting = set[str](), ["Event"]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting += _names_in(known[name])
    definitions = {name: _rerooted(known[name]) for name in sorted(names - {"Event"})}
    return {
        "$schema": _DIALECT,
        "title": "Event of mendel",
        "oneOf": _rerooted(known["Event"]["oneOf"]),
        "$defs": definitions,
    }


def answer_schema(title: str, types: Sequence[Any]) -> dict[str, Any]:
    """The JSON Schema of what a command writes with ``--output json``.

    What is answered has all of its fields, those with a default too, and no others.

    Args:
        title: of the schema.
        types: the answer is one of these.
    """
    choices, definitions = msgspec.json.schema_components(types, ref_template=_REF)
    classes = {kind.__name__: kind for kind in structs_of(types)}
    for name, schema in definitions.items():
        kind = classes.get(name)
        if kind is None:
            continue
        schema["additionalProperties"] = False
        if not kind.__struct_config__.omit_defaults:
            schema["required"] = list(schema["properties"])
    one = choices[0] if len(choices) == 1 else {"anyOf": list(choices)}
    return {"$schema": _DIALECT, "title": title, **one, "$defs": definitions}


def _names_in(schema: Any) -> Iterator[str]:
    """Names of the schemas that one refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for each in schema.values():
            yield from _names_in(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _names_in(each)


def _rerooted(schema: Any) -> Any:
    """The same with references to definitions instead of components."""
    if isinstance(schema, dict):
        return {
            key: each.replace(COMPONENTS, "#/$defs/") if key == "$ref" else _rerooted(each)
            for key, each in schema.items()
            if key != "discriminator"  # A word of OpenAPI alone.
        }
    return [_rerooted(each) for each in schema] if isinstance(schema, list) else schema
