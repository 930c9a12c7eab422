"""The three levels of healing, as a table: which abilities are on.

A level is not a class of its own: every decision asks what the care of its target is able to do. So
a component moves to another level by being given another row, and keeps all it has learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Level = Literal["basic", "advanced", "full"]


class Abilities(Struct, frozen=True, kw_only=True):
    """What a level can do beyond thresholds, a fixed plan, policy and verification.

    Attributes:
        adapts: metrics are compared with their own past, not only with fixed lines.
        diagnoses: replicas, edges, deployments and symptoms are weighed to find what is wrong.
        ranks: what helped before is tried first.
        controls_load: load is shed and retries are limited while a component is overloaded,
            whatever the cause.
        forecasts: a trend is acted on before it reaches its limit.
        recognises: what incidents looked like is learned, and recognised when it comes back.
        evolves: configurations are bred from the incidents that were seen.
    """

    adapts: bool = False
    diagnoses: bool = False
    ranks: bool = False
    controls_load: bool = False
    forecasts: bool = False
    recognises: bool = False
    evolves: bool = False


class Ceiling(Struct, frozen=True):
    """The highest levels that can be afforded for now.

    Attributes:
        level: of all components ...
        apart: ... but these, by name.
    """

    level: Level = "full"
    apart: Mapping[str, Level] = {}

    def under(self, name: str, level: Level) -> Level:
        """The level that a component is healed on when it is to be on this one."""
        order = tuple(LEVELS)
        return min(level, self.apart.get(name, self.level), key=order.index)


LEVELS: Mapping[Level, Abilities] = {
    "basic": Abilities(),
    "advanced": Abilities(adapts=True, diagnoses=True, ranks=True, controls_load=True),
    "full": Abilities(
        adapts=True,
        diagnoses=True,
        ranks=True,
        controls_load=True,
        forecasts=True,
        recognises=True,
        evolves=True,
    ),
}
