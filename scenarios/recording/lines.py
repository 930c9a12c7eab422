"""What the lines of a recording say.

A recording is a text of JSON objects, one per line, usually compressed with gzip. The first line is
a `Header`; each further one tells by its ``k`` what it is. Most of them are rows, so their keys are
one letter long:

    {"k":"header","schema":1,"mendel":"0.1.0","components":[{"name":"cart"}],"start_s":12.5}
    {"k":"row","t":13.0,"c":"cart","m":{"ok":1.0,"latency_s":0.031},"p":"http"}
    {"k":"event","t":13.0,"type":"AnomalyCleared","f":{"target":"cart","metric":"ok"},"id":7}

Fields that have their default are left out. A new field has a default, so that old recordings can
be read as they are; any other change raises `SCHEMA` and adds a step to `UPGRADES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from ...bus.envelope import message_type
from ...bus.messages import Message
from ...core.topology import Component
from ...errors import MessageError

SCHEMA = 1

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

UPGRADES: Mapping[int, Upgrade] = {}
"""By schema version: what makes one line of it a line of the next version."""


class Header(Struct, frozen=True, kw_only=True, tag_field="k", tag="header", omit_defaults=True):
    """What a recording is of.

    Attributes:
        schema: version of the form of the lines.
        mendel: version of the program that wrote it.
        source: what was recorded, for people (``mendel run shop.toml``, ``csv load.csv``).
        components: the estate as it was declared; empty for foreign recordings.
        start_s: loop time at which it began; all times in it are on this clock.
        start_utc: wall time of that moment, in seconds since the epoch.
        seed: of everything random in the run.
        config_sha256: hash of the text of the configuration; empty when there was none.
        part: 1 for the first file of a recording, 2 for what followed the first rotation.
    """

    schema: int
    mendel: str = ""
    source: str = ""
    components: tuple[Component, ...] = ()
    start_s: float = 0.0
    start_utc: float = 0.0
    seed: int = 0
    config_sha256: str = ""
    part: int = 1


class Row(Struct, frozen=True, tag_field="k", tag="row", omit_defaults=True, gc=False):
    """What was measured of one target at one moment.

    Attributes:
        at_s: when.
        target: of what.
        metrics: finite values by name, each with its unit as suffix.
        probe: name of the probe; empty when several are in one row.
        detail: what a person should know (``HTTP 503``).
    """

    at_s: float = field(name="t")
    target: str = field(name="c")
    metrics: dict[str, float] = field(name="m")
    probe: str = field(name="p", default="")
    detail: str = field(name="d", default="")


class Event(Struct, frozen=True, tag_field="k", tag="event", omit_defaults=True):
    """A message of the bus that is not a reading.

    Attributes:
        at_s: when it was sent.
        kind: name of its class.
        fields: those of the message, as JSON knows them.
        id: of its envelope; rising within a recording.
        cause: ``id`` of the message that was being handled when this one was sent; 0 for none.
        sender: name of the agent that sent it, or empty.
    """

    at_s: float = field(name="t")
    kind: str = field(name="type")
    fields: Any = field(name="f")
    id: int = 0
    cause: int = 0
    sender: str = ""

    def message(self) -> Message:
        """The message itself; fields that this version does not know are left out.

        Raises:
            MessageError: its type is not known here, or its fields do not fit.
        """
        message_class = message_type(self.kind)
        try:
            return msgspec.convert(self.fields, message_class)
        except msgspec.ValidationError as error:
            raise MessageError(self.kind, f"{self.kind} cannot be read: {error}") from error


class Fault(Struct, frozen=True, kw_only=True, tag_field="k", tag="fault", omit_defaults=True):
    """Something was broken on purpose.

    Attributes:
        at_s: when it began.
        target: what was broken.
        kind: how, as in `mendel.scenarios.format.FaultKind`.
        until_s: when it ended by itself; ``None`` when it lasts until it is healed.
        severity: how badly, from 0 to 1.
    """

    at_s: float = field(name="t")
    target: str = field(name="c")
    kind: str
    until_s: float | None = field(name="until", default=None)
    severity: float = 1.0


class Label(Struct, frozen=True, kw_only=True, tag_field="k", tag="label", omit_defaults=True):
    """What somebody knows to be true of a stretch of time.

    Attributes:
        at_s: its beginning.
        until_s: its end.
        target: of what.
        name: what it was (``anomaly``).
        metric: which metric shows it; empty for all.
    """

    at_s: float = field(name="t")
    until_s: float = field(name="until")
    target: str = field(name="c")
    name: str
    metric: str = ""


class Annotation(
    Struct, frozen=True, kw_only=True, tag_field="k", tag="annotation", omit_defaults=True
):
    """A remark: a deploy, maintenance, or that something is missing here.

    Attributes:
        at_s: when.
        kind: ``deploy``, ``maintenance``, ``gap`` or whatever its writer calls it.
        target: what it is about; empty for the whole estate.
        text: for people.
    """

    at_s: float = field(name="t")
    kind: str
    target: str = field(name="c", default="")
    text: str = ""


Record = Row | Event | Fault | Label | Annotation

_encoder = msgspec.json.Encoder()


def encode(batch: Sequence[Record]) -> tuple[bytes, int, int]:
    """Lines of records.

    JSON has no word for a value that is infinite or no number; such a value is left out of its row.

    Returns:
        the text, how many records are in it, and how many cannot be expressed at all (a plug-in's
        message with an odd field).
    """
    try:
        text = _encoder.encode_lines(batch)
    except (TypeError, ValueError, OverflowError):
        return _one_by_one(batch)
    if b"null" in text:  # Hardly ever, and then mostly in somebody's text.
        return _one_by_one(batch)
    return text, len(batch), 0


def _one_by_one(batch: Sequence[Record]) -> tuple[bytes, int, int]:
    lines = []
    for record in batch:
        try:
            lines.append(_encoder.encode(_finite(record)) + b"\n")
        except (TypeError, ValueError, OverflowError):
            continue  # Counted by its absence.
    return b"".join(lines), len(lines), len(batch) - len(lines)


def _finite(record: Record) -> Record:
    if not isinstance(record, Row) or all(map(math.isfinite, record.metrics.values())):
        return record
    kept = {name: value for name, value in record.metrics.items() if math.isfinite(value)}
    return structs.replace(record, metrics=kept)
