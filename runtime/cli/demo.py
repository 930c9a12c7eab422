"""The command that shows what mendel does."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .output import Out, Printer
from .times import seconds

if TYPE_CHECKING:
    from ..demo.chronicle import Chronicle
    from ..demo.show import Show
    from ..demo.traffic import Traffic

_INTERRUPTED = 130


def demo(
    *,
    headless: bool = False,
    duration_s: Annotated[float, Parameter(name="--duration", converter=seconds)] = 60.0,
    seed: int = 1,
    keep: bool = False,
    record: Path | None = None,
    port: int | None = None,
    browser: Annotated[bool, Parameter(negative=("--no-browser",))] = True,
    out: Printer,
) -> int:
    """Break five real services, one after the other, and heal them before your eyes.

    Returns 1 when a fault was not healed, or something was done that was not needed.

    Args:
        headless: tell it in lines instead of a picture.
        duration_s: how long, such as 60 or 1m30s; six faults take a minute.
        seed: of the order and the targets of the faults.
        keep: leave configuration, store and logs in their folder.
        record: write all readings and messages to this file, to be replayed.
        port: of the page; by default 8765, or another one when that is taken.
        browser: open the page, where there is a screen to open it on.
    """
    import asyncio

    from ..demo.browser import has_screen, open_page
    from ..demo.run import run_demo

    program = _program()
    is_watched = not headless and sys.stderr.isatty()
    show_of = _picture if is_watched else _lines
    opens = is_watched and browser and has_screen(os.environ)
    try:
        score, folder = run_demo(
            show_of,
            duration_s=duration_s,
            seed=seed,
            keep=keep,
            program=program,
            record=record,
            port=port,
            show_page=open_page if opens else _look_away,
        )
    except asyncio.CancelledError:
        out.note("the demo was stopped; none of its services is left")
        return _INTERRUPTED
    if out.is_text:
        from rich.console import Console

        from ..demo.show import epilogue

        commands = _after_keeping(folder) if keep else _after(seed)
        epilogue(score, [f"{program} {each}" for each in commands], Console(soft_wrap=True))
    else:
        # One line in either form, so that `| tail -1` is the result whatever stands before it.
        Out("jsonl").show(score)
    return 0 if score.is_flawless else 1


def _look_away(_: str) -> None:
    """Whoever wants to see the page has its link."""


def _lines(_: Chronicle, __: Traffic) -> Show:
    from ..demo.show import Lines

    return Lines(time.monotonic, sys.stderr)


def _picture(chronicle: Chronicle, traffic: Traffic) -> Show:
    from rich.console import Console

    from ..demo.show import Picture

    return Picture(chronicle, traffic, time.monotonic, Console(stderr=True))


def _after(seed: int) -> tuple[str, ...]:
    return (
        "replay crash --level basic,advanced,full",
        f"demo --keep --seed {seed + 1}",
        "init",
    )


def _after_keeping(folder: Path) -> tuple[str, ...]:
    return (
        f"incidents list --state {folder}",
        f"incidents explain 1-1 --state {folder}",
        f"check {folder / 'mendel.toml'} --show",
    )


def _program() -> str:
    """What to type to get this program again: it may stand in a folder that is not on the path."""
    return "mendel" if shutil.which("mendel") else sys.argv[0]
