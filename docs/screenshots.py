"""Take the pictures of the page that the documentation shows, from runtimes that really run.

    python docs/screenshots.py [FOLDER]

Needs Debian's chromium and the `test` extra; takes about three minutes. Each view is taken light
and dark: those of the demo once something has been broken and healed, genomes of a runtime that
breeds from the incidents in examples/history.sqlite. Pictures are brought to 256 colours, which
nobody sees, and a third of the size.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

WIDTH, HEIGHT = 1280, 960
SCHEMES = ("light", "dark")
PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"
EXAMPLES = Path(__file__).parent.parent / "examples"
SETTLE_S = 1.5  # Until charts are drawn and fetched lists have come.
BREEDS = """
[store]
keep = "36500d"  # The incidents of the example have a date.

[web]
port = 0

[agent.genome]
population = 16
generations = 6
polish = 20
cpu_share = 1.0
"""


def main(folder: Path) -> None:
    """Take all of them into a folder."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("needs chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        with running("demo", "--headless", "--duration", "300", "--port", "0") as log:
            take_demo(browser, told(log, rb"(http://127\S+?/#token=\S+)"), folder)
        take_genomes(browser, folder)
        browser.close()
    for each in folder.glob("page-*.png"):
        shrink(each)


@contextmanager
def running(*arguments: str, cwd: Path | None = None) -> Iterator[IO[bytes]]:
    """A command, for as long as the context lasts; gives what it tells."""
    with tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(  # noqa: S603  It is our own.
            [sys.executable, "-c", PROGRAM, *arguments],
            stderr=log,
            stdout=subprocess.DEVNULL,
            cwd=cwd,
        )
        try:
            yield log
        finally:
            process.terminate()
            process.wait()


def told(log: IO[bytes], pattern: bytes) -> str:
    """Wait until something is told, and give it back."""
    for _ in range(600):
        log.seek(0)
        found = re.search(pattern, log.read())
        if found:
            return found.group(1).decode()
        time.sleep(0.1)
    sys.exit(f"{pattern!r} was not told")


def pages(browser: Browser, link: str) -> dict[str, Page]:
    """The same page light and dark."""
    found = {}
    for scheme in SCHEMES:
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT}
        )
        found[scheme] = context.new_page()
        found[scheme].goto(link)
    return found


def take(page: Page, folder: Path, name: str, scheme: str) -> None:
    """One picture."""
    page.screenshot(path=folder / f"page-{name}-{scheme}.png")


def take_demo(browser: Browser, link: str, folder: Path) -> None:
    """Wait for a fault, take it while it lasts, then the rest."""
    url = link.partition("/#")[0]
    shown = pages(browser, link)
    light = shown["light"]
    expect(light.locator(".node.sick").first).to_be_visible(timeout=60_000)
    expect(light.locator(".card").first).to_be_visible(timeout=20_000)
    for scheme, page in shown.items():
        take(page, folder, "overview", scheme)
    light.goto(f"{url}/#/replays")
    light.get_by_role("combobox").first.select_option("crash")
    light.get_by_role("button", name="Replay", exact=True).click()
    light.goto(f"{url}/#/incidents")
    healed = light.locator(".incident:has(.outcome.healed)")
    expect(healed.nth(3)).to_be_visible(timeout=120_000)  # So that there is something to list.
    views = {
        "incidents": "#/incidents",
        "incident": healed.first.get_attribute("href") or "",
        "component": "#/component/cart",
        "agents": "#/agents",
        "audit": "#/audit",
    }
    for name, view in views.items():
        take_view(shown, f"{url}/{view}", folder, name)
    light.goto(f"{url}/#/replays")
    expect(light.locator(".result table")).to_be_visible(timeout=120_000)
    take_view(shown, f"{url}/#/replays", folder, "replays")


def take_view(
    shown: dict[str, Page],
    url: str,
    folder: Path,
    name: str,
    before: Callable[[Page], object] = lambda _: None,
) -> None:
    """One view, light and dark."""
    for scheme, page in shown.items():
        page.goto(url)
        expect(page.locator("main section").first).to_be_visible()
        before(page)
        time.sleep(SETTLE_S)
        take(page, folder, name, scheme)


def take_genomes(browser: Browser, folder: Path) -> None:
    """Let a runtime breed from recorded incidents, and take what it has found."""
    with tempfile.TemporaryDirectory() as state:
        home = Path(state)
        (home / ".mendel").mkdir(mode=0o700)
        shutil.copy(EXAMPLES / "history.sqlite", home / ".mendel" / "store.db")
        config = (EXAMPLES / "history.toml").read_text("utf-8")
        (home / "mendel.toml").write_text(config.replace('"basic"', '"full"', 1) + BREEDS, "utf-8")
        with running("run", cwd=home) as log:
            url = told(log, rb"the page: (http://127\S+)")
            ask = [sys.executable, "-c", PROGRAM, "genome", "evolve"]
            subprocess.run(ask, cwd=home, check=True)  # noqa: S603  It is our own.
            shown = pages(browser, url)
            shown["light"].goto(f"{url}/#/genomes")
            expect(shown["light"].locator(".lineage li").first).to_be_visible(timeout=300_000)
            take_view(shown, f"{url}/#/genomes", folder, "genomes")


def shrink(path: Path) -> None:
    """Bring a picture to 256 colours."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures"
    target.mkdir(parents=True, exist_ok=True)
    main(target)
