"""One run as a picture: all that happened on one axis of time, as SVG without a script.

For each component that something happened to: its signals with the band in which they are fine, the
stages of its incidents, what was done, and when calls were kept away. What was known to be wrong
stands behind all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise

from ...core.units import format_duration, format_value
from ...scenarios.scoring import Broken
from ..witness import Bin, Course, Span
from .choice import LEFT, RIGHT, SIGNS, WIDTH, Axis, Range

PANEL, LANE, GAP = 58, 18, 5
# About as wide as a letter is at 11 px; for the question whether a word fits.
_LETTER = 6.4
_MARK = 10.0
# Stages that are drawn alike: what is being found out, done, proven, waited for, handed over.
STAGES: Mapping[str, str] = {
    "triage": "triage",
    "attributed": "waiting",
    "consulting": "recovering",
    "recovering": "recovering",
    "verifying": "verifying",
    "escalated": "escalated",
    "awaiting_approval": "waiting",
    "observed": "waiting",
    "waiting": "waiting",
}
_GOOD_ENDS = ("healed", "cleared", "attributed")


def draw(
    course: Course,
    axis: Axis,
    title: str,
    targets: Sequence[str],
    metrics: Mapping[str, Sequence[str]],
    ranges: Mapping[tuple[str, str], Range],
) -> str:
    """The picture as an SVG element.

    Args:
        course: of the run.
        axis: the time that is drawn.
        title: what it shows, for those who cannot see it.
        targets: components to draw.
        metrics: signals to draw of each.
        ranges: of each signal.
    """
    body: list[str] = []
    y = 34.0
    for target in targets:
        y = _component_rows(body, course, axis, y, target, metrics.get(target, ()), ranges)
    height = y + 26
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">',
            *_faults(course, axis, y),
            *_grid(axis, y),
            *body,
            "</svg>",
        ]
    )


def _component_rows(
    body: list[str],
    course: Course,
    axis: Axis,
    y: float,
    target: str,
    metrics: Sequence[str],
    ranges: Mapping[tuple[str, str], Range],
) -> float:
    body.append(f'<text class="name" x="0" y="{y + 12:.0f}">{escape(target)}</text>')
    for metric in metrics:
        series = course.signals.get((target, metric), {})
        body += _panel(axis, y, metric, series, ranges[target, metric])
        y += PANEL + GAP
    if not metrics:
        y += LANE
    for name, lane in (
        ("incident", _stages(course, axis, target)),
        ("actions", _actions(course, axis, target)),
        ("calls kept away", _isolations(course, axis, target)),
    ):
        if lane:
            body.append(f'<text class="small" x="0" y="{y + 13:.0f}">{name}</text>')
            body += [each.replace("@Y@", f"{y:.0f}") for each in lane]
            y += LANE + 3
    return y + 12


# --- signals --------------------------------------------------------------------------------------


def _panel(
    axis: Axis, y: float, metric: str, series: Mapping[int, Bin], span: Range
) -> Iterator[str]:
    low, high = span
    label = escape(metric.removesuffix("_s").removesuffix("_bytes").replace("_", " "))
    yield f'<text class="small" x="0" y="{y + 30:.0f}">{label}</text>'
    yield (
        f'<text class="small" x="{LEFT - 6}" y="{y + 10:.0f}" text-anchor="end">'
        f"{_value(metric, high)}</text>"
        f'<text class="small" x="{LEFT - 6}" y="{y + PANEL:.0f}" text-anchor="end">'
        f"{_value(metric, low)}</text>"
    )
    wide = WIDTH - LEFT - RIGHT
    yield f'<rect class="frame" x="{LEFT}" y="{y:.0f}" width="{wide}" height="{PANEL}"/>'

    def place(value: float) -> float:
        share = (value - low) / (high - low)
        return y + PANEL - 2 - min(max(share, 0.0), 1.0) * (PANEL - 4)

    points = [(n, series[n]) for n in sorted(series) if axis.shows(n)]
    yield from _bands(axis, points, place, y)
    for run in _runs(points):
        path = " ".join(f"{axis.of_bin(n):.1f},{place(each.high):.1f}" for n, each in run)
        back = " ".join(f"{axis.of_bin(n):.1f},{place(each.low):.1f}" for n, each in reversed(run))
        yield f'<polygon class="signal" points="{path} {back}"/>'
    for n, each in points:
        if not _is_fine(each):
            left, right = axis.of_bin(n), axis.of_bin(n + 1)
            top, bottom = place(each.high) - 1.5, place(each.low) + 1.5
            yield (
                f'<rect class="alarm" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(right - left, 1.5):.1f}" height="{bottom - top:.1f}"/>'
            )


def _bands(
    axis: Axis, points: Sequence[tuple[int, Bin]], place: Callable[[float], float], y: float
) -> Iterator[str]:
    """Where the signal is fine; one rectangle for as long as that stays the same."""
    begin: int | None = None
    following: list[tuple[int, Bin] | None] = [*points[1:], None]
    for (number, each), after in zip(points, following, strict=False):
        begin = number if begin is None else begin
        lines = each.fine_low, each.fine_high
        if after is not None and (after[1].fine_low, after[1].fine_high) == lines:
            continue
        if lines != (None, None):
            top = y if lines[1] is None else place(lines[1])
            bottom = y + PANEL if lines[0] is None else place(lines[0])
            left, right = axis.of_bin(begin), axis.of_bin(number + 1)
            yield (
                f'<rect class="band" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                f'height="{max(bottom - top, 1):.1f}"/>'
            )
        begin = None


def _runs(points: Sequence[tuple[int, Bin]]) -> Iterator[list[tuple[int, Bin]]]:
    """Stretches without a gap: where nothing was heard, nothing is drawn."""
    gaps = sorted(b[0] - a[0] for a, b in pairwise(points))
    usual = gaps[len(gaps) // 2] if gaps else 1
    run: list[tuple[int, Bin]] = []
    for point in points:
        if run and point[0] - run[-1][0] > 4 * usual:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _is_fine(each: Bin) -> bool:
    above = each.fine_high is not None and each.high > each.fine_high
    below = each.fine_low is not None and each.low < each.fine_low
    return not (above or below)


def _value(metric: str, value: float) -> str:
    return f"{value:g}" if metric in SIGNS else escape(format_value(metric, value))


# --- lanes ----------------------------------------------------------------------------------------


def _stages(course: Course, axis: Axis, target: str) -> list[str]:
    lane = [
        _bar(axis, each, f"stage {STAGES.get(each.kind, 'waiting')}", each.kind.replace("_", " "))
        for each in course.stages
        if each.target == target
    ]
    free = 0.0
    for each in course.outcomes:
        x = axis.x(each.to_s)
        if each.target == target and x >= free:  # Of ends that lie upon each other, one is enough.
            lane.append(_end(each, x))
            free = x + _MARK
    return lane


def _end(span: Span, x: float) -> str:
    kind, glyph = ("end", "✓") if span.kind in _GOOD_ENDS else ("lost", "✗")
    return (
        f'<g transform="translate({x:.1f},@Y@)"><text class="{kind}" x="2" y="13">{glyph}'
        f"<title>{escape(span.words)}</title></text></g>"
    )


def _actions(course: Course, axis: Axis, target: str) -> list[str]:
    return [
        _bar(axis, each, "act" if each.succeeded else "failed", each.kind, beside=True)
        for each in course.actions
        if each.target == target and each.kind not in ("isolate", "release")
    ]


def _isolations(course: Course, axis: Axis, target: str) -> list[str]:
    return [_bar(axis, each, "calls", "") for each in course.isolations if each.target == target]


def _bar(axis: Axis, span: Span, kind: str, label: str, *, beside: bool = False) -> str:
    left = axis.x(span.from_s)
    width = max(axis.x(span.to_s) - left, 2.5)
    fits = len(label) * _LETTER + 6 < width
    text = ""
    if label and (fits or beside):
        x = 4.0 if fits and not beside else width + 3
        text = f'<text class="small" x="{x:.1f}" y="13">{escape(label)}</text>'
    took = format_duration(max(span.to_s - span.from_s, 0.0))
    words = f"{label or 'calls kept away'} for {took}" + (f": {span.words}" if span.words else "")
    return (
        f'<g transform="translate({left:.1f},@Y@)"><rect class="{kind}" y="2" width="{width:.1f}" '
        f'height="{LANE - 4}" rx="2"><title>{escape(words)}</title></rect>{text}</g>'
    )


# --- what is behind -------------------------------------------------------------------------------


def _faults(course: Course, axis: Axis, bottom: float) -> Iterator[str]:
    free = 0.0
    for each in course.broken or ():
        left, right = axis.x(each.at_s), axis.x(_over_s(each, course))
        label = f"{each.kind.replace('_', ' ')} of {each.target}"
        if each.target == "*":
            label = each.kind.replace("_", " ")
        yield (
            f'<rect class="fault" x="{left:.1f}" y="22" width="{max(right - left, 1):.1f}" '
            f'height="{bottom - 22:.0f}"/>'
            f'<line class="edge" x1="{left:.1f}" x2="{left:.1f}" y1="16" y2="{bottom:.0f}"/>'
        )
        width = len(label) * _LETTER
        x = min(left, WIDTH - width)
        if x >= free:
            yield f'<text class="small what" x="{x:.1f}" y="12">{escape(label)}</text>'
            free = x + width + 8


def _over_s(fault: Broken, course: Course) -> float:
    """When a fault was over: by itself, or when the last incident that it explains was."""
    ends = [each.to_s for each in course.outcomes if fault.covers(each.target, each.from_s)]
    open_s = [each.to_s for each in course.stages if each.to_s >= course.end_s]
    if math.isinf(fault.until_s) and ends and not open_s:
        return max(ends)
    return min(fault.until_s, course.end_s)


def _grid(axis: Axis, bottom: float) -> Iterator[str]:
    for at_s in axis.ticks():
        x = axis.x(at_s)
        after_s = at_s - axis.run_s[0]
        label = format_duration(after_s) if after_s > 0 else "0"
        yield (
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{bottom:.0f}"/>'
            f'<text class="small" x="{x:.1f}" y="{bottom + 16:.0f}" text-anchor="middle">'
            f"{label}</text>"
        )


def legend() -> Iterable[tuple[str, str]]:
    """Samples of what is drawn, and what each means."""
    for kind, words in (
        ("fault", "known to be wrong"),
        ("band", "where the metric is fine"),
        ("signal", "metric"),
        ("alarm", "out of its band"),
        ("triage", "the cause is sought"),
        ("recovering", "an action is prepared or runs"),
        ("verifying", "it is verified whether it helped"),
        ("waiting", "waits for something"),
        ("escalated", "handed to a person"),
        ("act", "action"),
        ("calls", "calls kept away"),
    ):
        yield f'<svg aria-hidden="true"><rect class="{kind}" width="22" height="12"/></svg>', words
