"""Read a recording: millions of rows in bounded memory, and damage told rather than raised."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, cast

import msgspec
from msgspec import Struct, structs

from ...errors import RecordingError
from .lines import SCHEMA, UPGRADES, Header, Record, Upgrade
from .pieces import lines_of

# A file that is damaged all over says so often enough with this many places.
DAMAGES_KEPT = 100

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_HOW_TO_GET_ONE = "make one with `mendel run --record FILE` or `mendel record import`"
_records: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Damage(Struct, frozen=True):
    """A part of a recording that could not be read.

    Attributes:
        reason: what is wrong there.
        byte: where in the file; 0 where only the line is known.
        line: which line of the text, or the first one; 0 where only the byte is known.
        lines: how many lines in a row are no records.
        records: how many records had been read before it.
    """

    reason: str
    byte: int = 0
    line: int = 0
    lines: int = 0
    records: int = 0

    def __str__(self) -> str:
        if self.lines > 1:
            place = f"lines {self.line:,} to {self.line + self.lines - 1:,}"
        else:
            place = f"line {self.line:,}" if self.line else f"byte {self.byte:,}"
        return f"{place}, after {self.records:,} records: {self.reason}"


class _Version(Struct):
    """What is asked of a header before all else."""

    k: str
    schema: int
    mendel: str = ""


class Recording:
    """A recording to read from once, record by record or in batches.

    Damage never ends the reading before the file does: what can be read is read, what cannot is
    counted and listed.

    Args:
        path: the file.
        upgrades: makes lines of older schemas those of this one; see `mendel.scenarios.recording`.

    Raises:
        RecordingError: there is no such file, it is no recording, or one of a future version.

    Attributes:
        header: what it is of.
        records: how many have been read so far.
        damages: what could not be read so far, in order; the first `DAMAGES_KEPT` places.
        damaged: how many places there were, further ones included; bad lines in a row are one.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, upgrades: Mapping[int, Upgrade] = UPGRADES
    ) -> None:
        self.path = Path(path)
        self.records = 0
        self.damages: list[Damage] = []
        self.damaged = 0
        self._line = 0
        self._last_damage: Damage | None = None
        self._upgrades = upgrades
        try:
            self._file = self.path.open("rb")
            self._blocks = lines_of(self._file, self._note_byte)
            first = next(self._blocks, b"")
        except OSError as error:
            self._refuse((error.strerror or str(error)).lower())
        head, _, self._rest = first.partition(b"\n")
        self._line = 1
        try:
            self.header = self._read_header(head)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; doing it twice is no error."""
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Record]]:
        """The records in lists of some thousands, which is the fastest way to read them."""
        old = self.header.schema < SCHEMA
        block: bytes | None = self._rest
        while block is not None:
            try:
                batch = self._one_by_one(block) if old else _records.decode_lines(block)
                self._line += block.count(b"\n")
            except _UNREADABLE:
                batch = self._one_by_one(block)
            if batch:
                self.records += len(batch)
                yield batch
            block = next(self._blocks, None)

    def _one_by_one(self, block: bytes) -> list[Record]:
        batch: list[Record] = []
        for number, line in enumerate(block.split(b"\n"), self._line + 1):
            if not line.strip():
                continue
            try:
                batch.append(self._record(line))
            except _UNREADABLE as error:
                read = self.records + len(batch)
                self._note(Damage(_reason(line, error), line=number, lines=1, records=read))
        self._line += block.count(b"\n")
        return batch

    def _record(self, line: bytes) -> Record:
        if self.header.schema == SCHEMA:
            return _records.decode(line)
        record: Record = msgspec.convert(
            self._upgraded(line, self.header.schema), cast("type[Record]", Record)
        )
        return record

    def _upgraded(self, line: bytes, schema: int) -> Any:
        fields = msgspec.json.decode(line)
        for version in range(schema, SCHEMA):
            try:
                fields = self._upgrades[version](fields)
            except (LookupError, TypeError) as error:  # Of a line that never was one.
                raise msgspec.ValidationError(f"no line of schema {version}: {error!r}") from error
        return fields

    def _read_header(self, line: bytes) -> Header:
        try:
            version = msgspec.json.decode(line, type=_Version)
            schema = version.schema if version.k == "header" else 0
        except _UNREADABLE:
            self._refuse("it does not begin with the header of a recording", _HOW_TO_GET_ONE)
        if schema > SCHEMA:
            writer = f"mendel {version.mendel}" if version.mendel else "a later mendel"
            self._refuse(
                f"it was written by {writer} in schema {schema}; this one reads up to {SCHEMA}",
                "upgrade mendel, or record it anew",
            )
        if any(older not in self._upgrades for older in range(schema, SCHEMA)):
            self._refuse(f"its schema {schema} is none of a recording", _HOW_TO_GET_ONE)
        try:
            return msgspec.convert(self._upgraded(line, schema), Header)
        except _UNREADABLE as error:
            self._refuse(f"its header cannot be read: {error}")

    def _note_byte(self, byte: int, reason: str) -> None:
        self._note(Damage(reason, byte=byte, records=self.records))

    def _note(self, damage: Damage) -> None:
        last, self._last_damage = self._last_damage, damage
        if last is not None and last.lines and last.line + last.lines == damage.line:
            self._last_damage = structs.replace(last, lines=last.lines + damage.lines)
            if self.damages[-1] is last:
                self.damages[-1] = self._last_damage
            return
        self.damaged += 1
        if self.damaged <= DAMAGES_KEPT:
            self.damages.append(damage)

    def _refuse(self, reason: str, remedy: str = "") -> NoReturn:
        raise RecordingError(os.fspath(self.path), reason, remedy) from None


def _reason(line: bytes, error: Exception) -> str:
    if not line.endswith(b"}"):
        return "the line breaks off"
    return f"no record: {error}"
