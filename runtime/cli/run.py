"""The command that heals."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.policy import Mode
from .check import Settings
from .output import Out, Printer
from .place import CONFIG_NAME

if TYPE_CHECKING:
    from ...bus.envelope import Envelope
    from ..config import Loaded
    from ..system import System

_INTERRUPTED = 130


def run(
    config: Path = Path(CONFIG_NAME),
    /,
    *,
    mode: Mode | None = None,
    settings: Settings = (),
    record: Path | None = None,
    web: bool = True,
    out: Printer,
) -> int:
    """Heal what a configuration describes, until SIGTERM, Ctrl-C or `mendel stop`.

    What happens is told on stderr; a second Ctrl-C stops at once.

    Args:
        config: the file.
        mode: short for --set policy.mode=MODE.
        record: write all readings and messages to this file, to be replayed.
        web: serve the page and the HTTP API.
    """
    import asyncio

    from .. import launch
    from ..config import load

    loaded = load(config, settings=settings, mode=mode)
    say = _log_to_stderr(loaded, out)
    try:
        asyncio.run(
            launch.run(
                loaded,
                record=record,
                web=web,
                on_started=lambda system: _begin(system, loaded, say),
            )
        )
    except asyncio.CancelledError:  # The second signal.
        return _INTERRUPTED
    say("mendel has stopped")
    return 0


def _begin(system: System, loaded: Loaded, say: Callable[[str], None]) -> None:
    from ...bus.messages import READINGS, ConfigChanged

    def turn(batch: list[Envelope]) -> None:
        if any(isinstance(each.message, ConfigChanged) for each in batch):
            logging.getLogger().setLevel(system.config.runtime.log_level.upper())

    count = len(loaded.config.components)
    say(
        f"mendel heals {count} component{'' if count == 1 else 's'} (pid {os.getpid()}, mode "
        f"{loaded.config.policy.mode}); see: mendel status --state {loaded.state}"
    )
    if system.url:
        say(f"the page: {system.url} (to steer from it: mendel web link)")
    system.bus.tap(turn, without=READINGS)


def _log_to_stderr(loaded: Loaded, out: Out) -> Callable[[str], None]:
    """Set up what is logged; returns what tells a person that it begins and ends."""
    from ..telemetry.logs import JsonLines, TextLines

    runtime = loaded.config.runtime
    in_json = runtime.log_format == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if in_json else TextLines())
    logging.basicConfig(handlers=[handler], level=runtime.log_level.upper())
    return logging.getLogger("mendel").info if in_json else out.note
