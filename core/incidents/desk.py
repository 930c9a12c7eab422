"""What an incident asks of the estate, so that it need not know the other incidents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..diagnosis import Diagnosis
from ..policy import ActionFacts, Ruling
from ..ranking.ranking import Estimate
from ..records import Ailment, ExperienceRecord
from .casefile import CaseFile
from .triage import Blame


class Desk(Protocol):
    """What an incident asks of the estate that it is part of."""

    def blame(self, incident: CaseFile, *, waited: bool) -> Blame:
        """Whether the target is the cause of its trouble."""
        ...

    def witnesses(self, incident: CaseFile) -> Sequence[str]:
        """All that has to be looked at before somebody is blamed, or a diagnosis is made."""
        ...

    def has_looked(self, incident: CaseFile) -> bool:
        """Whether all of them were looked at since the present triage began."""
        ...

    def diagnose(self, incident: CaseFile, now_s: float) -> Diagnosis:
        """What is held to be wrong with the target."""
        ...

    def rule(self, incident: CaseFile, action: ActionFacts, now_s: float) -> Ruling:
        """Whether the action may run."""
        ...

    def ailment(self, incident: CaseFile) -> Ailment:
        """What the target suffers from, as far as it is known now."""
        ...

    def rank(self, incident: CaseFile, names: Sequence[str], now_s: float) -> Sequence[Estimate]:
        """Actions in the order in which experience would try them."""
        ...

    def learn(self, record: ExperienceRecord) -> None:
        """Take in what an action led to."""
        ...

    def started(self, intent: str, target: str, action: ActionFacts, now_s: float) -> None:
        """The action begins."""
        ...

    def finished(self, intent: str, now_s: float, *, succeeded: bool = False) -> None:
        """The action is over."""
        ...

    def is_open(self, target: str) -> bool:
        """Whether the target has an incident."""
        ...

    def may_isolate(self, target: str, now_s: float) -> bool:
        """Whether calls may be kept away from the target."""
        ...

    def serves(self, incident: CaseFile, action: ActionFacts | None) -> bool:
        """Whether the target does some of its work still, so that calls should reach it."""
        ...

    def was_away(self, target: str, now_s: float) -> bool:
        """Whether the target did none of its work a short while ago."""
        ...

    def observes(self, target: str) -> bool:
        """Whether nothing may be done to the target, only watched."""
        ...
