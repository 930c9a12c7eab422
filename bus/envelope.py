"""What the bus wraps around a message, and how both are written down for other programs."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from ..errors import MessageError
from .messages import Message, message_types

Format = Literal["json", "msgpack"]


class Envelope(Struct, frozen=True, gc=False):
    """A message on its way: where it goes, when and why it was sent.

    The garbage collector does not look into envelopes, of which there are many at a time: messages
    are data, and data has no way back to the envelope.

    Attributes:
        id: unique on its bus, from 1, in the order of sending.
        subject: where it was sent.
        message: what was sent.
        sent_s: when, loop time.
        cause: id of the envelope that was being handled when this one was sent; 0 for none.
        trace: id of the envelope that the whole chain of causes began with; its own for the first.
        sender: name of the agent that sent it, or empty.
        reply: whether the sender waits for an answer.
        deadline_s: loop time after which nobody waits for the answer any more; only requests have
            one, and those that are sent while handling a request inherit it.
        asking: names of the agents that wait for this answer, the first one first. On one bus the
            graph of who waits for whom is at hand; a bus over several machines has only this.
    """

    id: int
    subject: str
    message: Message
    sent_s: float
    cause: int
    trace: int
    sender: str = ""
    reply: bool = False
    deadline_s: float | None = None
    asking: tuple[str, ...] = ()


class _Written(Struct, kw_only=True):
    """An envelope on paper: the message is opened only when its type is known."""

    id: int
    subject: str
    type: str
    message: Raw
    sent_s: float
    cause: int = 0
    trace: int = 0
    sender: str = ""
    reply: bool = False
    deadline_s: float | None = None
    asking: tuple[str, ...] = ()


def encode(envelope: Envelope, form: Format = "json") -> bytes:
    """Write an envelope down.

    Raises:
        MessageError: the message holds something that the format cannot express.
    """
    codec: Any = msgspec.json if form == "json" else msgspec.msgpack
    fields = {name: getattr(envelope, name) for name in Envelope.__struct_fields__}
    fields["type"] = type(envelope.message).__name__
    try:
        fields["message"] = Raw(codec.encode(envelope.message))
        return bytes(codec.encode(_Written(**fields)))
    except (TypeError, ValueError, OverflowError) as error:
        name = fields["type"]
        raise MessageError(name, f"{name} cannot be written as {form}: {error}") from error


def decode(data: bytes, form: Format = "json") -> Envelope:
    """Read an envelope that `encode` has written, by this version or an older one.

    Fields that this version does not know are skipped.

    Raises:
        MessageError: the data is not an envelope, or its message is of no known type.
    """
    codec: Any = msgspec.json if form == "json" else msgspec.msgpack
    try:
        written: _Written = codec.decode(data, type=_Written)
    except msgspec.MsgspecError as error:
        raise MessageError("", f"not an envelope in {form}: {error}") from error
    kind = message_type(written.type)
    try:
        message: Message = codec.decode(written.message, type=kind)
    except msgspec.MsgspecError as error:
        raise MessageError(written.type, f"{written.type} cannot be read: {error}") from error
    fields = {name: getattr(written, name) for name in Envelope.__struct_fields__}
    return Envelope(**{**fields, "message": message, "trace": written.trace or written.id})


def message_type(name: str) -> type[Message]:
    """The message class of a name.

    Raises:
        MessageError: no such class is loaded; the text names the nearest one.
    """
    known = message_types()
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else "is its plug-in loaded?"
    raise MessageError(name, f"unknown message type {name!r}; {remedy}")
