"""Learning from incidents that were seen elsewhere, each record once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ...core.records import ExperienceRecord
from ...core.topology import home_of
from ..factory import Parts
from .protocol import Lesson

_REMEMBERED = 10_000

_Key = tuple[str, str, str, float]


class Schooling:
    """Knows what was learned already; beyond 10,000 records the oldest is forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def know(self, record: ExperienceRecord) -> bool:
        """Note a record; whether it is new."""
        key = (record.incident, record.target, record.action, record.at_s)
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return True

    def teach(self, parts: Parts, experience: Sequence[ExperienceRecord]) -> Lesson:
        """Learn what is new, for components whose level learns."""
        learned, reasons = 0, dict[str, None]()
        for record in experience:
            care = parts.casebook.cares.get(home_of(record.target))
            if care is None:
                reasons[f"nobody watches {record.target!r}"] = None
            elif not care.abilities.ranks:
                reasons[f"level {care.level} does not learn from incidents"] = None
            elif not self.know(record):
                reasons[f"what {record.action} led to in {record.incident} is known"] = None
            elif parts.casebook.experience.learn(record):
                learned += 1
            else:
                reasons[f"{record.verdict!r} is no verdict"] = None
        return Lesson(learned=learned, reason="; ".join(reasons))
