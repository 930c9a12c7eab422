"""The commands under one roof: parsing, options for all, errors and exit codes.

====  =============================================================
0     fine
1     a negative result
2     usage
3     bad configuration
4     environment: port, permission, missing command or extra
5     runtime not reachable
70    our bug
130   interrupted
====  =============================================================
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from ...errors import ConfigError, MendelError
from . import agents, audit, check, config, genome, history, level, live, record, telemetry, web
from .completion import completion_of
from .demo import demo
from .drill import drill
from .evolve import evolve
from .examples import add_examples
from .init import init
from .output import PLAIN, Form, Out
from .replay import replay, scenarios
from .run import run
from .schema import schema
from .top import top

_USAGE = 2
_BUG = 70
_INTERRUPTED = 130


def _version() -> str:
    return metadata.version("mendel")


app = App(
    name="mendel",
    help="Heals running systems: watches, isolates, recovers, verifies and learns.",
    version=_version,
    default_parameter=PLAIN,
    help_format="plaintext",
)

_FIRST, _NOW, _PAST, _TRIALS, _REST = (
    Group.create_ordered(name)
    for name in (
        "First steps",
        "A running system",
        "What was",
        "What would be",
        "For other programs",
    )
)
genome.genome.command(evolve)
for _group, _commands in (
    (_FIRST, (demo, init, check.check, run, check.doctor)),
    (_NOW, (live.status, top, live.events, live.pause, live.resume, live.approve)),
    (_NOW, (level.level, live.deployed, config.reload, config.config, agents.agents, live.stop)),
    (_PAST, (history.incidents, audit.audit, record.record)),
    (_TRIALS, (replay, scenarios, drill, genome.genome)),
    (_REST, (web.web, telemetry.telemetry, schema, completion_of(app))),
):
    for _command in _commands:
        if isinstance(_command, App):  # It has commands of its own.
            _command.group = _group
            app.command(_command)
        else:
            app.command(_command, group=_group)
add_examples(app)


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    output: Form = "text",
    debug: bool = False,
) -> int:
    """Run one command.

    Args:
        output: form of the data on stdout.
        debug: show where an error came from.
    """
    command, bound, injected = app.parse_args(tokens, exit_on_error=False, print_error=False)
    for name in injected:
        bound.arguments[name] = Out(output)
    code = command(*bound.args, **bound.kwargs)
    return code if isinstance(code, int) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Args:
        arguments: without the name of the program; by default those of the process.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # A terminal without our glyphs gets question marks.
    out = Out()
    try:
        command, bound, _ = app.meta.parse_args(tokens, exit_on_error=False, print_error=False)
        code = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        out.error(f"usage: {_sentence(error)}")
        out.note(f"see {_asked_for(tokens)} --help")
        return _USAGE
    except MendelError as error:
        if debug:
            traceback.print_exc()
        _tell(error, out)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`mendel events | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  The last border: nobody shall see a bare traceback.
        return _report_bug(error, out, debug=debug)
    return code if isinstance(code, int) else 0


def _sentence(error: CycloptsError) -> str:
    text = str(error).strip()
    return text[:1].lower() + text[1:]


def _asked_for(tokens: Sequence[str]) -> str:
    """The command that was meant, as far as it is known."""
    words, level = ["mendel"], app
    for token in tokens:
        if token.startswith("-") or token not in level:
            break
        words.append(token)
        level = level[token]
    return " ".join(words)


def _tell(error: MendelError, out: Out) -> None:
    if not isinstance(error, ConfigError) or not error.problems:
        out.error(f"error: {error}")
        return
    for problem in error.problems:
        out.error(str(problem))
        out.note("")
    out.note(str(error))


def _report_bug(error: Exception, out: Out, *, debug: bool) -> int:
    """Say one line about a bug of ours, and where the rest is."""
    out.error(f"internal error: {type(error).__name__}: {error}")
    if debug:
        traceback.print_exc()
        return _BUG
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="mendel-crash-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"mendel {_version()}, Python {sys.version}\n{sys.argv}\n\n")
            traceback.print_exception(error, file=file)
    except OSError:
        out.note("  run it again with --debug to see where")
    else:
        out.note(f"  the details are in {file.name}; please report them")
    return _BUG
