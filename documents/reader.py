"""Turn a document into typed structs, and find everything that is wrong with it in one go.

`msgspec.convert` stops at the first error. A person who edits a file wants all of them, so the
tree is walked along `msgspec.inspect` here: every field is read by itself, and one that is broken
does not hide its neighbours. What several fields must fulfil together is checked by the
``__post_init__`` of their struct, which runs when all of them are sound.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from ..core.units import Unit, field_of, parse_quantity, short_name, unit_of
from ..errors import Problem
from . import kinds
from .document import Document, Given, plain
from .kinds import did_you_mean
from .places import Path

T = TypeVar("T")

Check = Callable[[Any], tuple[str, str, str] | None]
"""Looks at one value; tells code, message and suggestion when it is wrong."""

_Read = Callable[[Any, Any, Path, Unit], Any]
# Nothing that is configured comes near it, and every number up to it is a float without trouble.
_GREATEST = 1e18
_BROKEN: Final = object()  # Stands for a value that has a problem, already reported.


def read(
    kind: type[T],
    document: Document,
    at: Path = (),
    *,
    formats: Mapping[str, Check] | None = None,
    checks: Mapping[type, Check] | None = None,
) -> tuple[T | None, list[Problem]]:
    """Read the table at a path as a struct.

    Args:
        kind: struct type; fields may be of any type that msgspec knows.
        document: where to read.
        at: path of the table; one that does not exist counts as empty.
        formats: checks of texts by the ``format`` of their ``Meta(extra_json_schema=...)``.
        checks: checks of whole structs by their type, after their own.

    Returns:
        the struct, or ``None`` when anything is wrong, and all that is wrong.
    """
    node: Any = document.tree
    for step in at:
        node = node.get(step, {}) if isinstance(node, dict) else node[step]
    reader = _Reader(document, formats or {}, checks or {})
    value = reader.value(inspect.type_info(kind), node, at, "")
    return (None if value is _BROKEN else value), reader.problems


@cache
def _struct_info(kind: type) -> inspect.StructType:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType), f"part_of names a struct, not {kind}"
    return info


class _Reader:
    def __init__(
        self, document: Document, formats: Mapping[str, Check], checks: Mapping[type, Check]
    ) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._formats = formats
        self._checks = checks
        self._readers: dict[type[inspect.Type], _Read] = {
            inspect.Metadata: self._formatted,
            inspect.UnionType: self._union,
            inspect.StructType: self._struct,
            inspect.DictType: self._table,
            **dict.fromkeys(kinds.ARRAYS, self._array),
            inspect.TupleType: self._fixed,
            inspect.IntType: self._number,
            inspect.FloatType: self._number,
            inspect.StrType: self._text,
            inspect.LiteralType: self._choice,
            inspect.EnumType: self._choice,
            inspect.BoolType: self._as_it_is,
            inspect.AnyType: self._as_it_is,
            inspect.NoneType: self._as_it_is,
        }

    def value(self, info: inspect.Type, value: Any, path: Path, unit: Unit) -> Any:
        """Read one value of any type; ``_BROKEN`` when it is wrong."""
        if isinstance(value, Given):
            value = kinds.interpret(value, info)
        if not kinds.fits(info, value, unit):
            return self._wrong_type(info, value, path, unit)
        read_as: _Read = self._readers.get(type(info), self._other)
        return read_as(info, value, path, unit)

    def _struct(
        self, info: inspect.StructType, table: dict[str, Any], path: Path, unit: Unit
    ) -> Any:
        values = self._fields(info, table, path, unit)
        return _BROKEN if values is None else self._built(info.cls, values, path)

    def _fields(
        self,
        info: inspect.StructType,
        table: dict[str, Any],
        path: Path,
        unit: Unit,
        *,
        partly: bool = False,
    ) -> dict[str, Any] | None:
        """What is written of a struct; None when any of it is wrong."""
        found_before = len(self.problems)
        fields = {field.encode_name: field for field in info.fields}
        values: dict[str, Any] = {}
        written: dict[str, str] = {}
        meant: set[str] = set()  # Fields that a misspelled key probably stands for.
        for key, value in table.items():
            if key == info.tag_field:
                continue
            name = field_of(key, fields)
            if name is None:
                meant |= self._unknown(key, fields, path)
            elif name in written:
                self._twice(name, written[name], key, path)
            else:
                written[name] = key
                field = fields[name]
                inner = unit_of(name) or (unit if kinds.is_unbounded(field.type) else "")
                values[field.name] = self.value(field.type, value, (*path, key), inner)
        for name, field in fields.items():
            if field.required and not partly and name not in written and name not in meant:
                self._report("MD104", f"missing field `{short_name(name)}`", path)
        return None if len(self.problems) > found_before else values

    def _built(self, cls: type, values: dict[str, Any], path: Path) -> Any:
        try:
            value = cls(**values)
        except ValueError as error:  # ConfigError is one: the rule of a plug-in may raise either.
            return self._report("MD109", str(error), path)
        check = self._checks.get(cls)
        wrong = check(value) if check else None
        return self._report(wrong[0], wrong[1], path, wrong[2]) if wrong else value

    def _table(self, info: inspect.DictType, table: dict[str, Any], path: Path, unit: Unit) -> Any:
        values = {}
        for key, value in table.items():
            place = (*path, key)
            read_key = self.value(info.key_type, key, place, "")
            values[read_key] = self.value(info.value_type, value, place, unit or unit_of(key))
        return self._sized(info, values, path, any(each is _BROKEN for each in values.values()))

    def _array(self, info: Any, items: list[Any], path: Path, unit: Unit) -> Any:
        values = [
            self.value(info.item_type, item, (*path, index), unit)
            for index, item in enumerate(items)
        ]
        broken = any(each is _BROKEN for each in values)
        return self._sized(
            info, values if broken else kinds.ARRAYS[type(info)](values), path, broken
        )

    def _fixed(self, info: inspect.TupleType, items: list[Any], path: Path, unit: Unit) -> Any:
        if len(items) != len(info.item_types):
            return self._report("MD103", f"expected {len(info.item_types)} items", path)
        values = tuple(
            self.value(kind, item, (*path, index), unit)
            for index, (kind, item) in enumerate(zip(info.item_types, items, strict=True))
        )
        return _BROKEN if any(each is _BROKEN for each in values) else values

    def _sized(self, info: Any, values: Any, path: Path, broken: bool) -> Any:
        least, most = info.min_length or 0, info.max_length
        if len(values) < least or (most is not None and len(values) > most):
            limit = f"at least {least}" if len(values) < least else f"at most {most}"
            noun = "character" if isinstance(values, str) else "item"
            plural = "" if limit.endswith(" 1") else "s"
            return self._report("MD103", f"needs {limit} {noun}{plural}", path)
        return _BROKEN if broken else values

    def _union(self, info: inspect.UnionType, value: Any, path: Path, unit: Unit) -> Any:
        fitting = next(kind for kind in info.types if kinds.fits(kind, value, unit))
        return self.value(fitting, value, path, unit)

    def _number(self, info: Any, value: Any, path: Path, unit: Unit) -> Any:
        if isinstance(value, str) and unit:
            try:
                value = parse_quantity(value, unit)
            except ValueError as error:
                found = kinds.show(value, path)
                name = "duration" if unit == "s" else "size"
                return self._report("MD106", f"{found} is not a {name}", path, str(error))
        whole = isinstance(info, inspect.IntType)
        if whole and not isinstance(value, int):
            if not value.is_integer():
                return self._report("MD102", f"expected a whole number, found {value}", path)
            value = int(value)
        if not abs(value) <= _GREATEST:
            found = "the number" if isinstance(value, int) else f"{value:g}"
            return self._report("MD103", f"{found} is out of range", path, "must be up to 1e18")
        limits = kinds.limits(info)
        if not all(holds(value) for _, holds in limits):
            shown = f"{value:g} {unit}".rstrip()
            wanted = " and ".join(text for text, _ in limits)
            return self._report("MD103", f"{shown} is out of range", path, f"must be {wanted}")
        return value if whole else float(value)

    def _text(self, info: inspect.StrType, value: str, path: Path, _: Unit) -> Any:
        if info.pattern is not None and not re.search(info.pattern, value):
            found = kinds.show(value, path)
            return self._report(
                "MD107", f"{found} is not of the right form", path, f"must match {info.pattern}"
            )
        return self._sized(info, value, path, broken=False)

    def _choice(self, info: Any, value: Any, path: Path, _: Unit) -> Any:
        if isinstance(info, inspect.EnumType):
            choices = {member.value: member for member in info.cls}
        else:
            choices = {each: each for each in info.values}
        if value in choices:
            return choices[value]
        allowed = sorted(str(each) for each in choices)
        return self._report(
            "MD105",
            f"{kinds.show(value, path)} is not one of the choices",
            path,
            did_you_mean(str(value), allowed, "allowed"),
        )

    def _formatted(self, info: inspect.Metadata, value: Any, path: Path, unit: Unit) -> Any:
        whole = (info.extra or {}).get("part_of")
        if whole is not None:  # Some fields of a struct, to be laid over others.
            part = self._fields(_struct_info(whole), value, path, unit, partly=True)
            return _BROKEN if part is None else part
        read_value = self.value(info.type, value, path, unit)
        check = self._formats.get((info.extra_json_schema or {}).get("format", ""))
        wrong = check(read_value) if check and isinstance(read_value, str) else None
        return self._report(wrong[0], wrong[1], path, wrong[2]) if wrong else read_value

    def _as_it_is(self, _info: inspect.Type, value: Any, _path: Path, _unit: Unit) -> Any:
        return plain(value)

    def _other(self, info: inspect.Type, value: Any, path: Path, _: Unit) -> Any:
        """Types that only plug-ins use: msgspec knows them better."""
        try:
            return msgspec.convert(value, kinds.python_type(info))
        except msgspec.ValidationError as error:
            return self._report("MD102", str(error), path)

    def _wrong_type(self, info: inspect.Type, value: Any, path: Path, unit: Unit) -> Any:
        expected = kinds.describe(info, unit)
        message = f"expected {expected}, found {kinds.show(value, path)}"
        return self._report("MD102", message, path, kinds.type_help(info, value))

    def _unknown(self, key: str, fields: Mapping[str, Any], path: Path) -> set[str]:
        names = [name if key.endswith(("_s", "_bytes")) else short_name(name) for name in fields]
        help_text = did_you_mean(key, names, "known here")
        self._report("MD101", f"unknown field `{key}`", (*path, key), help_text)
        near = difflib.get_close_matches(key, names, n=1)
        return {name for name in fields if short_name(name) in {short_name(each) for each in near}}

    def _twice(self, name: str, first: str, second: str, path: Path) -> None:
        message = f"`{first}` and `{second}` are the same field"
        self._report("MD108", message, (*path, second), f"keep one of them (`{short_name(name)}`)")

    def _report(self, code: str, message: str, path: Path, suggestion: str = "") -> object:
        self.problems.append(self._document.problem(code, message, path, suggestion))
        return _BROKEN
