"""What a careful operator's runbook says, followed to the letter and without a pause."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from .room import Room
from .runbook import Alarms

Action = tuple[str, str]

_LIMIT = "memory_limit_bytes"


class Careful:
    """Act on symptoms, on the ill part only, once for each reason; where that ends, page somebody.

    Nothing is done to what is under announced maintenance, nor to a caller while something that it
    needs is in alarm. A version that alarms within ten minutes of its deployment is rolled back, a
    full disk is cleaned up, what runs out of memory is restarted in turn, what is busy gets fewer
    requests and more replicas. A replica that fails its own check is restarted, and replaced when
    it fails again; a database that fails is failed over. Each step has a minute and a half to help,
    and is not repeated until the alarm has been over.

    Source:
        Mitigate first, look for the cause later: Google, The Site Reliability Workbook (2018),
        ch. 9. The lines are those of `Runbook`.
    """

    STEP_S = 90.0
    DEPLOY_S = 600.0
    DISK_SHARE = 0.9
    MEMORY_SHARE = 0.9
    CPU_SHARE = 0.85
    DOUBT_S = 30.0  # So long it may turn out to be only a caller of what is ill.

    def __init__(self, room: Room) -> None:
        self._room = room
        self._alarms = Alarms(room)
        self._next_s: dict[str, float] = {}
        self._raised_s: dict[str, float] = {}
        self._done: dict[str, list[Action]] = {}

    def tick(self, now_s: float) -> None:
        """Look at everybody, then take a step where one is due."""
        room = self._room
        for component in room.components:
            for target in self._targets(component):
                if self._alarms.look(target):
                    self._raised_s.setdefault(target, now_s)
                else:
                    self._raised_s.pop(target, None)
        for component in room.components:
            if all(self._alarms.is_over(each) for each in self._targets(component)):
                self._done.pop(component, None)
            if now_s >= self._next_s.get(component, 0.0) and not self._is_hands_off(component):
                self._act(component, now_s)

    def _targets(self, component: str) -> tuple[str, ...]:
        return (component, *self._room.replicas(component))

    def _is_hands_off(self, component: str) -> bool:
        if self._room.is_maintained(component):
            return True
        needed = (each for name in self._room.needs(component) for each in self._targets(name))
        return any(self._alarms.is_raised(each) for each in needed)

    def _act(self, component: str, now_s: float) -> None:
        done = self._done.setdefault(component, [])
        step = next((each for each in self._steps(component, now_s) if each not in done), None)
        if step is not None:
            done.append(step)
            self._next_s[component] = now_s + self.STEP_S
            self._room.order(*step)

    def _steps(self, component: str, now_s: float) -> Iterator[Action]:
        """What the symptoms ask for, the first thing first; a person at the end."""
        room, is_raised = self._room, self._alarms.is_raised(component)
        metrics = room.look(component) or {}
        if is_raised and now_s - room.deployed_s(component) <= self.DEPLOY_S:
            yield from self._on("roll_back", component)
        if metrics.get("disk_share", 0.0) >= self.DISK_SHARE:
            yield from self._on("clean_up", component)
        if metrics.get("memory_bytes", 0.0) >= self.MEMORY_SHARE * metrics.get(_LIMIT, inf):
            yield from self._on("rolling_restart", component)
        if metrics.get("cpu_share", 0.0) >= self.CPU_SHARE:
            if is_raised:
                yield from self._on("shed", component)
                yield from self._on("scale", component)
            return  # Busy is not broken: who restarts it has fewer of them.
        for replica in room.replicas(component):
            if self._alarms.is_raised(replica) and not room.is_busy(replica):
                if not room.is_machine_lost(replica):
                    yield "restart", replica
                yield "replace", replica
        if is_raised and now_s - self._raised_s[component] >= self.DOUBT_S:
            yield from self._on("fail_over", component)
            yield "notify", component

    def _on(self, action: str, component: str) -> Iterator[Action]:
        if self._room.can(component, action):
            yield action, component
