"""Commands about recordings."""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ...core.units import format_duration
from ...errors import ConfigError
from .output import PLAIN, Out, Printer

if TYPE_CHECKING:
    from ...scenarios.importers import Imported
    from ...scenarios.recording import Summary

Format = Literal["csv", "nab", "prometheus", "openmetrics", "otlp"]

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


@record.command(name="import")
def import_file(
    form: Format,
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    recording: Annotated[Path, Parameter(name=["--recording", "-o"])],
    target: str = "",
    target_label: tuple[str, ...] = (),
    replica_label: str = "",
    rename: Annotated[tuple[str, ...], Parameter(name="--rename")] = (),
    rename_target: tuple[str, ...] = (),
    labels: Path | None = None,
    out: Printer,
) -> int:
    """Make a recording of what another program has measured.

    Lines that cannot be read are named and left out. Returns 1 when there were any.

    Args:
        form: csv, nab, prometheus, openmetrics or otlp; see the manual for what is read of each.
        file: what to read, compressed with gzip or not; - for standard input.
        recording: where to write.
        target: everything belongs to this target.
        target_label: label that names the target, instead of the usual ones; repeatable, the first
            that is there counts.
        replica_label: label that tells the replicas of a target apart.
        rename: another name for a metric, such as rt_ms=latency_s; repeatable.
        rename_target: another name for a target, such as shop-cart=cart; repeatable.
        labels: for nab, its file of windows.
    """
    from ...scenarios.importers import Names, Source, import_recording

    names = Names(
        target=target,
        replica_label=replica_label,
        metrics=_pairs("--rename", rename),
        targets=_pairs("--rename-target", rename_target),
        **({"target_labels": target_label} if target_label else {}),
    )
    source, version = Source(file), metadata.version("mendel")
    imported = import_recording(
        form, source, recording, names=names, windows=labels, version=version
    )
    for problem in source.problems:
        out.note(str(problem))
    if out.is_text:
        _tell_import(imported, out)
    else:
        out.show(imported)
    return 1 if imported.skipped else 0


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        old, equals, new = text.rpartition("=")
        if not (old and equals and new):
            raise ConfigError(f"{option} {text}: write it as OLD=NEW")
        pairs[old] = new
    return pairs


def _tell_import(imported: Imported, out: Out) -> None:
    out.line(
        f"{imported.recording}: {imported.rows:,} rows, {imported.samples:,} values over "
        f"{format_duration(imported.lasted_s)}, from {imported.file}"
    )
    if imported.skipped:
        out.note(f"{imported.skipped:,} lines could not be read")
    if imported.ignored:
        out.note(f"{imported.ignored:,} values were passed over: gaps and parts of histograms")
    if imported.doubled:
        out.note(
            f"{imported.doubled:,} values had the same time, target and metric as another one; "
            "name the label that tells them apart: --replica-label instance"
        )
