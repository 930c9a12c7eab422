"""Commands that publish what mendel reads and tells, for other programs."""

from __future__ import annotations

from cyclopts import App

from .output import PLAIN, Out, Printer

schema = App(name="schema", help="Show the schemas of what mendel reads.", default_parameter=PLAIN)


@schema.command
def config(*, out: Printer) -> None:
    """Show the JSON Schema of the configuration file.

    With `#:schema ./mendel.schema.json` as its first line, editors with TOML support complete and
    check a mendel.toml next to the output of this command.
    """
    from ..schema import config_schema

    # A schema has no form for people but itself.
    (out if not out.is_text else Out("json")).show(config_schema())
