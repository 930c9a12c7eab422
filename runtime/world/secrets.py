"""Values that do not stand in the configuration: read when they are needed, and never told.

What was read is remembered for one purpose: to be taken out of texts that are about to be logged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...documents.redact import HIDDEN
from ...errors import EnvironmentProblem
from ..specs import Secret, Text

# A key with its chain of certificates has some 10 KB; a log file named by mistake has far more.
SECRET_BYTES = 65_536
# Far more than an estate has at a time; of those that are exchanged every hour the newest count.
_KNOWN_MAX = 1_000
# What is shorter stands in any text by chance, and keeps nobody out.
_HIDDEN_LENGTH_MIN = 4

_known: dict[str, None] = {}


def resolve(text: Text, base: Path = Path()) -> str:
    """Find what a text of the configuration stands for.

    Args:
        text: itself, or where it is to be read.
        base: folder that a relative path of a file counts from.

    Raises:
        EnvironmentProblem: the variable is not set or the file cannot be read; the message names
            the place and never shows a value.
    """
    if isinstance(text, str):
        return text
    value = _from_environment(text) if text.env else _from_file(base / text.file)
    _remember(value)
    return value


def hide(text: str) -> str:
    """A text without the secrets that were read so far, whoever has put them into it."""
    for value in _known:
        if value in text:
            text = text.replace(value, HIDDEN)
    return text


def _remember(value: str) -> None:
    if len(value) < _HIDDEN_LENGTH_MIN or value in _known:
        return
    if len(_known) >= _KNOWN_MAX:
        del _known[next(iter(_known))]
    _known[value] = None


def resolve_all(texts: Mapping[str, Text], base: Path = Path()) -> dict[str, str]:
    """Do so for named texts (headers, variables); an error says which name it is for."""
    resolved: dict[str, str] = {}
    for name, text in texts.items():
        try:
            resolved[name] = resolve(text, base)
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(f"{name!r}: {problem}") from None
    return resolved


def _from_environment(secret: Secret) -> str:
    value = os.environ.get(secret.env)
    if value is None:
        raise EnvironmentProblem(
            f"environment variable {secret.env!r} is not set",
            f"set it before mendel starts: export {secret.env}=...",
        )
    return value


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES + 1)
    except OSError as error:
        raise EnvironmentProblem(
            f"secret file {str(path)!r} cannot be read: {error.strerror}",
            "create it, readable for the user that runs mendel",
        ) from None
    if len(content) > SECRET_BYTES:
        raise EnvironmentProblem(f"secret file {str(path)!r} has more than {SECRET_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # The text of that error shows bytes of the value, so it is not passed on.
        raise EnvironmentProblem(f"secret file {str(path)!r} is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")
