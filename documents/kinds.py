"""What the types of msgspec mean for a value in a file: does it fit, and how to say so."""

from __future__ import annotations

import datetime
import decimal
import difflib
import json
import shlex
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import inspect

from ..core.units import HELP, Unit
from .document import Given
from .places import Path
from .redact import HIDDEN, is_sensitive, redact

# Python refuses to write integers of thousands of digits in decimal; TOML can hold them.
_DECIMAL_MAX = 10**40
_SHOWN_CHARACTERS = 60  # Enough to recognise a value; a whole certificate helps nobody.

ARRAYS: Mapping[type[inspect.Type], Callable[[Iterable[Any]], Any]] = {
    inspect.VarTupleType: tuple,
    inspect.ListType: list,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
    inspect.CollectionType: list,
}
_SHAPES: Mapping[type[inspect.Type], tuple[type, ...]] = {
    inspect.StructType: (dict,),
    inspect.DictType: (dict,),
    inspect.TupleType: (list,),
    **dict.fromkeys(ARRAYS, (list,)),
    inspect.BoolType: (bool,),
    inspect.StrType: (str,),
    inspect.EnumType: (str, int),
    inspect.LiteralType: (str, int),
    inspect.IntType: (int, float),
    inspect.FloatType: (int, float),
    inspect.NoneType: (type(None),),  # No file has it, but a program may say it.
}
_PYTHON_TYPES: Mapping[type[inspect.Type], type] = {
    inspect.BytesType: bytes,
    inspect.DateTimeType: datetime.datetime,
    inspect.DateType: datetime.date,
    inspect.TimeType: datetime.time,
    inspect.TimeDeltaType: datetime.timedelta,
    inspect.DecimalType: decimal.Decimal,
    inspect.UUIDType: uuid.UUID,
}


def fits(info: inspect.Type, value: Any, unit: Unit = "") -> bool:
    """Whether a value has the shape of a type; what is in it is another question."""
    match info:
        case inspect.Metadata():
            return fits(info.type, value, unit)
        case inspect.UnionType():
            return any(fits(each, value, unit) for each in info.types)
        case inspect.StructType() if info.tag_field and isinstance(value, dict):
            return value.get(info.tag_field) == info.tag
        case inspect.IntType() | inspect.FloatType() if unit and isinstance(value, str):
            return True
    shapes = _SHAPES.get(type(info))
    if shapes is None:
        return True  # Left to msgspec.
    return isinstance(value, shapes) and (bool in shapes or not isinstance(value, bool))


def interpret(given: Given, info: inspect.Type) -> Any:
    """What the text of an override means for a field: TOML where that fits, else plain text."""
    value = given.as_toml()
    if isinstance(value, str) or (not fits(info, value) and fits(info, str(given))):
        return value if isinstance(value, str) and given[:1] in "\"'" else str(given)
    return value


def limits(info: inspect.IntType | inspect.FloatType) -> list[tuple[str, Callable[[float], bool]]]:
    """Bounds of a number: what each says, and whether a value keeps it."""
    bounds: list[tuple[str, Callable[[float], bool]]] = []
    if (gt := info.gt) is not None:
        bounds.append((f"> {gt:g}", lambda value: value > gt))
    if (ge := info.ge) is not None:
        bounds.append((f">= {ge:g}", lambda value: value >= ge))
    if (lt := info.lt) is not None:
        bounds.append((f"< {lt:g}", lambda value: value < lt))
    if (le := info.le) is not None:
        bounds.append((f"<= {le:g}", lambda value: value <= le))
    return bounds


def is_unbounded(info: inspect.Type) -> bool:
    """Whether a field is a plain quantity, so that its unit is that of the table it is in.

    In ``memory_bytes = { above = "64MB" }`` the line has the unit of the metric, while a share or
    a count, which have bounds of their own, have none.
    """
    numbers = [each for each in _alternatives(info) if isinstance(each, inspect.FloatType)]
    return bool(numbers) and not any(limits(each) for each in numbers)


def python_type(info: inspect.Type) -> Any:
    """The Python type of a kind that is left to msgspec.

    Raises:
        TypeError: values of this kind cannot stand in a configuration file.
    """
    kind = getattr(info, "cls", None) or _PYTHON_TYPES.get(type(info))
    if kind is None:
        raise TypeError(f"{type(info).__name__} has no form in a configuration file")
    return kind


def describe(info: inspect.Type, unit: Unit = "") -> str:
    """What a value of a type looks like in a file, in words."""
    match info:
        case inspect.Metadata():
            return describe(info.type, unit)
        case inspect.UnionType():
            words = [describe(each, unit) for each in info.types]
            return " or ".join(word for word in dict.fromkeys(words) if word)
        case inspect.IntType() | inspect.FloatType():
            return HELP[unit] if unit else "a number"
        case inspect.LiteralType():
            return "one of " + ", ".join(sorted(str(each) for each in info.values))
        case inspect.EnumType():
            return "one of " + ", ".join(str(each.value) for each in info.cls)
        case inspect.NoneType():
            return ""
    shape = _SHAPES.get(type(info), ())
    if dict in shape:
        return "a table"
    if list in shape:
        return "a list"
    words_by_type = {inspect.StrType: "a text", inspect.BoolType: "true or false"}
    plain_name = type(info).__name__.removesuffix("Type").lower()
    return words_by_type.get(type(info), f"a {plain_name}")


def type_help(info: inspect.Type, value: Any) -> str:
    """How to write a value that has the wrong type, when that can be guessed."""
    wanted = _alternatives(info)
    if isinstance(value, str) and any(type(each) in ARRAYS for each in wanted):
        try:
            words = shlex.split(value)
        except ValueError:
            words = [value]
        return f"write a list: {json.dumps(words, ensure_ascii=False)}"
    if isinstance(value, dict) and any(type(each) in ARRAYS for each in wanted):
        return "for several of a kind use [[double brackets]] or a list of tables"
    if isinstance(value, bool | int | float) and any(
        isinstance(each, inspect.StrType) for each in wanted
    ):
        return f'put it in quotes: "{toml_value(value)}"'
    if isinstance(value, str) and any(
        isinstance(each, inspect.BoolType | inspect.IntType | inspect.FloatType) for each in wanted
    ):
        return "write it without quotes"
    return ""


def show(value: Any, path: Path) -> str:
    """A value as it stands in the file, short, and not at all where it may be a secret."""
    if any(isinstance(step, str) and is_sensitive(step) for step in path):
        return HIDDEN
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = redact(toml_value(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def toml_value(value: Any) -> str:
    """A scalar as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON texts are TOML texts, once DEL is escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int) and abs(value) > _DECIMAL_MAX:
        return hex(value)
    return str(value)


def did_you_mean(word: str, known: list[str], label: str) -> str:
    """The nearest known word as a question, else all of them after a label."""
    # 0.5 instead of the usual 0.6 finds two letters that changed places in a short name.
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"{label}: " + ", ".join(known) if known else ""


def _alternatives(info: inspect.Type) -> list[inspect.Type]:
    match info:
        case inspect.Metadata():
            return _alternatives(info.type)
        case inspect.UnionType():
            return [kind for each in info.types for kind in _alternatives(each)]
        case _:
            return [info]
