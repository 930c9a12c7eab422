"""About how much memory something takes that nobody else keeps."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType

# What everything leads to: code, and whatever is there once for the whole process.
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)
# A few milliseconds of work; beyond it the estimate is of that much only.
MOST_OBJECTS = 5_000


def weigh(thing: object, beside: Iterable[object] = ()) -> int:
    """Bytes of an object and of what can be reached from it, of at most 5,000 objects.

    Args:
        thing: what is weighed.
        beside: objects that are somebody else's, with all that only they lead to.
    """
    seen = {id(each) for each in beside}
    waiting, total, count = [thing], 0, 0
    while waiting and count < MOST_OBJECTS:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, _SHARED):
            continue
        seen.add(id(found))
        count += 1
        total += sys.getsizeof(found)
        waiting.extend(gc.get_referents(found))
    return total
