"""More replicas when those that are there are busy."""

from __future__ import annotations

from math import ceil

from .room import Room


class Autoscaler:
    """The horizontal pod autoscaler on processor use, with its defaults.

    Every 15 s it wants as many replicas as bring the mean use to 80 %, unless that is within a
    tenth of what there is. It never scales down here: 300 s of stabilisation are longer than most
    faults, and the model has no price for a replica too many.

    Source:
        kubernetes.io: horizontal pod autoscaling; ``kubectl autoscale``.
    """

    EVERY_S = 15.0
    USE = 0.8
    TOLERANCE = 0.1

    def __init__(self, room: Room) -> None:
        self._room = room
        self._most = {name: 2 * len(room.replicas(name)) for name in room.components}

    def tick(self, now_s: float) -> None:
        """Compare use and goal, every 15 s."""
        if now_s % self.EVERY_S:
            return
        for component in self._room.components:
            if self._room.can(component, "scale") and not self._room.is_busy(component):
                self._consider(component)

    def _consider(self, component: str) -> None:
        metrics = self._room.look(component)
        ratio = (metrics or {}).get("cpu_share", 0.0) / self.USE
        replicas = len(self._room.replicas(component))
        if ratio > 1.0 + self.TOLERANCE and replicas < self._most[component]:
            wanted = min(ceil(replicas * ratio), self._most[component])
            if wanted > replicas:
                self._room.order("scale", component)
