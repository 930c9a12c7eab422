"""Messages made up for an agent to handle, when its author gives none."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect as types

from ...bus.messages import Message

# Plausible texts by the name of the field, so that handlers do what they mostly do.
_TEXTS = {
    "action": "restart",
    "agent": "monitor",
    "incident": "1-1",
    "intent": "1-1.1",
    "metric": "latency_s",
    "probe": "http",
    "who": "ada",
}
_TEXT = "cart"


def sample_of(kind: type[Message]) -> Message:
    """A message of a type: defaults where there are some, plain valid values elsewhere.

    Raises:
        TypeError: a field is of a type that nobody can make up; its author has to give messages.
    """
    fields = {
        field.name: _named(field.name, types.type_info(field.type))
        for field in msgspec.structs.fields(kind)
        if field.required
    }
    return kind(**fields)


def _named(name: str, kind: types.Type) -> Any:
    return _TEXTS.get(name, _TEXT) if isinstance(kind, types.StrType) else _value(kind)


def _value(kind: types.Type) -> Any:
    match kind:
        case types.Metadata():
            return _value(kind.type)
        case types.BoolType():
            return True
        case types.IntType() | types.FloatType():
            return _number(kind)
        case types.StrType():
            return _TEXT
        case types.NoneType() | types.AnyType():
            return None
        case types.UnionType():
            return None if kind.includes_none else _value(kind.types[0])
        case types.EnumType():
            return next(iter(kind.cls))
        case types.LiteralType():
            return kind.values[0]
    return _compound(kind)


def _compound(kind: types.Type) -> Any:
    match kind:
        case types.VarTupleType() | types.ListType() | types.SetType() | types.FrozenSetType():
            return _collection(kind)
        case types.TupleType():
            return tuple(_value(each) for each in kind.item_types)
        case types.DictType():
            return {}
        case types.StructType():
            required = (each for each in kind.fields if each.required)
            return kind.cls(**{each.name: _value(each.type) for each in required})
    raise TypeError(f"no {type(kind).__name__.removesuffix('Type').lower()} can be made up")


def _number(kind: types.IntType | types.FloatType) -> float:
    """The least value from 1 on that is within bounds."""
    value = 1.0
    if kind.ge is not None:
        value = max(value, kind.ge)
    if kind.gt is not None:
        value = max(value, kind.gt + 1)
    if kind.le is not None:
        value = min(value, kind.le)
    if kind.lt is not None and value >= kind.lt:
        value = kind.lt - 1 if isinstance(kind, types.IntType) else kind.lt / 2
    return int(value) if isinstance(kind, types.IntType) else value


def _collection(
    kind: types.VarTupleType | types.ListType | types.SetType | types.FrozenSetType,
) -> Any:
    item = _value(kind.item_type)
    match kind:
        case types.VarTupleType():
            return (item,)
        case types.ListType():
            return [item]
        case types.SetType():
            return {item}
        case types.FrozenSetType():
            return frozenset({item})
