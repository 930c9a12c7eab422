"""Commands about recordings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from ...core.units import format_duration
from .output import PLAIN, Out, Printer

if TYPE_CHECKING:
    from ...scenarios.recording import Summary

record = App(
    name="record",
    help="Look at recordings, and make them of what other programs have measured.",
    default_parameter=PLAIN,
)

_ROWS_SHOWN = 20


@record.command(name="info")
def show_recording(file: Path, /, *, out: Printer) -> int:
    """Tell what is in a recording: when, of whom, how much, and whether it is whole.

    Returns 1 when a part of it cannot be read.

    Args:
        file: the recording.
    """
    from ...scenarios.recording import Recording, summarise

    with Recording(file) as recording:
        summary = summarise(recording)
    if out.is_text:
        _tell(summary, out)
    else:
        out.show(summary)
    return 1 if summary.damaged else 0


def _tell(summary: Summary, out: Out) -> None:
    header = summary.header
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(header.start_utc))
    lasted = format_duration(summary.last_s - summary.first_s)
    out.line(
        f"{summary.file}: {summary.records:,} records over {lasted}, {summary.samples:,} values"
    )
    out.line(
        f"  {header.source or 'of unknown origin'}; began {began}; "
        f"schema {header.schema}, mendel {header.mendel or '?'}, seed {header.seed}"
        + (f", part {header.part}" if header.part > 1 else "")
    )
    for title, counts in (
        ("TARGET", summary.targets),
        ("METRIC", summary.metrics),
        ("EVENT", summary.events),
        ("FAULT", summary.faults),
        ("ANNOTATION", summary.annotations),
        ("LABEL", {"all": summary.labels} if summary.labels else {}),
    ):
        _tell_counts(title, counts, out)
    for damage in summary.damages:
        out.note(f"damaged: {damage}")
    if summary.damaged > len(summary.damages):
        out.note(f"damaged: {summary.damaged - len(summary.damages):,} more places")


def _tell_counts(title: str, counts: dict[str, int], out: Out) -> None:
    if not counts:
        return
    out.line()
    shown = list(counts.items())[:_ROWS_SHOWN]
    out.table((title, "COUNT"), [(name, f"{count:,}") for name, count in shown])
    if len(counts) > len(shown):
        out.line(f"and {len(counts) - len(shown):,} more; see --output json")
