"""Commands that publish what mendel reads and tells, for other programs."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from cyclopts import App

from ...documents.kinds import did_you_mean
from ...errors import ConfigError
from .answers import WITHOUT_DATA, answers
from .output import PLAIN, Out, Printer

schema = App(
    name="schema",
    help="Show the schemas of what mendel reads and tells.",
    default_parameter=PLAIN,
)


@schema.command
def config(*, out: Printer) -> None:
    """Show the JSON Schema of the configuration file.

    With `#:schema ./mendel.schema.json` as its first line, editors with TOML support complete and
    check a mendel.toml next to the output of this command.
    """
    from ..schema import config_schema

    _show(config_schema(), out)


@schema.command
def event(*, out: Printer) -> None:
    """Show the JSON Schema of one event, as `mendel events` and the stream of the page tell it."""
    from ..schemas import event_schema

    _show(event_schema(metadata.version("mendel")), out)


@schema.command
def openapi(*, out: Printer) -> None:
    """Show the HTTP API of the page as OpenAPI 3.1, for generators of clients."""
    from ..web.openapi import describe

    _show(describe(metadata.version("mendel")), out)


@schema.command
def asyncapi(*, out: Printer) -> None:
    """Show the messages on the bus and the subjects they travel by, as AsyncAPI 3.0."""
    from ..web.asyncapi import describe_messages

    _show(describe_messages(metadata.version("mendel")), out)


@schema.command
def answer(*command: str, out: Printer) -> None:
    """Show the JSON Schema of what a command writes with --output json.

    Args:
        command: its words, such as incidents list.
    """
    from ..schemas import answer_schema

    words, known = " ".join(command), answers()
    if words not in known:
        told = "writes no data" if words in WITHOUT_DATA else "is no command"
        raise ConfigError(f"{words!r} {told}; {did_you_mean(words, list(known), 'there are')}")
    _show(answer_schema(f"Answer of mendel {words}", known[words]), out)


def _show(value: dict[str, Any], out: Out) -> None:
    """A schema has no form for people but itself."""
    (out if not out.is_text else Out("json")).show(value)
