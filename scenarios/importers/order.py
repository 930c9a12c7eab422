"""Points in the order of time, however many there are and in whatever order they come.

Some formats tell one series after the other. What does not fit into memory is sorted in parts,
which lie in temporary files until they are merged.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from operator import itemgetter
from typing import IO

import msgspec

from .source import Point

POINTS_IN_MEMORY = 200_000  # About 50 MB.
_PARTS_MAX = 64  # Files that are open at the same time.

_when_and_who = itemgetter(0, 1)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Point)


def in_order(points: Iterable[Point], *, in_memory: int = POINTS_IN_MEMORY) -> Iterator[Point]:
    """The points by time, then target; otherwise in the order in which they came."""
    remaining = iter(points)
    part = sorted(islice(remaining, in_memory), key=_when_and_who)
    if len(part) < in_memory:
        yield from part
        return
    with ExitStack() as stack:
        parts: list[IO[bytes]] = []
        while part:
            parts.append(_spill(part, stack))
            if len(parts) == _PARTS_MAX:
                merged = _spill(_merge(parts), stack)
                for file in parts:
                    file.close()
                parts = [merged]
            part = sorted(islice(remaining, in_memory), key=_when_and_who)
        yield from _merge(parts)


def _merge(parts: list[IO[bytes]]) -> Iterator[Point]:
    return heapq.merge(*map(_points_of, parts), key=_when_and_who)


def _spill(points: Iterable[Point], stack: ExitStack) -> IO[bytes]:
    file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  The stack closes it.
    remaining = iter(points)
    while batch := list(islice(remaining, 10_000)):
        file.write(_encoder.encode_lines(batch))
    return file


def _points_of(file: IO[bytes]) -> Iterator[Point]:
    file.seek(0)
    for line in file:
        yield _decoder.decode(line)
