"""Values that do not stand in the configuration: read when they are needed, kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...errors import EnvironmentProblem
from ..specs import Secret, Text

# A key with its chain of certificates has some 10 KB; a log file named by mistake has far more.
SECRET_BYTES = 65_536


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
    return _from_environment(text) if text.env else _from_file(base / text.file)


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
