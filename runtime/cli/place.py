"""Where the runtime lives that a command is about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...documents.document import Document, environment_overrides
from ...errors import ConfigError

CONFIG_NAME = "mendel.toml"
STATE_NAME = ".mendel"
SOCKET_NAME = "control.sock"
STORE_NAME = "store.db"

Place = Annotated[
    Path | None,
    Parameter(
        name="--state",
        env_var="MENDEL_STATE",
        help="state folder of the runtime, or its configuration file; by default that of "
        f"{CONFIG_NAME}, else {STATE_NAME}, in the current folder.",
    ),
]


def state_folder(place: Path | None) -> Path:
    """The state folder that is meant.

    Args:
        place: a state folder, a configuration file, or ``None`` for those of the current folder.

    Raises:
        ConfigError: it is a configuration file that cannot be read as TOML.
    """
    if place is None:
        config = Path(CONFIG_NAME)
        return _state_of(config) if config.is_file() else Path(STATE_NAME)
    return _state_of(place) if place.is_file() else place


def _state_of(config: Path) -> Path:
    """State folder that a file names; mistakes elsewhere in it are not asked about."""
    try:
        document = Document(config.read_text("utf-8-sig"), str(config))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {config}: {error}") from error
    for keys, text, source in environment_overrides(os.environ):
        if keys == ("runtime", "state"):
            document.override(keys, text, source)
    runtime = document.tree.get("runtime")
    state = runtime.get("state") if isinstance(runtime, dict) else None
    return config.parent / (state if isinstance(state, str) else STATE_NAME)
