"""A list of steps for whatever raises an alarm, run by a machine at once."""

from __future__ import annotations

from .room import Room


class Runbook:
    """Restart it; if that does not help, replace it, then roll it back, then scale it.

    An alarm is half a minute of which most looks were bad: no right answer, or one request in
    twenty failed. Each step has a minute to help. It knows no dependencies: whoever looks sick is
    treated, caller or callee.
    """

    LOOKS = 30
    BAD_SHARE = 0.5
    ERROR_RATE = 0.05
    STEP_S = 60.0
    STEPS = ("restart", "replace", "roll_back", "scale")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._looks: dict[str, list[bool]] = {name: [] for name in room.components}
        self._next_s: dict[str, float] = {}
        self._step: dict[str, int] = {}

    def tick(self, now_s: float) -> None:
        """Look at every component, and take its next step."""
        for component in self._room.components:
            looks = self._looks[component]
            looks.append(self._is_bad(component))
            del looks[: -self.LOOKS]
            if sum(looks) < self.BAD_SHARE * self.LOOKS:
                if not any(looks):
                    self._step.pop(component, None)
            elif now_s >= self._next_s.get(component, 0.0) and not self._room.is_busy(component):
                self._act(component, now_s)

    def _is_bad(self, component: str) -> bool:
        metrics = self._room.look(component)
        if metrics is None:
            return False
        return metrics.get("error_rate", 1.0) > self.ERROR_RATE or not metrics.get("ok", 0.0)

    def _act(self, component: str, now_s: float) -> None:
        steps = [each for each in self.STEPS if self._room.can(component, each)]
        number = self._step.get(component, 0)
        self._step[component] = number + 1
        self._next_s[component] = now_s + self.STEP_S
        self._room.order(steps[number % len(steps)], component)
