"""Whether what is in force still does as well as it did when it came into force.

A promotion promises something: that incidents hurt no more than they did in the canary. The world
goes on changing, so that promise is watched: a bet runs against it (`mendel.core.evidence.Wager`)
that harm has become greater than was promised, by more than a margin. A bet that has lasted for a
while without being won is settled and the next one begins, or else what went well for a year would
have to go badly for another one before anybody is told.

Source:
    Shin, Ramdas and Rinaldo, J. R. Statist. Soc. B 86 (2024) 229-260: bets begun again and again
    find a change, and raise a false alarm in at most a share ``alpha`` of them.
"""

from __future__ import annotations

from collections import deque
from statistics import fmean

from .evidence import Wager

# Incidents that tell what is usual: fewer may have been easy ones.
_USUAL = 20
# Of what a promise is made from, so many are remembered.
_REMEMBERED = 200
# Harm near the worst that can be cannot be exceeded by much.
_NULL_MAX = 0.95


class Promise:
    """Watch one configuration that is in force.

    Args:
        harm: promised mean harm of an incident, from 0 to 1; ``None`` where nobody knows: its
            first incidents are its promise then.
        margin: harm beyond it that is borne.
        alpha: chance of a false alarm in each bet.
        lasts: incidents after which a bet is settled.

    Attributes:
        harm: as above.
    """

    __slots__ = ("_alpha", "_lasts", "_margin", "_seen", "_wager", "harm")

    def __init__(self, harm: float | None, *, margin: float, alpha: float, lasts: int) -> None:
        self.harm = harm
        self._margin, self._alpha, self._lasts = margin, alpha, lasts
        self._seen: deque[float] = deque(maxlen=_REMEMBERED)
        self._begin()

    @property
    def seen(self) -> float | None:
        """Mean harm of the newest incidents; ``None`` while there are too few."""
        return fmean(self._seen) if len(self._seen) >= _USUAL else None

    def take(self, harm: float) -> str:
        """One more incident; tells in words when the promise is proven broken, else nothing.

        Args:
            harm: from 0 to 1, 1 being the worst that can be.
        """
        self._seen.append(harm)
        if self.harm is None:
            self.harm = self.seen
            self._begin()
            return ""
        self._wager.take(harm)
        taken, is_proven = self._wager.values, self._wager.capital >= 1.0 / self._alpha
        if is_proven:
            newest = fmean(list(self._seen)[-taken:])
            self._begin()
            return (
                f"the last {taken} incidents came to a harm of {newest:.2f} each, "
                f"{self.harm:.2f} was promised"
            )
        if taken >= self._lasts:
            self._begin()
        return ""

    def _begin(self) -> None:
        self._wager = Wager(min((self.harm or 0.0) + self._margin, _NULL_MAX))
