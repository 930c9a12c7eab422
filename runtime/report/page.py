"""The page around the pictures: what was run, how it went, and the reasons in words.

One file, for a mail or a ticket: no script, no foreign host, light and dark, readable without
colours and on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from ...core.units import format_duration
from ...scenarios.replay import Decision
from ...scenarios.scoring import Spread
from ..rerun import Rerun
from ..witness import Course
from ..words import in_words
from .chart import draw, legend
from .choice import axis_of, metrics_of, range_of, targets_of

LINES_SHOWN = 400

_COLUMNS = (
    "run",
    "faults seen",
    "healed",
    "seen after",
    "healed after",
    "incidents",
    "actions",
    "unneeded",
    "false alarms",
    "handed over",
    "harm, error-min",
    "score, %",
    "demands",
)


def page(reruns: Sequence[Rerun], version: str) -> str:
    """The whole document.

    Args:
        reruns: runs of one file or several, with their courses; those of a file are compared.
        version: of mendel, for the footer.
    """
    by_file: dict[str, list[Rerun]] = {}
    for each in reruns:
        by_file.setdefault(each.file, []).append(each)
    names = ", ".join(Path(file).name for file in by_file)
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Replay of {escape(names)}</title>",
            f"<style>{style}</style></head><body>",
            f"<header><h1>Replay of {escape(names)}</h1>",
            f'<p class="faint">{len(reruns)} run{"s" if len(reruns) != 1 else ""} in virtual time. '
            "Times count from the start of each run.</p></header>",
            "<main>",
            *_key(),
            *(part for each in by_file.values() for part in _file(each)),
            "</main>",
            f"<footer>mendel {escape(version)}. Equal hashes are equal runs, decision for decision."
            "</footer></body></html>",
            "",
        ]
    )


def _key() -> Iterator[str]:
    yield '<section aria-labelledby="key"><h2 id="key">How to read it</h2><ul class="legend">'
    for sample, words in legend():
        yield f"<li>{sample}{words}</li>"
    yield "<li>✓ the incident is over</li></ul></section>"


def _file(reruns: Sequence[Rerun]) -> Iterator[str]:
    courses = [each.course for each in reruns if each.course is not None]
    targets, unseen = targets_of(courses)
    metrics = {target: metrics_of(courses, target) for target in targets}
    ranges = {
        (target, metric): range_of(courses, target, metric)
        for target in targets
        for metric in metrics[target]
    }
    name = Path(reruns[0].file).name
    yield f"<section><h2>{escape(name)}</h2>"
    yield from _summary(reruns)
    yield from _remarks(reruns)
    axis = axis_of(courses)
    if (axis.start_s, axis.end_s) != axis.run_s:
        lasted = format_duration(axis.run_s[1] - axis.run_s[0])
        yield f'<p class="faint">Of {lasted}, the part is drawn in which something happened.</p>'
    if unseen:
        yield f'<p class="faint">Not drawn, for lack of room: {escape(", ".join(unseen))}.</p>'
    yield f'<div class="runs{" several" if len(reruns) > 1 else ""}">'
    drawn: dict[str, str] = {}
    for each in reruns:
        if each.course is None:
            continue
        yield f"<article><h3>under {escape(each.setup)}</h3>"
        like = drawn.get(each.outcome.sha256)
        if like is not None:
            yield f"<p>Decision for decision as under {escape(like)}.</p></article>"
            continue
        drawn[each.outcome.sha256] = each.setup
        title = f"{name} under {each.setup}: signals, incidents and actions over time"
        yield (
            f'<figure class="scroll" tabindex="0" role="group" aria-label="{escape(title)}">'
            f"{draw(each.course, axis, title, targets, metrics, ranges)}</figure>"
        )
        yield from _story(each, each.course)
        yield "</article>"
    yield "</div></section>"


def _summary(reruns: Sequence[Rerun]) -> Iterator[str]:
    yield '<div class="scroll" tabindex="0" role="group" aria-label="Summary"><table>'
    yield "<caption>How it went</caption><thead><tr>"
    yield "".join(f'<th scope="col">{each}</th>' for each in _COLUMNS)
    yield "</tr></thead><tbody>"
    for each in reruns:
        cells = "".join(f"<td>{cell}</td>" for cell in _cells(each))
        yield f'<tr><th scope="row">{escape(each.setup)}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _cells(each: Rerun) -> tuple[str, ...]:
    measures, harm = each.outcome.measures, each.outcome.harm
    kept = '<span class="good">✓ kept</span>'
    broken = f'<span class="bad">✗ {len(each.broken_demands)} not kept</span>'
    return (
        _of(measures.detected, measures.broken),
        _of(measures.healed, measures.broken),
        _took(measures.detection),
        _took(measures.recovery),
        str(measures.incidents),
        str(measures.actions),
        _known(measures.unneeded),
        _known(measures.false_alarms),
        str(measures.escalated),
        "-" if harm is None else f"{harm:.2f}",
        "-" if each.score is None else f"{each.score:.0f}",
        broken if each.broken_demands else kept,
    )


def _remarks(reruns: Sequence[Rerun]) -> Iterator[str]:
    remarks = []
    for each in reruns:
        remarks += [f"under {each.setup}, not kept: {demand}" for demand in each.broken_demands]
        if each.difference is not None:
            remarks.append(f"under {each.setup}: {_difference(each)}")
        elif each.compared_with:
            remarks.append(f"under {each.setup}: the same decisions as {_other(each)}")
    remarks += list(dict.fromkeys(note for each in reruns for note in each.outcome.notes))
    if remarks:
        yield "<ul>"
        yield from (f"<li>{escape(each)}</li>" for each in remarks)
        yield "</ul>"


def _other(each: Rerun) -> str:
    return "recorded" if each.compared_with == "recorded" else f"under {each.compared_with}"


def _difference(each: Rerun) -> str:
    assert each.difference is not None, "asked only where there is one"
    at_s = each.difference.at_s - each.outcome.start_s
    this, other = _decision(each.difference.this), _decision(each.difference.other)
    return (
        f"from {format_duration(max(at_s, 0.0))} on otherwise than {_other(each)}: "
        f"“{this}” instead of “{other}”"
    )


def _decision(decision: Decision | None) -> str:
    if decision is None:
        return "nothing"
    return in_words(decision.message) or " ".join(filter(None, decision.gist))


def _story(each: Rerun, course: Course) -> Iterator[str]:
    lines = course.lines[:LINES_SHOWN]
    count = len(course.lines) + course.left_out - len(lines)
    yield f"<details><summary>What happened, in words ({len(course.lines)} lines)</summary>"
    yield '<div class="scroll" tabindex="0" role="group" aria-label="What happened"><table>'
    yield '<thead><tr><th scope="col">after</th><th scope="col">what</th></tr></thead><tbody>'
    for line in lines:
        at = format_duration(max(line.at_s - course.start_s, 0.0))
        yield f'<tr><td>{at}</td><td class="words">{escape(line.words)}</td></tr>'
    yield "</tbody></table></div>"
    if count > 0:
        yield f"<p>{count:,} more are not shown.</p>"
    yield f'</details><p class="faint">Decisions: <code>{each.outcome.sha256}</code></p>'


def _of(count: int | None, all_of_them: int | None) -> str:
    return "-" if count is None else f"{count} of {all_of_them}"


def _known(count: int | None) -> str:
    return "-" if count is None else str(count)


def _took(durations: Spread | None) -> str:
    return "-" if durations is None else format_duration(durations.median_s)
