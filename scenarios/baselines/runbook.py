"""Steps for whatever raises an alarm, run blindly by a machine, and how an alarm is raised."""

from __future__ import annotations

from .room import Room


class Alarms:
    """Half a minute in which most looks were bad: no right answer, or one request in twenty failed.

    Args:
        room: what is looked at.
    """

    LOOKS = 30
    BAD_SHARE = 0.5
    ERROR_RATE = 0.05

    def __init__(self, room: Room) -> None:
        self._room = room
        self._looks: dict[str, list[bool]] = {}

    def look(self, target: str) -> bool:
        """Look at a component or replica once more; tells whether it is in alarm."""
        looks = self._looks.setdefault(target, [])
        looks.append(self._is_bad(target))
        del looks[: -self.LOOKS]
        return self.is_raised(target)

    def is_raised(self, target: str) -> bool:
        """Whether it was in alarm at the last look."""
        return sum(self._looks.get(target, ())) >= self.BAD_SHARE * self.LOOKS

    def is_over(self, target: str) -> bool:
        """Whether not one of the looks was bad."""
        return not any(self._looks.get(target, ()))

    def _is_bad(self, target: str) -> bool:
        metrics = self._room.look(target)
        if metrics is None:
            return False
        is_part = "/" in target  # It is judged by its own check: its requests fail for others too.
        fails = 0.0 if is_part else metrics.get("error_rate", 1.0)
        return fails > self.ERROR_RATE or not metrics.get("ok", 0.0)


class Runbook:
    """Restart it; if that does not help, replace it, then roll it back, then scale it.

    Each step has a minute to help. It knows no dependencies: whoever looks sick is treated, caller
    or callee.
    """

    STEP_S = 60.0
    STEPS = ("restart", "replace", "roll_back", "scale")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._alarms = Alarms(room)
        self._next_s: dict[str, float] = {}
        self._step: dict[str, int] = {}

    def tick(self, now_s: float) -> None:
        """Look at every component, and take its next step."""
        for component in self._room.components:
            if not self._alarms.look(component):
                if self._alarms.is_over(component):
                    self._step.pop(component, None)
            elif now_s >= self._next_s.get(component, 0.0) and not self._room.is_busy(component):
                self._act(component, now_s)

    def _act(self, component: str, now_s: float) -> None:
        steps = [each for each in self.STEPS if self._room.can(component, each)]
        number = self._step.get(component, 0)
        self._step[component] = number + 1
        self._next_s[component] = now_s + self.STEP_S
        self._room.order(steps[number % len(steps)], component)
