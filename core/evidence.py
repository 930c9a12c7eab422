"""Whether one configuration is better than another: from past incidents, and while new ones come.

Two tests that do not depend on what harm is distributed like. The *gate* compares two configs on
the same past incidents, by drawing them again and again. The *wager* compares them on incidents as
they come, one pair at a time, and may be looked at after each without losing its meaning: it is a
bettor's capital, which cannot grow in the long run if the null hypothesis is true.

Source:
    Bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13. Wager:
    Waudby-Smith and Ramdas, J. R. Statist. Soc. B 86 (2024) 1-27; Ville's inequality bounds the
    chance that the capital ever reaches 1 / alpha by alpha.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Literal

from msgspec import Struct

Lot = Literal["train", "validation", "hold_out"]

# Of the incidents of each cause, oldest first, these shares. Training gets most, because it
# searches; the newest are held out, because the future is like them.
_TRAIN, _VALIDATION = 0.6, 0.8
# So many incidents may wait for one of their cause on the other side, on each side.
_WAITING = 8
# One cause has to have this many incidents to say something in all three lots.
CAUSE_MIN = 5


def lots_of(causes: Sequence[Hashable]) -> list[Lot]:
    """Which lot each incident belongs to; every cause is spread over all three, by time.

    Args:
        causes: of the incidents, oldest first.

    Example:
        >>> lots_of(["crash"] * 5)
        ['train', 'train', 'train', 'validation', 'hold_out']
    """
    totals: dict[Hashable, int] = {}
    for cause in causes:
        totals[cause] = totals.get(cause, 0) + 1
    lots: list[Lot] = []
    seen: dict[Hashable, int] = {}
    for cause in causes:
        share = (seen.get(cause, 0) + 0.5) / totals[cause]
        seen[cause] = seen.get(cause, 0) + 1
        lots.append(
            "train" if share < _TRAIN else "validation" if share < _VALIDATION else "hold_out"
        )
    return lots


def history_problem(causes: Sequence[Hashable], *, least: int) -> str:
    """Why a history is too poor to learn from; empty when it is not.

    Args:
        causes: of its incidents.
        least: incidents that are needed.
    """
    if not causes:
        return f"there are no incidents yet; at least {least} are needed"
    if len(causes) < least:
        return f"there are {len(causes)} incidents; at least {least} are needed"
    common = max(causes.count(cause) for cause in set(causes))
    if len(causes) - common < CAUSE_MIN:
        return (
            f"{common} of {len(causes)} incidents have the same cause; what suits it may harm in "
            f"all others, of which at least {CAUSE_MIN} are needed"
        )
    return ""


class Gain(Struct, frozen=True, kw_only=True):
    """What a candidate gains over the incumbent, as a share of the incumbent's harm.

    Attributes:
        mean: over all incidents.
        low: the least that is credible, one-sided.
        worst: greatest increase among the other objectives; negative when all got less.
    """

    mean: float
    low: float
    worst: float


def gain_of(
    incumbent: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    draw: Callable[[], float],
    *,
    alpha: float = 0.05,
    resamples: int = 1000,
) -> Gain:
    """Compare two configs on the same incidents; the first objective is the harm.

    Args:
        incumbent: objectives by incident, shape (n, m), n >= 1.
        candidate: the same of the candidate.
        draw: uniform chance from 0 to 1.
        alpha: chance that the gain is really less than ``low``.
        resamples: how often the incidents are drawn again.
    """
    count = len(incumbent)
    pairs = [(one[0], one[0] - other[0]) for one, other in zip(incumbent, candidate, strict=True)]
    gains = []
    for _ in range(resamples):
        drawn = [pairs[int(draw() * count)] for _ in range(count)]
        gains.append(_share(sum(won for _, won in drawn), sum(harm for harm, _ in drawn)))
    gains.sort()
    increases = [
        _share(sum(row[at] for row in candidate) - (had := sum(row[at] for row in incumbent)), had)
        for at in range(1, len(incumbent[0]))
    ]
    return Gain(
        mean=_share(sum(won for _, won in pairs), sum(harm for harm, _ in pairs)),
        low=gains[int(alpha * resamples)],
        worst=max(increases, default=0.0),
    )


def _share(part: float, whole: float) -> float:
    """Of nothing, something is all of it: what had no price and now has one got worse by 100 %."""
    if whole > 0.0:
        return part / whole
    return 0.0 if part == 0.0 else (1.0 if part > 0.0 else -1.0)


class Wager:
    """A bet that the mean of values from 0 to 1 is greater than some number.

    Each stake depends on the values before it only. The capital after any number of values is
    evidence: it reaches 20 with a chance of at most 5 % if the mean is not greater.

    Args:
        null: the number.

    Attributes:
        capital: starts at 1.
        values: how many there were.
    """

    __slots__ = ("_mean", "_null", "_square", "capital", "values")

    def __init__(self, null: float) -> None:
        self.capital = 1.0
        self.values = 0
        self._null = null
        # One pretended value in the middle, of a usual spread, so that the first bet is moderate.
        self._mean = null
        self._square = 0.0625

    def take(self, value: float) -> None:
        """Settle the bet on one more value."""
        away = self._mean - self._null
        spread = self._square / (self.values + 1)
        # Half of what would be lost at worst: a bettor who can be ruined learns nothing more.
        stake = min(max(away / (spread + away * away), 0.0), 0.5 / self._null)
        self.capital *= 1.0 + stake * (value - self._null)
        self.values += 1
        step = value - self._mean
        self._mean += step / (self.values + 1)
        self._square += step * (value - self._mean)


class Pairing:
    """Brings incidents of two sides together that have the same cause.

    What has another cause is harder or easier by itself, and comparing it says little. So each
    incident waits for its like; when too many wait, the oldest takes whatever waits longest on the
    other side: chance has drawn who is on which side, so that this is fair, if not sharp. Where
    nobody waits on the other side, it is let go.

    Attributes:
        alike: pairs of the same cause.
        unlike: pairs of different ones.
        dropped: incidents that found nobody.
    """

    __slots__ = ("_waiting", "alike", "dropped", "unlike")

    def __init__(self) -> None:
        self.alike = self.unlike = self.dropped = 0
        self._waiting: tuple[deque[tuple[str, float]], ...] = (deque(), deque())

    def take(self, cause: str, harm: float, *, is_canary: bool) -> tuple[float, float] | None:
        """One more incident; returns a pair (control, canary) when it makes one complete.

        Args:
            cause: as far as it is known; unknown ones are alike.
            harm: from 0 to 1.
            is_canary: on which side it was.
        """
        own, others = self._waiting[is_canary], self._waiting[not is_canary]
        like = next((each for each in others if each[0] == cause), None)
        if like is not None:
            others.remove(like)
            self.alike += 1
            return _in_order(harm, like[1], is_canary=is_canary)
        own.append((cause, harm))
        if len(own) <= _WAITING:
            return None
        _, oldest = own.popleft()
        if not others:
            self.dropped += 1
            return None
        self.unlike += 1
        return _in_order(oldest, others.popleft()[1], is_canary=is_canary)


def _in_order(own: float, other: float, *, is_canary: bool) -> tuple[float, float]:
    return (other, own) if is_canary else (own, other)
