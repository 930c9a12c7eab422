"""A small search problem for the process that evolves: four places, and the way to each.

Every incident pulls each objective a little to its own side, so that what is best for one lot of
incidents is not quite the best for another.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
from mendel.core.circuits.circuit_config import CircuitConfig
from mendel.core.incidents.triage import TriageConfig
from mendel.errors import ConfigError
from mendel.genome.scores import Matrix, Scores
from mendel.genome.space import Space
from mendel.genome.task import Portable, Task

SPACE = Space({"circuit": CircuitConfig(), "triage": TriageConfig()})
GOALS = np.random.default_rng(3).random((4, SPACE.dimensions)) * 0.2 + 0.4
INCIDENTS = 30


def harms(points: Matrix, seed: int) -> Any:
    """Objectives by incident, shape (n, incidents, m)."""
    pulls = 0.1 * np.random.default_rng(seed).standard_normal((INCIDENTS, 1, SPACE.dimensions))
    apart = points[:, np.newaxis, np.newaxis] - (GOALS + pulls)
    return np.square(apart).mean(axis=-1)


def make_task(payload: bytes) -> Task:
    """Args: payload: ``busy_s`` of CPU per lot, ``error`` to fail with."""
    wishes: dict[str, Any] = msgspec.json.decode(payload or b"{}")
    if wishes.get("error") == "refusal":
        raise ConfigError("the history holds 3 incidents; at least 30 are needed")
    if wishes.get("error") == "bug":
        raise KeyError("cart")

    def trial(points: Matrix, share: float = 1.0) -> Scores:
        end_s = time.process_time() + wishes.get("busy_s", 0.0)
        while time.process_time() < end_s:
            pass  # What a real trial costs.
        means = harms(points, 1)[:, : max(1, int(share * INCIDENTS))].mean(axis=1)
        return Scores(means, np.zeros((len(points), 1)))

    return Task(
        space=SPACE,
        trial=trial,
        known=[SPACE.encode(SPACE.base)],
        validate=lambda points: harms(points, 2),
        hold_out=lambda points: harms(points, 3),
        support=lambda names: INCIDENTS,
        portable=lambda: Portable("bowls:make_task", payload),
    )
