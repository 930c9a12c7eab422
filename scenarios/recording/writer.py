"""Write a recording: compressed, bounded, and never more than the last moment lost in a crash."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Annotated, NoReturn, Self

import msgspec
from msgspec import Meta, Struct, structs

from ...errors import RecordingError
from .lines import Header, Record, encode
from .reader import Recording

# A seventh larger than level 6, in six tenths of its time (benchmarks/recording.py).
_LEVEL = 4
_GZIP = 31
_OWNER_ONLY = 0o600  # Details of readings and reasons are nobody else's business.
# Damage costs at most the rest of one member. Below this size, members cost noticeably in size.
_MEMBER_BYTES = 1_000_000
_BATCH_RECORDS = 2_000  # Some 200 kB, so that bounds are kept however many are written at once.
_SUFFIX = re.compile(r"(\.jsonl)?(\.gz)?$")


class WriterConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a recording may become.

    When a file has reached its size it is set aside as ``NAME.1.jsonl.gz``, the next one as
    ``NAME.2.jsonl.gz``, and the oldest one beyond the number of files is removed.

    Attributes:
        file_bytes_max: size of one file; ``None`` for one file without a bound.
        files_max: files of this name that are kept, the current one included.
    """

    file_bytes_max: Annotated[int, Meta(ge=1_000)] | None = 64_000_000
    files_max: Annotated[int, Meta(ge=1)] = 8


class RecordingWriter:
    """Writes records to a file, until it is closed.

    A recording that is there already is set aside like one that has reached its size. The file is
    compressed unless its name ends in ``.jsonl``.

    Args:
        path: the file.
        header: its first line.
        config: how large it may become.

    Raises:
        RecordingError: the file cannot be written, or something else is in its place.

    Attributes:
        header: of the file that is being written.
        records: written so far, in all files.
        refused: records that cannot be written as JSON.
        text_bytes: written so far, before compression.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        config: WriterConfig = WriterConfig(),  # noqa: B008  It is frozen.
    ) -> None:
        self.path = Path(path)
        self.header = header
        self.records = 0
        self.refused = 0
        self.text_bytes = 0
        self._config = config
        self._compressed = self.path.suffix != ".jsonl"
        self._member: zlib._Compress | None = None
        self._member_bytes = 0
        self._file_bytes = 0
        self._descriptor = -1
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, records: Iterable[Record]) -> None:
        """Add records; after `flush` they are in the file.

        Raises:
            RecordingError: the disk is full, or the like.
        """
        remaining = iter(records)
        while batch := list(islice(remaining, _BATCH_RECORDS)):
            text, count, refused = encode(batch)
            self.refused += refused
            self.append(text, count)

    def append(self, text: bytes, records: int) -> None:
        """Add lines that `encode` has made, perhaps in another thread.

        Raises:
            RecordingError: the disk is full, or the like.
        """
        limit = self._config.file_bytes_max
        if limit is not None and self._file_bytes >= limit:
            self._rotate()
        self.records += records
        self._put(text)

    def flush(self) -> None:
        """Give everything to the operating system: whatever becomes of us, it will be in the file.

        Raises:
            RecordingError: the disk is full, or the like.
        """
        if self._member is not None:
            self._write(self._member.flush(zlib.Z_SYNC_FLUSH))

    def close(self) -> None:
        """End the file in order; doing it twice is no error.

        Raises:
            RecordingError: the disk is full, or the like.
        """
        if self._descriptor < 0:
            return
        try:
            self._end_member()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _put(self, text: bytes) -> None:
        self.text_bytes += len(text)
        if not self._compressed:
            self._write(text)
            return
        if self._member is None:
            self._member = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._write(self._member.compress(text))
        self._member_bytes += len(text)
        if self._member_bytes >= _MEMBER_BYTES:
            self._end_member()

    def _end_member(self) -> None:
        if self._member is not None:
            member, self._member, self._member_bytes = self._member, None, 0
            self._write(member.flush())

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._descriptor, view)
                self._file_bytes += written
                view = view[written:]
        except OSError as error:
            self._fail(error)

    def _begin(self) -> None:
        try:
            self._make_room()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, _OWNER_ONLY)
        except OSError as error:
            self._fail(error)
        self._file_bytes = 0
        self._put(msgspec.json.encode(self.header) + b"\n")
        self.flush()

    def _rotate(self) -> None:
        self.close()
        self.header = structs.replace(self.header, part=self.header.part + 1)
        self._begin()

    def _make_room(self) -> None:
        """Set aside what is in the place of the file, and remove what is too old."""
        suffix = _SUFFIX.search(self.path.name)
        end = suffix.group() if suffix else ""
        stem = self.path.name.removesuffix(end)
        numbered = re.compile(rf"{re.escape(stem)}\.(\d+){re.escape(end)}")
        found = [numbered.fullmatch(each.name) for each in self.path.parent.iterdir()]
        numbers = sorted(int(match[1]) for match in found if match)
        if self.path.exists():
            self._check_it_is_ours()
            number = numbers[-1] + 1 if numbers else 1
            self.path.rename(self.path.with_name(f"{stem}.{number}{end}"))
            numbers.append(number)
        if self._config.file_bytes_max is not None:
            for number in numbers[: max(0, len(numbers) - self._config.files_max + 1)]:
                self.path.with_name(f"{stem}.{number}{end}").unlink(missing_ok=True)

    def _check_it_is_ours(self) -> None:
        try:
            Recording(self.path).close()
        except RecordingError:
            raise RecordingError(
                os.fspath(self.path),
                "there is something here that is no recording",
                "name another file; nothing of yours is overwritten",
            ) from None

    def _fail(self, error: OSError) -> NoReturn:
        reason = (error.strerror or str(error)).lower()
        raise RecordingError(os.fspath(self.path), f"cannot be written: {reason}") from error
