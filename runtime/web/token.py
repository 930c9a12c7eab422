"""The token that allows changes: made at the first start, in a file for its owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ...errors import EnvironmentProblem

NAME = "web.token"
_BYTES = 32


def token_of(state: Path) -> str:
    """The token of a state folder; made if there is none yet.

    Args:
        state: the folder.

    Raises:
        EnvironmentProblem: the file cannot be read or made, or others may read it.
    """
    path = state / NAME
    try:
        if not path.exists():
            _make(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise EnvironmentProblem(
                f"others may read the token in {path}", f"chmod 600 {path}, or remove it"
            )
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(
            f"cannot use the token in {path}: {error}", "the state folder must be writable"
        ) from error
    if len(token) < _BYTES:
        raise EnvironmentProblem(
            f"the token in {path} has {len(token)} characters; fewer than {_BYTES} can be guessed",
            "remove the file; the next start makes a new one",
        )
    return token


def link(url: str, state: Path) -> str:
    """Where a browser finds the page together with what allows changes.

    The token stands behind the ``#``, which browsers keep to themselves.

    Args:
        url: of the page.
        state: the state folder.

    Raises:
        EnvironmentProblem: the token cannot be used.
    """
    return f"{url}/#token={token_of(state)}"


def _make(path: Path) -> None:
    # In full before it has its name: a second start must not find half of it.
    fresh = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(_BYTES) + "\n")
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # Another start was first; its token is as good.
    finally:
        fresh.unlink()
