"""What was learned of metrics is written down now and then, and known again after a restart.

Without it every restart of mendel would begin with a learning period: days, for what is usual at
which time of the day. One file holds all of it, compressed, replaced as a whole; a crash costs what
was learned since it was written last. Its loop time means nothing to the next run, so the file
tells which moment it was counted from.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from ..core.units import format_duration
from ..core.watching.learned import Learned, learned_of, recall
from ..core.watching.rounds import Chart
from .system import System

_log = logging.getLogger("mendel.learned")

FORMAT = 1
# An adaptive detector is 12 KB, a forecast 5, before they are compressed: 5,000 of the former. What
# does not fit is learned anew after a restart; the log says of how many targets that is so.
BYTES_MAX = 64 * 2**20
# Of what is learned anew so many are named; the others are counted.
_NAMED = 5


class TargetLearned(Struct, frozen=True):
    """What was learned of one target."""

    target: str
    metrics: list[Learned]


class _Head(Struct, frozen=True, kw_only=True):
    format: int
    zero_utc: float  # Wall time of the moment that the loop time of the run was counted from.
    saved_utc: float


@asynccontextmanager
async def learning_kept(system: System, path: Path, every_s: float) -> AsyncIterator[None]:
    """Restore what was learned, and write it down every so often and at the end.

    A file that cannot be read or written is logged and left: metrics are then learned anew, as they
    would be without it.
    """
    charts = system.parts.charts
    _restore(path, charts)
    stop = asyncio.Event()
    task = asyncio.create_task(_keep(path, charts, every_s, stop), name="keep what is learned")
    try:
        yield
    finally:
        stop.set()
        await task


async def _keep(path: Path, charts: dict[str, Chart], every_s: float, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)
        blocks = [_head()]
        for block in _blocks(charts):
            blocks.append(block)
            await asyncio.sleep(0)  # A target takes a millisecond; a thousand of them take turns.
        await asyncio.to_thread(_write, path, blocks)


def _head() -> bytes:
    now_utc = time.time()
    zero_utc = now_utc - asyncio.get_running_loop().time()
    return msgspec.msgpack.encode(_Head(format=FORMAT, zero_utc=zero_utc, saved_utc=now_utc))


def _blocks(charts: dict[str, Chart]) -> Iterator[bytes]:
    """What is known of each target, encoded, up to the bound."""
    left, dropped = BYTES_MAX, 0
    for target, chart in list(charts.items()):
        metrics = learned_of(chart.watch)
        if not metrics:
            continue
        block = msgspec.msgpack.encode(TargetLearned(target, metrics))
        if len(block) > left:
            dropped += 1
            continue
        left -= len(block)
        yield block
    if dropped:
        _log.warning(
            "what was learned of %d targets is not kept: all of it together exceeds %d MB",
            dropped,
            BYTES_MAX // 2**20,
        )


def _write(path: Path, blocks: list[bytes]) -> None:
    """Replace the file as a whole, so that a crash leaves the old or the new one."""
    fresh = path.with_suffix(".new")  # On the same disk, so that it can take the place.
    try:
        fresh.write_bytes(zlib.compress(msgspec.msgpack.encode(blocks), level=1))
        fresh.replace(path)
    except OSError as error:
        _log.warning("cannot keep what was learned in %s: %s", path, error)
        with contextlib.suppress(OSError):
            fresh.unlink()


def read(path: Path) -> tuple[_Head, list[TargetLearned]] | None:
    """What a file holds; ``None`` when there is none, or none that can be read."""
    try:
        decoder = zlib.decompressobj()
        plain = decoder.decompress(path.read_bytes(), 2 * BYTES_MAX)
        head, *blocks = msgspec.msgpack.decode(plain, type=list[bytes])
        known = msgspec.msgpack.decode(head, type=_Head)
        if known.format != FORMAT:
            _log.warning(
                "%s has format %d, this mendel reads %d: metrics are learned anew",
                path,
                known.format,
                FORMAT,
            )
            return None
        return known, [msgspec.msgpack.decode(each, type=TargetLearned) for each in blocks]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, zlib.error, msgspec.MsgspecError) as error:
        _log.warning("cannot read what was learned from %s: %s", path, error)
        return None


def _restore(path: Path, charts: dict[str, Chart]) -> None:
    found = read(path)
    if found is None:
        return
    head, targets = found
    now_utc = time.time()
    shift_s = now_utc - asyncio.get_running_loop().time() - head.zero_utc
    known, anew = 0, []
    for each in targets:
        if (chart := charts.get(each.target)) is None:
            continue
        for metric in each.metrics:
            reason = recall(chart.watch, metric, shift_s)
            if reason:
                anew.append(f"{metric.metric} of {each.target} ({reason})")
            else:
                known += 1
    age = format_duration(max(now_utc - head.saved_utc, 0.0))
    _log.info("what was learned of metrics up to %s ago is known: %d detectors", age, known)
    if anew:
        more = f", and {len(anew) - _NAMED} more" if len(anew) > _NAMED else ""
        _log.info("learned anew: %s%s", "; ".join(anew[:_NAMED]), more)
