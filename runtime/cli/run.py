"""The command that heals."""

from __future__ import annotations

import logging
import os
import sys
import time
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
    _log_to_stderr(loaded.config.runtime.log_level)
    try:
        asyncio.run(
            launch.run(
                loaded,
                record=record,
                web=web,
                on_started=lambda system: _begin(system, loaded, out),
            )
        )
    except asyncio.CancelledError:  # The second signal.
        return _INTERRUPTED
    out.note("mendel has stopped")
    return 0


def _begin(system: System, loaded: Loaded, out: Out) -> None:
    from ...bus.messages import ConfigChanged
    from ..words import in_words

    def tell(batch: list[Envelope]) -> None:
        for envelope in batch:
            if isinstance(envelope.message, ConfigChanged):
                logging.getLogger().setLevel(system.config.runtime.log_level.upper())
            words = in_words(envelope.message)
            if words:
                out.note(f"{time.strftime('%H:%M:%S')}  {words}")

    count = len(loaded.config.components)
    out.note(
        f"mendel heals {count} component{'' if count == 1 else 's'} (pid {os.getpid()}, mode "
        f"{loaded.config.policy.mode}); see: mendel status --state {loaded.state}"
    )
    if system.url:
        out.note(f"the page: {system.url} (to steer from it: mendel web link)")
    system.bus.tap(tell)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
