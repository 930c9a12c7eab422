"""The description of the HTTP API for programs: OpenAPI 3.1, made from the routes and their types.

Source:
    OpenAPI Specification 3.1.1; RFC 9457 for the form of problems.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from ...bus.messages import message_types
from ..views import EventView
from .routes import EVENTS, ROUTES, Route

COMPONENTS = "#/components/schemas/"
_REF = COMPONENTS + "{name}"
_PROBLEM = {"$ref": _REF.format(name="Problem")}


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was not granted.

    Attributes:
        status: HTTP status code.
        title: what is wrong, in a few words.
        detail: what was found and what would be right.
        type: always ``about:blank``; the status says what kind it is.
    """

    status: int
    title: str
    detail: str
    type: str = "about:blank"


def describe(version: str) -> dict[str, Any]:
    """The whole description, as a JSON value.

    Args:
        version: of mendel.
    """
    answers = [route.answer for route in ROUTES if route.answer is not None]
    messages = [kind for _, kind in sorted(message_types().items()) if is_describable(kind)]
    types = [*answers, EventView, Problem, *messages]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    schemas |= _events(messages)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mendel",
            "version": version,
            "summary": "Watch and steer a runtime that heals running systems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": {name: _whole(schema) for name, schema in sorted(schemas.items())},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def is_describable(kind: type[Any]) -> bool:
    """Whether a message has fields of types that JSON knows; one of a plug-in need not."""
    try:
        msgspec.json.schema_components([kind])
    except (TypeError, NameError):
        return False
    return True


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.url, {})[route.method.lower()] = _operation(route)
    paths[EVENTS] = {
        "get": {
            "operationId": "followEvents",
            "summary": "What happens, as server-sent events; the data of each is an `Event`",
            "parameters": [
                _parameter("pattern", "query", {"type": "string", "default": ">"}),
                _parameter("limit", "query", {"type": "integer", "default": 20}),
            ],
            "responses": {
                "200": {
                    "description": "events until the client or the runtime ends it",
                    "content": {"text/event-stream": {"schema": {"$ref": _ref("Event")}}},
                },
                "default": _refusal(),
            },
        }
    }
    return paths


def _operation(route: Route) -> dict[str, Any]:
    schema = _arguments(route.arguments)
    properties: dict[str, Any] = schema.get("properties", {})
    inside = {name: each for name, each in properties.items() if name not in route.in_path}
    operation: dict[str, Any] = {
        "operationId": route.verb,
        "summary": route.summary,
        "parameters": [
            _parameter(name, "path", properties[name], required=True) for name in route.in_path
        ],
        "responses": {"200": _answer(route), "default": _refusal()},
    }
    if route.method == "GET":
        operation["parameters"] += [
            _parameter(name, "query", each) for name, each in inside.items()
        ]
        return operation
    required = [name for name in schema.get("required", []) if name in inside]
    body = {"type": "object", "properties": inside, "additionalProperties": False}
    if required:
        body["required"] = required
    operation["requestBody"] = {
        "required": bool(required),
        "content": {"application/json": {"schema": body}},
    }
    operation["security"] = [{"token": []}]
    return operation


def _arguments(kind: type[Struct]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components([kind], ref_template=_REF)
    return clean(schemas[kind.__name__])


def _answer(route: Route) -> dict[str, Any]:
    if route.answer is None:
        schema: dict[str, Any] = {"type": "null"}
    else:
        (schema,), _ = msgspec.json.schema_components([route.answer], ref_template=_REF)
    return {
        "description": "the answer" if route.answer else "it is done, or under way",
        "content": {"application/json": {"schema": schema}},
    }


def _refusal() -> dict[str, Any]:
    return {
        "description": "why not",
        "content": {"application/problem+json": {"schema": _PROBLEM}},
    }


def _parameter(
    name: str, place: str, schema: dict[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _events(messages: list[type[Any]]) -> dict[str, Any]:
    """One named type for each kind of event, and their union."""
    base = {"id": {"type": "integer"}, "utc": {"type": "number"}, "subject": {"type": "string"}}
    named: dict[str, Any] = {}
    for kind in messages:
        name = kind.__name__
        named[f"{name}Event"] = {
            "type": "object",
            "properties": base
            | {
                "type": {"const": name},
                "message": {"$ref": _ref(name)},
                "text": {"type": "string"},
            },
            "required": ["id", "utc", "subject", "type", "message", "text"],
        }
    named["Event"] = {
        "oneOf": [{"$ref": _ref(f"{kind.__name__}Event")} for kind in messages],
        "discriminator": {
            "propertyName": "type",
            "mapping": {kind.__name__: _ref(f"{kind.__name__}Event") for kind in messages},
        },
    }
    return named


def _ref(name: str) -> str:
    return _REF.format(name=name)


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of what is answered: every field is there, those with a default too."""
    schema = clean(schema)
    return schema | {"required": list(schema["properties"])} if "properties" in schema else schema


def clean(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose description is what a reader of it needs: the first line."""
    text = schema.get("description")
    return schema | {"description": text.partition("\n")[0]} if text else schema
