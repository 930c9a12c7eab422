"""The text of a file, compressed or not, with as much of it as damage has left.

Writers end a gzip member now and then, and members can be read without each other. So damage costs
the rest of the member it is in, and reading goes on with the next one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO

Note = Callable[[int, str], None]
"""Takes the byte of the file where something is missing, and what."""

# Rows of the widest estates stay far below; a longer line is none of a recording.
LINE_BYTES_MAX = 4_000_000

_MAGIC = b"\x1f\x8b"
# Of a member without name and time, as ours are; so many bytes do not stand there by chance.
_MEMBER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
_GZIP = 31  # zlib's number for its widest window, inside of gzip.
_READ_BYTES = 65_536
_PIECE_BYTES = 262_144  # What comes out at once, however well it was compressed.


def lines_of(file: BinaryIO, note: Note) -> Iterator[bytes]:
    """Blocks of whole lines with their line ends; only the last line may come without.

    What has no line at its beginning is not read any further: it may be a device that never ends.

    Args:
        file: at its beginning.
        note: told of everything that is missing.
    """
    head = file.read(_READ_BYTES)
    lines = _Lines()
    begun = False
    pieces = _Members(file, note).read(head) if head.startswith(_MAGIC) else _plain(file, head)
    for piece in pieces:
        whole = lines.add(piece) if piece is not None else lines.cut_off()
        if whole:
            begun = True
            yield whole
        elif lines.too_long and begun:
            note(file.tell(), f"a line is longer than {LINE_BYTES_MAX:,} bytes")
            lines.skip()
        elif lines.too_long:
            break
    if lines.rest:
        yield lines.rest


class _Lines:
    """Puts pieces together and cuts them where lines end."""

    def __init__(self) -> None:
        self.rest = b""
        self._skipping = False

    @property
    def too_long(self) -> bool:
        return len(self.rest) > LINE_BYTES_MAX

    def add(self, piece: bytes) -> bytes:
        """The lines that are whole now."""
        if self._skipping:
            start = piece.find(b"\n") + 1
            if not start:
                return b""
            self._skipping = False
            piece = piece[start:]
        cut = piece.rfind(b"\n") + 1
        whole = self.rest + piece[:cut] if cut else b""
        self.rest = piece[cut:] if cut else self.rest + piece
        return whole

    def skip(self) -> None:
        """Leave out the line that has begun."""
        self.rest, self._skipping = b"", True

    def cut_off(self) -> bytes:
        """What has begun will not go on; whatever comes next begins with a line."""
        self.rest, self._skipping = b"", False
        return b""


def _plain(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    while head:
        yield head
        head = file.read(_READ_BYTES)


class _Members:
    """Text of a row of gzip members; ``None`` stands for a part that could not be read.

    `zlib` and not `gzip`, because that gives nothing of a member that does not end.
    """

    def __init__(self, file: BinaryIO, note: Note) -> None:
        self._file = file
        self._note = note
        self._at = 0  # How many bytes of the file have been dealt with.
        self._member_at = 0

    def read(self, data: bytes) -> Iterator[bytes | None]:
        while data:
            data = (yield from self._member(data)) or self._more()

    def _more(self) -> bytes:
        return self._file.read(_READ_BYTES)

    def _member(self, data: bytes) -> Generator[bytes | None, None, bytes]:
        """Text of one member; returns the bytes after it."""
        stream = zlib.decompressobj(_GZIP)
        self._member_at = self._at
        while data:
            spare = stream.copy()  # An error takes along what came out before it.
            try:
                text = stream.decompress(data, _PIECE_BYTES)
            except zlib.error:
                text, used = _until_error(spare, data)
                yield text
                yield None
                return self._go_on_after(data, used)
            left = stream.unused_data if stream.eof else stream.unconsumed_tail
            self._at += len(data) - len(left)
            yield text
            if stream.eof:
                return left
            data = left or self._more()
        yield stream.flush()
        yield None  # A line that has begun would only be reported once more.
        self._note(self._at, "the file breaks off; it was not closed in order")
        return b""

    def _go_on_after(self, data: bytes, used: int) -> bytes:
        """The bytes from the next member on; none when there is no other."""
        damaged_at = self._at + used
        # A member may have broken off, and the damage been seen only well inside of the next one.
        start = data.find(_MEMBER, max(0, self._member_at + 1 - self._at))
        while start < 0:
            more = self._more()
            if not more:
                self._note(damaged_at, "damaged from here to its end")
                return b""
            keep = min(len(data), len(_MEMBER) - 1)
            self._at += len(data) - keep
            data = data[len(data) - keep :] + more
            start = data.find(_MEMBER, max(0, self._member_at + 1 - self._at))
        self._at += start
        self._note(min(damaged_at, self._at), f"damaged; goes on at byte {self._at:,}")
        return data[start:]


def _until_error(stream: zlib._Decompress, data: bytes) -> tuple[bytes, int]:
    """What comes out before the byte that is wrong, and how many bytes are before it."""
    parts = []
    for at in range(len(data)):
        try:
            parts.append(stream.decompress(data[at : at + 1]))
        except zlib.error:
            return b"".join(parts), at
    return b"".join(parts), len(data)
