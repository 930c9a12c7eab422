"""A fallback that answers with what the target said last."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

from ...errors import ConfigError
from .clock import clock

Call = partial[Any]  # A call that is ready to be made, and made again.


class LastGood:
    """Fallback: the newest result of a call with the same arguments.

    Args:
        max_age_s: a result older than this is of no use any more.
        size: results kept; beyond it the one that was used longest ago is dropped.

    Raises:
        ConfigError: one of them is not positive.
    """

    def __init__(self, max_age_s: float, size: int = 128) -> None:
        if not max_age_s > 0 or size < 1:
            raise ConfigError(f"LastGood({max_age_s=}, {size=}) must both be positive")
        self._max_age_s = max_age_s
        self._size = size
        self._results: OrderedDict[object, tuple[float, Any]] = OrderedDict()

    def keep(self, call: Call, result: Any) -> None:
        """Remember the result of a call; one whose arguments are not hashable is not kept."""
        key = _key(call)
        if key is not None:
            self._results[key] = (clock.now_s(), result)
            self._results.move_to_end(key)
            if len(self._results) > self._size:
                self._results.popitem(last=False)

    def find(self, call: Call, error: Exception) -> Any:
        """Return the kept result, or raise the error when there is none that is fresh enough."""
        key = _key(call)
        kept = self._results.get(key) if key is not None else None
        if kept is None or clock.now_s() - kept[0] > self._max_age_s:
            raise error
        self._results.move_to_end(key)
        return kept[1]


def _key(call: Call) -> object | None:
    return (call.func, call.args, frozenset(call.keywords.items())) if _hashable(call) else None


def _hashable(call: Call) -> bool:
    try:
        hash((call.args, tuple(call.keywords.values())))
    except TypeError:
        return False
    return True
