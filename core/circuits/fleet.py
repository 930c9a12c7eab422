"""Which of several replicas gets the next call: sick ones are left out, but never too many of them.

Each replica has a circuit of its own. A replica whose circuit keeps calls away is *ejected*: others
get its calls. Two bounds keep that from doing harm. At most a fraction of the fleet is ejected at
once, and always at least one replica stays; those that would be one too many go on being called,
the ones that fell ill last. And when fewer than a threshold of the replicas look healthy, the fault
is probably common to all (or to whoever looks at them), and all are called as if they were well:
load on the few that are left would take them down too.

Source:
    Envoy: outlier detection (``max_ejection_percent``) and the panic threshold of load balancing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from ...errors import ConfigError
from ..gene import Gene
from ..settings import Settings
from .circuit import Circuit, CircuitConfig, Pass
from .circuit_config import State


class FleetConfig(Settings, frozen=True, kw_only=True):
    """How many replicas may be left out.

    Attributes:
        circuit: when one replica is.
        ejected_max: greatest fraction of the fleet that is left out at once.
        panic: with a smaller fraction healthy than this, nobody is left out.
    """

    circuit: CircuitConfig = CircuitConfig()
    ejected_max: Annotated[float, Meta(ge=0, lt=1), Gene(low=0.1, high=0.6)] = 0.3
    panic: Annotated[float, Meta(ge=0, le=1), Gene(low=0.2, high=0.7)] = 0.5


class Fleet:
    """Choose replicas in turn.

    Args:
        replicas: their targets, such as ``cart/1``; at least one, all different.
        config: how many may be left out.
        now_s: loop time.

    Attributes:
        circuits: one per replica.
        overruled: calls sent to a replica although its circuit was open.

    Raises:
        ConfigError: there is no replica, or one is named twice.
    """

    def __init__(self, replicas: Sequence[str], config: FleetConfig, now_s: float) -> None:
        if not replicas or len(set(replicas)) < len(replicas):
            raise ConfigError(f"a fleet needs replicas of different names, not {list(replicas)!r}")
        self.circuits = {name: Circuit(name, config.circuit, now_s) for name in replicas}
        self.overruled = 0
        self._config = config
        self._ejected: list[str] = []  # In the order in which they fell ill.
        self._turn = 0

    def acquire(self, now_s: float) -> tuple[str, Pass | None]:
        """Choose the replica for the next call.

        Returns:
            Its name, and where to record the outcome; ``None`` for the latter when its circuit was
            overruled, as it has then nothing to learn from the call.
        """
        names = list(self.circuits)
        left_out = self.ejected()
        for _ in names:
            name = names[self._turn % len(names)]
            self._turn += 1
            if name in left_out and not self._may_try(name, now_s):
                continue
            granted = self.circuits[name].acquire(now_s)
            if granted is None:
                if name in left_out or self.circuits[name].era.state is State.HALF_OPEN:
                    continue
                self.overruled += 1
            return name, granted
        self.overruled += 1  # All are busy with their trials.
        return names[self._turn % len(names)], None

    def ejected(self) -> frozenset[str]:
        """Replicas that get no calls now, trials aside."""
        sick = {name for name, circuit in self.circuits.items() if _is_sick(circuit)}
        self._ejected = [name for name in self._ejected if name in sick]
        self._ejected += [name for name in self.circuits if name in sick - {*self._ejected}]
        size = len(self.circuits)
        if size - len(sick) < self._config.panic * size:
            return frozenset()
        most = min(math.floor(self._config.ejected_max * size), size - 1)
        return frozenset(self._ejected[:most])

    def _may_try(self, name: str, now_s: float) -> bool:
        return self.circuits[name].retry_after_s(now_s) == 0.0


def _is_sick(circuit: Circuit) -> bool:
    return circuit.era.state in (State.OPEN, State.HALF_OPEN, State.FORCED_OPEN)
