"""What the streams tell: the picture of a runtime with what changes in it, or its events."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from ..controls import SystemControls
from ..views import ComponentView, EventView, SystemView
from ..words import OUTCOMES
from .graph import places
from .stream import sse

# What a channel gathers between two ticks; a flood shows its newest part and how much was left out.
GATHERED_MAX = 200

# A page that has heard nothing for longer than this calls itself stale, so this often it does.
BEAT_S = 1.0


class EventChannel:
    """Events of subjects that match a pattern, each by itself, for programs.

    Args:
        controls: the runtime.
        pattern: of subjects.
        limit: how many past events a listener gets first.
    """

    def __init__(self, controls: SystemControls, pattern: str, limit: int) -> None:
        self.left_out = 0
        self._controls = controls
        self._pattern = pattern
        self._limit = limit
        self._gathered: deque[EventView] = deque(maxlen=GATHERED_MAX)
        self._unfollow = controls.follow_events(pattern=pattern, callback=self._gather)
        self._told_s = 0.0

    def begin(self) -> bytes:
        """The newest events."""
        recent = self._controls.recent_events(pattern=self._pattern, limit=self._limit)
        return b"retry: 1000\n\n" + _events(recent)

    def news(self) -> bytes:
        """Events since then; a comment now and then, so that both ends know of each other."""
        now_s = asyncio.get_running_loop().time()
        found, left_out = list(self._gathered), self.left_out
        self._gathered.clear()
        self.left_out = 0
        if not found and now_s - self._told_s < BEAT_S:
            return b""
        self._told_s = now_s
        lost = f": {left_out} events left out\n\n".encode() if left_out else b""
        return lost + (_events(found) or b": still here\n\n")

    def close(self) -> None:
        """Stop following."""
        self._unfollow()

    def _gather(self, events: Sequence[EventView]) -> None:
        self.left_out += max(0, len(self._gathered) + len(events) - GATHERED_MAX)
        self._gathered.extend(events)


class PageChannel:
    """The whole picture, then what changes in it, for the page.

    Args:
        controls: the runtime.
    """

    def __init__(self, controls: SystemControls) -> None:
        self._controls = controls
        self._gathered: deque[EventView] = deque(maxlen=GATHERED_MAX)
        self._unfollow = controls.follow_events(pattern=">", callback=self._gather)
        self._known: dict[str, tuple[object, ...]] = {}
        self._beat_s = 0.0
        self._number = 0

    def begin(self) -> bytes:
        """Everything."""
        controls = self._controls
        system = controls.system_view()
        recent = controls.recent_events(pattern=">", limit=GATHERED_MAX)
        if not self._known:
            self._known = {view.name: _key(view) for view in system.components}
        whole = _summary(system) | {
            "places": places(controls.components()),
            "outcomes": OUTCOMES,
            "components": system.components,
            "signals": controls.newest_signals(),
            "agents": controls.agent_views(),
            "events": [each for each in recent if each.text],
        }
        return b"retry: 1000\n\n" + sse("snapshot", _json(whole))

    def news(self) -> bytes:
        """What is not as it was told last."""
        now_s = asyncio.get_running_loop().time()
        system = self._controls.system_view()
        known = {view.name: _key(view) for view in system.components}
        changed: dict[str, Any] = {}
        views = [
            each for each in system.components if known[each.name] != self._known.get(each.name)
        ]
        if views:
            changed["components"] = views
        self._known = known
        if self._gathered:
            changed["events"] = [each for each in self._gathered if each.text]
            self._gathered.clear()
        if now_s - self._beat_s >= BEAT_S:
            self._beat_s = now_s
            changed["signals"] = self._controls.newest_signals()
            changed["agents"] = self._controls.agent_views()
            changed |= _summary(system)
        if not changed:
            return b""
        self._number += 1
        return sse("change", _json({"utc": time.time()} | changed), number=self._number)

    def close(self) -> None:
        """Stop following."""
        self._unfollow()

    def _gather(self, events: Sequence[EventView]) -> None:
        self._gathered.extend(events)


def _summary(view: SystemView) -> dict[str, Any]:
    """All of a runtime but its components."""
    return {
        "utc": time.time(),
        "version": view.version,
        "config": view.config,
        "mode": view.mode,
        "status": view.status,
        "uptime_s": view.uptime_s,
        "approvals": view.approvals,
        "warnings": view.warnings,
        "counters": view.counters,
    }


def _key(view: ComponentView) -> tuple[object, ...]:
    """What of a component is news; that time passes is not."""
    return (
        view.status,
        view.reason,
        view.circuit,
        view.mode,
        view.paused_s > 0.0,
        view.incident,
        view.stage,
        view.kind,
        view.depends_on,
    )


def _events(events: Sequence[EventView]) -> bytes:
    return b"".join(sse("event", _json(each), number=each.id) for each in events)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
