"""About how much memory something takes that nobody else keeps."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType

# What leads to everything: code, the event loop, and who waits in it.
_SHARED = (
    type,
    ModuleType,
    FunctionType,
    BuiltinFunctionType,
    asyncio.Future,
    asyncio.AbstractEventLoop,
)
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
