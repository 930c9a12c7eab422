"""Open the page of the demo, where there is a screen to open it on."""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import Mapping


def has_screen(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser would have somewhere to show itself.

    Over SSH there may be one, but not in front of the person.

    Args:
        environ: variables of the environment.
        platform: as `sys.platform` has it.
    """
    if environ.get("SSH_CONNECTION"):
        return False
    if platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(url: str) -> None:
    """Open a page in the user's browser; nobody waits for it, and nothing is lost when it fails."""
    threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()
