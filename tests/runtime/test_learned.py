"""What was learned of metrics outlasts a run, when the file is as it should be."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import msgspec
import pytest
from mendel.core.watching.watch import TargetWatch
from mendel.runtime import learned
from mendel.runtime.config import load
from mendel.runtime.launch import launch

CONFIG = """
[[components]]
name = "db"
kind = "external"
mode = "observe"
probes = [{ heartbeat = "60s" }]
adaptive.latency_s = { direction = "up" }
"""


def a_config(folder: Path, text: str = CONFIG) -> Path:
    file = folder / "mendel.toml"
    file.write_text(text)
    return file


def look(watch: TargetWatch, count: int) -> None:
    draw = random.Random(1)
    for number in range(count):
        latency_s = 0.1 + 0.02 * abs(draw.gauss(0, 1))
        watch.on_sample("heartbeat", {"latency_s": latency_s}, "", float(number))


async def run(folder: Path, *, samples: int = 0, text: str = CONFIG) -> float:
    """One run that sees so many samples; returns how far from normal a high value would be."""
    async with launch(load(a_config(folder, text), environ={})) as system:
        watch = system.parts.charts["db"].watch
        look(watch, samples)
        return watch.worst_score({"latency_s": 0.5})


def kept(folder: Path) -> Path:
    return folder / ".mendel" / "learned.bin"


async def test_what_was_learned_is_known_in_the_next_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await run(tmp_path, samples=300)
    await run(tmp_path)  # Nothing is seen, and nothing is lost.

    assert await run(tmp_path, samples=1) > 5.0

    assert caplog.text.count("ago is known: 1 detectors") == 2


async def test_without_being_asked_it_is_learned_anew(tmp_path: Path) -> None:
    text = CONFIG + "[runtime]\nkeep_learned = 0\n"

    await run(tmp_path, samples=300, text=text)

    assert await run(tmp_path, samples=1, text=text) == 0.0
    assert not kept(tmp_path).exists()


async def test_settings_that_changed_are_named_and_it_is_learned_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await run(tmp_path, samples=300)

    score = await run(tmp_path, samples=1, text=CONFIG.replace('"up"', '"both"'))

    assert score == 0.0  # Nothing is out of the ordinary yet.
    assert "learned anew: latency_s of db (direction was 'up' and is 'both' now)" in caplog.text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "cannot read what was learned"),
        (b"{", "cannot read what was learned"),
        (zlib.compress(b"nonsense"), "cannot read what was learned"),
        (zlib.compress(msgspec.msgpack.encode([])), "cannot read what was learned"),
        (
            zlib.compress(
                msgspec.msgpack.encode(
                    [msgspec.msgpack.encode({"format": 9, "zero_utc": 0.0, "saved_utc": 0.0})]
                )
            ),
            "has format 9, this mendel reads 1: metrics are learned anew",
        ),
    ],
)
async def test_a_file_that_cannot_be_read_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, complaint: str
) -> None:
    (tmp_path / ".mendel").mkdir()
    kept(tmp_path).write_bytes(content)

    assert await run(tmp_path, samples=1) == 0.0

    assert complaint in caplog.text


async def test_what_exceeds_the_bound_is_counted_and_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "BYTES_MAX", 1000)

    await run(tmp_path, samples=300)

    assert "what was learned of 1 targets is not kept" in caplog.text
    assert await run(tmp_path, samples=1) == 0.0


async def test_a_place_that_cannot_be_written_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept(tmp_path).mkdir(parents=True)

    await run(tmp_path, samples=300)

    assert "cannot keep what was learned in" in caplog.text
    assert [each.name for each in kept(tmp_path).parent.glob("learned.*")] == ["learned.bin"]
