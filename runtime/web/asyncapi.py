"""The description of what travels on the bus, for programs: AsyncAPI 3.0, made from the types.

Each kind of message has a channel, whose address is the subject that it travels by. The very same
events come over HTTP as server-sent events, with the message inside; ``pattern`` of
``/v1/events`` is matched against these addresses.

Source:
    AsyncAPI Specification 3.0.0.
"""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec

from ...bus.messages import Message, message_types
from .openapi import COMPONENTS, clean, is_describable
from .routes import EVENTS

_REF = COMPONENTS + "{name}"


def describe_messages(version: str) -> dict[str, Any]:
    """The whole description, as a JSON value.

    Args:
        version: of mendel.
    """
    kinds = [kind for _, kind in sorted(message_types().items()) if is_describable(kind)]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Messages of mendel",
            "version": version,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "page": {
                "host": "127.0.0.1:8765",
                "protocol": "http",
                "pathname": EVENTS,
                "description": "Server-sent events; the data of each has its message inside.",
            }
        },
        "channels": {kind.__name__: _channel(kind) for kind in kinds},
        "operations": {f"hear{kind.__name__}": _operation(kind) for kind in kinds},
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": {name: clean(schema) for name, schema in sorted(schemas.items())},
        },
    }


def _channel(kind: type[Message]) -> dict[str, Any]:
    name = kind.__name__
    channel: dict[str, Any] = {
        "address": kind.topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }
    if _has_target(kind):
        channel["address"] = f"{kind.topic}.{{target}}"
        channel["parameters"] = {
            "target": {"description": "component, one of its replicas, or an edge between two"}
        }
    return channel


def _has_target(kind: type[Message]) -> bool:
    """Whether a message travels by its target; some are for all targets and do not."""
    return "target" in get_type_hints(kind) and kind.subject is Message.subject


def _operation(kind: type[Message]) -> dict[str, Any]:
    return {"action": "send", "channel": {"$ref": f"#/channels/{kind.__name__}"}}


def _message(kind: type[Message]) -> dict[str, Any]:
    summary = (kind.__doc__ or "").strip().partition("\n")[0]
    return {"payload": {"$ref": _REF.format(name=kind.__name__)}, "summary": summary}
