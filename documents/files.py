"""From the path of a file to its text, or to one clear reason why there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from ..errors import ConfigError, Problem

# Ten thousand components with everything said about each of them are about 4 MB.
FILE_BYTES_MAX = 16_000_000


def text_of(
    path: str | os.PathLike[str], *, noun: str, usual_name: str = "", start: str, writer: str = ""
) -> str:
    """The text of a file that people write.

    Args:
        path: the file.
        noun: what it holds, for messages (``configuration``).
        usual_name: of such a file in a folder; empty when there is none.
        start: how such a file begins, for whoever has an empty one.
        writer: command that writes such a file, for whoever has none.

    Raises:
        ConfigError: it cannot be read; with one problem (MD150).
    """
    file, name = Path(path), os.fspath(path)

    def refuse(reason: str, suggestion: str = "", line: int = 0) -> NoReturn:
        message = f"cannot read the {noun}: {reason}"
        problem = Problem("MD150", message, source=name, line=line, suggestion=suggestion)
        raise ConfigError(f"{name}: {reason}", [problem]) from None

    try:
        # Whatever the path leads to, a device that never ends included, this much is enough.
        with file.open("rb") as handle:
            content = handle.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        give = f"give the path of a {noun} file"
        refuse("no such file", f"write one with `{writer}`, or {give}" if writer else give)
    except IsADirectoryError:
        refuse("it is a folder", f"did you mean `{file / usual_name}`?" if usual_name else "")
    except OSError as error:
        refuse((error.strerror or str(error)).lower())
    if len(content) > FILE_BYTES_MAX:
        refuse(f"it is larger than {FILE_BYTES_MAX:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse(f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8", line)
    if not text.strip():
        refuse("it is empty", f"start with {start}")
    return text


def refuse_all(name: str, problems: list[Problem]) -> NoReturn:
    """Say everything that is wrong with a file, in its order.

    Raises:
        ConfigError: always.
    """
    in_order = sorted(problems, key=lambda problem: (problem.source != name, problem.line))
    count = len(problems)
    raise ConfigError(f"{name}: {count} error{'' if count == 1 else 's'}", in_order)
