"""Take the pictures of the page that the documentation shows, from a demo that really runs.

    python docs/screenshots.py [FOLDER]

Needs Debian's chromium and the `test` extra. Each view is taken light and dark, once something has
been broken and healed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

WIDTH, HEIGHT = 1280, 960
PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"


def main(folder: Path) -> None:
    """Take all of them into a folder."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("needs chromium: apt-get install chromium")
    with tempfile.TemporaryFile("w+b") as log:
        command = [sys.executable, "-c", PROGRAM, "demo", "--headless", "--duration", "120"]
        demo = subprocess.Popen(  # noqa: S603  It is our own.
            [*command, "--port", "0"], stderr=log, stdout=subprocess.DEVNULL
        )
        try:
            url = _url(log)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
                )
                take_all(browser, url, folder)
                browser.close()
        finally:
            demo.terminate()
            demo.wait()


def _url(log: object) -> str:
    for _ in range(300):
        log.seek(0)  # type: ignore[attr-defined]
        found = re.search(rb"(http://127\S+?)/#token=", log.read())  # type: ignore[attr-defined]
        if found:
            return found.group(1).decode()
        time.sleep(0.1)
    sys.exit("the demo does not say where its page is")


def take_all(browser: Browser, url: str, folder: Path) -> None:
    """Wait for a fault, take it while it lasts, then the rest."""
    pages = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT}
        )
        pages[scheme] = context.new_page()
        pages[scheme].goto(url)
    expect(pages["light"].locator(".node.sick").first).to_be_visible(timeout=60_000)
    time.sleep(0.3)  # Until the incident stands beside it.
    for scheme, page in pages.items():
        page.screenshot(path=folder / f"page-overview-{scheme}.png")
    pages["light"].goto(f"{url}/#/incidents")
    healed = pages["light"].locator(".incident:has(.outcome.healed)").first
    expect(healed).to_be_visible(timeout=60_000)
    incident = healed.get_attribute("href")
    views = {
        "incidents": "#/incidents",
        "incident": incident,
        "component": "#/component/cart",
        "agents": "#/agents",
        "audit": "#/audit",
    }
    for scheme, page in pages.items():
        for name, view in views.items():
            page.goto(f"{url}/{view}")
            expect(page.locator("main section").first).to_be_visible()
            time.sleep(1.5)  # Until charts are drawn and fetched lists have come.
            page.screenshot(path=folder / f"page-{name}-{scheme}.png")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures"
    target.mkdir(parents=True, exist_ok=True)
    main(target)
