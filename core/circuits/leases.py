"""Calls that were let pass on trial or during a ramp: permits that run out."""

from __future__ import annotations

from typing import Protocol

from .circuit_config import Outcome


class Lender(Protocol):
    """What gives out permits."""

    def returned(self, permit: Permit, outcome: Outcome, now_s: float) -> None:
        """Take notice of how the call of a permit went."""
        ...


class Permit:
    """One call that was let pass on trial or during the ramp: a lease that runs out.

    Attributes:
        deadline_s: when the call counts as failed if it has not ended.
    """

    __slots__ = ("_era", "deadline_s")

    def __init__(self, era: Lender, deadline_s: float) -> None:
        self._era: Lender | None = era
        self.deadline_s = deadline_s

    def record(self, outcome: Outcome, now_s: float) -> None:
        """Tell how the call went; a second time, or too late, it decides nothing."""
        era, self._era = self._era, None
        if era is not None:
            era.returned(self, outcome, now_s)


class Leases:
    """Permits that are out, oldest first."""

    __slots__ = ("cap", "out", "successes")

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.successes = 0
        self.out: dict[Permit, None] = {}

    def grant(self, era: Lender, deadline_s: float) -> Permit:
        """Let one more call pass; whether there is room is the caller's to know."""
        permit = Permit(era, deadline_s)
        self.out[permit] = None
        return permit

    def overdue(self, now_s: float) -> Permit | None:
        """Find the oldest permit, if its call should have ended by now."""
        oldest = next(iter(self.out), None)
        return oldest if oldest is not None and oldest.deadline_s <= now_s else None
