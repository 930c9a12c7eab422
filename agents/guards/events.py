"""Transitions of circuits on their way to listeners."""

from __future__ import annotations

import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable

from ...bus.messages import CircuitChanged

Listener = Callable[[CircuitChanged], None]

_log = logging.getLogger("mendel.guard")

# One for all guards, held for microseconds. Reentrant, because the garbage collector may finalise a
# guarded generator of this very thread while it is held.
lock = threading.RLock()
# Looked up once: together they cost a third of a `with`.
acquire, release = lock.acquire, lock.release

# Filled under the lock, emptied after it: never longer than the transitions of one step.
changes: deque[CircuitChanged] = deque()

_listeners: dict[str, list[Listener]] = {}


def listen(listener: Listener, target: str = "") -> Callable[[], None]:
    """Call back after each transition of one circuit, or of all; returns what ends that.

    A listener runs where the transition was made, so it must not block. What it raises is logged
    and harms nobody else.

    Raises:
        TypeError: the listener is a coroutine function, which nobody would await.
    """
    if inspect.iscoroutinefunction(listener):
        raise TypeError(f"{listener!r} is a coroutine function; a listener is called, not awaited")
    with lock:
        _listeners[target] = [*_listeners.get(target, ()), listener]

    def unlisten() -> None:
        with lock:
            left = [each for each in _listeners.get(target, ()) if each is not listener]
            _listeners[target] = left
            if not left:
                del _listeners[target]

    return unlisten


def deliver() -> None:
    """Tell the listeners what has changed, in order."""
    while changes:
        try:
            change = changes.popleft()
        except IndexError:  # Another thread was faster.
            return
        _log.info(
            "circuit of %s: %s -> %s (%s)",
            change.target,
            change.previous,
            change.state,
            change.reason,
            extra={"target": change.target},
        )
        for listener in (*_listeners.get(change.target, ()), *_listeners.get("", ())):
            try:
                listener(change)
            except Exception:  # noqa: BLE001  # A border: listeners are foreign code.
                _log.exception("a listener of the circuit of %s failed", change.target)
