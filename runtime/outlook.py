"""What was foreseen and what became of it, and what is held back at present, for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # The command line says what it can do without them.
    from ..core.incidents.relief import Relief
    from ..core.watching.watch import TargetWatch


class ForecastsView(Struct, frozen=True, kw_only=True):
    """What became of forecasts since mendel began to learn.

    Attributes:
        open: of how many nobody knows yet.
        held: how many limits were reached within their interval.
        missed: how many were reached sooner, later or not at all.
        prevented: how many were overtaken by something that was done.
    """

    open: int = 0
    held: int = 0
    missed: int = 0
    prevented: int = 0

    @property
    def words(self) -> str:
        """All of it in a line; empty while nothing was foreseen."""
        if not (self.open or self.held or self.missed or self.prevented):
            return ""
        return (
            f"forecasts: {self.held} came true, {self.missed} did not, "
            f"{self.prevented} prevented, {self.open} open"
        )


class ReliefView(Struct, frozen=True, kw_only=True):
    """Load that is held back from a component, or is about to be.

    Attributes:
        component: which.
        incident: name of the record of it.
        stage: where it stands.
        measures: what is switched on, in order.
        reason: the evidence in words.
    """

    component: str
    incident: str
    stage: str
    measures: tuple[str, ...] = ()
    reason: str = ""

    @property
    def words(self) -> str:
        """All of it in a line."""
        by = f"held back by {', '.join(self.measures)}" if self.measures else "not held back yet"
        return f"load of {self.component} is {by} ({self.incident}): {self.reason}"


def forecasts_view(watches: Iterable[TargetWatch]) -> ForecastsView:
    """What became of all forecasts for some targets."""
    known = tuple(watches)
    tallies = [watch.forecasts() for watch in known]
    return ForecastsView(
        open=sum(each.source.is_open for watch in known for each in watch.forecasters()),
        held=sum(each.held for each in tallies),
        missed=sum(each.missed for each in tallies),
        prevented=sum(each.prevented for each in tallies),
    )


def reliefs_view(reliefs: Iterable[Relief]) -> tuple[ReliefView, ...]:
    """What is held back at present."""
    return tuple(
        ReliefView(
            component=each.target,
            incident=each.name,
            stage=each.stage,
            measures=tuple(each.measures),
            reason=each.change.reason,
        )
        for each in reliefs
    )
