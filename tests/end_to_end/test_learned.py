"""mendel is killed after it has learned what is usual, and knows it when it is back."""

from __future__ import annotations

from pathlib import Path

from mendel.runtime.learned import read
from processes import Folder, eventually

CONFIG = """
[runtime]
keep_learned = "200ms"

[policy]
mode = "observe"

[[components]]
name = "press"
probes = [{ exec = ["cat", "press.txt"], every = "40ms" }]
# Read 25 times a second, once a month would be rarer than a few seconds of past can tell.
adaptive.pressure_bar = { direction = "up", floor = 0.1, alarms_per_month = 10000 }
"""
# What is rare enough for an alarm is not known before some hundred samples.
LEARNS = 120


def samples_kept(folder: Folder) -> int:
    """How many samples of the metric what is on disk was learned from."""
    found = read(folder.path / ".mendel" / "learned.bin")
    if found is None:
        return 0
    _, targets = found
    states = [each.state for target in targets for each in target.metrics]
    return int(states[0]["scorer"]["count"]) if states else 0


def show(folder: Folder, value: float) -> None:
    fresh = folder.path / "press.new"
    fresh.write_text(f"pressure_bar={value}\n")
    fresh.replace(folder.path / "press.txt")


def test_a_killed_mendel_knows_what_is_usual_without_a_second_learning_period(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path / "estate", CONFIG)
    show(folder, 5.0)
    try:
        folder.start()
        eventually(lambda: samples_kept(folder) > LEARNS, within_s=60, what="it has learned")
        folder.kill()

        show(folder, 9.0)  # While nobody looked.
        folder.start()
        eventually(lambda: folder.ask("incidents", "list"), within_s=10, what="it is an incident")

        told = folder.mendel("incidents", "explain", "2-1").stdout
        assert "pressure_bar is 9, expected 5" in told  # One that saw only nines expects a nine.
        assert "ago is known: 1 detectors" in folder.log
    finally:
        folder.clean_up()
