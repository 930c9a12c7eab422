"""The page of the demo opens where somebody would see it."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mendel.runtime.demo.browser import has_screen
from processes import eventually

PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("environ", "platform", "has"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "a b c d"}, "linux", False),
    ],
)
def test_a_screen_is_one_in_front_of_the_person(
    environ: dict[str, str], platform: str, has: bool
) -> None:
    assert has_screen(environ, platform) is has


@pytest.mark.timeout(60)
def test_the_browser_of_the_user_gets_the_link(tmp_path: Path) -> None:
    seen, script = tmp_path / "seen", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {shlex.quote(str(seen))}\n')
    script.chmod(0o755)
    environ = {key: value for key, value in os.environ.items() if key != "SSH_CONNECTION"}
    terminal, other = pty.openpty()
    demo = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo", "--port", "0"],
        stderr=other,
        stdout=subprocess.DEVNULL,
        env={**environ, "DISPLAY": ":0", "BROWSER": str(script), "TMPDIR": str(tmp_path)},
    )
    os.close(other)
    reader = threading.Thread(target=_read_all, args=(terminal,), daemon=True)
    reader.start()
    try:
        link = eventually(lambda: seen.exists() and seen.read_text(), within_s=30)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(15)
        reader.join(5)
        os.close(terminal)

    assert "#token=" in str(link)
    assert str(link).startswith("http://127.0.0.1:")


def _read_all(terminal: int) -> None:
    """A terminal whose output nobody reads would stop who writes to it."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # Its other end is closed.
        return
