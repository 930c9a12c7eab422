"""Readings of many targets at once: the numbers that were drawn for a look, and what it shows."""

from __future__ import annotations

import numpy as np

from .layout import Floats, Indices, Mask
from .physics import hill

_STREAM = 2
_TICK_S = 0.25
_BLOCK_TICKS = 240
_DRAWS = 10  # Four for what happens, the rest for noise.
_LATENCY_S_MAX = 60.0  # What an exporter reports at most.

OF_COMPONENTS = (
    "error_rate",
    "latency_s",
    "queue_items",
    "memory_bytes",
    "disk_share",
    "connections_share",
    "retries_rate",
    "request_rate",
    "cpu_share",
)
OF_REPLICAS = (
    "error_rate",
    "latency_s",
    "queue_items",
    "memory_bytes",
    "disk_share",
    "request_rate",
    "cpu_share",
)
OF_EDGES = ("error_rate", "latency_s", "connections_share", "retries_rate", "request_rate")

WORDS = {
    "reachable": "connection refused",
    "answered": "no answer in time",
    "ok": "HTTP 503",
}


class Draws:
    """Random numbers by probe and time.

    Args:
        seed: of the course.
        probes: how many there are.
    """

    def __init__(self, seed: int, probes: int) -> None:
        self._seed = seed
        self._probes = probes
        self._block = -1
        self._table: Floats = np.zeros((0, 0, 0))

    def at(self, now_s: float) -> Floats:
        """Uniform numbers for a look of each probe, shape (probes, 10)."""
        block, tick = divmod(int(now_s / _TICK_S + 1e-6), _BLOCK_TICKS)
        if block != self._block:
            stream = np.random.default_rng((self._seed, _STREAM, block))
            self._table = stream.random((_BLOCK_TICKS, self._probes, _DRAWS))
            self._block = block
        draws: Floats = self._table[tick]
        return draws


class Panel:
    """Readings of all targets of one sort, in one step.

    Args:
        names: of the metrics that are measured, in order.
        rows: number among all targets of each that this shows.
        places: of each in the arrays of the simulation.
    """

    def __init__(self, names: tuple[str, ...], rows: Indices, places: Indices) -> None:
        self.rows = rows
        self.places = places
        self._names = names
        self._columns = 4 + np.arange(len(names)) % (_DRAWS - 4)
        self._most = np.array([_most(name) for name in names])
        self._values: list[list[float]] = []

    def show(self, measured: list[Floats], draws: Floats, noise: float) -> None:
        """Take over what was measured, one array per metric over all targets, with its noise."""
        spread = draws[self.rows][:, self._columns] - 0.5
        # A uniform one, of variance 1.
        values = np.stack(measured, axis=1)[self.places] * (1.0 + noise * 3.4641 * spread)
        self._values = np.clip(values, 0.0, self._most).tolist()

    def metrics(self, number: int) -> dict[str, float]:
        """Of one target, by its number in this panel."""
        return dict(zip(self._names, self._values[number], strict=True))


class Asked:
    """One request to a replica for each target of a panel: reached, in time, and right."""

    def __init__(self) -> None:
        self._reached: list[bool] = []
        self._answered: list[bool] = []
        self._ok: list[bool] = []

    def ask(
        self, up: Mask, latency_s: Floats, right: Floats, draws: Floats, limit_s: float
    ) -> None:
        """Ask all, each over the replica that is given for it."""
        answered = draws[:, 2] >= hill(latency_s / limit_s)
        self._reached = up.tolist()
        self._answered = answered.tolist()
        self._ok = (answered & (draws[:, 3] < right)).tolist()

    def metrics(self, number: int) -> tuple[dict[str, float], str]:
        """What one was told, and what a person should know of it."""
        if not self._reached[number]:
            return {"reachable": 0.0}, WORDS["reachable"]
        answered, ok = self._answered[number], self._ok[number]
        words = WORDS["ok" if answered else "answered"] if not ok else ""
        return {"reachable": 1.0, "answered": float(answered), "ok": float(ok)}, words


def _most(name: str) -> float:
    """The greatest value that a metric can be reported with."""
    if name == "latency_s":
        return _LATENCY_S_MAX
    is_part = name.endswith(("_rate", "_share")) and name != "request_rate"
    return 1.0 if is_part else np.inf
