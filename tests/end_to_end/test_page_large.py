"""The page with a thousand components: it comes up at once, and draws no more than one can see."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from processes import Folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
COMPONENTS = 1_000
# A graph of sixty groups at most, and the rows of a list that are in sight: with all their parts.
ELEMENTS_MAX = 2_500
KINDS = ("ui", "api", "service", "worker", "cache", "queue", "database")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.timeout(180),
]


def configuration() -> str:
    """Ten layers of a hundred; each component needs two of the layer below."""
    parts = ["[web]\nport = 0\n"]
    for number in range(COMPONENTS):
        layer, place = divmod(number, 100)
        below = [f"c{(layer - 1) * 100 + (place + step) % 100:04}" for step in (0, 7)]
        parts.append(
            f'[[components]]\nname = "c{number:04}"\nkind = "{KINDS[layer % len(KINDS)]}"\n'
            f"depends_on = {json.dumps(below if layer else [])}\n"
            'probes = [{ heartbeat = "600s" }]\n'
        )
    return "\n".join(parts)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = Folder(tmp_path_factory.mktemp("large"), configuration())
    folder.start()
    try:
        yield folder.mendel("web", "link").stdout.strip()
    finally:
        folder.stop()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        arguments = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium.new_page(viewport={"width": 1280, "height": 900})
        chromium.close()


def elements(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def report(link: str, target: str, metrics: dict[str, float]) -> None:
    """Say how a component is, as a program of any language would."""
    url, _, token = link.partition("/#token=")
    body = json.dumps({"target": target, "metrics": metrics}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/readings", body, headers)
    urllib.request.urlopen(request, timeout=10).read()


def test_a_thousand_components_are_drawn_in_groups_and_as_far_as_one_sees(
    link: str, page: Page
) -> None:
    began_s = time.monotonic()
    page.goto(link)
    expect(page.locator(".node").first).to_be_visible()
    took_s = time.monotonic() - began_s

    assert took_s < 10.0  # Some tenths of a second on a machine that has nothing else to do.
    expect(page.locator("#graph, section[aria-labelledby=graph]").first).to_contain_text("1000")
    assert 1 <= page.locator(".node").count() <= 60
    assert elements(page) <= ELEMENTS_MAX
    expect(page.locator(".component:not(.listhead)").first).to_be_visible()
    assert page.locator(".component:not(.listhead)").count() < 60


def test_scrolling_to_the_end_draws_no_more(link: str, page: Page) -> None:
    page.goto(link)
    rows = page.locator(".longlist")
    expect(rows).to_be_visible()
    first = page.locator(".component:not(.listhead) strong").first.inner_text()

    for share in (0.25, 0.5, 0.75, 1.0):
        rows.evaluate("(list, share) => list.scrollTo(0, list.scrollHeight * share)", share)
        expect(page.locator(".component:not(.listhead) strong").first).not_to_have_text(first)
        first = page.locator(".component:not(.listhead) strong").first.inner_text()
        assert page.locator(".component:not(.listhead)").count() < 60
        assert elements(page) <= ELEMENTS_MAX
    # Which component is the last depends on who has reported; that it is the last of all does not.
    height = rows.evaluate("list => list.scrollHeight") / 1000
    expect(page.locator(".longrow").last).to_have_css("top", f"{999 * height:g}px", timeout=20_000)


def test_one_among_them_is_found_and_what_it_reports_is_seen(link: str, page: Page) -> None:
    page.goto(link)
    page.get_by_placeholder("part of a name").fill("c0777")
    row = page.locator(".component:not(.listhead)")
    expect(row).to_have_count(1)

    report(link, "c0777", {"latency_s": 0.02})

    expect(row).to_contain_text("20 ms", timeout=10_000)
    row.click()
    expect(page.locator("main")).to_contain_text("c0777")
    expect(page.locator("main")).to_contain_text("c0677")
