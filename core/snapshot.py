"""What an object of numbers has learned, as plain values, and back into a fresh one."""

from __future__ import annotations

from typing import Any

_PLAIN = (int, float)


def freeze(learner: Any) -> dict[str, Any]:
    """Numbers, tables and parts of an object, by the name of the slot.

    Args:
        learner: has ``__slots__``, whose values are numbers, lists of numbers, or parts of the
            same make; slots that it names in ``GIVEN`` came from outside and are left out.
    """
    given = getattr(learner, "GIVEN", ())
    names = [name for name in learner.__slots__ if name not in given]
    return {name: _frozen(getattr(learner, name)) for name in names}


def thaw(learner: Any, state: dict[str, Any]) -> None:
    """Give a fresh object what a frozen one had learned.

    Args:
        learner: made as the frozen one was.
        state: what ``freeze`` returned.

    Raises:
        KeyError: the state lacks a slot.
        ValueError: a table has another size.
    """
    for name, now in freeze(learner).items():
        then = state[name]
        own = getattr(learner, name)
        if isinstance(now, _PLAIN):
            setattr(learner, name, then)
        elif isinstance(now, dict):
            thaw(own, then)
        elif len(now) != len(then):
            raise ValueError(f"{name} has {len(then)} rows, should have {len(now)}")
        elif isinstance(now[0], _PLAIN):
            own[:] = then
        else:
            for part, its in zip(own, then, strict=True):
                thaw(part, its)


def _frozen(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list):
        return [_frozen(each) for each in value]
    return freeze(value)
