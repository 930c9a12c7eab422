"""The report is whole, can be read without anything else, and shows what happened."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mendel.runtime.cli import main
from mendel.runtime.config import Loaded, load
from mendel.runtime.report.chart import draw
from mendel.runtime.report.choice import Axis, axis_of, metrics_of, range_of, targets_of
from mendel.runtime.report.page import page
from mendel.runtime.rerun import Order, Rerun, Setup, rerun
from mendel.runtime.witness import BINS, Bin, Course, Line, Span
from mendel.scenarios.scoring import Broken

SCENARIO = """
name = "short"
description = "The cart is gone."
source = "This test."
until = "3m"

[estate]
topology = "shop"

[[faults]]
kind = "crash"
target = "cart"
at = "40s"

[must]
healed = ["cart"]
"""
CONFIG = """
[policy]
mode = "{mode}"
[[components]]
name = "cart"
probes = [{{ heartbeat = "10s" }}]
"""


class Outline(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> Outline:
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert outline.open == []
    return outline


def config(folder: Path, mode: str) -> Loaded:
    path = folder / f"{mode}.toml"
    path.write_text(CONFIG.format(mode=mode))
    return load(path, environ={})


@pytest.fixture(scope="module")
def reruns(tmp_path_factory: pytest.TempPathFactory) -> list[Rerun]:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "short<b>.toml"
    path.write_text(SCENARIO)
    setups = [Setup(config(folder, "act")), Setup(config(folder, "observe"))]
    return list(rerun(path, setups, Order(drawn=True)))


@pytest.fixture(scope="module")
def text(reruns: list[Rerun]) -> str:
    return page(reruns, "1.2.3")


def test_it_needs_nothing_but_itself(text: str) -> None:
    outline = read(text)

    assert "script" not in outline.tags
    assert not {"link", "img", "iframe"} & set(outline.tags)
    assert re.findall(r"(?:https?:)?//\w", text) == []
    assert not re.search(r"url\(|@import", text)


def test_its_outline_can_be_followed_without_seeing_it(text: str) -> None:
    outline = read(text)
    levels = [int(tag[1]) for tag in outline.tags if re.fullmatch("h[1-6]", tag)]
    pictures = [attrs for tag, attrs in outline.attributes if tag == "svg" and "role" in attrs]
    heads = [attrs for tag, attrs in outline.attributes if tag == "th"]

    assert levels == [1, 2, 2, 3, 3]
    assert ("html", {"lang": "en"}) in outline.attributes
    assert [attrs["role"] for attrs in pictures] == ["img", "img"]
    assert all(attrs["aria-label"] for attrs in pictures)
    assert {attrs.get("scope") for attrs in heads} == {"col", "row"}


def test_runs_stand_side_by_side_with_what_came_of_them(text: str) -> None:
    told = " ".join(read(text).text)

    assert "under" in told
    assert "1 of 1" in told
    assert "0 of 1" in told
    assert "✓ kept" in told
    assert "✗ 1 not kept" in told
    assert "not kept: cart must be healed: its last incident is still open" in told
    assert "on otherwise than under" in told
    assert "runs rolling_restart” " in told or "runs restart” " in told
    assert "mendel 1.2.3" in told


def test_what_happened_is_told_in_words(text: str) -> None:
    told = " ".join(read(text).text)

    assert "alive is " in told
    assert "healed and verified" in told
    assert "crash of cart" in told


def test_names_are_not_taken_for_tags(text: str) -> None:
    assert "short<b>" not in text
    assert "short&lt;b&gt;" in text


def test_the_same_runs_give_the_same_bytes(reruns: list[Rerun], text: str) -> None:
    assert page(reruns, "1.2.3") == text


def test_a_run_like_another_one_is_not_drawn_twice(reruns: list[Rerun]) -> None:
    twice = page([reruns[0], reruns[0]], "1")

    assert twice.count('role="img"') == 1
    assert "Decision for decision as under" in twice


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, out = tmp_path / "short.toml", tmp_path / "out.html"
    scenario.write_text(SCENARIO)

    assert main(["replay", str(scenario), "--level", "basic,full", "--report", str(out)]) == 0

    read(out.read_text())
    assert f"the report is in {out}" in capsys.readouterr().err


def test_where_it_cannot_be_written_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "short.toml"
    scenario.write_text(SCENARIO)

    code = main(["replay", str(scenario), "--until", "10s", "--report", str(tmp_path / "a/b")])

    assert code == 4
    assert "the report cannot be written to" in capsys.readouterr().err


def a_course(**changes: object) -> Course:
    fields: dict[str, object] = {
        "start_s": 100.0,
        "end_s": 1300.0,
        "broken": (Broken(target="cart", kind="crash", at_s=400.0),),
        "signals": {
            ("cart", "ok"): {n: Bin(1.0, 1.0, 0.5, None) for n in range(BINS)},
            ("cart", "latency_s"): {n: Bin(0.1, 0.2, None, 0.5) for n in range(0, BINS, 2)},
            ("cart", "answered"): {0: Bin(1.0, 1.0)},
        },
        "alarms": {("cart", "ok"): 2},
        "stages": (Span("cart", "recovering", 402.0, 440.0, "runs restart"),),
        "outcomes": (Span("cart", "healed", 441.0, 441.0, "healed and verified"),),
        "actions": (Span("cart", "restart", 402.0, 412.0, "done"),),
        "isolations": (Span("cart", "isolated", 402.0, 441.0),),
        "lines": (Line(402.0, "cart: restart begins"),),
        "left_out": 0,
    }
    return Course(**{**fields, **changes})  # type: ignore[arg-type]


def drawn(course: Course) -> str:
    targets, _ = targets_of([course])
    metrics = {target: metrics_of([course], target) for target in targets}
    ranges = {(t, m): range_of([course], t, m) for t in targets for m in metrics[t]}
    return draw(course, axis_of([course]), "a run", targets, metrics, ranges)


class TestChart:
    def test_the_part_is_drawn_in_which_something_happened(self) -> None:
        axis = axis_of([a_course()])

        assert (axis.start_s, axis.end_s) == pytest.approx((387.7, 453.3))
        assert axis.ticks() == [400.0, 415.0, 430.0, 445.0]

    def test_a_run_in_which_much_happens_is_drawn_whole(self) -> None:
        course = a_course(stages=(Span("cart", "escalated", 402.0, 1300.0),))

        assert axis_of([course]) == Axis(100.0, 1300.0, (100.0, 1300.0))

    def test_a_signal_that_says_yes_or_no_is_joined_by_one_that_says_how_much(self) -> None:
        assert metrics_of([a_course()], "cart") == ["ok", "latency_s"]

    def test_lines_far_away_do_not_make_a_signal_flat(self) -> None:
        far = {("cart", "latency_s"): {0: Bin(0.1, 0.2, None, 50.0)}}
        near = {("cart", "latency_s"): {0: Bin(0.1, 0.2, None, 0.5)}}

        assert range_of([a_course(signals=far)], "cart", "latency_s") == (0.1, 0.2)
        assert range_of([a_course(signals=near)], "cart", "latency_s") == (0.0, 0.5)

    def test_all_lanes_are_there_with_their_words(self) -> None:
        picture = drawn(a_course())

        for each in (
            'class="fault"',
            'class="band"',
            'class="signal"',
            'class="stage recovering"',
            'class="act"',
            'class="calls"',
            'class="end"',
            "crash of cart",
            "restart for 10s: done",
            "recovering for 38s: runs restart",
        ):
            assert each in picture

    def test_a_fault_is_over_when_its_last_incident_is(self) -> None:
        axis = axis_of([a_course()])
        width = axis.x(441.0) - axis.x(400.0)

        assert f'width="{width:.1f}"' in drawn(a_course())

    def test_where_nothing_was_heard_nothing_is_drawn(self) -> None:
        series = {n: Bin(1.0, 1.0, 0.5, None) for n in range(BINS) if not 310 < n < 330}

        assert drawn(a_course(signals={("cart", "ok"): series})).count("<polygon") == 2

    def test_what_is_out_of_its_band_is_marked(self) -> None:
        series = {n: Bin(float(n % 2), 1.0, 0.5, None) for n in range(300, 304)}

        assert drawn(a_course(signals={("cart", "ok"): series})).count('class="alarm"') == 2

    def test_a_quiet_run_shows_that_it_is_quiet(self) -> None:
        quiet = a_course(broken=(), stages=(), outcomes=(), actions=(), isolations=(), alarms={})

        assert 'class="signal"' in drawn(quiet)
        assert targets_of([quiet]) == (["cart"], [])

    def test_whom_there_is_no_room_for_is_told(self) -> None:
        stages = tuple(Span(f"c{n}", "triage", 402.0, 403.0) for n in range(9))

        shown, left = targets_of([a_course(stages=stages)])

        assert (len(shown), shown[0], left) == (5, "cart", ["c4", "c5", "c6", "c7", "c8"])
