"""What happened, as evolution learns from it: incidents with their readings, and what was done."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..core.policy import ActionFacts
from ..core.records import Ailment, ExperienceRecord


class Means(Struct, frozen=True, kw_only=True):
    """An action as it was met with.

    Attributes:
        facts: what was known of it beforehand.
        run_s: how long it usually ran.
    """

    facts: ActionFacts
    run_s: float


class PastIncident(Struct, frozen=True, kw_only=True):
    """One incident that has ended.

    Attributes:
        incident: its identifier.
        target: whose incident.
        ailment: what its target suffered from.
        utc: wall time of its opening.
        onset_s: when the trouble began, loop time of its run.
        opened_s: when it was noticed.
        acted_s: when the first action began; infinite when there was none. What is read from then
            on is that action's doing too.
        times_s: when its target was read, oldest first, n values.
        metrics: n values of each metric; ``None`` where a reading had none.
        tried: what was done and what it led to, in order.
        is_real: whether something was wrong that did not pass by itself.
    """

    incident: str
    target: str
    ailment: Ailment
    utc: float
    onset_s: float
    opened_s: float
    acted_s: float = math.inf
    times_s: tuple[float, ...] = ()
    metrics: Mapping[str, tuple[float | None, ...]] = {}
    tried: tuple[ExperienceRecord, ...] = ()
    is_real: bool = True


class History(Struct, frozen=True, kw_only=True):
    """All that evolution knows.

    Attributes:
        incidents: oldest first.
        means: actions by kind of component and name.
    """

    incidents: tuple[PastIncident, ...]
    means: Mapping[str, Mapping[str, Means]] = {}

    @property
    def experiences(self) -> Sequence[ExperienceRecord]:
        """What all actions led to."""
        return [each for incident in self.incidents for each in incident.tried]

    def part(self, incidents: Sequence[PastIncident]) -> History:
        """The same with some of the incidents only."""
        return History(incidents=tuple(incidents), means=self.means)
