"""What is looked for from time to time beside probes: silence, guarded calls, annotations."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..bus.messages import Reading
from ..core.effects import Effect, Publish
from ..core.watching.rounds import Rounds
from ..core.watching.watch import CALLS
from .guards.feed import CallFeed
from .ports import AnnotatedWorld, CalledWorld, Calls, Probe, World

_log = logging.getLogger(__name__)


class Sweep:
    """Look around, and tell what the rounds make of it.

    Args:
        world: what is known of its components beside what is measured.
        rounds: what is made of it.
        is_read: whether anybody listens to readings.
    """

    def __init__(self, world: World, rounds: Rounds[Probe], is_read: Callable[[], bool]) -> None:
        self._world = world
        self._annotated = world if isinstance(world, AnnotatedWorld) else None
        self._rounds = rounds
        self._calls: Calls = world.guarded_calls if isinstance(world, CalledWorld) else CallFeed()
        self._is_read = is_read

    def next_s(self, now_s: float, every_s: float) -> float:
        """When to look again, being asked to do so every so many seconds."""
        return min(now_s + every_s, max(self._calls.next_s, now_s))

    def look(self, now_s: float) -> list[Effect]:
        """Look for all of it."""
        effects = self._rounds.on_sweep(now_s)
        for target, metrics in self._calls.read():
            told = self._rounds.on_calls(target, metrics, now_s)
            if metrics is not None and self._is_read() and self._rounds.knows(target):
                reading = Reading(target=target, metrics=metrics, taken_s=now_s, detail=CALLS)
                effects.append(Publish(reading))
            effects += told
        return effects + self.annotations(now_s)

    def annotations(self, now_s: float) -> list[Effect]:
        """What the world tells of its components, as far as it is news."""
        effects: list[Effect] = []
        if self._annotated is None:
            return effects
        for component in self._world.components:
            try:
                known = self._annotated.annotation(component.name)
            except Exception as error:  # noqa: BLE001  A world may be anybody's.
                _log.debug("no annotation of %s: %s", component.name, error)
                continue
            effects += self._rounds.on_annotation(component.name, known, now_s)
        return effects
