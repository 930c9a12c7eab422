"""The page as people see it: the demo in Debian's Chromium, from the first picture to the last."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright
from processes import Folder, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Without these it looks for its maker's hosts at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWS = ("#/", "#/component/cart", "#/incidents", "#/genomes", "#/replays", "#/agents", "#/audit")
_PROGRAM = "import sys; from mendel.runtime.cli import main; sys.exit(main())"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.timeout(180),
]


class Demo:
    """A demo that runs, and where its page is."""

    def __init__(self, folder: Path) -> None:
        log = folder / "demo.log"
        command = [sys.executable, "-c", _PROGRAM, "demo", "--headless", "--duration", "1h"]
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [*command, "--seed", "1", "--port", "0"],
                stderr=sink,
                stdout=subprocess.DEVNULL,
                cwd=folder,
            )
        found = eventually(
            lambda: re.search(r"(http://127\S+?)/#token=(\S+)", log.read_text(errors="replace")),
            within_s=60,
            what="the demo tells where its page is",
        )
        self.url, self.token = found.groups()
        self.state = re.search(r"--state (\S+)", _wait_for(log, "--state ")).group(1)  # type: ignore[union-attr]

    def mendel(self, *arguments: str) -> Any:
        """What a command says about it."""
        command = [sys.executable, "-c", _PROGRAM, *arguments, "--state", self.state]
        told = subprocess.run([*command, "--output", "json"], capture_output=True, check=False)
        return json.loads(told.stdout)


def _wait_for(log: Path, text: str) -> str:
    eventually(lambda: text in log.read_text(errors="replace"), within_s=60)
    return log.read_text(errors="replace")


@contextmanager
def a_demo(folder: Path) -> Iterator[Demo]:
    running = Demo(folder)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with a_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def short_demo(tmp_path: Path) -> Iterator[Demo]:
    """One of its own, for a test that ends it: tests come in any order."""
    with a_demo(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console",
        lambda line: problems.append(line.text) if line.type == "error" else None,
    )
    yield opened
    context.close()
    assert [each for each in problems if "401" not in each] == []


def test_a_fault_is_seen_healed_and_explained(demo: Demo, page: Page) -> None:
    page.goto(demo.url)
    expect(page.locator(".node")).to_have_count(5)
    for name in ("web", "cart", "db", "payment", "catalog"):
        expect(page.locator(f'.node[href="#/component/{name}"]')).to_be_visible()

    sick = page.locator(".node.sick").first
    expect(sick).to_be_visible(timeout=60_000)
    expect(page.locator(".card").first).to_be_visible(timeout=20_000)
    link = page.locator(".card a").first.get_attribute("href")
    page.goto(f"{demo.url}/{link}")

    incident = page.locator("#incident")
    expect(incident).to_contain_text("Incident 1-")
    expect(page.locator(".lead")).not_to_contain_text("is open", timeout=40_000)
    expect(page.locator(".chart").first).to_be_visible()
    for part in ("seen", "blamed", "done", "verified"):
        expect(page.locator(f"section[aria-labelledby={part}] li").first).not_to_be_empty()

    page.goto(f"{demo.url}/#/incidents")
    expect(page.locator(".outcome.healed").first).to_be_visible(timeout=40_000)


def test_a_second_tab_shares_the_stream_of_the_first(demo: Demo, browser: Browser) -> None:
    context = browser.new_context()
    asked: list[str] = []
    tabs = [context.new_page() for _ in range(3)]
    for tab in tabs:
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(demo.url)
        expect(tab.locator(".node")).to_have_count(5)

    assert sum(url.endswith("/v1/stream") for url in asked) == 1

    tabs[0].close()  # The next one takes over.
    expect(tabs[1].locator(".node")).to_have_count(5)
    eventually(
        lambda: tabs[1].evaluate("1") and sum(url.endswith("/v1/stream") for url in asked) == 2,
        within_s=10,
    )
    context.close()


def test_a_pause_needs_the_token_and_is_then_in_force_and_on_record(demo: Demo, page: Page) -> None:
    page.goto(f"{demo.url}/#/component/catalog")
    page.get_by_placeholder("maintenance").fill("a new disk")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_label("Token", exact=True).last.fill("x" * 43)
    page.get_by_role("button", name="Use it in this tab").click()
    expect(page.get_by_role("status").filter(has_text="the token is wrong")).to_be_visible()

    page.get_by_label("Token", exact=True).last.fill(demo.token)
    page.get_by_role("button", name="Use it in this tab").click()
    expect(page.locator(".badge.paused")).to_be_visible()

    view = next(each for each in demo.mendel("status")["components"] if each["name"] == "catalog")
    assert view["paused_s"] > 500.0
    page.goto(f"{demo.url}/#/audit")
    expect(page.get_by_text("Each row fits the one before it")).to_be_visible()
    expect(page.locator(".audit").filter(has_text="a new disk").first).to_contain_text("web")

    page.goto(f"{demo.url}/#/component/catalog")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator(".badge.paused")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(demo: Demo, browser: Browser, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    opened = context.new_page()
    opened.goto(demo.url)
    expect(opened.locator(".node")).to_have_count(5)
    listed = eventually(lambda: demo.mendel("incidents", "list"), within_s=60)
    incident = listed[-1]["incident"]

    found = {}
    for view in (*VIEWS, f"#/incident/{incident}"):
        opened.goto(f"{demo.url}/{view}")
        expect(opened.locator("main section").first).to_be_visible()
        result = Axe().run(opened)
        found[view] = [
            (each["id"], each["nodes"][0]["html"]) for each in result.response["violations"]
        ]
    context.close()

    assert {view: each for view, each in found.items() if each} == {}


def test_it_fits_on_a_phone_and_can_be_walked_by_keyboard(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened = context.new_page()
    opened.goto(demo.url)
    expect(opened.locator(".node")).to_have_count(5)
    for view in VIEWS:
        opened.goto(f"{demo.url}/{view}")
        expect(opened.locator("main section").first).to_be_visible()
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390, view

    opened.goto(f"{demo.url}/#/")
    opened.keyboard.press("Tab")
    for _ in range(40):
        if opened.evaluate("document.activeElement.getAttribute('href')") == "#/agents":
            break
        opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    expect(opened.get_by_text("coordinator").first).to_be_visible()
    context.close()


BREEDING = """\
[web]
port = 0

[defaults]
level = "full"

[[components]]
name = "cart"
probes = [{ heartbeat = "600s" }]
"""


def test_a_genome_is_put_in_force_and_taken_back(browser: Browser, tmp_path: Path) -> None:
    folder = Folder(tmp_path, BREEDING)
    folder.start()
    try:
        link = folder.mendel("web", "link").stdout.strip()
        genes = tmp_path / "genome.json"
        genes.write_text(json.dumps(FOREIGN))
        assert folder.mendel("genome", "import", str(genes)).returncode == 0

        context = browser.new_context()
        opened = context.new_page()
        opened.on("dialog", lambda dialog: dialog.accept())
        opened.goto(link)
        opened.goto(f"{link.partition('#')[0]}#/genomes")
        expect(opened.get_by_text("The configuration as it is written")).to_be_visible()
        expect(opened.locator("section[aria-labelledby=genome] td").first).to_have_text(
            "triage.hold_s"
        )
        opened.get_by_role("button", name="Put genome 1 in force").click()
        expect(opened.get_by_text("Genome 1, which changes 1 setting")).to_be_visible()

        opened.get_by_role("button", name="Roll back", exact=True).click()
        expect(opened.get_by_text("The configuration as it is written")).to_be_visible()
        context.close()
    finally:
        folder.stop()


FOREIGN = {
    "type": "genome",
    "genome": 7,
    "parent": 0,
    "origin": "elsewhere",
    "signature": "",
    "genes": {"triage.hold_s": 2.0},
}


def test_when_mendel_ends_it_does_so_in_time_and_the_page_says_so(
    short_demo: Demo, browser: Browser
) -> None:
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(short_demo.url)
    expect(opened.locator(".node")).to_have_count(5)

    began_s = time.monotonic()
    short_demo.process.send_signal(signal.SIGTERM)
    short_demo.process.wait(timeout=20)

    assert time.monotonic() - began_s < 5.0  # The demo itself still has its services to end.
    expect(opened.locator(".banner")).to_contain_text("Stale", timeout=15_000)
    expect(opened.locator(".node")).to_have_count(5)
    context.close()
